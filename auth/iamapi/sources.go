package iamapi

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
	"drydock/internal/arn"
)

// sourceOf is the user, group or role of the caller's account whose policies are
// asked for.
func sourceOf(ctx context.Context, source *string) (identity.Entity, error) {
	a, err := arn.Parse(deref(source))
	kind, name, _ := strings.Cut(a.Resource, "/")
	e := identity.Entity{Kind: identity.Kind(kind), Name: name[strings.LastIndexByte(name, '/')+1:]}
	switch {
	case err != nil || a.Service != "iam" || e.Name == "",
		e.Kind != identity.KindUser && e.Kind != identity.KindGroup && e.Kind != identity.KindRole:
		return e, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", deref(source))
	case a.Account != account(ctx):
		return e, noSuchEntity("The %s with name %s cannot be found.", e.Kind, e.Name)
	}
	return e, nil
}

// onSource is the permission to ask for the policies of a user, group or role.
func (s *Service) onSource(ctx context.Context, action string, source *string) ([]awsapi.Need, error) {
	of, err := sourceOf(ctx, source)
	if err != nil {
		return nil, err
	}
	return s.onExisting(ctx, action, of.Kind, &of.Name, nil)
}

// addPrincipal adds all policies of a user, group or role to a simulation: of a
// user also those of its groups, of a user and a role the permissions boundary.
func (s *Service) addPrincipal(ctx context.Context, sim *simulation, of identity.Entity) error {
	r, err := s.store.Resource(ctx, account(ctx), of)
	if err != nil {
		return exception(err)
	}
	sim.subject = policy.Subject{Kind: policy.User, Account: account(ctx)}
	all := []identity.Entity{of}
	if of.Kind == identity.KindUser {
		groups, _, err := s.store.GroupsOf(ctx, account(ctx), of.Name, identity.Page{Limit: identity.GroupsPerUser})
		if err != nil {
			return exception(err)
		}
		for _, g := range groups {
			all = append(all, identity.Entity{Kind: identity.KindGroup, Name: g.Name})
		}
	}
	for _, e := range all {
		if err := s.addPoliciesOf(ctx, sim, e); err != nil {
			return err
		}
	}
	if r.Boundary != "" {
		document, err := s.inForce(ctx, r.Boundary)
		if err != nil {
			return err
		}
		b, err := sim.add(policy.KindBoundary, identity.PolicyName(r.Boundary), document)
		if err != nil {
			return err
		}
		sim.subject.Boundary = &b
	}
	return nil
}

// addPoliciesOf adds the managed and the embedded policies of one record.
func (s *Service) addPoliciesOf(ctx context.Context, sim *simulation, e identity.Entity) error {
	arns, _, err := s.store.Attached(ctx, account(ctx), e, "", identity.Page{Limit: maxItems})
	if err != nil {
		return exception(err)
	}
	for _, a := range arns {
		document, err := s.inForce(ctx, a)
		if err != nil {
			return err
		}
		if err := sim.addIdentity(identity.PolicyName(a), document); err != nil {
			return err
		}
	}
	return s.eachInline(ctx, e, func(name, document string) error {
		return sim.addIdentity(string(e.Kind)+"_"+e.Name+"_"+name, document)
	})
}

// inForce is the document of a managed policy that is in force.
func (s *Service) inForce(ctx context.Context, policyARN string) (string, error) {
	p, err := s.store.Policy(ctx, account(ctx), policyARN)
	if err != nil {
		return "", exception(err)
	}
	v, err := s.store.PolicyVersion(ctx, account(ctx), policyARN, versionID(p.DefaultVersion))
	return v.Document, exception(err)
}

// eachInline gives fn every policy that is embedded in a user, group or role.
func (s *Service) eachInline(ctx context.Context, e identity.Entity, fn func(name, document string) error) error {
	for page := (identity.Page{Limit: maxItems}); ; {
		names, next, err := s.store.InlineNames(ctx, account(ctx), e, page)
		if err != nil {
			return exception(err)
		}
		for _, name := range names {
			document, err := s.store.Inline(ctx, account(ctx), e, name)
			if err != nil {
				return exception(err)
			}
			if err := fn(name, document); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// GetContextKeysForCustomPolicy lists the condition keys that policies ask for.
func (s *Service) GetContextKeysForCustomPolicy(_ context.Context, in *iam.GetContextKeysForCustomPolicyInput) (*iam.GetContextKeysForCustomPolicyOutput, error) {
	var sim simulation
	if err := sim.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForCustomPolicyOutput{ContextKeyNames: sim.contextKeys()}, nil
}

func needsGetContextKeysForCustomPolicy(ctx context.Context, _ *iam.GetContextKeysForCustomPolicyInput) ([]awsapi.Need, error) {
	return anything().needs(ctx, "GetContextKeysForCustomPolicy", nil), nil
}

// GetContextKeysForPrincipalPolicy lists the condition keys that the policies of
// a user, group or role ask for, and those that are given beside them.
func (s *Service) GetContextKeysForPrincipalPolicy(ctx context.Context, in *iam.GetContextKeysForPrincipalPolicyInput) (*iam.GetContextKeysForPrincipalPolicyOutput, error) {
	of, err := sourceOf(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	var sim simulation
	if err := s.addPrincipal(ctx, &sim, of); err != nil {
		return nil, err
	}
	if err := sim.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return &iam.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: sim.contextKeys()}, nil
}

func (s *Service) needsGetContextKeysForPrincipalPolicy(ctx context.Context, in *iam.GetContextKeysForPrincipalPolicyInput) ([]awsapi.Need, error) {
	return s.onSource(ctx, "GetContextKeysForPrincipalPolicy", in.PolicySourceArn)
}

// contextKeys are the condition keys that the policies of a simulation ask for.
func (sim *simulation) contextKeys() []string {
	documents := make([]*policy.Document, 0, len(sim.subject.Identity)+1)
	for _, a := range sim.subject.Identity {
		documents = append(documents, a.Document)
	}
	if sim.subject.Boundary != nil {
		documents = append(documents, sim.subject.Boundary.Document)
	}
	return append([]string{}, policy.ContextKeys(documents...)...)
}
