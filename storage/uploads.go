package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// AnyOffset lets an upload go on wherever it stands.
const AnyOffset = -1

// StartUpload begins an upload. Errors: *RepositoryUnknownError.
func (r *Registry) StartUpload(ctx context.Context, ref Ref) (Upload, error) {
	id, err := newID(r.random)
	if err != nil {
		return Upload{}, err
	}
	now := r.millis()
	err = r.note(ctx, func(q meta.Querier) error {
		repo, err := repositoryID(ctx, q, ref)
		if err != nil {
			return err
		}
		u := meta.Upload{ID: id, RepositoryID: repo, StartedAt: now, UpdatedAt: now, HashState: []byte{}, Writer: r.process, Content: []byte{}}
		if err := meta.InsertUpload(ctx, q, u); err != nil {
			return fmt.Errorf("begin an upload to %s: %w", ref.Name, err)
		}
		return nil
	})
	return Upload{ID: id}, err
}

// Upload tells how far an upload has come. Errors: *RepositoryUnknownError,
// *UploadUnknownError.
func (r *Registry) Upload(ctx context.Context, ref Ref, id string) (Upload, error) {
	row, err := r.findUpload(ctx, ref, id)
	return Upload{ID: row.ID, Offset: row.Received}, err
}

func (r *Registry) findUpload(ctx context.Context, ref Ref, id string) (meta.Upload, error) {
	row, err := meta.FindUpload(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, id)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return meta.Upload{}, r.absent(ctx, ref, &UploadUnknownError{ref, id})
	case err != nil:
		return meta.Upload{}, fmt.Errorf("look up upload %s: %w", id, err)
	}
	return row, nil
}

// AppendUpload adds to an upload what body yields, at the offset given or, with
// AnyOffset, where it stands. When body fails, what came before is kept. Errors:
// those of Upload, *UploadOffsetError, *UploadTruncatedError.
func (r *Registry) AppendUpload(ctx context.Context, ref Ref, id string, offset int64, body io.Reader) (Upload, error) {
	w, leave, err := r.resume(ctx, ref, id, offset)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	if err := w.receive(ctx, body); err != nil {
		return Upload{}, err
	}
	if err := w.record(ctx); err != nil {
		return Upload{}, err
	}
	return w.state(), nil
}

// FinishUpload adds body, which may be nil, and makes the whole a blob of the
// repository. Errors: those of AppendUpload, *DigestInvalidError, and
// *DigestMismatchError, after which the upload is gone.
func (r *Registry) FinishUpload(ctx context.Context, ref Ref, id string, offset int64, body io.Reader, d digest.Digest) (Blob, error) {
	if err := checkDigest(d); err != nil {
		return Blob{}, err
	}
	w, leave, err := r.resume(ctx, ref, id, offset)
	if err != nil {
		return Blob{}, err
	}
	defer leave()
	if body != nil {
		if err := w.receive(ctx, body); err != nil {
			return Blob{}, err
		}
	}
	actual, err := w.digest(ctx, d.Algorithm())
	if err != nil {
		return Blob{}, err
	}
	if actual != d {
		return Blob{}, errors.Join(&DigestMismatchError{Declared: d, Actual: actual}, r.cancel(ctx, ref, id))
	}
	if err := r.keep(ctx, w, d); err != nil {
		return Blob{}, err
	}
	return Blob{Digest: d, Size: w.row.Received}, nil
}

// keep makes a complete upload a blob. The order is what makes a crash harmless:
// bytes first, durable under their final name, then the records in one
// transaction. A file without records is nobody's blob.
//
// What is small is a part of its record and has no file.
func (r *Registry) keep(ctx context.Context, w *uploadWriter, d digest.Digest) error {
	there := false
	if w.file != nil {
		var err error
		if there, err = r.stored(ctx, d); err != nil {
			return err
		}
		if !there {
			if err := w.file.Commit(ctx); err != nil {
				return fault(fmt.Errorf("sync upload %s: %w", w.row.ID, err))
			}
			if err := r.blobs.Keep(ctx, w.row.ID, d); err != nil {
				return w.lost(ctx, err)
			}
		}
	}
	now := r.millis()
	err := r.write(ctx, func(q meta.Querier) error {
		// Whoever deleted the repository or the upload meanwhile took the row.
		known, err := meta.DeleteUpload(ctx, q, w.row.ID)
		if err != nil {
			return fmt.Errorf("end upload %s: %w", w.row.ID, err)
		}
		if !known {
			return &UploadUnknownError{w.ref, w.row.ID}
		}
		b := meta.Blob{Digest: string(d), Size: w.row.Received, CreatedAt: now, Content: w.row.Content}
		if err := meta.InsertBlob(ctx, q, b); err != nil {
			return fmt.Errorf("record blob %s: %w", d, err)
		}
		if err := meta.LinkBlob(ctx, q, w.row.RepositoryID, string(d), now); err != nil {
			return fmt.Errorf("link blob %s: %w", d, err)
		}
		return nil
	})
	if err != nil || !there {
		return err
	}
	// The blob is stored and acknowledged; a file that stays behind is swept.
	if err := r.blobs.Discard(ctx, w.row.ID); err != nil {
		r.log.WarnContext(ctx, "could not remove the file of a finished upload", "upload", w.row.ID, "error", err)
	}
	return nil
}

// CancelUpload throws an upload away. Errors: those of Upload.
func (r *Registry) CancelUpload(ctx context.Context, ref Ref, id string) error {
	leave, err := r.sessions.enter(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := r.findUpload(ctx, ref, id); err != nil {
		return err
	}
	return r.cancel(ctx, ref, id)
}

func (r *Registry) cancel(ctx context.Context, ref Ref, id string) error {
	ctx = context.WithoutCancel(ctx)
	err := r.note(ctx, func(q meta.Querier) error {
		_, err := meta.DeleteUpload(ctx, q, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel upload %s to %s: %w", id, ref.Name, err)
	}
	return r.blobs.Discard(ctx, id)
}
