package iamapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
	"drydock/internal/arn"
)

func (s *Service) simulatorOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("SimulateCustomPolicy", s.SimulateCustomPolicy, needsSimulateCustomPolicy),
		awsapi.Op("SimulatePrincipalPolicy", s.SimulatePrincipalPolicy, s.needsSimulatePrincipalPolicy),
		awsapi.Op("GetContextKeysForCustomPolicy", s.GetContextKeysForCustomPolicy, needsGetContextKeysForCustomPolicy),
		awsapi.Op("GetContextKeysForPrincipalPolicy", s.GetContextKeysForPrincipalPolicy, s.needsGetContextKeysForPrincipalPolicy),
	}
}

// SimulateCustomPolicy decides what policies that are given in the request would
// allow.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	if len(in.OrderedOrganizationPolicyInputList) > 0 {
		return nil, invalidInput("drydock does not simulate an organization's hierarchy of service control policies.")
	}
	sim := simulation{account: account(ctx), subject: policy.Subject{Kind: policy.User, Account: account(ctx)}}
	if err := sim.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	if err := sim.asked(scenario{in.CallerArn, in.ResourceOwner, in.ResourcePolicy, in.PermissionsBoundaryPolicyInputList, in.ContextEntries}); err != nil {
		return nil, err
	}
	l := list(ctx, "SimulateCustomPolicy", in.PolicyInputList, in.ActionNames, in.ResourceArns)
	results, next, err := sim.page(l, in.ActionNames, in.ResourceArns, in.Marker, in.MaxItems)
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: results, IsTruncated: next != nil, Marker: next}, err
}

func needsSimulateCustomPolicy(ctx context.Context, _ *iam.SimulateCustomPolicyInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "SimulateCustomPolicy", nil), nil
}

// SimulatePrincipalPolicy decides what a user, group or role may do with the
// policies that it has, and with those that are given beside them.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	of, err := sourceOf(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	sim := simulation{account: account(ctx), guardrails: s.guardrails}
	if err := s.addPrincipal(ctx, &sim, of); err != nil {
		return nil, err
	}
	if err := sim.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	caller := in.CallerArn
	if caller == nil && of.Kind != identity.KindGroup {
		caller = in.PolicySourceArn
	}
	if err := sim.asked(scenario{caller, in.ResourceOwner, in.ResourcePolicy, in.PermissionsBoundaryPolicyInputList, in.ContextEntries}); err != nil {
		return nil, err
	}
	l := list(ctx, "SimulatePrincipalPolicy", *in.PolicySourceArn, in.PolicyInputList, in.ActionNames, in.ResourceArns)
	results, next, err := sim.page(l, in.ActionNames, in.ResourceArns, in.Marker, in.MaxItems)
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: results, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsSimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput) ([]awsapi.Need, error) {
	return s.onSource(ctx, "SimulatePrincipalPolicy", in.PolicySourceArn)
}

// simulation is a question to the policy engine of which all is known but action
// and resource.
type simulation struct {
	// account is that of who asks, owner that of resources whose ARN does not
	// say whose they are.
	account, owner string
	subject        policy.Subject
	resource       *policy.Attached
	guardrails     []policy.Attached
	keys           policy.MapKeys
	// sources tells of each policy, by the name it has in the simulation, what
	// IAM calls it.
	sources map[string]source
}

// source is where a statement comes from, as answers name it.
type source struct {
	id   string
	kind types.PolicySourceType
}

// sourceIAM is what IAM is seen to answer for policies of users, groups and roles
// and for those that come with the request; its documentation lists other values.
const sourceIAM types.PolicySourceType = "IAM Policy"

// add names a document and puts it into its place.
func (sim *simulation) add(kind policy.Kind, id, document string) (policy.Attached, error) {
	use, from := policy.Identity, sourceIAM
	if kind == policy.KindResource {
		use, from = policy.Resource, types.PolicySourceTypeResource
	}
	d, err := policy.Parse([]byte(document), use)
	if err != nil {
		return policy.Attached{}, invalidInput("%s: %s", id, err)
	}
	if sim.sources == nil {
		sim.sources = map[string]source{}
	}
	name := strconv.Itoa(len(sim.sources))
	sim.sources[name] = source{id, from}
	return policy.Attached{Kind: kind, Name: name, Document: d}, nil
}

// addIdentity adds a policy that the subject has.
func (sim *simulation) addIdentity(id, document string) error {
	a, err := sim.add(policy.KindIdentity, id, document)
	if err == nil {
		sim.subject.Identity = append(sim.subject.Identity, a)
	}
	return err
}

