package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drydock/storage/meta"
)

// A repository is charged for each blob that it holds, by the bytes, and for each
// manifest; its account for the same. That happens in the transaction that changes
// what it holds, so neither is ever beyond its quota, however many push at a time.

// Amount is how much an account or a repository holds, or may hold: the bytes of
// layers, configurations and manifests, and the number of images, those that an index
// lists included. As a limit 0 is none.
type Amount = meta.Amount

// Quotas are those of accounts and repositories that have none of their own.
type Quotas struct {
	Account, Repository Amount
	// Repositories is how many a registry, an account in one region, may have, and
	// Tags how many an image; 0 is any number.
	Repositories, Tags int64
}

// Holding is what an account holds or, where Ref has a name, a repository.
type Holding struct {
	Ref  Ref
	Used Amount
	// Quota is what it may hold. Own is set when that is its own, and not what is
	// usual.
	Quota Amount
	Own   bool
}

// QuotaUnknownError says that an account or a repository has no quota of its own.
type QuotaUnknownError struct{ Ref Ref }

func (e *QuotaUnknownError) Error() string {
	return scopeOf(e.Ref) + " has no quota of its own"
}

// usageShards is over how many rows the usage of one account or repository is
// spread where several servers write. Where one does, all go through it one after
// the other anyway.
const usageShards = 16

// scopeOf is what an account, or a repository where ref has a name, is charged
// under.
func scopeOf(ref Ref) string {
	if ref.Name == "" {
		return ref.Account
	}
	return strings.Join([]string{ref.Account, ref.Region, ref.Name}, "/")
}

// refOf is the account or the repository of a scope.
func refOf(scope string) Ref {
	parts := append(strings.SplitN(scope, "/", 3), "", "")
	return Ref{Scope{parts[0], parts[1]}, parts[2]}
}

// charged are the account and the repository that are charged for what a repository
// holds, always in this order, so that two of them do not wait for each other.
func charged(ref Ref) [2]Ref { return [2]Ref{{Scope: Scope{Account: ref.Account}}, ref} }

// usual is the quota of an account or a repository that has none of its own.
func (r *Registry) usual(ref Ref) Amount {
	if ref.Name == "" {
		return r.quotas.Account
	}
	return r.quotas.Repository
}

// shard is the row of a scope's that the next change goes to.
func (r *Registry) shard() meta.Shard {
	return meta.Shard{Number: int64(r.turns.Add(1) % r.shards), Of: int64(r.shards)}
}

// charge charges a repository and its account for more. Errors: *QuotaError.
func (r *Registry) charge(ctx context.Context, q meta.Querier, ref Ref, more Amount) error {
	if more == (Amount{}) {
		return nil
	}
	payers := charged(ref)
	refusal, err := meta.Charge(ctx, q, r.shard(), more, r.payer(payers[0]), r.payer(payers[1]))
	if err != nil {
		return fmt.Errorf("charge %s for more: %w", scopeOf(ref), err)
	}
	if refusal != nil {
		return &QuotaError{Ref: refOf(refusal.Scope), Used: refusal.Used, Limit: refusal.Limit, More: more}
	}
	return nil
}

func (r *Registry) payer(ref Ref) meta.Payer {
	return meta.Payer{Scope: scopeOf(ref), Usual: r.usual(ref)}
}

// discharge charges a repository and its account for less.
func (r *Registry) discharge(ctx context.Context, q meta.Querier, ref Ref, less Amount) error {
	if less == (Amount{}) {
		return nil
	}
	shard := r.shard()
	for _, c := range charged(ref) {
		if err := meta.Discharge(ctx, q, scopeOf(c), shard, less); err != nil {
			return fmt.Errorf("charge %s for less: %w", scopeOf(c), err)
		}
	}
	return nil
}

// mayCreate checks that a registry has room for one more repository. Errors: *LimitError.
func (r *Registry) mayCreate(ctx context.Context, q meta.Querier, ref Ref) error {
	if r.quotas.Repositories == 0 {
		return nil
	}
	full, err := meta.HasRepositories(ctx, q, ref.Account, ref.Region, r.quotas.Repositories)
	if err != nil {
		return fmt.Errorf("count the repositories of %s: %w", ref.Account, err)
	}
	if full {
		return &LimitError{Ref: ref, Limit: r.quotas.Repositories}
	}
	return nil
}

// mayTag checks that an image has room for one more tag. Errors: *LimitError.
func (r *Registry) mayTag(ctx context.Context, q meta.Querier, ref Ref, repository int64, tag, digest string) error {
	if r.quotas.Tags == 0 {
		return nil
	}
	full, err := meta.HasTags(ctx, q, repository, digest, r.quotas.Tags)
	if err != nil {
		return fmt.Errorf("count the tags of an image of %s: %w", ref.Name, err)
	}
	if full {
		return &LimitError{Ref: ref, Tag: tag, Limit: r.quotas.Tags}
	}
	return nil
}

