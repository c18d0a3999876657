package storage

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Images of which something is lost are marked when that is found out. The mark is
// a reason to look, and no more: a push of the same bytes makes all images whole
// that need them, and takes no marks away.

// lacks reports whether anything is lost that an image needs, down to the last
// layer. seen are images that have been looked at.
func lacks(ctx context.Context, q meta.Querier, repository int64, d string, seen map[string]bool) (bool, error) {
	if seen[d] {
		return false, nil
	}
	seen[d] = true
	lack, err := meta.LacksBlobs(ctx, q, repository, d)
	if err != nil {
		return false, fmt.Errorf("look for what %s needs: %w", d, err)
	}
	if lack {
		return true, nil
	}
	refs, err := meta.References(ctx, q, meta.ManifestKey{RepositoryID: repository, Digest: d})
	if err != nil {
		return false, fmt.Errorf("look what %s needs: %w", d, err)
	}
	for _, ref := range refs {
		if !ref.IsManifest {
			continue
		}
		there, err := meta.HasManifest(ctx, q, repository, ref.Child)
		if err != nil {
			return false, fmt.Errorf("look for manifest %s: %w", ref.Child, err)
		}
		if !there {
			return true, nil
		}
		if lack, err := lacks(ctx, q, repository, ref.Child, seen); err != nil || lack {
			return lack, err
		}
	}
	return false, nil
}

// stillWhole checks that what an image needs is still there when it is pushed
// again. Errors: *MissingReferencesError.
func (r *Registry) stillWhole(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest, doc *document) error {
	marked, err := meta.IsIncomplete(ctx, q, repository, string(d))
	if err != nil {
		return fmt.Errorf("look whether %s is whole: %w", d, err)
	}
	if !marked {
		return nil
	}
	linked, _, err := meta.LinkedBlobs(ctx, q, repository, texts(doc.blobs))
	if err != nil {
		return fmt.Errorf("look for the layers of %s: %w", d, err)
	}
	children, err := meta.ImageSizes(ctx, q, repository, texts(doc.manifests))
	if err != nil {
		return fmt.Errorf("look for the images of %s: %w", d, err)
	}
	missing := &MissingReferencesError{Ref: ref}
	for _, b := range doc.blobs {
		if !linked[string(b)] {
			missing.Blobs = append(missing.Blobs, b)
		}
	}
	for _, c := range doc.manifests {
		if _, there := children[string(c)]; !there {
			missing.Manifests = append(missing.Manifests, c)
		}
	}
	if len(missing.Blobs)+len(missing.Manifests) > 0 {
		return missing
	}
	if lack, err := lacks(ctx, q, repository, string(d), map[string]bool{}); err != nil || lack {
		return err // one of its images is to be pushed first
	}
	if err := meta.MarkComplete(ctx, q, repository, string(d)); err != nil {
		return fmt.Errorf("take the mark from %s: %w", d, err)
	}
	return nil
}
