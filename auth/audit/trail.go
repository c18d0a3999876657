// Package audit keeps account of what was decided: one record for each decision,
// in the shape of CloudTrail's. The last ones are kept in memory; whoever wants
// them all follows them, or has them written to a file.
package audit

import (
	"context"
	"sync"

	"drydock/auth/enforce"
	"drydock/internal/requestid"
)

// kept is how many decisions are remembered.
const kept = 1024

// Entry is a decision and the request that it was reached for.
type Entry struct {
	// Number counts the decisions since the server's start, from 1 on.
	Number    uint64
	RequestID string
	enforce.Decision
}

// Trail is told of every decision. It costs a decision little: what a record
// looks like is worked out when somebody reads it.
type Trail struct {
	mu        sync.Mutex
	last      uint64
	entries   [kept]Entry
	followers map[*Follower]struct{}
}

// NewTrail makes an empty trail.
func NewTrail() *Trail { return &Trail{followers: map[*Follower]struct{}{}} }

// Record takes a decision down. It fits enforce.Options.Watch.
func (t *Trail) Record(ctx context.Context, d enforce.Decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	e := Entry{Number: t.last, RequestID: requestid.From(ctx), Decision: d}
	t.entries[t.last%kept] = e
	for f := range t.followers {
		f.offer(e)
	}
}

// Last returns the latest decisions, at most n, the oldest first.
func (t *Trail) Last(n int) []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest(n)
}

func (t *Trail) latest(n int) []Entry {
	n = int(min(uint64(max(n, 0)), t.last, kept))
	list := make([]Entry, 0, n)
	for i := t.last - uint64(n) + 1; i <= t.last; i++ {
		list = append(list, t.entries[i%kept])
	}
	return list
}

// Follower is given the decisions as they come.
type Follower struct {
	trail *Trail
	ready chan Entry
	// missed counts those for which a slow follower had no room.
	missed uint64
}

// room is how many decisions a follower may be behind.
const room = 4096

// Follow returns the latest decisions, at most n, and a follower of all that come
// after them. It has to be closed.
func (t *Trail) Follow(n int) ([]Entry, *Follower) {
	f := &Follower{trail: t, ready: make(chan Entry, room)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.followers[f] = struct{}{}
	return t.latest(n), f
}

// offer hands a decision over, unless the follower is too far behind: a decision
// waits for nobody.
func (f *Follower) offer(e Entry) {
	select {
	case f.ready <- e:
	default:
		f.missed++
	}
}

// Entries yields the decisions. It is never closed.
func (f *Follower) Entries() <-chan Entry { return f.ready }

// Missed is how many decisions the follower was too slow for.
func (f *Follower) Missed() uint64 {
	f.trail.mu.Lock()
	defer f.trail.mu.Unlock()
	return f.missed
}

// Close ends the following.
func (f *Follower) Close() {
	f.trail.mu.Lock()
	defer f.trail.mu.Unlock()
	delete(f.trail.followers, f)
}
