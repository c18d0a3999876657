// Package throttle holds back those who keep sending wrong credentials. A source
// (source.go) may fail a number of times at once, and then once in a while; while
// it may not, what it sends is not looked at. Only failures cost a source
// anything, and only they are remembered, so that who sends what is right pays
// one look at a number.
//
// Others may share the address of such a source. What proved good a short while
// ago is therefore still looked at; for that, proofs (proofs.go) are remembered.
//
// It knows addresses and the time, and nothing of passwords, signatures or HTTP.
package throttle

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The usual bounds.
const (
	usualBurst   = 20
	usualEvery   = 2 * time.Second
	usualSources = 8192
)

// worst is the longest that a source is held back, however much of what it sent
// at the same time was wrong: others may sit behind its address.
const worst = 10 * time.Minute

// Options is what a Throttle is made of. The bounds may be left 0 for the usual
// ones; the rest is needed.
type Options struct {
	// Burst is how often a source may fail at once, and Every the time in which
	// it may fail once more: 20 times and 2 s when 0.
	Burst int
	Every time.Duration
	// Sources is how many sources are remembered: 8192 when 0.
	Sources int
	Now     func() time.Time
	// Refused is told of each request that was turned away, by the name of the
	// door that it came to.
	Refused func(door string)
}

// Throttle remembers which sources failed. It may be used by many goroutines.
type Throttle struct {
	burst, every time.Duration // burst is the time in which all of it comes back
	limit        int
	now          func() time.Time
	refused      func(door string)
	// start is what times are counted from, so that they are comparable though
	// the clock be set.
	start time.Time

	// until is the time up to which some source is held back. Mostly it has
	// passed, and then nobody needs to ask which.
	until atomic.Int64

	mu      sync.RWMutex
	sources map[netip.Addr]*list.Element
	// failures has the sources in the order of their last failures.
	failures list.List

	proofs proofs
}

// failure is what is remembered of a source: the time when it will have all of
// its burst again.
type failure struct {
	source netip.Addr
	full   time.Duration
}

// New makes a throttle that holds nobody back.
func New(o Options) (*Throttle, error) {
	if o.Now == nil || o.Refused == nil {
		return nil, errors.New("the throttle needs a clock and somebody to tell of refusals")
	}
	if o.Burst < 0 || o.Every < 0 || o.Sources < 0 {
		return nil, errors.New("the throttle's bounds cannot be negative")
	}
	if o.Burst == 0 {
		o.Burst = usualBurst
	}
	if o.Every == 0 {
		o.Every = usualEvery
	}
	if o.Sources == 0 {
		o.Sources = usualSources
	}
	return &Throttle{
		burst: time.Duration(o.Burst) * o.Every, every: o.Every, limit: o.Sources,
		now: o.Now, refused: o.Refused, start: o.Now(),
		sources: map[netip.Addr]*list.Element{}, proofs: newProofs(),
	}, nil
}

// since is the time from the start to now. It never is 0.
func (t *Throttle) since() time.Duration { return t.now().Sub(t.start) + 1 }

// Wait tells how long a source has to wait until what it sends is looked at
// again; 0 when it need not wait.
func (t *Throttle) Wait(source netip.Addr) time.Duration {
	until := time.Duration(t.until.Load())
	if until == 0 {
		return 0
	}
	now := t.since()
	if now >= until {
		return 0
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	e, failed := t.sources[network(source)]
	if !failed {
		return 0
	}
	return max(0, t.heldUntil(e.Value.(*failure))-now)
}

// heldUntil is the time at which a source may fail once more.
func (t *Throttle) heldUntil(f *failure) time.Duration { return f.full - (t.burst - t.every) }

// Failed notes that what a source sent was looked at and wrong. Requests that
// were under way at the same time may bring a source below nothing, so that it
// has to wait the longer.
func (t *Throttle) Failed(source netip.Addr) {
	now := t.since()
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.noted(network(source), now)
	f.full = min(max(f.full, now)+t.every, now+t.burst-t.every+worst)
	if held := t.heldUntil(f); held > now && held > time.Duration(t.until.Load()) {
		t.until.Store(int64(held))
	}
}

// noted finds what is remembered of a source, as the one that failed last. Those
// that have all of their burst again are forgotten on the way, and when there are
// too many, the one whose last failure is the longest ago: it has had the most
// time to get some of it back.
func (t *Throttle) noted(source netip.Addr, now time.Duration) *failure {
	if e, known := t.sources[source]; known {
		t.failures.MoveToBack(e)
		return e.Value.(*failure)
	}
	for e := t.failures.Front(); e != nil; e = t.failures.Front() {
		f := e.Value.(*failure)
		if f.full > now && len(t.sources) < t.limit {
			break
		}
		t.failures.Remove(e)
		delete(t.sources, f.source)
	}
	f := &failure{source: source}
	t.sources[source] = t.failures.PushBack(f)
	return f
}
