package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// StatBlob finds a blob that a repository holds, for those who want to push an image
// that needs it. Errors: *RepositoryUnknownError, *BlobUnknownError,
// *DigestInvalidError, and *BlobArchivedError where it has to be pushed to be at hand.
func (r *Registry) StatBlob(ctx context.Context, ref Ref, d digest.Digest) (Blob, error) {
	if err := checkDigest(d); err != nil {
		return Blob{}, err
	}
	l, err := meta.FindLink(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, string(d))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return Blob{}, r.absent(ctx, ref, &BlobUnknownError{ref, d})
	case err != nil:
		return Blob{}, fmt.Errorf("look for blob %s in %s: %w", d, ref.Name, err)
	}
	if err := r.atHand(ctx, ref, d, l); err != nil {
		return Blob{}, err
	}
	if err := r.promise(ctx, ref, d, l); err != nil {
		return Blob{}, err
	}
	return Blob{Digest: d, Size: l.Size}, nil
}

// OpenBlob opens a blob that a repository holds. On disk the reader is an
// *os.File, unless the blob is small. Errors: as StatBlob, *BlobArchivedError where only
// images need it that are not active; any other, of Fetch and
// of reading too, means that the bytes are damaged or out of reach.
func (r *Registry) OpenBlob(ctx context.Context, ref Ref, d digest.Digest) (io.ReadSeekCloser, Blob, error) {
	row, err := r.linkedBlob(ctx, ref, d)
	if err != nil {
		return nil, Blob{}, err
	}
	b := Blob{Digest: d, Size: row.Size}
	if row.Content != nil {
		return inMemory{bytes.NewReader(row.Content)}, b, nil
	}
	f, err := r.blobs.Open(ctx, d, row.Location, row.Size)
	if err != nil {
		return nil, Blob{}, fault(err)
	}
	return f, b, nil
}

// Fetch has n bytes of an opened blob asked for, from the offset on, where reading
// means asking: so a failure is known before an answer is begun.
func Fetch(content io.ReadSeekCloser, offset, n int64) error {
	f, asks := content.(blob.Fetcher)
	if !asks {
		return nil
	}
	return fault(f.Fetch(offset, n))
}

// Sender is content of OpenBlob that can be copied to a connection by a shorter way
// than through Read.
type Sender interface {
	io.Reader
	// Send copies the next n bytes to w, and returns how many it was.
	Send(w io.Writer, n int64) (int64, error)
}

// BlobURL returns an address at which anybody may get a blob that a repository
// holds, for a while, or "" when there is none. Errors: as StatBlob.
func (r *Registry) BlobURL(ctx context.Context, ref Ref, d digest.Digest) (string, error) {
	row, err := r.linkedBlob(ctx, ref, d)
	if err != nil || row.Content != nil {
		return "", err
	}
	return r.blobs.URL(ctx, d, row.Location)
}

// linkedBlob finds the record of a blob that a repository holds. Errors: as
// StatBlob.
func (r *Registry) linkedBlob(ctx context.Context, ref Ref, d digest.Digest) (meta.Blob, error) {
	if err := checkDigest(d); err != nil {
		return meta.Blob{}, err
	}
	row, archived, err := meta.LinkedBlob(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, string(d))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return meta.Blob{}, r.absent(ctx, ref, &BlobUnknownError{ref, d})
	case err != nil:
		return meta.Blob{}, fmt.Errorf("look for blob %s in %s: %w", d, ref.Name, err)
	case archived, row.Content == nil && blob.IsCold(row.Location):
		return meta.Blob{}, &BlobArchivedError{ref, d, row.Size}
	}
	return row, nil
}

// ReadableBlob finds a blob that can be read through a repository. Errors: as OpenBlob.
func (r *Registry) ReadableBlob(ctx context.Context, ref Ref, d digest.Digest) (Blob, error) {
	row, err := r.linkedBlob(ctx, ref, d)
	return Blob{Digest: d, Size: row.Size}, err
}

// inMemory reads what needs no closing.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// DeleteBlob takes a blob from a repository. Errors: as StatBlob, and
// *BlobReferencedError while a manifest needs it.
func (r *Registry) DeleteBlob(ctx context.Context, ref Ref, d digest.Digest) error {
	if err := checkDigest(d); err != nil {
		return err
	}
	return r.write(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		parent, err := meta.ParentOf(ctx, q, repo, string(d), false)
		if err == nil {
			return &BlobReferencedError{Digest: d, By: digest.Digest(parent)}
		}
		if !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("look for images that need %s in %s: %w", d, ref.Name, err)
		}
		size, err := meta.UnlinkBlob(ctx, q, repo, string(d))
		if errors.Is(err, meta.ErrNotFound) {
			return &BlobUnknownError{ref, d}
		}
		if err != nil {
			return fmt.Errorf("take blob %s from %s: %w", d, ref.Name, err)
		}
		if err := r.discharge(ctx, q, ref, Amount{Bytes: size}); err != nil {
			return err
		}
		return r.reviewLater(ctx, q, meta.Everywhere, d)
	})
}

// MountBlob makes a repository hold a blob that another one holds. Errors: as
// StatBlob for from, and *RepositoryUnknownError and *QuotaError for ref.
func (r *Registry) MountBlob(ctx context.Context, ref, from Ref, d digest.Digest) (Blob, error) {
	if err := checkDigest(d); err != nil {
		return Blob{}, err
	}
	b := Blob{Digest: d}
	err := r.write(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		if _, err := repositoryID(ctx, q, from); err != nil {
			return err
		}
		l, err := meta.FindLink(ctx, q, from.Account, from.Region, from.Name, string(d))
		if errors.Is(err, meta.ErrNotFound) {
			return &BlobUnknownError{from, d}
		}
		if err != nil {
			return fmt.Errorf("look for blob %s in %s: %w", d, from.Name, err)
		}
		b.Size = l.Size
		if l.Cold {
			return &BlobArchivedError{from, d, l.Size}
		}
		if err := r.hold(ctx, q, ref, repo, string(d), b.Size); err != nil {
			return err
		}
		return r.reviewLater(ctx, q, repo, d)
	})
	r.turnedAway(err)
	return b, err
}

// stored reports whether a blob is recorded as a file and that is there in full, and
// not in the cold tree. spoilt is the location of one that is recorded and is not.
func (r *Registry) stored(ctx context.Context, d digest.Digest) (there bool, spoilt *string, err error) {
	b, err := meta.FindFile(ctx, r.db.Reader(), string(d))
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, fmt.Errorf("look for blob %s: %w", d, err)
	}
	if blob.IsCold(b.Location) {
		return false, &b.Location, nil // what is uploaded takes its place
	}
	size, err := r.blobs.Size(ctx, d, b.Location)
	if errors.Is(err, blob.ErrNotFound) || err == nil && size != b.Size {
		return false, &b.Location, nil
	}
	return err == nil, nil, fault(err)
}
