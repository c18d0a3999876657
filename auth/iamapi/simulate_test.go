package iamapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/policy"
)

// statements makes a document of statements without their common parts.
func statements(list ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
}

// worded is what came out of a simulation: the decision and the statements that led
// to it, as policy:line:column.
func worded(d types.PolicyEvaluationDecisionType, matched []types.Statement, missing []string) string {
	out := []string{string(d)}
	for _, m := range matched {
		out = append(out, fmt.Sprintf("%s:%d:%d", *m.SourcePolicyId, m.StartPosition.Line, m.StartPosition.Column))
	}
	for _, m := range missing {
		out = append(out, "missing "+m)
	}
	return strings.Join(out, " ")
}

const (
	teamA    = "arn:aws:ecr:eu-west-1:123456789012:repository/team-a/x"
	teamB    = "arn:aws:ecr:eu-west-1:123456789012:repository/team-b/x"
	foreign  = "arn:aws:ecr:eu-west-1:222233334444:repository/x"
	pullA    = `{"Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"arn:aws:ecr:*:*:repository/team-a/*"}`
	pullAll  = `{"Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"*"}`
	denyB    = `{"Effect":"Deny","Action":"ecr:*","Resource":"arn:aws:ecr:*:*:repository/team-b/*"}`
	pullLab  = `{"Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/Env":"lab"}}}`
	pullName = `{"Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"arn:aws:ecr:*:*:repository/${aws:username}/*"}`
)

