package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// An image in the archive is there and cannot be pulled. That is so from the
// transaction on that puts it there; its layers follow, moved by jobs, where no other
// image needs them (cold.go). Out of the archive it comes the other way round: first
// the layers, and when the last of them is back the image.
//
// With an index go the images that it alone lists and that have no tag, and with an
// image what refers to it, such as signatures; and so they come back.

// SetStorageClass moves images of a repository into the archive or out of it, all or
// none, with what goes with them, and returns the status of each: one that is moved
// out is Activating until its layers are back. Nothing is done to those that are where
// they are to be. Errors: *RepositoryUnknownError, *ManifestUnknownError,
// *DigestInvalidError, and *ManifestReferencedError for an image that an index lists
// which stays.
func (r *Registry) SetStorageClass(ctx context.Context, ref Ref, digests []digest.Digest, class StorageClass) ([]ImageStatus, error) {
	for _, d := range digests {
		if err := checkDigest(d); err != nil {
			return nil, err
		}
	}
	var list []ImageStatus
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		list, queues = nil, nil
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		t := &transition{r: r, q: q, ref: ref, repository: repo, seen: map[digest.Digest]bool{}}
		for _, d := range digests {
			if _, err := resolve(ctx, q, ref, repo, Reference{Digest: d}); err != nil {
				return err
			}
			if class == Archive {
				err = t.archive(ctx, d)
			} else {
				err = t.restore(ctx, d)
			}
			if err != nil {
				return fmt.Errorf("set the storage class of %s in %s: %w", d, ref.Name, err)
			}
		}
		for _, d := range digests {
			if class == Archive {
				if err := t.unlisted(ctx, d); err != nil {
					return err
				}
			}
			status, err := meta.ArchiveStatus(ctx, q, repo, string(d))
			if err != nil {
				return fmt.Errorf("read the status of %s in %s: %w", d, ref.Name, err)
			}
			list = append(list, ImageStatus(status))
		}
		queues, err = r.order(ctx, q, t.jobs)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.wakeAll(queues)
	return list, nil
}

// transition moves images of a repository in a transaction, each once.
type transition struct {
	r          *Registry
	q          meta.Querier
	ref        Ref
	repository int64
	seen       map[digest.Digest]bool
	jobs       []Job
}

// unlisted makes sure that no index lists an image which is not in the archive itself.
// Errors: *ManifestReferencedError.
func (t *transition) unlisted(ctx context.Context, d digest.Digest) error {
	index, err := meta.ActiveIndexOf(ctx, t.q, t.repository, string(d))
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for indexes of %s in %s: %w", d, t.ref.Name, err)
	}
	return &ManifestReferencedError{Digest: d, By: digest.Digest(index)}
}

// archive puts an image into the archive, with what goes with it.
func (t *transition) archive(ctx context.Context, d digest.Digest) error {
	status, err := t.statusOf(ctx, d)
	if err != nil || status == Archived || status == "" {
		return err
	}
	if err := meta.ArchiveImage(ctx, t.q, t.repository, string(d), t.r.millis()); err != nil {
		return err
	}
	files, err := meta.FilesOf(ctx, t.q, t.repository, string(d))
	if err != nil {
		return err
	}
	for _, b := range files {
		t.jobs = append(t.jobs, freezing(digest.Digest(b.Digest)))
	}
	// What an index lists follows when all indexes that list it have gone before.
	return t.family(ctx, d, func(child digest.Digest) error {
		tags, err := meta.TagsOf(ctx, t.q, t.repository, string(child))
		if err != nil || len(tags) > 0 {
			return err
		}
		var listed *ManifestReferencedError
		if err := t.unlisted(ctx, child); errors.As(err, &listed) {
			return nil
		} else if err != nil {
			return err
		}
		return t.archive(ctx, child)
	})
}

// restore begins to bring an image back, and what went with it.
func (t *transition) restore(ctx context.Context, d digest.Digest) error {
	status, err := t.statusOf(ctx, d)
	if err != nil || status == "" {
		return err
	}
	if status == Archived {
		if err := t.activate(ctx, d); err != nil {
			return err
		}
	}
	return t.family(ctx, d, func(child digest.Digest) error { return t.restore(ctx, child) })
}

// activate has the layers of an image brought back.
func (t *transition) activate(ctx context.Context, d digest.Digest) error {
	if err := meta.BeginActivation(ctx, t.q, t.repository, string(d)); err != nil {
		return err
	}
	job, err := thawing(t.ref, d)
	t.jobs = append(t.jobs, job)
	return err
}

// statusOf is the status of an image, empty for one that is not there or was met
// before.
func (t *transition) statusOf(ctx context.Context, d digest.Digest) (ImageStatus, error) {
	if t.seen[d] {
		return "", nil
	}
	t.seen[d] = true
	there, err := meta.HasManifest(ctx, t.q, t.repository, string(d))
	if err != nil || !there {
		return "", err
	}
	status, err := meta.ArchiveStatus(ctx, t.q, t.repository, string(d))
	return ImageStatus(status), err
}

// family calls fn for the images that an index lists, and for what is attached to an
// image.
func (t *transition) family(ctx context.Context, d digest.Digest, fn func(child digest.Digest) error) error {
	refs, err := meta.References(ctx, t.q, meta.ManifestKey{RepositoryID: t.repository, Digest: string(d)})
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if ref.IsManifest {
			if err := fn(digest.Digest(ref.Child)); err != nil {
				return err
			}
		}
	}
	attached, err := meta.Attachments(ctx, t.q, t.repository, string(d))
	if err != nil {
		return err
	}
	for _, a := range attached {
		if err := fn(digest.Digest(a)); err != nil {
			return err
		}
	}
	return nil
}

// revive takes an image that is pushed out of the archive, with what went with it, and
// reports whether it was there. What has its layers at hand, as it has when a client
// has just pushed them, is active at once. cold says that the image is new and lacks
// that. It returns the queues to be woken.
func (r *Registry) revive(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest, cold bool) (revived bool, queues []string, err error) {
	some, err := meta.HasArchive(ctx, q, repository)
	if err != nil || !some && !cold {
		return false, nil, err
	}
	t := &transition{r: r, q: q, ref: ref, repository: repository, seen: map[digest.Digest]bool{}}
	if cold {
		t.seen[d] = true
		if err := t.activate(ctx, d); err != nil {
			return false, nil, err
		}
		err = t.family(ctx, d, func(child digest.Digest) error { return t.restore(ctx, child) })
	} else {
		err = t.restore(ctx, d)
	}
	if err != nil {
		return false, nil, err
	}
	revived = len(t.jobs) > 0
	for met := range t.seen {
		active, err := r.activateWhole(ctx, q, repository, met)
		if err != nil {
			return false, nil, err
		}
		revived = revived || active
	}
	queues, err = r.order(ctx, q, t.jobs)
	return revived, queues, err
}

// activateWhole makes an image active whose layers are all at hand, and reports
// whether it was activating before.
func (r *Registry) activateWhole(ctx context.Context, q meta.Querier, repository int64, d digest.Digest) (bool, error) {
	status, err := meta.ArchiveStatus(ctx, q, repository, string(d))
	if err != nil || ImageStatus(status) != Activating {
		return false, err
	}
	files, err := meta.FilesOf(ctx, q, repository, string(d))
	if err != nil || slices.ContainsFunc(files, isColdRow) {
		return false, err
	}
	return meta.ActivateImage(ctx, q, repository, string(d), r.millis())
}
