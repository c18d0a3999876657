package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// What is to be collected or expires has a time in its record, which is that of the
// clock on the wall: of all clocks the one that survives a restart, and the one that
// jumps. A machine may start in 1970 or in 2099 until it has asked somebody. So the
// work that goes by such times looks whether the clock has gone as far as time has
// passed, and where it has gone further the work waits: for as long as the clock is
// ahead, but no longer than what it takes away is promised to stay. Nothing goes
// earlier than it was to go, however wrong the clock is. That a server was off looks
// the same, and is much the same: nobody could push or undelete meanwhile.

const (
	// astray is how far the clock may be from what was expected of it.
	astray = 5 * time.Minute
	// noteClock is how often the clock is written down.
	noteClock = time.Minute
	// tooLate is how much later than it can be a time has to be, to be taken for
	// that of a clock that was wrong; as often is looked for them.
	tooLate = time.Hour
	// bringBatch is how many of those are put right in one transaction.
	bringBatch = 500
)

func (r *Registry) watchOfCollection() *watch {
	return &watch{r: r, name: "collection", longest: r.grace + r.trash}
}

func (r *Registry) watchOfUploads() *watch {
	return &watch{r: r, name: "uploads", longest: r.expiry}
}

// watch looks after the clock for a piece of work.
type watch struct {
	r    *Registry
	name string
	// longest is how long what the work takes away is promised to stay.
	longest time.Duration
	// clock is the record, once it has been read.
	clock *meta.Clock
	// noted is how long ago the record was written.
	noted time.Duration
}

// wait tells how long the work has to wait, 0 when it need not. passed is the time
// since the last call, by a clock that does not jump.
func (w *watch) wait(ctx context.Context, passed time.Duration) (time.Duration, error) {
	now := w.r.millis()
	first := w.clock == nil
	if first {
		passed = 0
		c, err := w.read(ctx)
		if err != nil {
			return 0, err
		}
		w.clock = &c
	}
	c, longest := w.clock, w.longest.Milliseconds()
	jump := now - c.SeenAt - passed.Milliseconds()
	if c.Ahead > 0 {
		c.HeldFor += passed.Milliseconds()
	}
	c.SeenAt = now
	jumped := max(jump, -jump) > astray.Milliseconds()
	if jumped {
		c.Ahead += jump
		if jump > 0 {
			// What was taken away just now has to stay for all of its time too.
			c.HeldFor = min(c.HeldFor, min(c.Ahead, longest)-min(jump, longest))
		}
	}
	left := min(c.Ahead, longest) - c.HeldFor
	if left <= 0 {
		c.Ahead, c.HeldFor, left = 0, 0, 0
	}
	wait := time.Duration(left) * time.Millisecond
	if jumped {
		w.r.log.WarnContext(ctx, "the clock has jumped, or the server was off", "work", w.name, "by", time.Duration(jump)*time.Millisecond, "waits", wait)
	}
	if w.noted += passed; !first && !jumped && w.noted < noteClock {
		return wait, nil
	}
	w.noted = 0
	err := w.r.note(ctx, func(q meta.Querier) error { return meta.PutClock(ctx, q, *c) })
	if errors.Is(err, ErrFull) {
		err = nil // work that makes room must not wait for room
	}
	return wait, err
}

// read reads the record. Where there is none, nothing is known that went wrong.
func (w *watch) read(ctx context.Context) (meta.Clock, error) {
	c, err := meta.FindClock(ctx, w.r.db.Reader(), w.name)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return meta.Clock{Name: w.name, SeenAt: w.r.millis()}, nil
	case err != nil:
		return c, fmt.Errorf("look when the work on %s was done last: %w", w.name, fault(err))
	}
	return c, nil
}

// left tells how long the work has to wait, by what the server that does it has
// written down.
func (w *watch) left(ctx context.Context) (time.Duration, error) {
	c, err := w.read(ctx)
	if err != nil || c.Ahead == 0 {
		return 0, err
	}
	return time.Duration(min(c.Ahead, w.longest.Milliseconds())-c.HeldFor) * time.Millisecond, nil
}

// collectInTime is a step of collection, if that need not wait, and returns how much
// was done. passed is as for watch.wait.
func (r *Registry) collectInTime(ctx context.Context, w *watch, passed time.Duration) (n int, err error) {
	wait, err := w.wait(ctx, passed)
	if err != nil || wait > 0 {
		return 0, err
	}
	n, err = r.Collect(ctx)
	if err != nil {
		return n, err
	}
	purged, err := r.Purge(ctx)
	return n + purged, err
}

// bringBack puts right what waits for a time that is later than it can be, since
// the clock was wrong when it was recorded: it waits from now on.
func (r *Registry) bringBack(ctx context.Context) error {
	now := r.now()
	to := meta.Times{Review: now.Add(r.grace).UnixMilli(), Purge: now.Add(r.trash).UnixMilli(), Upload: now.UnixMilli()}
	slack := tooLate.Milliseconds()
	after := meta.Times{Review: to.Review + slack, Purge: to.Purge + slack, Upload: to.Upload + slack}
	for {
		later, err := meta.HasLater(ctx, r.db.Reader(), after)
		if err != nil || !later {
			return fault(err)
		}
		var n int64
		err = r.write(ctx, func(q meta.Querier) (err error) {
			n, err = meta.BringBack(ctx, q, after, to, bringBatch)
			return err
		})
		if err != nil {
			return fmt.Errorf("put the times right that a wrong clock has left: %w", err)
		}
		r.log.WarnContext(ctx, "what was to be collected later than it can be, after a clock that was wrong or a change of the times, is collected in time", "rows", n)
	}
}