func TestPoliciesThatAreGivenAreSimulated(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	must(h.root().CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("dev")}))(t)
	tag := func(key string, values ...string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: &key, ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: values}}
	}
	dev := aws.String("arn:aws:iam::123456789012:user/dev")
	for about, c := range map[string]struct {
		in   iam.SimulateCustomPolicyInput
		want string
	}{
		"allowed":               {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll)}}, "allowed PolicyInputList.1:1:38"},
		"nothing allows it":     {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullA)}}, "implicitDeny"},
		"on a resource":         {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullA)}, ResourceArns: []string{teamA}}, "allowed PolicyInputList.1:1:38"},
		"on another resource":   {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullA)}, ResourceArns: []string{teamB}}, "implicitDeny"},
		"all that allow it":     {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullA), statements(denyB, pullAll)}, ResourceArns: []string{teamA}}, fmt.Sprintf("allowed PolicyInputList.1:1:38 PolicyInputList.2:1:%d", 38+len(denyB)+1)},
		"a denial alone":        {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll, denyB)}, ResourceArns: []string{teamB}}, fmt.Sprintf("explicitDeny PolicyInputList.1:1:%d", 38+len(pullAll)+1)},
		"a boundary in the way": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll)}, PermissionsBoundaryPolicyInputList: []string{statements(pullA)}, ResourceArns: []string{teamB}}, "implicitDeny"},
		"within a boundary":     {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll)}, PermissionsBoundaryPolicyInputList: []string{statements(pullA)}, ResourceArns: []string{teamA}}, "allowed PolicyInputList.1:1:38"},
		"a key that is missing": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullLab)}}, "implicitDeny missing aws:PrincipalTag/Env"},
		"a key that is given":   {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullLab)}, ContextEntries: tag("aws:principaltag/env", "lab")}, "allowed PolicyInputList.1:1:38"},
		"a key that differs":    {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullLab)}, ContextEntries: tag("aws:PrincipalTag/Env", "prod")}, "implicitDeny"},
		"a variable":            {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullName)}, ContextEntries: tag("aws:username", "team-a"), ResourceArns: []string{teamA}}, "allowed PolicyInputList.1:1:38"},
		"a resource policy": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(denyB)}, CallerArn: dev, ResourceArns: []string{teamA},
			ResourcePolicy: aws.String(statements(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/dev"},"Action":"ecr:*","Resource":"*"}`))}, "allowed ResourcePolicy:1:38"},
		"another account's resource": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll)}, CallerArn: dev, ResourceArns: []string{foreign}}, "implicitDeny"},
		"another account's resource, opened": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(pullAll)}, CallerArn: dev, ResourceArns: []string{foreign},
			ResourcePolicy: aws.String(statements(`{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"ecr:*","Resource":"*"}`))}, "allowed PolicyInputList.1:1:38 ResourcePolicy:1:38"},
		"a role as caller": {iam.SimulateCustomPolicyInput{PolicyInputList: []string{statements(denyB)}, CallerArn: aws.String("arn:aws:iam::123456789012:role/ops/ci"), ResourceArns: []string{teamA},
			ResourcePolicy: aws.String(statements(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/ops/ci"},"Action":"ecr:*","Resource":"*"}`))}, "allowed ResourcePolicy:1:38"},
	} {
		c.in.ActionNames = []string{"ecr:BatchGetImage"}
		out := must(h.root().SimulateCustomPolicy(ctx, &c.in))(t)
		r := out.EvaluationResults[0]
		got := worded(r.EvalDecision, r.MatchedStatements, r.MissingContextValues)
		if words, want := strings.Fields(got), strings.Fields(c.want); !sameWords(words, want) {
			t.Errorf("%s: %s, want %s", about, got, c.want)
		}
		if len(c.in.ResourceArns) == 1 {
			if len(r.ResourceSpecificResults) != 1 || *r.EvalResourceName != c.in.ResourceArns[0] || r.EvalDecisionDetails == nil ||
				worded(r.ResourceSpecificResults[0].EvalResourceDecision, r.ResourceSpecificResults[0].MatchedStatements, nil) != worded(r.EvalDecision, r.MatchedStatements, nil) {
				t.Errorf("%s: of the resource it says %+v", about, r.ResourceSpecificResults)
			}
		} else if r.ResourceSpecificResults != nil || *r.EvalResourceName != "*" || r.EvalDecisionDetails != nil {
			t.Errorf("%s: it says %+v", about, r)
		}
		if b := r.PermissionsBoundaryDecisionDetail; (b != nil) != (c.in.PermissionsBoundaryPolicyInputList != nil) || b != nil && b.AllowedByPermissionsBoundary != strings.HasPrefix(c.want, "allowed") {
			t.Errorf("%s: of the boundary it says %+v", about, b)
		}
	}
}

func TestOfSeveralResourcesTheHardestDecisionStandsAbove(t *testing.T) {
	h := newHouse(t)
	out := must(h.root().SimulateCustomPolicy(t.Context(), &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{statements(pullAll, denyB)}, ActionNames: []string{"ecr:BatchGetImage", "ecr:PutImage"}, ResourceArns: []string{teamA, teamB, foreign},
	}))(t)
	if len(out.EvaluationResults) != 2 {
		t.Fatalf("%d results", len(out.EvaluationResults))
	}
	var got []string
	for _, r := range out.EvaluationResults {
		got = append(got, *r.EvalActionName+" "+string(r.EvalDecision))
		for _, s := range r.ResourceSpecificResults {
			got = append(got, *s.EvalResourceName+" "+string(s.EvalResourceDecision))
		}
	}
	want := []string{
		"ecr:BatchGetImage explicitDeny", teamA + " allowed", teamB + " explicitDeny", foreign + " implicitDeny",
		"ecr:PutImage explicitDeny", teamA + " implicitDeny", teamB + " explicitDeny", foreign + " implicitDeny",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if m := out.EvaluationResults[0].MatchedStatements; len(m) != 1 || int(m[0].StartPosition.Column) != 38+len(pullAll)+1 {
		t.Errorf("above stands %+v", m)
	}
}

func TestThePoliciesOfAPrincipalAreSimulated(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	dev, ops, ci := aws.String("dev"), aws.String("ops"), aws.String("ci")
	p := must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("pull"), PolicyDocument: aws.String(statements(pullA))}))(t).Policy
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: dev, Path: aws.String("/x/")}))(t)
	must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: ops}))(t)
	must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: ops, UserName: dev}))(t)
	must(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: dev, PolicyArn: p.Arn}))(t)
	must(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: ops, PolicyName: aws.String("no-b"), PolicyDocument: aws.String(statements(denyB))}))(t)
	must(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: ops, PolicyArn: aws.String(readOnlyARN)}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: ci, AssumeRolePolicyDocument: aws.String(trustDocument), PermissionsBoundary: p.Arn}))(t)
	must(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: ci, PolicyName: aws.String("all"), PolicyDocument: aws.String(statements(pullAll))}))(t)
	user, group, role := "arn:aws:iam::123456789012:user/x/dev", "arn:aws:iam::123456789012:group/ops", "arn:aws:iam::123456789012:role/ci"
	for about, c := range map[string]struct {
		of, action, resource string
		more                 []string
		want                 string
	}{
		"a managed policy and the group's": {user, "ecr:BatchGetImage", teamA, nil, "allowed pull:1:38 AmazonEC2ContainerRegistryReadOnly:4:9"},
		"the group's denial":               {user, "ecr:BatchGetImage", teamB, nil, "explicitDeny group_ops_no-b:1:38"},
		"nobody's":                         {user, "ecr:PutImage", teamA, nil, "implicitDeny"},
		"one given beside them":            {user, "ecr:PutImage", teamA, []string{anyDocument}, "allowed PolicyInputList.1:1:38"},
		"a group":                          {group, "ecr:BatchGetImage", teamA, nil, "allowed AmazonEC2ContainerRegistryReadOnly:4:9"},
		"a role within its boundary":       {role, "ecr:BatchGetImage", teamA, nil, "allowed role_ci_all:1:38"},
		"a role beyond its boundary":       {role, "ecr:BatchGetImage", teamB, nil, "implicitDeny"},
	} {
		out := must(h.root().SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: &c.of, ActionNames: []string{c.action}, ResourceArns: []string{c.resource}, PolicyInputList: c.more,
		}))(t)
		r := out.EvaluationResults[0]
		if got := worded(r.EvalDecision, r.MatchedStatements, r.MissingContextValues); !sameWords(strings.Fields(got), strings.Fields(c.want)) {
			t.Errorf("%s: %s, want %s", about, got, c.want)
		}
	}
}

