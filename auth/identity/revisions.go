package identity

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"drydock/storage/meta"
)

// revisions counts the changes to the identities of each account, so that what
// is remembered of them can be seen to be out of date. An account's count is
// raised after the change is committed and before the write returns.
//
// A reader that wants to remember rows takes the count before it reads them: of
// a change that is committed meanwhile it may have seen the rows from before,
// and then what it remembers is out of date from the start.
//
// Every account's revision is a column of its row too. Where several servers write
// to the database, that column is what counts, and is read each time; see
// Store.stands.
type revisions struct {
	accounts sync.Map // account id to *atomic.Uint64
	// keys counts the access keys made, in whatever account: what is remembered
	// of ids that do not exist depends on it. Where others make keys too, nothing
	// is remembered of them.
	keys atomic.Uint64
}

// of returns the count of an account.
func (r *revisions) of(account string) *atomic.Uint64 {
	if n, ok := r.accounts.Load(account); ok {
		return n.(*atomic.Uint64)
	}
	n, _ := r.accounts.LoadOrStore(account, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

func (r *revisions) raise(account string) { r.of(account).Add(1) }

// alone reports whether nobody else writes to the database.
func (s *Store) alone() bool {
	_, alone := s.db.Revision()
	return alone
}

// stands tells where the count of the changes to an account's identities stands:
// what was read when it stood there is good as long as it does.
func (s *Store) stands(ctx context.Context, account string) (uint64, error) {
	if s.alone() {
		return s.revisions.of(account).Load(), nil
	}
	n, err := s.revision(ctx, account)
	return uint64(n), err
}

// revision reads the revision of an account that the database holds.
func (s *Store) revision(ctx context.Context, account string) (n int64, err error) {
	err = one(s.reader().QueryRowContext(ctx, `SELECT revision FROM account WHERE id = $1`, account), &n)
	if errors.Is(err, meta.ErrNotFound) {
		return 0, nil
	}
	return n, err
}