// hold makes a repository hold a blob of size bytes. Errors: *QuotaError.
func (r *Registry) hold(ctx context.Context, q meta.Querier, ref Ref, repository int64, digest string, size int64) error {
	fresh, err := meta.LinkBlob(ctx, q, repository, digest, size, r.millis())
	if err != nil {
		return fmt.Errorf("link blob %s: %w", digest, err)
	}
	if !fresh {
		return nil
	}
	return r.charge(ctx, q, ref, Amount{Bytes: size})
}

// SetQuota gives a repository, which need not exist, or where ref has no name an
// account, a quota of its own in place of what is usual. It takes nothing from one
// that holds more already.
func (r *Registry) SetQuota(ctx context.Context, ref Ref, limit Amount) error {
	return r.write(ctx, func(q meta.Querier) error {
		if err := meta.SetQuota(ctx, q, scopeOf(ref), Amount{Bytes: max(limit.Bytes, 0), Images: max(limit.Images, 0)}); err != nil {
			return fmt.Errorf("set the quota of %s: %w", scopeOf(ref), err)
		}
		return nil
	})
}

// RemoveQuota takes its own quota from a repository or an account. Errors:
// *QuotaUnknownError.
func (r *Registry) RemoveQuota(ctx context.Context, ref Ref) error {
	return r.write(ctx, func(q meta.Querier) error {
		had, err := meta.DeleteQuota(ctx, q, scopeOf(ref))
		if err != nil {
			return fmt.Errorf("remove the quota of %s: %w", scopeOf(ref), err)
		}
		if !had {
			return &QuotaUnknownError{ref}
		}
		return nil
	})
}

// quotaPage is how many repositories are listed at a time.
const quotaPage = 500

// Holdings lists what there is and how much it may be: with an account, that
// account and all its repositories; with none, all accounts, and the repositories
// that have a quota of their own.
func (r *Registry) Holdings(ctx context.Context, account string) ([]Holding, error) {
	q := r.db.Reader()
	if account != "" {
		return r.holdingsOf(ctx, q, account, false)
	}
	var all []Holding
	for after := ""; ; {
		next, err := meta.NextAccount(ctx, q, after)
		if errors.Is(err, meta.ErrNotFound) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list what accounts hold: %w", err)
		}
		some, err := r.holdingsOf(ctx, q, next, true)
		if err != nil {
			return nil, err
		}
		all, after = append(all, some...), next
	}
}

func (r *Registry) holdingsOf(ctx context.Context, q meta.Querier, account string, own bool) ([]Holding, error) {
	s, err := meta.FindScope(ctx, q, account)
	if err != nil {
		return nil, fmt.Errorf("look up what account %s holds: %w", account, err)
	}
	list := []Holding{r.holding(s)}
	for after := ""; ; {
		page, err := meta.ScopesOf(ctx, q, account, after, own, quotaPage)
		if err != nil {
			return nil, fmt.Errorf("list what the repositories of account %s hold: %w", account, err)
		}
		for _, s := range page {
			list, after = append(list, r.holding(s)), s.Scope
		}
		if len(page) < quotaPage {
			return list, nil
		}
	}
}

func (r *Registry) holding(s meta.Scope) Holding {
	h := Holding{Ref: refOf(s.Scope), Used: s.Used, Own: s.Quota != nil}
	if h.Quota = r.usual(h.Ref); h.Own {
		h.Quota = *s.Quota
	}
	return h
}

// worthAsking is from how many bytes on it is asked before they are received whether
// they are going to fit. Of less not much is lost.
const worthAsking = 1 << 20

// admit refuses early what could not be kept: that a repository comes to hold a blob
// of size bytes or more, whose digest need not be known yet. What it lets pass is
// decided by charge all the same. Errors: *QuotaError.
func (r *Registry) admit(ctx context.Context, ref Ref, repository int64, digest string, size int64) error {
	if size < worthAsking {
		return nil
	}
	q, more := r.db.Reader(), Amount{Bytes: size}
	for _, c := range charged(ref) {
		limit, err := meta.QuotaOf(ctx, q, scopeOf(c), r.usual(c))
		if err == nil && limit.Bytes == 0 {
			continue
		}
		var used Amount
		if err == nil {
			used, err = meta.UsageOf(ctx, q, scopeOf(c))
		}
		if err != nil {
			return fmt.Errorf("look up what %s may hold: %w", scopeOf(c), err)
		}
		if used.Bytes+size <= limit.Bytes {
			continue
		}
		// It costs nothing if it is one that the repository holds.
		held, err := mayHold(ctx, q, repository, digest, size)
		if err != nil {
			return fmt.Errorf("look for what %s holds: %w", scopeOf(ref), err)
		}
		if held {
			return nil
		}
		return &QuotaError{Ref: c, Used: used, Limit: limit, More: more}
	}
	return nil
}

// mayHold reports whether a repository holds a blob or, while its digest is not
// known, one that it may turn out to be.
func mayHold(ctx context.Context, q meta.Querier, repository int64, digest string, size int64) (bool, error) {
	if digest == "" {
		return meta.HoldsAsLarge(ctx, q, repository, size)
	}
	held, _, err := meta.LinkedBlobs(ctx, q, repository, []string{digest})
	return held[digest], err
}
