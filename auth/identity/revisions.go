package identity

import (
	"sync"
	"sync/atomic"
)

// revisions counts the changes to the identities of each account, so that what
// is remembered of them can be seen to be out of date. An account's count is
// raised after the change is committed and before the write returns.
//
// A reader that wants to remember rows takes the count before it reads them: of
// a change that is committed meanwhile it may have seen the rows from before,
// and then what it remembers is out of date from the start.
//
// Every account's revision is a column of its row too. A database that several
// servers write to needs that column to be read in current, and nothing else to
// be changed.
type revisions struct {
	accounts sync.Map // account id to *atomic.Uint64
	// keys counts the access keys made, in whatever account: what is remembered
	// of ids that do not exist depends on it.
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
