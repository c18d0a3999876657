// Package leases sees to it that of several servers on one database one at a time
// does a piece of background work, and that another takes it over when that one
// dies.
//
// A lease is a row with its holder's name and a beat, which the holder raises. No
// clock is compared with another: whoever waits for a lease takes it when the beat
// has stood still for its time, by the waiter's own monotonic clock, and the holder
// stops its work, by its own, well before that when it could not raise the beat. So
// neither a clock that jumps nor a server that was stopped for a while makes two
// hold a lease, as long as work ends soon after its context has. One case is left: a
// machine that was suspended as a whole, whose clock stood still meanwhile, goes on
// until its next beat. Work under a lease is therefore to bear a moment of company,
// as transactions do.
//
// Where the database has one server alone, which has all leases, nothing is written.
package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"drydock/storage/meta"
)

// UsualTTL is for how long a beat is good: so long is a piece of work left undone
// when the server that did it dies.
const UsualTTL = 15 * time.Second

// Parts of the time that a beat is good for.
const (
	// safeParts of three is how long a holder goes on that cannot raise its beat.
	safeParts = 2
	// A beat is raised beats times in its time, and looked at looks times, which is
	// how soon a lease that was given up is taken.
	beats = 5
	looks = 10
)

// Leases are those of one server. It is safe for concurrent use.
type Leases struct {
	db     meta.DB
	holder string
	ttl    time.Duration
	log    *slog.Logger
	alone  bool

	mu   sync.Mutex
	held map[string]bool // by the names that Run was called with
}

// Options is what Leases are made of.
type Options struct {
	DB meta.DB
	// Holder is the server's name. No other server, and no other run of this one,
	// may have the same.
	Holder string
	// TTL is for how long a beat is good: UsualTTL when 0.
	TTL time.Duration
	Log *slog.Logger
}

// New makes leases, of which it takes none yet.
func New(o Options) (*Leases, error) {
	if o.DB == nil || o.Holder == "" || o.Log == nil || o.TTL < 0 {
		return nil, errors.New("leases need a database, the name of their holder and a log")
	}
	if o.TTL == 0 {
		o.TTL = UsualTTL
	}
	_, alone := o.DB.Revision()
	return &Leases{db: o.DB, holder: o.Holder, ttl: o.TTL, log: o.Log, alone: alone, held: map[string]bool{}}, nil
}

// Held tells of each lease that Run was called for whether this server has it.
func (l *Leases) Held() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.held)
}

func (l *Leases) set(name string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[name] = held
}

// Run runs work while this server has the lease of a name, and again each time that
// it gets it, until ctx ends; then it gives the lease up and returns nil. The
// context of work ends with ctx, or when the lease is lost: work has to return soon
// then. Work that returns before gives the lease up too, so that another server may
// try, and is run again a while later.
//
// The only error is that Run was called for this name already.
func (l *Leases) Run(ctx context.Context, name string, work func(context.Context) error) error {
	l.mu.Lock()
	_, twice := l.held[name]
	if !twice {
		l.held[name] = false
	}
	l.mu.Unlock()
	if twice {
		return fmt.Errorf("the lease %q is asked for twice", name)
	}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, name)
	}()
	if l.alone {
		l.runAlone(ctx, name, work)
		return nil
	}
	w := waiter{Leases: l, name: name}
	for ctx.Err() == nil {
		promised, ok := w.take(ctx)
		if !ok {
			pause(ctx, l.ttl/looks)
			continue
		}
		if l.hold(ctx, name, promised, work) {
			pause(ctx, l.ttl) // others first
		}
	}
	return nil
}

// runAlone runs work where nobody else could.
func (l *Leases) runAlone(ctx context.Context, name string, work func(context.Context) error) {
	for ctx.Err() == nil {
		l.set(name, true)
		err := work(ctx)
		l.set(name, false)
		if ctx.Err() == nil {
			l.log.ErrorContext(ctx, "background work ended, and is begun again", "work", name, "error", err)
			pause(ctx, l.ttl)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
