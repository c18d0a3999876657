package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// images looks at every manifest, and whether all is there that it needs.
func (v *verification) images(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.ManifestKey, error) {
		repo, d := cutKey(after)
		return meta.SurveyManifests(ctx, q, meta.ManifestKey{RepositoryID: repo, Digest: d}, pageSize)
	}
	return walk(ctx, v, list, manifestName, func(k meta.ManifestKey) error {
		v.count.Images++
		seems, err := v.image(ctx, q, k, false)
		if err != nil || len(seems) == 0 {
			return err
		}
		if v.o.Repair && seems[0].Kind == ImageDamaged {
			// A transaction waits for nothing but the database, so this comes first.
			if err := v.keepManifest(ctx, k); err != nil {
				return err
			}
		}
		return v.settle(ctx, func(q meta.Querier, mend bool) ([]Problem, error) { return v.image(ctx, q, k, mend) })
	})
}

// keepManifest puts the bytes of a damaged manifest aside.
func (v *verification) keepManifest(ctx context.Context, k meta.ManifestKey) error {
	m, err := meta.FindManifest(ctx, v.r.db.Reader(), k)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read manifest %s: %w", k.Digest, err)
	}
	return fault(v.r.blobs.KeepAside(ctx, manifestAside(k.Digest), v.aside, m.Content))
}

// manifestAside is the name of a manifest in quarantine.
func manifestAside(d string) string {
	if checkDigest(digest.Digest(d)) != nil {
		return "records/" + digest.FromString(d).Encoded()
	}
	return "manifests/" + strings.Replace(d, ":", "/", 1)
}

func manifestName(k meta.ManifestKey) string { return key(k.RepositoryID, k.Digest) }

// image looks at one manifest.
func (v *verification) image(ctx context.Context, q meta.Querier, k meta.ManifestKey, mend bool) ([]Problem, error) {
	m, err := meta.FindManifest(ctx, q, k)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", k.Digest, err)
	}
	repo, err := meta.RepositoryByID(ctx, q, k.RepositoryID)
	if errors.Is(err, meta.ErrNotFound) {
		p := mendable(RecordStray, mend, "manifest "+manifestName(k), "the image %s is of the repository %d, which does not exist", k.Digest, k.RepositoryID)
		if mend {
			_, err = meta.DeleteManifest(ctx, q, k.RepositoryID, k.Digest)
			return []Problem{p}, err
		}
		return []Problem{p}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the repository of %s: %w", k.Digest, err)
	}
	v.r.verified.bytes.Add(int64(len(m.Content)))
	if !isContentOf(m.Content, k.Digest) {
		return v.damagedImage(ctx, q, repo, m, mend)
	}
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		// What is recorded as its type may be what is wrong.
		if doc, err = parseDocument(m.Content, ""); err != nil {
			return []Problem{{Kind: ImageMisread, Subject: imageSubject(placeOf(repo), k.Digest), Says: fmt.Sprintf("the manifest %s cannot be read: %v", k.Digest, err),
				Advice: "pulls of it are served; delete it if nobody can use it"}}, nil
		}
	}
	var problems []Problem
	add := func(p []Problem, err error) error {
		problems = append(problems, p...)
		return err
	}
	// What an image of an upstream registry lacks was never here.
	lost, err := meta.IsCached(ctx, q, repo.ID, m.Digest)
	if err != nil {
		return nil, fmt.Errorf("look where %s came from: %w", m.Digest, err)
	}
	if lost {
		err := add(v.misread(ctx, q, repo, m, doc, lost, mend))
		return problems, err
	}
	for _, look := range []func() (bool, []Problem, error){
		func() (bool, []Problem, error) { return v.needsBlobs(ctx, q, repo, m.Digest, doc, mend) },
		func() (bool, []Problem, error) { return v.needsImages(ctx, q, repo, doc, mend) },
	} {
		l, p, err := look()
		if err := add(p, err); err != nil {
			return nil, err
		}
		lost = lost || l
	}
	if err := add(v.misread(ctx, q, repo, m, doc, lost, mend)); err != nil {
		return nil, err
	}
	return problems, nil
}

// isContentOf reports whether content has a digest.
func isContentOf(content []byte, d string) bool {
	want := digest.Digest(d)
	return checkDigest(want) == nil && digestOf(content, want) == want
}

// needsBlobs looks whether a repository holds the blobs that an image needs, and
// whether they exist. Whether any is lost it says besides: that problem may be known
// already.
func (v *verification) needsBlobs(ctx context.Context, q meta.Querier, repo meta.Repository, image string, doc *document, mend bool) (lost bool, problems []Problem, err error) {
	linked, _, err := meta.LinkedBlobs(ctx, q, repo.ID, texts(doc.blobs))
	if err != nil {
		return false, nil, fmt.Errorf("look for the layers of %s: %w", image, err)
	}
	ref := Ref{Scope{repo.Account, repo.Region}, repo.Name}
	for _, b := range doc.blobs {
		if linked[string(b)] {
			continue
		}
		there, err := meta.BlobExists(ctx, q, string(b))
		if err != nil {
			return false, nil, fmt.Errorf("look for blob %s: %w", b, err)
		}
		if !there {
			trashed, err := meta.TrashOf(ctx, q, string(b))
			if err != nil {
				return false, nil, fmt.Errorf("look for %s in the trash: %w", b, err)
			}
			there = len(trashed) > 0
		}
		if there {
			problems = append(problems, mendable(LinkMissing, mend, "link "+placeOf(repo)+" "+string(b),
				"%s does not hold the layer %s, which its image %s needs", placeOf(repo), b, image))
			if mend {
				err = v.r.holdAgain(ctx, q, ref, repo.ID, b)
				var over *QuotaError
				if errors.As(err, &over) {
					err = nil // it is counted again below
				}
			}
			if err != nil {
				return false, nil, err
			}
			continue
		}
		lost = true
		known, err := meta.HasFinding(ctx, q, v.row.Name, blobSubject(string(b)))
		if err != nil {
			return false, nil, fmt.Errorf("look what was found before: %w", err)
		}
		if known {
			continue
		}
		p, err := v.lostBlob(ctx, q, BlobUnrecorded, string(b), fmt.Sprintf("the layer %s is lost", b))
		if err != nil {
			return false, nil, err
		}
		problems = append(problems, p)
		if !mend {
			continue
		}
		if err := meta.MarkIncomplete(ctx, q, string(b)); err != nil {
			return false, nil, fmt.Errorf("mark the images that need %s: %w", b, err)
		}
	}
	return lost, problems, nil
}

