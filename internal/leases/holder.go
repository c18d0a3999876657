package leases

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"drydock/storage/meta"
)

var (
	errTaken  = errors.New("another server has taken the lease")
	errUnsure = errors.New("the lease could not be kept up, so that another server may take it soon")
)

// hold runs work while the lease is held, which may be counted on from promised on,
// and reports whether it ended by itself.
func (l *Leases) hold(ctx context.Context, name string, promised time.Time, work func(context.Context) error) (bySelf bool) {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	safe := l.ttl * safeParts / 3
	// A timer of its own: the beat may be waiting for a database that is away.
	guard := time.AfterFunc(time.Until(promised.Add(safe)), func() { stop(errUnsure) })
	defer guard.Stop()

	// The beat goes on while work comes to its end, whatever ended it.
	beating, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBeat()
	var taken atomic.Bool
	beat := make(chan struct{})
	go func() {
		defer close(beat)
		tick := time.NewTicker(l.ttl / beats)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
			}
			raised := time.Now()
			ok, err := l.beat(beating, name)
			switch {
			case err != nil:
				l.log.DebugContext(ctx, "the lease of background work could not be kept up", "work", name, "error", err)
			case !ok:
				taken.Store(true)
				stop(errTaken)
				return
			case guard.Stop():
				guard.Reset(time.Until(raised.Add(safe)))
			}
		}
	}()

	l.set(name, true)
	err := work(working)
	l.set(name, false)
	stopBeat()
	<-beat
	if !taken.Load() {
		l.release(ctx, name)
	}
	switch {
	case ctx.Err() != nil:
	case working.Err() != nil:
		l.log.WarnContext(ctx, "background work is no longer done here", "work", name, "because", context.Cause(working))
	default:
		l.log.ErrorContext(ctx, "background work ended", "work", name, "error", err)
		return true
	}
	return false
}

// beat shows the others that this server is alive, and reports whether it still has
// the lease.
func (l *Leases) beat(ctx context.Context, name string) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/3)
	defer cancel()
	err = l.db.Write(ctx, meta.Relaxed, func(q meta.Querier) (err error) {
		ok, err = meta.BeatLease(ctx, q, name, l.holder)
		return err
	})
	return ok, err
}

// release lets another server have the lease at once. Where that fails, it does so
// after the beat's time.
func (l *Leases) release(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.ttl/3)
	defer cancel()
	err := l.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		return meta.ReleaseLease(ctx, q, name, l.holder)
	})
	if err != nil {
		l.log.WarnContext(ctx, "others have to wait for the lease of background work", "work", name, "error", fmt.Errorf("give it up: %w", err))
	}
}