// addInputs adds the policies that come with the request.
func (sim *simulation) addInputs(documents []string) error {
	for i, d := range documents {
		if err := sim.addIdentity(fmt.Sprintf("PolicyInputList.%d", i+1), d); err != nil {
			return err
		}
	}
	return nil
}

// scenario is what both simulations take beside the policies.
type scenario struct {
	caller, owner, resourcePolicy *string
	boundaries                    []string
	entries                       []types.ContextEntry
}

// asked completes a simulation by what the request says.
func (sim *simulation) asked(in scenario) error {
	if in.resourcePolicy != nil && in.caller == nil {
		return invalidInput("CallerArn is required when a ResourcePolicy is given: its Principal is compared with it.")
	}
	if in.caller != nil {
		if err := sim.callBy(*in.caller); err != nil {
			return err
		}
	}
	sim.owner = sim.subject.Account
	if in.owner != nil {
		a, err := arn.Parse(*in.owner)
		if err != nil || a.Resource != "root" {
			return invalidInput("ResourceOwner is the ARN of an account's root, not %s.", *in.owner)
		}
		sim.owner = a.Account
	}
	if len(in.boundaries) > 1 {
		return invalidInput("A simulation has one permissions boundary.")
	}
	for _, d := range in.boundaries {
		b, err := sim.add(policy.KindBoundary, "PermissionsBoundaryPolicyInputList.1", d)
		if err != nil {
			return err
		}
		sim.subject.Boundary = &b
	}
	if in.resourcePolicy != nil {
		r, err := sim.add(policy.KindResource, "ResourcePolicy", *in.resourcePolicy)
		if err != nil {
			return err
		}
		sim.resource = &r
	}
	sim.keys = policy.MapKeys{}
	for _, e := range in.entries {
		sim.keys[strings.ToLower(deref(e.ContextKeyName))] = e.ContextKeyValues
	}
	return nil
}

// callBy sets whom resource policies see.
func (sim *simulation) callBy(caller string) error {
	a, err := arn.Parse(caller)
	kind, name, _ := strings.Cut(a.Resource, "/")
	if err != nil || a.Service != "iam" || name == "" {
		return invalidInput("CallerArn is the ARN of a user or role, not %s.", caller)
	}
	sim.subject.Account = a.Account
	switch identity.Kind(kind) {
	case identity.KindUser:
		sim.subject.Kind, sim.subject.ARN = policy.User, caller
	case identity.KindRole:
		// The role itself calls nothing: it is asked for as a session of it.
		role := name[strings.LastIndexByte(name, '/')+1:]
		sim.subject.Kind, sim.subject.RoleARN = policy.AssumedRole, caller
		sim.subject.ARN = "arn:aws:sts::" + a.Account + ":assumed-role/" + role + "/simulated"
	default:
		return invalidInput("CallerArn is the ARN of a user or role, not %s.", caller)
	}
	return nil
}

// maxWork is how often statements are asked about resources for one page. Each
// time may leave a kilobyte in the answer, and a short request can ask for
// millions.
const maxWork = 1 << 17

// statements counts those that are asked about each action and resource.
func (sim *simulation) statements() (n int) {
	policies := slices.Concat(sim.subject.Identity, sim.guardrails)
	for _, p := range []*policy.Attached{sim.subject.Boundary, sim.resource} {
		if p != nil {
			policies = append(policies, *p)
		}
	}
	for _, p := range policies {
		n += len(p.Document.Statements)
	}
	return n
}

// page simulates a part of the actions: fewer than are asked for where there are
// many resources and statements.
func (sim *simulation) page(l listing, actions, resources []string, marker *string, items *int32) ([]types.EvaluationResult, *string, error) {
	for _, a := range actions {
		service, name, ok := strings.Cut(a, ":")
		if !ok || service == "" || name == "" || strings.ContainsAny(a, "*?") {
			return nil, nil, invalidInput("Invalid action name %s: it is the name of a service and that of an operation, without wildcards.", a)
		}
	}
	page, err := l.page(marker, items)
	if err != nil {
		return nil, nil, err
	}
	from := 0
	if page.After != "" {
		if from, err = strconv.Atoi(page.After); err != nil || from < 0 || from > len(actions) {
			return nil, nil, invalidParameter("Invalid Marker.")
		}
	}
	work := max(len(resources), 1) * (sim.statements() + 1)
	if work > maxWork {
		return nil, nil, invalidInput("There are too many resources and statements to simulate at once: their product is %d at most.", maxWork)
	}
	to := min(from+min(page.Limit, maxWork/work), len(actions))
	results := make([]types.EvaluationResult, 0, to-from)
	for _, a := range actions[from:to] {
		results = append(results, sim.result(a, resources))
	}
	if to == len(actions) {
		return results, nil, nil
	}
	return results, l.marker(strconv.Itoa(to)), nil
}
