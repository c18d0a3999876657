package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Manifest reads a manifest by tag or digest. Errors: *RepositoryUnknownError,
// *ManifestUnknownError, *DigestInvalidError, and *ArchivedError for one that is not
// active.
func (r *Registry) Manifest(ctx context.Context, ref Ref, which Reference) (Manifest, error) {
	return r.manifests.Get(r.db, manifestKey{ref, which}, func() (Manifest, error) { return r.readManifest(ctx, ref, which) })
}

// manifestKey is what a manifest is asked for by.
type manifestKey struct {
	ref   Ref
	which Reference
}

// rememberedManifests is how many bytes of manifests are kept in memory.
const rememberedManifests = 4 << 20

func weighManifest(m Manifest) int { return len(m.Content) + 512 }

func (r *Registry) readManifest(ctx context.Context, ref Ref, which Reference) (Manifest, error) {
	var row meta.Manifest
	var err error
	if which.Tag != "" {
		row, err = meta.ManifestByTag(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, which.Tag)
		if err == nil && which.Digest != "" && string(which.Digest) != row.Digest {
			err = meta.ErrNotFound
		}
	} else {
		if err := checkDigest(which.Digest); err != nil {
			return Manifest{}, err
		}
		row, err = meta.ManifestByDigest(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, string(which.Digest))
	}
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return Manifest{}, r.absent(ctx, ref, &ManifestUnknownError{ref, which})
	case err != nil:
		return Manifest{}, fmt.Errorf("read manifest %s of %s: %w", which, ref.Name, err)
	}
	if s := ImageStatus(row.Status); s != Active {
		return Manifest{}, &ArchivedError{ref, which, s}
	}
	m := Manifest{Digest: digest.Digest(row.Digest), MediaType: row.MediaType, Content: row.Content}
	if row.Incomplete {
		// A push to whatever repository may have made it whole.
		if m.Incomplete, err = lacks(ctx, r.db.Reader(), row.RepositoryID, row.Digest, map[string]bool{}); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

// PutManifest stores a manifest and points tags at it, all or nothing. Errors:
// *RepositoryUnknownError, *ManifestInvalidError, *DigestInvalidError,
// *DigestMismatchError, *MissingReferencesError, *TagInvalidError,
// *TagImmutableError, *QuotaError, *LowSpaceError.
func (r *Registry) PutManifest(ctx context.Context, ref Ref, m ManifestUpload) (Stored, error) {
	for _, t := range m.Tags {
		if !tagForm.MatchString(t) {
			return Stored{}, &TagInvalidError{t}
		}
	}
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		return Stored{}, err
	}
	d := digest.FromBytes(m.Content)
	if m.Digest != "" {
		if err := checkDigest(m.Digest); err != nil {
			return Stored{}, err
		}
		if d = m.Digest.Algorithm().FromBytes(m.Content); d != m.Digest {
			return Stored{}, &DigestMismatchError{Declared: m.Digest, Actual: d}
		}
	}
	if err := r.takesMore(ctx); err != nil {
		r.turnedAway(err)
		return Stored{}, err
	}
	var stored Stored
	var queues []string
	err = r.write(ctx, func(q meta.Querier) (err error) {
		stored, queues, err = r.putManifest(ctx, q, ref, m, d, doc)
		return err
	})
	r.turnedAway(err)
	if err != nil {
		return stored, err
	}
	r.wakeAll(queues)
	return stored, nil
}

// putManifest stores a manifest and points tags at it, and returns the queues to be
// woken. Errors: as PutManifest.
func (r *Registry) putManifest(ctx context.Context, q meta.Querier, ref Ref, m ManifestUpload, d digest.Digest, doc *document) (stored Stored, queues []string, err error) {
	stored = Stored{Digest: d, MediaType: doc.mediaType, Subject: doc.subject, Unchanged: true}
	repo, err := findRepository(ctx, q, ref)
	if err != nil {
		return stored, nil, err
	}
	there, err := meta.HasManifest(ctx, q, repo.ID, string(d))
	if err != nil {
		return stored, nil, fmt.Errorf("look for manifest %s in %s: %w", d, ref.Name, err)
	}
	if !there {
		stored.Unchanged = false
		if queues, err = r.insertManifest(ctx, q, ref, repo.ID, d, doc, m.Content, m.Cached); err != nil {
			return stored, nil, err
		}
		if m.Cached {
			if err := r.cached(ctx, q, ref, repo.ID, d); err != nil {
				return stored, nil, err
			}
		}
	} else if !m.Cached {
		if err := r.stillWhole(ctx, q, ref, repo.ID, d, doc); err != nil {
			return stored, nil, err
		}
		revived, woken, err := r.revive(ctx, q, ref, repo.ID, d, false)
		if err != nil {
			return stored, nil, err
		}
		stored.Unchanged, queues = !revived, woken
	}
	for _, t := range m.Tags {
		moved, err := r.setTag(ctx, q, ref, repo, t, d)
		if err != nil {
			return stored, nil, err
		}
		stored.Unchanged = stored.Unchanged && !moved
	}
	if stored.Unchanged {
		return stored, nil, nil
	}
	pushed := Change{
		Kind: ImagePushed, Ref: ref, Digest: d, Tags: m.Tags, New: !there,
		MediaType: doc.mediaType, ArtifactType: doc.artifactType, Subject: doc.subject, By: m.By, At: r.now(),
	}
	told, err := r.tell(ctx, q, ref, append([]Change{pushed}, m.Also...)...)
	return stored, append(queues, told...), err
}

