package main

import (
	"context"
	"errors"
	"os"

	"drydock/auth/declare"
	"drydock/auth/identity"
	"drydock/auth/oidc"
	"drydock/storage/meta"
)

// declared makes the identities as the file of --iam declares them and returns
// the issuers of tokens that it names. Without a file there is nothing to do.
func declared(ctx context.Context, s site, identities *identity.Store) ([]oidc.Issuer, error) {
	file := s.cfg.IAM
	if file == "" {
		return nil, nil
	}
	d, err := declare.Read(file, declare.Options{Account: s.cfg.Account, LookupEnv: os.LookupEnv})
	if err != nil {
		return nil, &fileError{err}
	}
	plan, err := d.Plan(ctx, identities)
	if err != nil {
		return nil, &fileError{err}
	}
	err = plan.Apply(ctx, func(change string) {
		s.log.Info("changed as declared", "file", file, "change", change)
	})
	switch {
	case errors.Is(err, meta.ErrFull):
		return nil, err // the disk's fault, and no mistake in the file
	case err != nil:
		return nil, &fileError{err}
	}
	if len(plan.Changes()) == 0 {
		s.log.Info("the identities are as declared", "file", file)
	}
	return d.Issuers(), nil
}