// needsImages looks whether the images that an index lists are there.
func (v *verification) needsImages(ctx context.Context, q meta.Querier, repo meta.Repository, doc *document, mend bool) (lost bool, problems []Problem, err error) {
	there, err := meta.ImageSizes(ctx, q, repo.ID, texts(doc.manifests))
	if err != nil {
		return false, nil, fmt.Errorf("look for the images of an index: %w", err)
	}
	for _, c := range doc.manifests {
		if _, ok := there[string(c)]; ok {
			continue
		}
		p, err := v.missingImage(ctx, q, repo, string(c), mend)
		if err != nil {
			return false, nil, err
		}
		problems = append(problems, p...)
		lost = lost || !slices.ContainsFunc(p, func(p Problem) bool { return p.Mended })
	}
	return lost, problems, nil
}

// misread compares what is recorded of an image with what its manifest says.
func (v *verification) misread(ctx context.Context, q meta.Querier, repo meta.Repository, m meta.Manifest, doc *document, lost, mend bool) ([]Problem, error) {
	k := meta.ManifestKey{RepositoryID: m.RepositoryID, Digest: m.Digest}
	children, err := meta.ImageSizes(ctx, q, repo.ID, texts(doc.manifests))
	if err != nil {
		return nil, fmt.Errorf("look for the images of %s: %w", m.Digest, err)
	}
	size := doc.size
	for _, s := range children {
		size = max(size, s)
	}
	right := m
	right.MediaType, right.ArtifactType, right.Subject, right.ImageSize = doc.mediaType, doc.artifactType, string(doc.subject), size
	if lost {
		right.ImageSize = m.ImageSize // which may be that of what is lost
	}
	var wrong []string
	for what, is := range map[string]bool{"its type": right.MediaType == m.MediaType, "its artifact type": right.ArtifactType == m.ArtifactType,
		"its subject": right.Subject == m.Subject, "its size": right.ImageSize == m.ImageSize} {
		if !is {
			wrong = append(wrong, what)
		}
	}
	needs, err := meta.References(ctx, q, k)
	if err != nil {
		return nil, fmt.Errorf("look what %s needs: %w", m.Digest, err)
	}
	refs := doc.references()
	if !sameReferences(needs, refs) {
		wrong = append(wrong, "what it needs")
	}
	if len(wrong) == 0 {
		return nil, nil
	}
	slices.Sort(wrong)
	p := mendable(ImageMisread, mend, imageSubject(placeOf(repo), m.Digest), "of the image %s in %s the records have wrong: %s", m.Digest, placeOf(repo), strings.Join(wrong, ", "))
	if !mend {
		return []Problem{p}, nil
	}
	if err := meta.ReviewBlobsOf(ctx, q, repo.ID, m.Digest, v.r.due()); err != nil {
		return nil, fmt.Errorf("note what %s was said to need: %w", m.Digest, err)
	}
	if err := meta.CorrectManifest(ctx, q, right); err != nil {
		return nil, fmt.Errorf("correct what is recorded of %s: %w", m.Digest, err)
	}
	if err := meta.SetReferences(ctx, q, k, refs); err != nil {
		return nil, fmt.Errorf("correct what %s needs: %w", m.Digest, err)
	}
	return []Problem{p}, nil
}

// references are what a manifest needs, as the records have it.
func (d *document) references() []meta.Reference {
	var refs []meta.Reference
	for _, b := range d.blobs {
		refs = append(refs, meta.Reference{Child: string(b)})
	}
	for _, c := range d.manifests {
		refs = append(refs, meta.Reference{Child: string(c), IsManifest: true})
	}
	return refs
}

func sameReferences(a, b []meta.Reference) bool {
	less := func(x, y meta.Reference) int { return strings.Compare(x.Child, y.Child) }
	a, b = slices.SortedFunc(slices.Values(a), less), slices.SortedFunc(slices.Values(b), less)
	return slices.Equal(a, b)
}

// deletedImages looks at the manifests that can be brought back.
func (v *verification) deletedImages(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.ManifestKey, error) {
		repo, d := cutKey(after)
		return meta.SurveyManifestTrash(ctx, q, meta.ManifestKey{RepositoryID: repo, Digest: d}, pageSize)
	}
	return walk(ctx, v, list, manifestName, func(k meta.ManifestKey) error {
		return v.look(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
			content, err := meta.TrashedContent(ctx, q, k)
			if errors.Is(err, meta.ErrNotFound) || err == nil && isContentOf(content, k.Digest) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read the deleted image %s: %w", k.Digest, err)
			}
			p := mendable(TrashDamaged, mend, "deleted "+manifestName(k), "the deleted image %s could not be brought back: its bytes are not those of its digest", k.Digest)
			if mend {
				p.Advice = "it is no longer in the trash"
				err = meta.DropTrashedManifest(ctx, q, k.RepositoryID, k.Digest)
			}
			return []Problem{p}, err
		})
	})
}
