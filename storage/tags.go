package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Tags lists the tags of a repository in byte order, from behind after on, at
// most limit; without those of images that are not active. Errors:
// *RepositoryUnknownError.
func (r *Registry) Tags(ctx context.Context, ref Ref, after string, limit int) ([]string, error) {
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return nil, err
	}
	tags, err := meta.ListTags(ctx, q, repo, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", ref.Name, err)
	}
	return tags, nil
}

// setTag points a tag at a manifest and reports whether that changed anything.
// Errors: *TagImmutableError, *LimitError.
func (r *Registry) setTag(ctx context.Context, q meta.Querier, ref Ref, repo meta.Repository, tag string, d digest.Digest) (bool, error) {
	old, err := meta.TagDigest(ctx, q, repo.ID, tag)
	switch {
	case errors.Is(err, meta.ErrNotFound):
	case err != nil:
		return false, fmt.Errorf("look up tag %s of %s: %w", tag, ref.Name, err)
	case old == string(d):
		return false, nil
	case Mutability{repo.Immutable, repo.Except}.Locks(tag):
		return false, &TagImmutableError{Ref: ref, Tag: tag}
	}
	if err := r.mayTag(ctx, q, ref, repo.ID, tag, string(d)); err != nil {
		return false, err
	}
	if err := meta.SetTag(ctx, q, repo.ID, tag, string(d), r.millis()); err != nil {
		return false, fmt.Errorf("set tag %s of %s: %w", tag, ref.Name, err)
	}
	return true, nil
}

// DeleteTag removes a tag, leaves the manifest, and returns what the tag pointed
// at. Errors: *RepositoryUnknownError, *ManifestUnknownError.
func (r *Registry) DeleteTag(ctx context.Context, ref Ref, tag string) (digest.Digest, error) {
	var d digest.Digest
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		if d, err = resolve(ctx, q, ref, repo, Reference{Tag: tag}); err != nil {
			return err
		}
		queues, err = r.untag(ctx, q, ref, repo, tag, d)
		return err
	})
	if err != nil {
		return d, err
	}
	r.wakeAll(queues)
	return d, nil
}

// untag deletes a tag of a manifest that stays, and returns the queues to be woken.
func (r *Registry) untag(ctx context.Context, q meta.Querier, ref Ref, repository int64, tag string, d digest.Digest) ([]string, error) {
	if err := meta.DeleteTag(ctx, q, repository, tag); err != nil {
		return nil, fmt.Errorf("delete tag %s of %s: %w", tag, ref.Name, err)
	}
	return r.tell(ctx, q, ref, Change{Kind: ImageUntagged, Ref: ref, Digest: d, Tags: []string{tag}, At: r.now()})
}
