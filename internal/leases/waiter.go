package leases

import (
	"context"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// waiter waits for a lease that another server has.
type waiter struct {
	*Leases
	name string
	// seen is how the lease was found at since, and has been found each time after.
	seen  meta.Lease
	since time.Time
	// failing is set after a look that failed, which is told of once.
	failing bool
}

// take takes the lease if nobody has it, or he who has it shows no life. promised is
// a time from which on the beat may be counted on for its time.
func (w *waiter) take(ctx context.Context) (promised time.Time, ok bool) {
	promised, ok, err := w.try(ctx)
	if err != nil && ctx.Err() == nil && !w.failing {
		w.log.WarnContext(ctx, "the lease of background work cannot be looked at", "work", w.name, "error", err)
	}
	w.failing = err != nil
	return promised, ok
}

func (w *waiter) try(ctx context.Context) (promised time.Time, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.ttl/3)
	defer cancel()
	asked := time.Now()
	found, err := meta.FindLease(ctx, w.db.Reader(), w.name)
	if err != nil {
		return promised, false, fmt.Errorf("look at the lease %q: %w", w.name, err)
	}
	if !w.free(found, asked, time.Now()) {
		return promised, false, nil
	}
	promised = time.Now()
	err = w.db.Write(ctx, meta.Durable, func(q meta.Querier) (err error) {
		ok, err = meta.TakeLease(ctx, q, found, w.holder, w.ttl.Milliseconds())
		return err
	})
	if err != nil {
		// It may have been taken all the same: then it is this server's when it is
		// looked at next.
		return promised, false, fmt.Errorf("take the lease %q: %w", w.name, err)
	}
	if ok && found.Holder != "" && found.Holder != w.holder {
		w.log.WarnContext(ctx, "background work is taken over from a server that shows no life", "work", w.name, "from", found.Holder)
	} else if ok {
		w.log.InfoContext(ctx, "background work is done here now", "work", w.name)
	}
	return promised, ok, nil
}

// free reports whether a lease may be taken that was found so by a question asked at
// one time and answered at another.
func (w *waiter) free(found meta.Lease, asked, answered time.Time) bool {
	if found != w.seen {
		w.seen, w.since = found, answered
	}
	return found.Holder == "" || found.Holder == w.holder ||
		asked.Sub(w.since) >= time.Duration(found.TTL)*time.Millisecond
}
