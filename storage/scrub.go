package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drydock/storage/meta"
)

// The scrub is a verification in the background that reads everything once in a
// period and mends nothing. Digests are spread evenly, so the place of a blob among
// them is the part of the period after which it is read: nothing has to be counted
// to spread the work over all of it.

// scrubRate is how fast the scrub reads at most, in bytes in a second: when it has
// to catch up, that should not show. scrubDuty is how many times as long as it works
// it rests, and scrubEvery how often it looks whether it is time to go on.
const (
	scrubRate  = 32 << 20
	scrubDuty  = 9
	scrubEvery = time.Minute
)

// verified counts what verifications did since the server's start.
type verified struct {
	blobs, bytes atomic.Int64
	ended        atomic.Int64 // of the scrub, in milliseconds since 1970
	reached      atomic.Int64 // of the scrub, in millionths

	mu       sync.Mutex
	problems map[ProblemKind]int64
}

func (v *verified) found(k ProblemKind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.problems == nil {
		v.problems = map[ProblemKind]int64{}
	}
	v.problems[k]++
}

// VerifyTotals is what verifications, the scrub included, did since the server's
// start.
type VerifyTotals struct {
	Blobs, Bytes int64
	Problems     map[ProblemKind]int64
	// ScrubEnded is when the scrub had last read everything, as far as this server
	// knows; zero when it does not. ScrubReached is the part of everything that it has
	// read since, from 0 to 1.
	ScrubEnded   time.Time
	ScrubReached float64
}

// VerifyTotals tells what verifications did.
func (r *Registry) VerifyTotals() VerifyTotals {
	v := &r.verified
	t := VerifyTotals{Blobs: v.blobs.Load(), Bytes: v.bytes.Load(), Problems: map[ProblemKind]int64{}, ScrubReached: float64(v.reached.Load()) / 1e6}
	if at := v.ended.Load(); at != 0 {
		t.ScrubEnded = time.UnixMilli(at)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range ProblemKinds() {
		t.Problems[k] = v.problems[k]
	}
	return t
}

// RunScrub reads everything once in each period until the context ends. Only one
// server does at a time.
func (r *Registry) RunScrub(ctx context.Context, period time.Duration) error {
	for {
		if err := r.Scrub(ctx, period); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "the scrub did not get on, and will try again", "error", err)
		}
		if pause(ctx, scrubEvery) != nil {
			return nil
		}
	}
}

// errNotYet says that the time of the next blob has not come.
var errNotYet = errors.New("it is not time yet")

// Scrub does what of the scrub is due.
func (r *Registry) Scrub(ctx context.Context, period time.Duration) error {
	row, err := meta.FindVerification(ctx, r.db.Reader(), scrub)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return fmt.Errorf("look up how far the scrub is: %w", err)
	}
	r.verified.ended.Store(row.EndedAt)
	begun, now := time.UnixMilli(row.BegunAt), r.now()
	// One that began in the future was begun by a clock that was wrong.
	anew := begun.After(now)
	if row.Stage == "" && !anew && now.Sub(begun) < period {
		r.verified.reached.Store(1e6)
		return nil
	}
	v := &verification{r: r, duty: scrubDuty, o: VerifyOptions{Deep: true, Resume: row.Stage != "" && !anew, Rate: scrubRate}}
	if err := v.begin(ctx, scrub); err != nil {
		return err
	}
	begun = time.UnixMilli(v.row.BegunAt)
	v.paced = func(d string) error {
		at := placeAmong(d)
		if due := begun.Add(time.Duration(at * float64(period))); r.now().Before(due) {
			return errNotYet
		}
		r.verified.reached.Store(int64(at * 1e6))
		return nil
	}
	err = v.run(ctx)
	switch {
	case errors.Is(err, errNotYet):
		return nil
	case errors.Is(err, ErrOvertaken): // by another server
		return nil
	case err != nil:
		return err
	}
	r.verified.ended.Store(v.row.EndedAt)
	r.verified.reached.Store(1e6)
	r.log.InfoContext(ctx, "the scrub has read everything", "images", v.count.Images, "blobs", v.count.Blobs, "bytes", v.count.Bytes, "problems", v.count.Problems)
	return nil
}

// placeAmong is the place of a digest among all that there can be, from 0 to 1; the
// empty text is before all.
// Those of the rare other algorithm, which come last, have the last place.
func placeAmong(d string) float64 {
	if d == "" {
		return 0
	}
	hex, isUsual := strings.CutPrefix(d, "sha256:")
	if !isUsual || len(hex) < 8 {
		return 1
	}
	n, err := strconv.ParseUint(hex[:8], 16, 32)
	if err != nil {
		return 1
	}
	return float64(n) / (1 << 32)
}
