package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Collection is bookkeeping. What makes a blob unneeded, or might have, notes it in
// the same transaction, to be looked at after the grace period; what is still
// unneeded then goes to the trash with its last holder, and from there, later, for
// good. Nothing is searched for, and pushes go on meanwhile.

// totals count what collection did since the server's start.
type totals struct {
	reviewed, unlinked, trashed, purged, purgedBytes atomic.Int64
}

// Totals is what collection did since the server's start.
type Totals struct {
	// Reviewed blobs were looked at, Unlinked were held without need and are no
	// longer, Trashed were held by nobody, Purged are gone for good.
	Reviewed, Unlinked, Trashed, Purged, PurgedBytes int64
}

// Totals tells what collection did since the server's start.
func (r *Registry) Totals() Totals {
	t := &r.totals
	return Totals{t.reviewed.Load(), t.unlinked.Load(), t.trashed.Load(), t.purged.Load(), t.purgedBytes.Load()}
}

// due is when what becomes unneeded now is looked at.
func (r *Registry) due() int64 { return r.now().Add(r.grace).UnixMilli() }

// reviewLater has a blob of a repository looked at after the grace period.
func (r *Registry) reviewLater(ctx context.Context, q meta.Querier, repository int64, d digest.Digest) error {
	if err := meta.ReviewLater(ctx, q, meta.Review{RepositoryID: repository, Digest: string(d), DueAt: r.due()}); err != nil {
		return fmt.Errorf("note that %s may be unneeded: %w", d, err)
	}
	return nil
}

// atHand makes sure that a blob of which a client is told that it is there is not, or
// is not about to be, in the cold tree. One that will be looked at, as after a push,
// does not go there before. Errors: *BlobArchivedError.
func (r *Registry) atHand(ctx context.Context, ref Ref, d digest.Digest, l meta.Link) error {
	if l.Cold {
		return &BlobArchivedError{ref, d, l.Size}
	}
	if l.DueAt != 0 {
		return nil
	}
	some, err := meta.HasArchive(ctx, r.db.Reader(), l.RepositoryID)
	if err == nil && some {
		some, err = meta.IsArchivedBlob(ctx, r.db.Reader(), l.RepositoryID, string(d))
	}
	if err != nil {
		return fmt.Errorf("look whether blob %s of %s is archived: %w", d, ref.Name, err)
	}
	if some {
		return &BlobArchivedError{ref, d, l.Size}
	}
	return nil
}

// promise sees to it that a blob of which a client is told that it is there stays
// for long enough to push an image that needs it. Errors:
// *BlobUnknownError where it has gone meanwhile.
func (r *Registry) promise(ctx context.Context, ref Ref, d digest.Digest, l meta.Link) error {
	if l.DueAt == 0 || l.DueAt-r.millis() > r.grace.Milliseconds()/2 {
		return nil
	}
	err := r.note(ctx, func(q meta.Querier) error {
		l, err := meta.FindLink(ctx, q, ref.Account, ref.Region, ref.Name, string(d))
		switch {
		case errors.Is(err, meta.ErrNotFound):
			return &BlobUnknownError{ref, d}
		case err != nil:
			return fmt.Errorf("look for blob %s in %s: %w", d, ref.Name, err)
		}
		return r.reviewLater(ctx, q, l.RepositoryID, d)
	})
	if errors.Is(err, ErrFull) {
		// Reading goes on, and where nothing can be written nothing is taken away.
		return nil
	}
	return err
}

// collectBatch is how many blobs are looked at in one transaction, and purgeBatch
// how many are deleted between two pauses.
const (
	collectBatch = 50
	purgeBatch   = 50
)

// Collect looks at blobs that are due, at most a batch of them, and returns how
// many they were.
func (r *Registry) Collect(ctx context.Context) (int, error) {
	due, err := meta.DueReviews(ctx, r.db.Reader(), r.millis(), collectBatch)
	if err != nil {
		return 0, fmt.Errorf("list blobs that may be unneeded: %w", err)
	}
	if len(due) == 0 {
		return 0, nil
	}
	var unlinked, trashed int64
	err = r.write(ctx, func(q meta.Querier) error {
		unlinked, trashed = 0, 0
		freed := map[int64]int64{}
		for _, review := range due {
			u, t, err := r.review(ctx, q, review, freed)
			if err != nil {
				return err
			}
			unlinked, trashed = unlinked+u, trashed+t
		}
		return r.dischargeAll(ctx, q, freed)
	})
	if err != nil {
		return 0, err
	}
	r.totals.reviewed.Add(int64(len(due)))
	r.totals.unlinked.Add(unlinked)
	r.totals.trashed.Add(trashed)
	return len(due), nil
}

