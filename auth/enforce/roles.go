package enforce

import (
	"context"
	"errors"
	"strings"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
)

// Trusts finds the trust policies of roles. *identity.Store does.
type Trusts interface {
	// Trust reads a role with its trust policy. Errors: *identity.NoSuchError,
	// *identity.InvalidError.
	Trust(ctx context.Context, roleARN string) (identity.Role, *policy.Attached, error)
	// Resource describes a record. Errors: *identity.NoSuchError.
	Resource(ctx context.Context, account string, of identity.Entity) (identity.Resource, error)
}

// Roles are IAM's roles as resources: who may assume one, its trust policy says.
// That policy has no say in who may change the role.
type Roles struct{ Trusts Trusts }

var _ Resources = Roles{}

// Access implements Resources.
func (r Roles) Access(ctx context.Context, q auth.Request) (Access, error) {
	if !strings.HasPrefix(q.Action, "sts:") || !strings.Contains(q.Resource, ":role/") {
		return Access{}, nil
	}
	a, err := r.read(ctx, q.Resource)
	var none *identity.NoSuchError
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &none), errors.As(err, &invalid):
		// A role that is nowhere lets nobody in, in the words of one that does
		// not let the caller in: who guesses names learns nothing.
		return Access{Policy: &policy.Attached{Kind: policy.KindTrust, Document: new(policy.Document)}}, nil
	case err != nil:
		return Access{}, err
	}
	return a, nil
}

func (r Roles) read(ctx context.Context, roleARN string) (Access, error) {
	role, trust, err := r.Trusts.Trust(ctx, roleARN)
	if err != nil {
		return Access{}, err
	}
	resource, err := r.Trusts.Resource(ctx, role.Account, identity.Entity{Kind: identity.KindRole, Name: role.Name})
	return Access{Policy: trust, Tags: resource.Tags}, err
}