// sameWords compares without regard to order.
func sameWords(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestGuardrailsOfTheServerAreSimulatedToo(t *testing.T) {
	h := newHouse(t)
	ctx := asRoot(t.Context())
	must(h.root().CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("dev")}))(t)
	must(h.root().PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("dev"), PolicyName: aws.String("all"), PolicyDocument: aws.String(anyDocument)}))(t)
	rail := must(policy.Parse([]byte(statements(pullA)), policy.Guardrail))(t)
	s := must(New(Options{Store: h.store, Guardrails: []policy.Attached{{Kind: policy.KindGuardrail, Name: "guardrail", Document: rail}}}))(t)
	for resource, want := range map[string]bool{teamA: true, teamB: false} {
		out := must(s.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: aws.String("arn:aws:iam::123456789012:user/dev"), ActionNames: []string{"ecr:BatchGetImage"}, ResourceArns: []string{resource},
		}))(t)
		r := out.EvaluationResults[0]
		if (r.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed) != want || r.OrganizationsDecisionDetail == nil || r.OrganizationsDecisionDetail.AllowedByOrganizations != want {
			t.Errorf("%s: %s, %+v", resource, r.EvalDecision, r.OrganizationsDecisionDetail)
		}
	}
}

func TestSimulationsComeInPages(t *testing.T) {
	h := newHouse(t)
	var got []string
	for p := iam.NewSimulateCustomPolicyPaginator(h.root(), &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{anyDocument}, ActionNames: []string{"a:A", "b:B", "c:C"}, MaxItems: aws.Int32(2),
	}); p.HasMorePages(); {
		page := must(p.NextPage(t.Context()))(t)
		for _, r := range page.EvaluationResults {
			got = append(got, *r.EvalActionName)
		}
		got = append(got, "|")
	}
	if want := []string{"a:A", "b:B", "|", "c:C", "|"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAShortRequestDoesNotMakeALongSimulation(t *testing.T) {
	var sim simulation
	if err := sim.addIdentity("p", anyDocument); err != nil {
		t.Fatal(err)
	}
	actions, resources := make([]string, 1000), make([]string, 400)
	for i := range actions {
		actions[i] = fmt.Sprintf("a:A%d", i)
	}
	for i := range resources {
		resources[i] = fmt.Sprintf("arn:aws:s3:::b%d", i)
	}
	l := listing{operation: "SimulateCustomPolicy"}
	simulated, pages := 0, 0
	for marker := (*string)(nil); pages == 0 || marker != nil; pages++ {
		var some []types.EvaluationResult
		var err error
		if some, marker, err = sim.page(l, actions, resources, marker, aws.Int32(maxItems)); err != nil {
			t.Fatal(err)
		}
		if n := len(some) * len(resources); n > maxWork {
			t.Fatalf("%d results on a page", n)
		}
		simulated += len(some)
	}
	if simulated != len(actions) || pages < 5 {
		t.Errorf("%d actions on %d pages", simulated, pages)
	}
	if _, _, err := sim.page(l, actions[:1], make([]string, maxWork), nil, nil); err == nil {
		t.Error("an action on very many resources is simulated at once")
	}
	if _, _, err := sim.page(l, actions, nil, l.marker("-1"), nil); err == nil {
		t.Error("a place before the first is one")
	}
}

func TestContextKeysAreFoundInPolicies(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	got := must(c.GetContextKeysForCustomPolicy(ctx, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{statements(pullLab, pullName), statements(pullAll)}}))(t)
	if want := []string{"aws:PrincipalTag/Env", "aws:username"}; !slices.Equal(got.ContextKeyNames, want) {
		t.Errorf("in policies given: %q", got.ContextKeyNames)
	}
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("dev")}))(t)
	must(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("dev"), PolicyName: aws.String("p"), PolicyDocument: aws.String(statements(pullName))}))(t)
	of := must(c.GetContextKeysForPrincipalPolicy(ctx, &iam.GetContextKeysForPrincipalPolicyInput{
		PolicySourceArn: aws.String("arn:aws:iam::123456789012:user/dev"), PolicyInputList: []string{statements(pullLab)},
	}))(t)
	if want := []string{"aws:PrincipalTag/Env", "aws:username"}; !slices.Equal(of.ContextKeyNames, want) {
		t.Errorf("in those of the user: %q", of.ContextKeyNames)
	}
}

