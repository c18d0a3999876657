package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Purge deletes for good what has been in the trash for long enough, at most a
// batch, and returns how much it was. A record goes before its file, which is
// noted as doomed in the same transaction, so that a crash forgets nothing.
func (r *Registry) Purge(ctx context.Context) (int, error) {
	now := r.millis()
	images, err := r.purgeImages(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("purge deleted images: %w", err)
	}
	due, err := meta.DueTrash(ctx, r.db.Reader(), now, purgeBatch)
	if err != nil {
		return 0, fmt.Errorf("list what is to be purged: %w", err)
	}
	if len(due) > 0 {
		if err := r.purge(ctx, due); err != nil {
			return 0, fmt.Errorf("purge %d blobs: %w", len(due), err)
		}
	}
	return len(due) + int(images), nil
}

// purgeImages forgets deleted images. It writes only when there is something to
// forget: a write has everything read anew.
func (r *Registry) purgeImages(ctx context.Context, now int64) (n int64, err error) {
	due, err := meta.HasDueManifests(ctx, r.db.Reader(), now)
	if err != nil || !due {
		return 0, err
	}
	err = r.write(ctx, func(q meta.Querier) (err error) {
		n, err = meta.PurgeManifests(ctx, q, now, purgeBatch)
		return err
	})
	return n, err
}