// insertManifest stores a manifest that is not there yet, once all that it needs
// is, unless it is cached, and returns the queues to be woken. What it needs of the
// archive is restored. Errors: *MissingReferencesError, *QuotaError.
func (r *Registry) insertManifest(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest, doc *document, content []byte, cached bool) ([]string, error) {
	linked, cold, err := meta.LinkedBlobs(ctx, q, repository, texts(doc.blobs))
	if err != nil {
		return nil, fmt.Errorf("look for the layers of %s: %w", d, err)
	}
	children, err := meta.ImageSizes(ctx, q, repository, texts(doc.manifests))
	if err != nil {
		return nil, fmt.Errorf("look for the images of %s: %w", d, err)
	}
	missing := &MissingReferencesError{Ref: ref}
	refs := make([]meta.Reference, 0, len(doc.blobs)+len(doc.manifests))
	for _, b := range doc.blobs {
		if !linked[string(b)] {
			missing.Blobs = append(missing.Blobs, b)
		}
		refs = append(refs, meta.Reference{Child: string(b)})
	}
	size := doc.size
	for _, c := range doc.manifests {
		s, there := children[string(c)]
		if !there {
			missing.Manifests = append(missing.Manifests, c)
		}
		// ECR gives an index the size of its largest image.
		size = max(size, s)
		refs = append(refs, meta.Reference{Child: string(c), IsManifest: true})
	}
	if !cached && len(missing.Blobs)+len(missing.Manifests) > 0 {
		return nil, missing
	}
	err = meta.InsertManifest(ctx, q, meta.Manifest{
		RepositoryID: repository, Digest: string(d), MediaType: doc.mediaType, ArtifactType: doc.artifactType,
		Subject: string(doc.subject), ImageSize: size, PushedAt: r.millis(), Content: content,
	}, refs)
	if err == nil {
		err = meta.DropTrashedManifest(ctx, q, repository, string(d))
	}
	if err != nil {
		return nil, fmt.Errorf("store manifest %s in %s: %w", d, ref.Name, err)
	}
	if err := r.charge(ctx, q, ref, Amount{Bytes: int64(len(content)), Images: 1}); err != nil {
		return nil, err
	}
	if len(doc.manifests) == 0 && !cold {
		return nil, nil
	}
	_, queues, err := r.revive(ctx, q, ref, repository, d, cold)
	return queues, err
}

// DeleteManifest deletes a manifest with every tag that points at it. Errors:
// *RepositoryUnknownError, *ManifestUnknownError, *ManifestReferencedError,
// *DigestInvalidError.
func (r *Registry) DeleteManifest(ctx context.Context, ref Ref, d digest.Digest) error {
	_, err := r.DeleteImage(ctx, ref, Reference{Digest: d})
	return err
}

// DeleteImage deletes as ECR's BatchDeleteImage does: by digest the manifest
// with all its tags; by tag the tag, and the manifest with its last one, unless
// an index still lists it. It returns what is gone. Errors:
// *RepositoryUnknownError, *ManifestUnknownError, *ManifestReferencedError,
// *DigestInvalidError.
func (r *Registry) DeleteImage(ctx context.Context, ref Ref, which Reference) ([]ImageID, error) {
	if which.Digest != "" {
		if err := checkDigest(which.Digest); err != nil {
			return nil, err
		}
	}
	var gone []ImageID
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		gone, queues = nil, nil
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		d, err := resolve(ctx, q, ref, repo, which)
		if err != nil {
			return err
		}
		tags, err := meta.TagsOf(ctx, q, repo, string(d))
		if err != nil {
			return fmt.Errorf("read the tags of %s in %s: %w", d, ref.Name, err)
		}
		index, err := meta.ParentOf(ctx, q, repo, string(d), true)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("look for indexes of %s in %s: %w", d, ref.Name, err)
		}
		listed := err == nil
		if which.Tag != "" {
			gone = []ImageID{{Digest: d, Tag: which.Tag}}
			if len(tags) > 1 || listed {
				queues, err = r.untag(ctx, q, ref, repo, which.Tag, d)
				return err
			}
		} else {
			if listed {
				return &ManifestReferencedError{Digest: d, By: digest.Digest(index)}
			}
			for _, t := range tags {
				gone = append(gone, ImageID{Digest: d, Tag: t})
			}
			if len(tags) == 0 {
				gone = []ImageID{{Digest: d}}
			}
		}
		if err := r.deleteManifest(ctx, q, ref, repo, d, tags); err != nil {
			return err
		}
		queues, err = r.tell(ctx, q, ref, Change{Kind: ImageDeleted, Ref: ref, Digest: d, Tags: tags, At: r.now()})
		return err
	})
	if err != nil {
		return nil, err
	}
	r.wakeAll(queues)
	return gone, nil
}

// resolve finds the digest of an image that exists. Errors:
// *ManifestUnknownError.
func resolve(ctx context.Context, q meta.Querier, ref Ref, repository int64, which Reference) (digest.Digest, error) {
	if which.Tag == "" {
		there, err := meta.HasManifest(ctx, q, repository, string(which.Digest))
		if err != nil {
			return "", fmt.Errorf("look for manifest %s in %s: %w", which.Digest, ref.Name, err)
		}
		if !there {
			return "", &ManifestUnknownError{ref, which}
		}
		return which.Digest, nil
	}
	d, err := meta.TagDigest(ctx, q, repository, which.Tag)
	if errors.Is(err, meta.ErrNotFound) || err == nil && which.Digest != "" && d != string(which.Digest) {
		return "", &ManifestUnknownError{ref, which}
	}
	if err != nil {
		return "", fmt.Errorf("look up tag %s of %s: %w", which.Tag, ref.Name, err)
	}
	return digest.Digest(d), nil
}

func texts(digests []digest.Digest) []string {
	s := make([]string, len(digests))
	for i, d := range digests {
		s[i] = string(d)
	}
	return s
}
