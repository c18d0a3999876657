package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// damagedImage is for a manifest whose bytes are not those of its digest. Another
// repository may have the right ones; else they are put aside, and only a push
// brings them back.
func (v *verification) damagedImage(ctx context.Context, q meta.Querier, repo meta.Repository, m meta.Manifest, mend bool) ([]Problem, error) {
	k := meta.ManifestKey{RepositoryID: m.RepositoryID, Digest: m.Digest}
	names, err := namesOf(ctx, q, repo, m.Digest)
	if err != nil {
		return nil, err
	}
	p := Problem{Kind: ImageDamaged, Subject: imageSubject(placeOf(repo), m.Digest), Images: names, Advice: adviseRepair,
		Says: fmt.Sprintf("the bytes of the manifest %s in %s are not those of its digest", m.Digest, placeOf(repo))}
	good, err := sparedManifest(ctx, q, m.Digest)
	if err != nil {
		return nil, err
	}
	switch {
	case good == nil && !mend:
		p.Advice = "drydock verify --repair puts it aside, so that a push makes it whole"
	case good == nil:
		if err := meta.ReviewBlobsOf(ctx, q, repo.ID, m.Digest, v.r.due()); err != nil {
			return nil, fmt.Errorf("note what %s needed: %w", m.Digest, err)
		}
		if err := meta.DropManifest(ctx, q, k); err != nil {
			return nil, fmt.Errorf("forget the manifest %s: %w", m.Digest, err)
		}
		if err := meta.MarkIncomplete(ctx, q, m.Digest); err != nil {
			return nil, fmt.Errorf("mark the indexes of %s: %w", m.Digest, err)
		}
		p.Lost, p.Advice = true, "its bytes are in "+blob.Aside(manifestAside(m.Digest), v.aside)+"; push the image again, or delete its tags"
	case mend:
		m.Content = good.Content
		if err := meta.CorrectManifest(ctx, q, m); err != nil {
			return nil, fmt.Errorf("correct the manifest %s: %w", m.Digest, err)
		}
		p.Mended, p.Advice = true, "another repository, or the trash, had it whole"
	}
	return []Problem{p}, nil
}

// sparedManifest finds a manifest of a digest that is whole, in whatever repository
// or in the trash; nil when there is none.
func sparedManifest(ctx context.Context, q meta.Querier, d string) (*meta.Manifest, error) {
	const enough = 20
	copies, err := meta.CopiesOf(ctx, q, d, enough)
	if err != nil {
		return nil, fmt.Errorf("look for copies of %s: %w", d, err)
	}
	for _, c := range copies {
		if isContentOf(c.Content, d) {
			return &c, nil
		}
	}
	deleted, err := meta.TrashedManifests(ctx, q, d)
	if err != nil {
		return nil, fmt.Errorf("look for %s among deleted images: %w", d, err)
	}
	for _, c := range deleted {
		if isContentOf(c.Content, d) {
			return &meta.Manifest{Digest: d, MediaType: c.MediaType, Content: c.Content}, nil
		}
	}
	return nil, nil
}

// missingImage is for an image that an index or a tag of a repository names and that
// is not there. A copy takes its place if there is one.
func (v *verification) missingImage(ctx context.Context, q meta.Querier, repo meta.Repository, d string, mend bool) ([]Problem, error) {
	names, err := namesOf(ctx, q, repo, d)
	if err != nil {
		return nil, err
	}
	p := Problem{Kind: ImageMissing, Subject: imageSubject(placeOf(repo), d), Images: names,
		Says: fmt.Sprintf("the image %s, which a tag or an index of %s names, is lost", d, placeOf(repo)), Advice: adviseRepair}
	good, err := sparedManifest(ctx, q, d)
	if err != nil {
		return nil, err
	}
	if good != nil && !mend {
		return []Problem{p}, nil
	}
	if good != nil {
		back, err := v.insertAgain(ctx, q, repo, *good)
		if err != nil {
			return nil, err
		}
		if back {
			p.Mended, p.Advice = true, "another repository, or the trash, had it whole"
			return []Problem{p}, nil
		}
	}
	if mend {
		if err := meta.MarkIncomplete(ctx, q, d); err != nil {
			return nil, fmt.Errorf("mark the indexes of %s: %w", d, err)
		}
	}
	p.Lost, p.Advice = true, "push the image again, or delete its tags"
	return []Problem{p}, nil
}

// insertAgain stores a copy of a manifest in a repository that has lost it, and
// reports whether all that it needs is there.
func (v *verification) insertAgain(ctx context.Context, q meta.Querier, repo meta.Repository, m meta.Manifest) (bool, error) {
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		return false, nil
	}
	ref := Ref{Scope{repo.Account, repo.Region}, repo.Name}
	var over *QuotaError
	for _, b := range doc.blobs {
		if err := v.r.holdAgain(ctx, q, ref, repo.ID, b); err != nil && !errors.As(err, &over) {
			return false, err
		}
		if err := v.r.reviewLater(ctx, q, repo.ID, b); err != nil {
			return false, err
		}
	}
	_, err = v.r.insertManifest(ctx, q, ref, repo.ID, digest.Digest(m.Digest), doc, m.Content, false)
	var missing *MissingReferencesError
	switch {
	case errors.As(err, &missing):
		return false, nil
	case errors.As(err, &over): // what is charged is counted again below
		return true, nil
	}
	return err == nil, err
}
