package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// sweepEvery is how often abandoned uploads are looked for, and sweepBatch how
// many are taken at a time. sweepFilesEvery is how often files are looked for that
// no record tells of.
const (
	sweepEvery      = time.Minute
	sweepBatch      = 100
	sweepFilesEvery = time.Hour
)

// Run does the engine's background work until the context ends: it throws away
// abandoned uploads, and what uploads have left that no record knows.
func (r *Registry) Run(ctx context.Context) error {
	// Not by the engine's clock: it may jump.
	start := time.Now()
	swept, last := -sweepFilesEvery, time.Duration(0)
	w := r.watchOfUploads()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		now := time.Since(start)
		wait, err := w.wait(ctx, now-last)
		last = now
		if err == nil && wait == 0 {
			if now-swept >= sweepFilesEvery {
				swept = now
				if err := errors.Join(r.sweepFiles(ctx), r.sweepCold(ctx)); err != nil && ctx.Err() == nil {
					r.log.WarnContext(ctx, "could not sweep the files of old uploads", "error", err)
				}
			}
			_, err = r.ExpireUploads(ctx)
		}
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "could not expire uploads", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ExpireUploads throws away the uploads that nothing has been added to for the
// expiry time and returns how many they were.
func (r *Registry) ExpireUploads(ctx context.Context) (int, error) {
	before := r.now().Add(-r.expiry).UnixMilli()
	expired := 0
	for {
		ids, err := meta.StaleUploads(ctx, r.db.Reader(), before, sweepBatch)
		if err != nil {
			return expired, fmt.Errorf("list abandoned uploads: %w", err)
		}
		for _, id := range ids {
			if err := r.expire(ctx, id, before); err != nil {
				return expired, fmt.Errorf("expire upload %s: %w", id, err)
			}
			expired++
		}
		if len(ids) < sweepBatch {
			return expired, nil
		}
	}
}

func (r *Registry) expire(ctx context.Context, id string, before int64) error {
	leave, err := r.sessions.enter(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	gone := false
	err = r.note(ctx, func(q meta.Querier) (err error) {
		gone, err = meta.DeleteStaleUpload(ctx, q, id, before)
		return err
	})
	if err != nil || !gone {
		return err
	}
	return r.blobs.Discard(ctx, id)
}

// sweepFiles removes the files of uploads whose record went with a crash. Where
// other servers write too, theirs are left to them while they may be at work.
func (r *Registry) sweepFiles(ctx context.Context) error {
	return r.blobs.Sweep(ctx, func(id string, begun time.Time) (bool, error) {
		if r.blobs.Shared() && begun.After(r.now().Add(-r.expiry)) {
			return true, nil
		}
		known, err := meta.UploadExists(ctx, r.db.Reader(), id)
		if err != nil {
			return false, fmt.Errorf("look up upload %s: %w", id, err)
		}
		return known, nil
	})
}