// dischargeAll charges repositories, by their ids, for bytes that they do not hold
// any more, each once, in an order that is the same for all.
func (r *Registry) dischargeAll(ctx context.Context, q meta.Querier, freed map[int64]int64) error {
	for _, id := range slices.Sorted(maps.Keys(freed)) {
		repo, err := meta.RepositoryByID(ctx, q, id)
		if err != nil {
			return fmt.Errorf("find a repository that holds less: %w", err)
		}
		if err := r.discharge(ctx, q, Ref{Scope{repo.Account, repo.Region}, repo.Name}, Amount{Bytes: freed[id]}); err != nil {
			return err
		}
	}
	return nil
}

// review takes a blob from a repository that does not need it, and puts it into
// the trash when that was the last to hold it. The bytes are added to those freed of
// the repository.
func (r *Registry) review(ctx context.Context, q meta.Querier, v meta.Review, freed map[int64]int64) (unlinked, trashed int64, err error) {
	ended, err := meta.EndReview(ctx, q, v)
	if err != nil {
		return 0, 0, fmt.Errorf("look at %s: %w", v.Digest, err)
	}
	if !ended {
		return 0, 0, nil // put off meanwhile
	}
	if v.RepositoryID != meta.Everywhere {
		_, err := meta.ParentOf(ctx, q, v.RepositoryID, v.Digest, false)
		if err == nil {
			return 0, 0, r.freezeUnwanted(ctx, q, digest.Digest(v.Digest))
		}
		if !errors.Is(err, meta.ErrNotFound) {
			return 0, 0, fmt.Errorf("look for images that need %s: %w", v.Digest, err)
		}
		size, err := meta.UnlinkBlob(ctx, q, v.RepositoryID, v.Digest)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return 0, 0, fmt.Errorf("take %s from a repository: %w", v.Digest, err)
		}
		if err == nil {
			unlinked = 1
			freed[v.RepositoryID] += size
		}
	}
	held, err := meta.IsHeld(ctx, q, v.Digest)
	if err == nil && held {
		err = r.freezeUnwanted(ctx, q, digest.Digest(v.Digest))
	}
	if err != nil || held {
		return unlinked, 0, err
	}
	moved, err := meta.TrashBlob(ctx, q, v.Digest, r.now().Add(r.trash).UnixMilli())
	if err != nil {
		return 0, 0, fmt.Errorf("put %s into the trash: %w", v.Digest, err)
	}
	if moved {
		trashed = 1
	}
	return unlinked, trashed, nil
}

// idle is how long the collector waits when there is nothing to do, duty the part
// of the time that it works when there is, and retryEvery how often it tries again
// to delete files that could not be deleted.
const (
	retryEvery = 10 * time.Minute

	idle = 5 * time.Second
	duty = 10
)

// RunCollector collects in small steps until the context ends.
func (r *Registry) RunCollector(ctx context.Context) error {
	// Not by the engine's clock: it may jump.
	start := time.Now()
	tried, righted, last := -retryEvery, -tooLate, time.Duration(0)
	w := r.watchOfCollection()
	for {
		begun := time.Since(start)
		if begun-tried >= retryEvery {
			tried = begun
			if err := r.deleteDoomed(ctx); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "could not delete files that were to be deleted", "error", err)
			}
		}
		if begun-righted >= tooLate {
			righted = begun
			if err := r.bringBack(ctx); err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "could not look for times that are too late", "error", err)
			}
		}
		n, err := r.collectInTime(ctx, w, begun-last)
		last = begun
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "could not collect what is unneeded", "error", err)
		}
		pause := idle
		if n > 0 && err == nil {
			pause = duty * (time.Since(start) - begun)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// fileLocks keep the file of a digest from being deleted while another is put in
// its place. Only one server has the files of a folder; where several share a
// service, every upload has a file of its own.
type fileLocks [256]sync.Mutex

// lock takes the locks of digests, which have been validated, each by its first
// byte. All who take several take them in the same order.
func (l *fileLocks) lock(digests ...digest.Digest) (unlock func()) {
	var wanted [len(l)]bool
	for _, d := range digests {
		n, err := strconv.ParseUint(d.Encoded()[:2], 16, 8)
		if err != nil {
			n = 0 // cannot be, and then one lock serves all
		}
		wanted[n] = true
	}
	each := func(do func(*sync.Mutex)) {
		for n := range wanted {
			if wanted[n] {
				do(&l[n])
			}
		}
	}
	each((*sync.Mutex).Lock)
	return func() { each((*sync.Mutex).Unlock) }
}