// purge takes blobs from the trash and deletes their files.
func (r *Registry) purge(ctx context.Context, due []meta.Trashed) error {
	digests := make([]digest.Digest, len(due))
	for i, t := range due {
		digests[i] = digest.Digest(t.Digest)
	}
	defer r.files.lock(digests...)()
	var doomed []meta.Doomed
	err := r.write(ctx, func(q meta.Querier) error {
		doomed = doomed[:0]
		for _, t := range due {
			isFile, err := meta.Doom(ctx, q, t.Digest, t.Location)
			if err != nil {
				return err
			}
			if isFile {
				doomed = append(doomed, meta.Doomed{Digest: t.Digest, Location: t.Location})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range due {
		r.totals.purged.Add(1)
		r.totals.purgedBytes.Add(t.Size)
	}
	return r.deleteFiles(ctx, doomed)
}

// deleteFiles deletes the files of blobs without records. The caller has their
// locks. One that cannot be deleted stays doomed, and is tried again.
func (r *Registry) deleteFiles(ctx context.Context, list []meta.Doomed) error {
	if len(list) == 0 {
		return nil
	}
	var failed []error
	deleted := make([]meta.Doomed, 0, len(list))
	for _, d := range list {
		if err := r.blobs.Delete(ctx, digest.Digest(d.Digest), d.Location); err != nil {
			failed = append(failed, err)
			continue
		}
		deleted = append(deleted, d)
	}
	err := r.note(ctx, func(q meta.Querier) error {
		for _, d := range deleted {
			if err := meta.EndDoom(ctx, q, d); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(failed, err)...)
}

// abandon deletes a file that was put in its place for an upload which then could
// not be recorded, unless a record has it. The caller has its lock.
func (r *Registry) abandon(ctx context.Context, d digest.Digest, location string) {
	q := r.db.Reader()
	b, err := meta.FindFile(ctx, q, string(d))
	if err == nil && b.Location == location {
		return
	}
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return
	}
	if trashed, err := meta.InTrash(ctx, q, string(d), location); err != nil || trashed {
		return
	}
	if err := r.blobs.Delete(ctx, d, location); err != nil {
		r.log.WarnContext(ctx, "could not remove the file of an upload that was refused", "digest", d, "error", err)
	}
}

// deleteDoomed deletes what a crash, or a failure to delete, left to be deleted.
func (r *Registry) deleteDoomed(ctx context.Context) error {
	list, err := meta.ListDoomed(ctx, r.db.Reader(), 1000)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := r.deleteIfDoomed(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (r *Registry) deleteIfDoomed(ctx context.Context, d meta.Doomed) error {
	defer r.files.lock(digest.Digest(d.Digest))()
	return r.deleteStillDoomed(ctx, d)
}

// deleteStillDoomed deletes a file that is to be deleted, unless it is a blob's again.
// The caller has its lock.
func (r *Registry) deleteStillDoomed(ctx context.Context, d meta.Doomed) error {
	doomed, err := meta.IsDoomed(ctx, r.db.Reader(), d)
	if err != nil {
		return err
	}
	if !doomed {
		return r.note(ctx, func(q meta.Querier) error { return meta.EndDoom(ctx, q, d) })
	}
	return r.deleteFiles(ctx, []meta.Doomed{d})
}

// deleteManifest deletes a manifest with its tags, and keeps it in the trash. What
// it needed is looked at later.
func (r *Registry) deleteManifest(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest, tags []string) error {
	if err := meta.TrashManifest(ctx, q, repository, string(d), tags, r.now().Add(r.trash).UnixMilli()); err != nil {
		return fmt.Errorf("keep manifest %s of %s in the trash: %w", d, ref.Name, err)
	}
	if err := meta.ReviewBlobsOf(ctx, q, repository, string(d), r.due()); err != nil {
		return fmt.Errorf("note what manifest %s of %s needed: %w", d, ref.Name, err)
	}
	size, err := meta.DeleteManifest(ctx, q, repository, string(d))
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete manifest %s of %s: %w", d, ref.Name, err)
	}
	return r.discharge(ctx, q, ref, Amount{Bytes: size, Images: 1})
}

// Undelete brings deleted images of a digest back, in every repository that had
// one and still exists, with the tags that nobody has taken since. It returns where
// they are. Errors: *ManifestUnknownError when there is none in the trash,
// *MissingReferencesError when something that an image needs is gone for good,
// *QuotaError.
func (r *Registry) Undelete(ctx context.Context, d digest.Digest) ([]Ref, error) {
	if err := checkDigest(d); err != nil {
		return nil, err
	}
	var back []Ref
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		back, queues = nil, nil
		list, err := meta.TrashedManifests(ctx, q, string(d))
		if err != nil {
			return fmt.Errorf("look for %s in the trash: %w", d, err)
		}
		for _, m := range list {
			change, err := r.undelete(ctx, q, m)
			if err != nil {
				return err
			}
			more, err := r.tell(ctx, q, change.Ref, change)
			if err != nil {
				return err
			}
			back, queues = append(back, change.Ref), append(queues, more...)
		}
		if len(back) == 0 {
			return &ManifestUnknownError{Reference: Reference{Digest: d}}
		}
		return nil
	})
	r.turnedAway(err)
	if err == nil {
		r.wakeAll(queues)
	}
	return back, err
}

// undelete brings one image back, and says so.
func (r *Registry) undelete(ctx context.Context, q meta.Querier, m meta.TrashedManifest) (Change, error) {
	repo, err := meta.RepositoryByID(ctx, q, m.RepositoryID)
	if err != nil {
		return Change{}, fmt.Errorf("find the repository of %s: %w", m.Digest, err)
	}
	ref := Ref{Scope{repo.Account, repo.Region}, repo.Name}
	if !isContentOf(m.Content, m.Digest) {
		return Change{}, fmt.Errorf("the deleted image %s cannot be brought back: its bytes are damaged", m.Digest)
	}
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		return Change{}, err
	}
	for _, b := range doc.blobs {
		if err := r.holdAgain(ctx, q, ref, repo.ID, b); err != nil {
			return Change{}, err
		}
	}
	d := digest.Digest(m.Digest)
	if _, err := r.insertManifest(ctx, q, ref, repo.ID, d, doc, m.Content, false); err != nil {
		return Change{}, err
	}
	change := Change{
		Kind: ImagePushed, Ref: ref, Digest: d, New: true,
		MediaType: doc.mediaType, ArtifactType: doc.artifactType, Subject: doc.subject, At: r.now(),
	}
	for _, t := range m.Tags {
		_, err := meta.TagDigest(ctx, q, repo.ID, t)
		if err == nil {
			continue // somebody has it now
		}
		if !errors.Is(err, meta.ErrNotFound) {
			return Change{}, fmt.Errorf("look up tag %s of %s: %w", t, ref.Name, err)
		}
		if err := meta.SetTag(ctx, q, repo.ID, t, m.Digest, r.millis()); err != nil {
			return Change{}, fmt.Errorf("set tag %s of %s: %w", t, ref.Name, err)
		}
		change.Tags = append(change.Tags, t)
	}
	return change, nil
}

// holdAgain makes a repository hold a blob that is stored or in the trash. One that
// is gone is left for the manifest to miss.
func (r *Registry) holdAgain(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest) error {
	size, err := meta.BlobSize(ctx, q, string(d))
	if errors.Is(err, meta.ErrNotFound) {
		if _, err := meta.RestoreBlob(ctx, q, string(d)); err != nil {
			return fmt.Errorf("bring blob %s back: %w", d, err)
		}
		size, err = meta.BlobSize(ctx, q, string(d))
	}
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look for blob %s: %w", d, err)
	}
	return r.hold(ctx, q, ref, repository, string(d), size)
}

// Waiting is what collection has before it. The counts end at Most.
type Waiting struct {
	// Reviews wait to be looked at, the first at First, which is zero when there
	// is none.
	Reviews int
	First   int64
	// Trash is how many blobs are in the trash, and TrashBytes their bytes.
	Trash      int
	TrashBytes int64
	// Clock is for how long nothing is collected, since the clock has jumped ahead
	// or the server was off.
	Clock time.Duration
}

// Most is where counts of what waits end: nothing is counted by going through all
// of it.
const Most = 1000

// Waiting tells what collection has before it.
func (r *Registry) Waiting(ctx context.Context) (w Waiting, err error) {
	q := r.db.Reader()
	if w.Reviews, w.First, err = meta.CountReviews(ctx, q, Most); err != nil {
		return w, fmt.Errorf("count what waits for collection: %w", err)
	}
	if w.Trash, w.TrashBytes, err = meta.CountTrash(ctx, q, Most); err != nil {
		return w, fmt.Errorf("count the trash: %w", err)
	}
	w.Clock, err = r.watchOfCollection().left(ctx)
	return w, err
}

// Fate is where a digest stands in collection.
type Fate struct {
	// Stored: there is such a blob. Holders are repositories that have it, at most
	// Most.
	Stored  bool
	Holders []Holder
	// PurgeAt is when a blob that nobody holds is deleted for good, in
	// milliseconds since 1970; 0 when it is not in the trash.
	PurgeAt int64
	// Deleted are the repositories that can have an image of the digest back, by
	// when that ends.
	Deleted map[Ref]int64
}

// Holder is a repository that holds a blob, and why.
type Holder struct {
	Ref Ref
	// NeededBy is an image that needs the blob, empty when none does.
	NeededBy digest.Digest
	// DueAt is when it is looked at again, in milliseconds since 1970; 0 when it
	// is not.
	DueAt int64
}

// Fate tells where a digest stands in collection: of a blob, or of an image that
// was deleted.
func (r *Registry) Fate(ctx context.Context, d digest.Digest) (Fate, error) {
	if err := checkDigest(d); err != nil {
		return Fate{}, err
	}
	q := r.db.Reader()
	f := Fate{Deleted: map[Ref]int64{}}
	var err error
	if f.Stored, err = meta.BlobExists(ctx, q, string(d)); err != nil {
		return f, fmt.Errorf("look for blob %s: %w", d, err)
	}
	holders, err := meta.Holders(ctx, q, string(d), Most)
	if err != nil {
		return f, fmt.Errorf("list who holds %s: %w", d, err)
	}
	for _, h := range holders {
		parent, err := meta.ParentOf(ctx, q, h.ID, string(d), false)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return f, fmt.Errorf("look for images that need %s: %w", d, err)
		}
		f.Holders = append(f.Holders, Holder{Ref{Scope{h.Account, h.Region}, h.Name}, digest.Digest(parent), h.DueAt})
	}
	trash, err := meta.TrashOf(ctx, q, string(d))
	if err != nil {
		return f, fmt.Errorf("look for %s in the trash: %w", d, err)
	}
	for _, t := range trash {
		f.PurgeAt = max(f.PurgeAt, t.PurgeAt)
	}
	deleted, err := meta.TrashedManifests(ctx, q, string(d))
	if err != nil {
		return f, fmt.Errorf("look for %s among deleted images: %w", d, err)
	}
	for _, m := range deleted {
		repo, err := meta.RepositoryByID(ctx, q, m.RepositoryID)
		if err != nil {
			return f, fmt.Errorf("find the repository of %s: %w", d, err)
		}
		f.Deleted[Ref{Scope{repo.Account, repo.Region}, repo.Name}] = m.PurgeAt
	}
	return f, nil
}
