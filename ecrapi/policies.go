package ecrapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/awsapi"
	"drydock/storage"
)

// Policies tells what a policy would mean before it is set.
type Policies interface {
	// AllowedUnder reports whether a request would be allowed if the resource
	// had this policy instead of its own.
	AllowedUnder(ctx context.Context, r auth.Request, resourcePolicy *policy.Document) (bool, error)
	// PrincipalExists reports whether there is whom an AWS principal names.
	PrincipalExists(ctx context.Context, principal string) (bool, error)
}

// GetRepositoryPolicy returns the policy of a repository as it was set.
func (s *Service) GetRepositoryPolicy(ctx context.Context, in *ecr.GetRepositoryPolicyInput) (*ecr.GetRepositoryPolicyOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	document, err := s.engine.RepositoryPolicy(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.GetRepositoryPolicyOutput{RegistryId: &ref.Account, RepositoryName: &ref.Name, PolicyText: &document}, nil
}

func needsGetRepositoryPolicy(ctx context.Context, in *ecr.GetRepositoryPolicyInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:GetRepositoryPolicy"), nil
}

// SetRepositoryPolicy gives a repository a policy. One under which the caller
// could not set another is refused unless it is forced.
func (s *Service) SetRepositoryPolicy(ctx context.Context, in *ecr.SetRepositoryPolicyInput) (*ecr.SetRepositoryPolicyOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	document, err := s.parsePolicy(ctx, *in.PolicyText, policy.Repository, "repository")
	if err != nil {
		return nil, err
	}
	if !in.Force {
		err := s.checkLockOut(ctx, needOn(ref, "ecr:SetRepositoryPolicy")[0], document)
		if err != nil {
			return nil, err
		}
	}
	if err := s.engine.SetRepositoryPolicy(ctx, ref, *in.PolicyText); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.SetRepositoryPolicyOutput{RegistryId: &ref.Account, RepositoryName: &ref.Name, PolicyText: in.PolicyText}, nil
}

func needsSetRepositoryPolicy(ctx context.Context, in *ecr.SetRepositoryPolicyInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:SetRepositoryPolicy"), nil
}

func (s *Service) checkLockOut(ctx context.Context, n awsapi.Need, document *policy.Document) error {
	call := awsapi.CallFrom(ctx)
	ok, err := s.policies.AllowedUnder(ctx, auth.Request{
		Principal: call.Principal, Action: n.Action, Resource: n.Resource, ResourceAccount: n.ResourceAccount, Region: call.Region,
	}, document)
	if err == nil && !ok {
		return invalidParameter("PolicyText",
			"The new repository policy will not allow you to update the repository policy in the future; use force to set it all the same")
	}
	return err
}

// DeleteRepositoryPolicy takes the policy of a repository away.
func (s *Service) DeleteRepositoryPolicy(ctx context.Context, in *ecr.DeleteRepositoryPolicyInput) (*ecr.DeleteRepositoryPolicyOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	document, err := s.engine.DeleteRepositoryPolicy(ctx, ref)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.DeleteRepositoryPolicyOutput{RegistryId: &ref.Account, RepositoryName: &ref.Name, PolicyText: &document}, nil
}

func needsDeleteRepositoryPolicy(ctx context.Context, in *ecr.DeleteRepositoryPolicyInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:DeleteRepositoryPolicy"), nil
}

// GetRegistryPolicy returns the policy of the caller's registry as it was set.
func (s *Service) GetRegistryPolicy(ctx context.Context, _ *ecr.GetRegistryPolicyInput) (*ecr.GetRegistryPolicyOutput, error) {
	scope := scopeOf(ctx, nil)
	document, err := s.engine.RegistryPolicy(ctx, scope)
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: scope}})
	}
	return &ecr.GetRegistryPolicyOutput{RegistryId: &scope.Account, PolicyText: &document}, nil
}

func needsGetRegistryPolicy(ctx context.Context, _ *ecr.GetRegistryPolicyInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:GetRegistryPolicy"), nil
}

// PutRegistryPolicy gives the caller's registry a policy, which holds for all of
// its repositories.
func (s *Service) PutRegistryPolicy(ctx context.Context, in *ecr.PutRegistryPolicyInput) (*ecr.PutRegistryPolicyOutput, error) {
	scope := scopeOf(ctx, nil)
	if _, err := s.parsePolicy(ctx, *in.PolicyText, policy.Resource, "registry"); err != nil {
		return nil, err
	}
	if err := s.engine.SetRegistryPolicy(ctx, scope, *in.PolicyText); err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: scope}})
	}
	return &ecr.PutRegistryPolicyOutput{RegistryId: &scope.Account, PolicyText: in.PolicyText}, nil
}

func needsPutRegistryPolicy(ctx context.Context, _ *ecr.PutRegistryPolicyInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:PutRegistryPolicy"), nil
}

// DeleteRegistryPolicy takes the policy of the caller's registry away.
func (s *Service) DeleteRegistryPolicy(ctx context.Context, _ *ecr.DeleteRegistryPolicyInput) (*ecr.DeleteRegistryPolicyOutput, error) {
	scope := scopeOf(ctx, nil)
	document, err := s.engine.DeleteRegistryPolicy(ctx, scope)
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: scope}})
	}
	return &ecr.DeleteRegistryPolicyOutput{RegistryId: &scope.Account, PolicyText: &document}, nil
}

func needsDeleteRegistryPolicy(ctx context.Context, _ *ecr.DeleteRegistryPolicyInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DeleteRegistryPolicy"), nil
}

// parsePolicy checks a policy of a repository or registry. Amazon's sentence says
// no more than that it is invalid; what is wrong with it stands behind.
func (s *Service) parsePolicy(ctx context.Context, text string, use policy.Use, of string) (*policy.Document, error) {
	document, err := policy.Parse([]byte(text), use)
	var wrong *policy.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return nil, invalidParameter("PolicyText", "Invalid %s policy provided: %s", of, wrong.Detail)
	case err != nil:
		return nil, fmt.Errorf("read the policy of a %s: %w", of, err)
	}
	for _, st := range document.Statements {
		// The engine could decide by it, but Amazon takes none.
		if use == policy.Repository && st.NamesResource() {
			return nil, invalidParameter("PolicyText", "Invalid %s policy provided: a statement has a Resource, which here is the repository itself", of)
		}
	}
	for _, p := range document.Principals() {
		if p.Type != policy.PrincipalAWS {
			continue
		}
		switch known, err := s.policies.PrincipalExists(ctx, p.Name); {
		case err != nil:
			return nil, fmt.Errorf("look for the principal %s: %w", p.Name, err)
		case !known:
			return nil, invalidParameter("PolicyText", "Principal not found: %s", p.Name)
		}
	}
	return document, nil
}
