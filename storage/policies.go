package storage

import (
	"context"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// Access is what a repository and its registry say about who may use it. The engine
// keeps it; what it means is not its business.
type Access = meta.Access

// Access reads what a repository and its registry say about access. A repository
// that does not exist says nothing.
func (r *Registry) Access(ctx context.Context, ref Ref) (Access, error) {
	a, err := meta.ReadAccess(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, resourceARN(ref))
	if err != nil {
		return Access{}, fmt.Errorf("read who may use %s: %w", ref.Name, err)
	}
	return a, nil
}

// Revision tells whether anything was changed since; see meta.DB.
func (r *Registry) Revision() (n uint64, ok bool) { return r.db.Revision() }

// RepositoryPolicy reads the policy of a repository. Errors:
// *RepositoryUnknownError, *PolicyUnknownError.
func (r *Registry) RepositoryPolicy(ctx context.Context, ref Ref) (string, error) {
	repo, err := repositoryID(ctx, r.db.Reader(), ref)
	if err != nil {
		return "", err
	}
	document, err := meta.RepositoryPolicy(ctx, r.db.Reader(), repo)
	return document, policyError(ref, "read", err)
}

// SetRepositoryPolicy gives a repository a policy. Errors:
// *RepositoryUnknownError.
func (r *Registry) SetRepositoryPolicy(ctx context.Context, ref Ref, document string) error {
	return r.write(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		return policyError(ref, "set", meta.SetRepositoryPolicy(ctx, q, repo, document))
	})
}

// DeleteRepositoryPolicy takes the policy of a repository away and returns it.
// Errors: *RepositoryUnknownError, *PolicyUnknownError.
func (r *Registry) DeleteRepositoryPolicy(ctx context.Context, ref Ref) (document string, err error) {
	err = r.write(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		if document, err = meta.RepositoryPolicy(ctx, q, repo); err == nil {
			_, err = meta.DeleteRepositoryPolicy(ctx, q, repo)
		}
		return policyError(ref, "delete", err)
	})
	return document, err
}

// RegistryPolicy reads the policy of a registry. Errors: *PolicyUnknownError.
func (r *Registry) RegistryPolicy(ctx context.Context, of Scope) (string, error) {
	document, err := meta.RegistryPolicy(ctx, r.db.Reader(), of.Account, of.Region)
	return document, policyError(Ref{Scope: of}, "read", err)
}

// SetRegistryPolicy gives a registry a policy.
func (r *Registry) SetRegistryPolicy(ctx context.Context, of Scope, document string) error {
	return r.write(ctx, func(q meta.Querier) error {
		return policyError(Ref{Scope: of}, "set", meta.SetRegistryPolicy(ctx, q, of.Account, of.Region, document))
	})
}

// DeleteRegistryPolicy takes the policy of a registry away and returns it.
// Errors: *PolicyUnknownError.
func (r *Registry) DeleteRegistryPolicy(ctx context.Context, of Scope) (document string, err error) {
	err = r.write(ctx, func(q meta.Querier) error {
		if document, err = meta.RegistryPolicy(ctx, q, of.Account, of.Region); err == nil {
			_, err = meta.DeleteRegistryPolicy(ctx, q, of.Account, of.Region)
		}
		return policyError(Ref{Scope: of}, "delete", err)
	})
	return document, err
}

func policyError(ref Ref, doing string, err error) error {
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return &PolicyUnknownError{ref}
	case err != nil:
		return fmt.Errorf("%s the policy of %s: %w", doing, ref.Name, err)
	}
	return nil
}