func TestSimulationsRefuseWhatTheyCannotSimulate(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	custom := func(change func(*iam.SimulateCustomPolicyInput)) string {
		in := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{anyDocument}, ActionNames: []string{"ecr:PutImage"}}
		change(in)
		return refused(c.SimulateCustomPolicy(ctx, in))
	}
	of := func(source string) string {
		return refused(c.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{"ecr:PutImage"}}))
	}
	for about, c := range map[string]struct{ got, want string }{
		"a malformed policy":           {custom(func(in *iam.SimulateCustomPolicyInput) { in.PolicyInputList = []string{anyDocument, "{"} }), "InvalidInput: PolicyInputList.2: Syntax errors in policy."},
		"an action with a wildcard":    {custom(func(in *iam.SimulateCustomPolicyInput) { in.ActionNames = []string{"ecr:*"} }), "InvalidInput: Invalid action name ecr:*: it is the name of a service and that of an operation, without wildcards."},
		"an action without a service":  {custom(func(in *iam.SimulateCustomPolicyInput) { in.ActionNames = []string{"PutImage"} }), "InvalidInput: Invalid action name PutImage: it is the name of a service and that of an operation, without wildcards."},
		"a resource policy for nobody": {custom(func(in *iam.SimulateCustomPolicyInput) { in.ResourcePolicy = aws.String(anyDocument) }), "InvalidInput: CallerArn is required when a ResourcePolicy is given: its Principal is compared with it."},
		"a caller that is none":        {custom(func(in *iam.SimulateCustomPolicyInput) { in.CallerArn = aws.String("arn:aws:iam::123456789012:root") }), "InvalidInput: CallerArn is the ARN of a user or role, not arn:aws:iam::123456789012:root."},
		"an owner that is none":        {custom(func(in *iam.SimulateCustomPolicyInput) { in.ResourceOwner = aws.String("123456789012") }), "InvalidInput: ResourceOwner is the ARN of an account's root, not 123456789012."},
		"two boundaries": {custom(func(in *iam.SimulateCustomPolicyInput) {
			in.PermissionsBoundaryPolicyInputList = []string{anyDocument, anyDocument}
		}), "InvalidInput: A simulation has one permissions boundary."},
		"a hierarchy of service control policies": {custom(func(in *iam.SimulateCustomPolicyInput) {
			in.OrderedOrganizationPolicyInputList = []types.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{anyDocument}}}
		}), "InvalidInput: drydock does not simulate an organization's hierarchy of service control policies."},
		"a user that does not exist":  {of("arn:aws:iam::123456789012:user/none"), "NoSuchEntity: The user with name none cannot be found."},
		"a user of another account":   {of("arn:aws:iam::222233334444:user/dev"), "NoSuchEntity: The user with name dev cannot be found."},
		"neither user, group or role": {of("arn:aws:iam::123456789012:policy/pull"), "InvalidInput: Invalid Entity Arn: arn:aws:iam::123456789012:policy/pull does not clearly define entity type and name."},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
}
