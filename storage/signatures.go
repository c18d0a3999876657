package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Signature is how the signing of an image with a profile has ended.
type Signature struct {
	Profile string
	// Digest is that of the signature's manifest, empty where signing has failed; then
	// Failure and Reason say why.
	Digest          digest.Digest
	Failure, Reason string
	At              time.Time
}

// Signing names an image that is signed, and the profile that it is signed with.
type Signing struct {
	Ref     Ref
	Digest  digest.Digest
	Profile string
}

// Signatures tells how the signing of an image has ended, by profile, and which jobs
// of a queue wait whose keys begin with what prefix says of the image. Errors:
// *RepositoryUnknownError, *ManifestUnknownError, *DigestInvalidError.
func (r *Registry) Signatures(ctx context.Context, ref Ref, which Reference, queue string, prefix func(digest.Digest) string) (d digest.Digest, ended []Signature, waiting []string, err error) {
	if which.Tag == "" {
		if err := checkDigest(which.Digest); err != nil {
			return "", nil, nil, err
		}
	}
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	if err != nil {
		return "", nil, nil, err
	}
	if d, err = resolve(ctx, q, ref, repo, which); err != nil {
		return "", nil, nil, err
	}
	// The jobs first: one that ends meanwhile is then found to have ended.
	if waiting, err = meta.JobKeys(ctx, q, queue, prefix(d), mostSignings); err != nil {
		return "", nil, nil, fmt.Errorf("look which signatures of %s in %s are waited for: %w", d, ref.Name, err)
	}
	rows, err := meta.Signatures(ctx, q, repo, string(d))
	if err != nil {
		return "", nil, nil, fmt.Errorf("read how the signing of %s in %s ended: %w", d, ref.Name, err)
	}
	for _, row := range rows {
		ended = append(ended, Signature{
			Profile: row.Profile, Digest: digest.Digest(row.Signature), Failure: row.Failure, Reason: row.Reason, At: time.UnixMilli(row.UpdatedAt),
		})
	}
	return d, ended, waiting, nil
}

// mostSignings is how many signatures of an image can be waited for.
const mostSignings = 1000

// IsSigned reports whether an image has a signature with the profile. Errors: as
// Signatures.
func (r *Registry) IsSigned(ctx context.Context, s Signing) (bool, error) {
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, s.Ref)
	if err != nil {
		return false, err
	}
	if _, err := resolve(ctx, q, s.Ref, repo, Reference{Digest: s.Digest}); err != nil {
		return false, err
	}
	signed, err := meta.IsSigned(ctx, q, repo, string(s.Digest), s.Profile)
	if err != nil {
		return false, fmt.Errorf("look for the signature of %s in %s: %w", s.Digest, s.Ref.Name, err)
	}
	return signed, nil
}

// AddSignature stores the signature of an image, with the blobs that its manifest
// needs and are small, and that the image is signed, in one transaction: never two
// of a profile, however often it is tried. Errors: those of PutManifest, and
// *ManifestUnknownError where the image has gone.
func (r *Registry) AddSignature(ctx context.Context, s Signing, m ManifestUpload, blobs ...[]byte) error {
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		return err
	}
	if err := r.takesMore(ctx); err != nil {
		r.turnedAway(err)
		return err
	}
	d := digest.FromBytes(m.Content)
	var queues []string
	err = r.write(ctx, func(q meta.Querier) error {
		queues = nil
		repo, err := signable(ctx, q, s)
		if err != nil {
			return err
		}
		signed, err := meta.IsSigned(ctx, q, repo, string(s.Digest), s.Profile)
		if err != nil || signed {
			return err
		}
		for _, content := range blobs {
			if err := r.addSmall(ctx, q, s.Ref, repo, content); err != nil {
				return err
			}
		}
		if _, queues, err = r.putManifest(ctx, q, s.Ref, m, d, doc); err != nil {
			return err
		}
		return meta.SetSignature(ctx, q, meta.Signature{RepositoryID: repo, Digest: string(s.Digest), Profile: s.Profile, Signature: string(d), UpdatedAt: r.millis()})
	})
	r.turnedAway(err)
	if err != nil {
		return fmt.Errorf("add the signature of %s to %s: %w", s.Digest, s.Ref.Name, err)
	}
	r.wakeAll(queues)
	return nil
}

// addSmall makes a repository hold a blob that is small, which the transaction goes
// on to need. Errors: *QuotaError.
func (r *Registry) addSmall(ctx context.Context, q meta.Querier, ref Ref, repository int64, content []byte) error {
	d := string(digest.FromBytes(content))
	if len(content) > smallBlob {
		return fmt.Errorf("blob %s has %d bytes, more than are kept in a record", d, len(content))
	}
	b := meta.Blob{Digest: d, Size: int64(len(content)), CreatedAt: r.millis(), Content: content}
	ours, err := meta.InsertBlob(ctx, q, b, nil)
	if err == nil && ours {
		err = meta.KeepFromTrash(ctx, q, d, "", false)
	}
	if err != nil {
		return fmt.Errorf("record blob %s: %w", d, err)
	}
	return r.hold(ctx, q, ref, repository, d, b.Size)
}

// FailSignature writes down that an image is not signed and why, unless it is, and
// tells a change. Errors: as IsSigned.
func (r *Registry) FailSignature(ctx context.Context, s Signing, failure, reason string, also Change) error {
	err := r.Record(ctx, also, func(q meta.Querier) error {
		repo, err := signable(ctx, q, s)
		if err != nil {
			return err
		}
		signed, err := meta.IsSigned(ctx, q, repo, string(s.Digest), s.Profile)
		if err != nil {
			return err
		}
		if signed {
			return errSigned
		}
		err = meta.SetSignature(ctx, q, meta.Signature{RepositoryID: repo, Digest: string(s.Digest), Profile: s.Profile, Failure: failure, Reason: reason, UpdatedAt: r.millis()})
		if err != nil {
			return fmt.Errorf("write down that %s of %s is not signed: %w", s.Digest, s.Ref.Name, err)
		}
		return nil
	})
	if errors.Is(err, errSigned) {
		return nil
	}
	return err
}

// errSigned says that an image is signed after all.
var errSigned = errors.New("the image is signed")

// signable finds the repository of an image that is still there. Errors:
// *RepositoryUnknownError, *ManifestUnknownError.
func signable(ctx context.Context, q meta.Querier, s Signing) (int64, error) {
	repo, err := repositoryID(ctx, q, s.Ref)
	if err != nil {
		return 0, err
	}
	_, err = resolve(ctx, q, s.Ref, repo, Reference{Digest: s.Digest})
	return repo, err
}
