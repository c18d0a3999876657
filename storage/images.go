package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Referrers lists the manifests of a repository whose subject is d, by digest,
// from behind after on, at most limit: those of the artifact types given, or of any
// where none is, and which are active. The subject need not exist. Errors:
// *RepositoryUnknownError, *DigestInvalidError.
func (r *Registry) Referrers(ctx context.Context, ref Ref, d digest.Digest, artifactTypes []string, after digest.Digest, limit int) ([]Descriptor, error) {
	return r.ReferrersOf(ctx, ref, d, artifactTypes, Active, after, limit)
}

// ReferrersOf is Referrers for those of a status.
func (r *Registry) ReferrersOf(ctx context.Context, ref Ref, d digest.Digest, artifactTypes []string, s ImageStatus, after digest.Digest, limit int) ([]Descriptor, error) {
	if err := checkDigest(d); err != nil {
		return nil, err
	}
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return nil, err
	}
	rows, err := meta.Referrers(ctx, q, repo, string(d), artifactTypes, meta.StatusFilter(s), string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list the referrers of %s in %s: %w", d, ref.Name, err)
	}
	list := make([]Descriptor, len(rows))
	for i, m := range rows {
		list[i] = Descriptor{
			Digest: digest.Digest(m.Digest), MediaType: m.MediaType, ArtifactType: m.ArtifactType,
			Size: int64(len(m.Content)), Annotations: annotations(m.Content), Status: ImageStatus(m.Status),
		}
	}
	return list, nil
}

// ImageIDs lists the manifests of a repository with their tags, by digest, then
// tag, from behind after on, at most limit. Errors: *RepositoryUnknownError.
func (r *Registry) ImageIDs(ctx context.Context, ref Ref, s TagStatus, after ImageID, limit int) ([]ImageID, error) {
	return r.FilteredImageIDs(ctx, ref, ImageFilter{Tags: s}, after, limit)
}

// Reach is up to where a page of a list of images is looked for, so that a filter that
// lets few of many pass costs no more than another: see ImageFilter.UpTo. It is empty
// where that is to the end. Errors: *RepositoryUnknownError.
func (r *Registry) Reach(ctx context.Context, ref Ref, f ImageFilter, after digest.Digest) (digest.Digest, error) {
	if f.Tags == AnyImage && f.Status != Active {
		return "", nil // these are found by an index
	}
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return "", err
	}
	if f.Tags == AnyImage {
		if some, err := meta.AnyArchived(ctx, q, repo); err != nil || !some {
			return "", err
		}
	}
	d, err := meta.DigestAhead(ctx, q, repo, string(after), r.mostPassed)
	if err != nil {
		return "", fmt.Errorf("look ahead in the images of %s: %w", ref.Name, err)
	}
	return digest.Digest(d), nil
}

// FilteredImageIDs is ImageIDs for those that a filter lets pass.
func (r *Registry) FilteredImageIDs(ctx context.Context, ref Ref, f ImageFilter, after ImageID, limit int) ([]ImageID, error) {
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return nil, err
	}
	rows, err := meta.ListImageIDs(ctx, q, repo, tagFilter(f.Tags), meta.StatusFilter(f.Status), meta.ImageID{Digest: string(after.Digest), Tag: after.Tag}, string(f.UpTo), limit)
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", ref.Name, err)
	}
	ids := make([]ImageID, len(rows))
	for i, id := range rows {
		ids[i] = ImageID{digest.Digest(id.Digest), id.Tag}
	}
	return ids, nil
}

// Images describes the images of a repository by digest, from behind after on,
// at most limit. Errors: *RepositoryUnknownError.
func (r *Registry) Images(ctx context.Context, ref Ref, s TagStatus, after digest.Digest, limit int) ([]Image, error) {
	return r.FilteredImages(ctx, ref, ImageFilter{Tags: s}, after, limit)
}

// FilteredImages is Images for those that a filter lets pass.
func (r *Registry) FilteredImages(ctx context.Context, ref Ref, f ImageFilter, after digest.Digest, limit int) ([]Image, error) {
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return nil, err
	}
	rows, err := meta.ListImages(ctx, q, repo, tagFilter(f.Tags), meta.StatusFilter(f.Status), string(after), string(f.UpTo), limit)
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", ref.Name, err)
	}
	images := make([]Image, len(rows))
	for i, row := range rows {
		if images[i], err = describe(ctx, q, ref, repo, row); err != nil {
			return nil, err
		}
	}
	return images, nil
}

// Image describes one image. Errors: *RepositoryUnknownError,
// *ManifestUnknownError.
func (r *Registry) Image(ctx context.Context, ref Ref, which Reference) (Image, error) {
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return Image{}, err
	}
	d, err := resolve(ctx, q, ref, repo, which)
	if err != nil {
		return Image{}, err
	}
	row, err := meta.FindImage(ctx, q, repo, string(d))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return Image{}, &ManifestUnknownError{ref, which}
	case err != nil:
		return Image{}, fmt.Errorf("read image %s of %s: %w", which, ref.Name, err)
	}
	return describe(ctx, q, ref, repo, row)
}

func describe(ctx context.Context, q meta.Querier, ref Ref, repository int64, row meta.Manifest) (Image, error) {
	tags, err := meta.TagsOf(ctx, q, repository, row.Digest)
	if err != nil {
		return Image{}, fmt.Errorf("read the tags of %s in %s: %w", row.Digest, ref.Name, err)
	}
	i := Image{
		Digest: digest.Digest(row.Digest), MediaType: row.MediaType, ArtifactType: row.ArtifactType,
		Size: row.ImageSize, PushedAt: time.UnixMilli(row.PushedAt),
		Tags: tags, Subject: digest.Digest(row.Subject), Status: ImageStatus(row.Status),
		PulledAt: timeOf(row.PulledAt), ArchivedAt: timeOf(row.ArchivedAt), ActivatedAt: timeOf(row.ActivatedAt),
	}
	return i, nil
}

// timeOf is a time of the records, which have 0 for never.
func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}

func tagFilter(s TagStatus) meta.TagFilter {
	switch s {
	case Tagged:
		return meta.TaggedOnly
	case Untagged:
		return meta.UntaggedOnly
	}
	return meta.AnyImage
}
