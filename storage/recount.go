package storage

import (
	"context"
	"fmt"

	"drydock/storage/meta"
)

// Miscount is a repository or, where Ref has no name, an account that has been
// charged for something else than it holds.
type Miscount struct {
	Ref           Ref
	Held, Charged Amount
}

// Recount counts what a repository holds, and returns what is wrong with what it has
// been charged for, nil when nothing is. mend puts that right, and the account's
// with it by as much. Errors: *RepositoryUnknownError.
func (r *Registry) Recount(ctx context.Context, ref Ref, mend bool) (*Miscount, error) {
	return r.recount(ctx, ref, mend, func(q meta.Querier) (held, charged Amount, err error) {
		id, err := repositoryID(ctx, q, ref)
		if err != nil {
			return held, charged, err
		}
		return meta.Recount(ctx, q, id, scopeOf(ref))
	}, r.discharge)
}

// RecountAccount is Recount for an account as the sum of its repositories, which are
// to be counted before it.
func (r *Registry) RecountAccount(ctx context.Context, account string, mend bool) (*Miscount, error) {
	return r.recount(ctx, Ref{Scope: Scope{Account: account}}, mend, func(q meta.Querier) (held, charged Amount, err error) {
		return meta.RecountAccount(ctx, q, account)
	}, func(ctx context.Context, q meta.Querier, _ Ref, less Amount) error {
		return meta.Discharge(ctx, q, account, r.shard(), less)
	})
}

func (r *Registry) recount(ctx context.Context, ref Ref, mend bool,
	count func(meta.Querier) (held, charged Amount, err error),
	discharge func(ctx context.Context, q meta.Querier, ref Ref, less Amount) error,
) (*Miscount, error) {
	var found *Miscount
	look := func(q meta.Querier) error {
		held, charged, err := count(q)
		if err != nil {
			return fmt.Errorf("count what %s holds: %w", scopeOf(ref), err)
		}
		if found = nil; held != charged {
			found = &Miscount{Ref: ref, Held: held, Charged: charged}
		}
		return nil
	}
	if err := look(r.db.Reader()); err != nil || found == nil || !mend {
		return found, err
	}
	err := r.write(ctx, func(q meta.Querier) error {
		if err := look(q); err != nil || found == nil {
			return err
		}
		less := Amount{Bytes: found.Charged.Bytes - found.Held.Bytes, Images: found.Charged.Images - found.Held.Images}
		return discharge(ctx, q, ref, less)
	})
	return found, err
}
