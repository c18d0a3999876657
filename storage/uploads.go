package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// AnyOffset lets an upload go on wherever it stands.
const AnyOffset = -1

// StartUpload begins an upload. Errors: *RepositoryUnknownError, *LowSpaceError.
func (r *Registry) StartUpload(ctx context.Context, ref Ref) (Upload, error) {
	if err := r.takesMore(ctx); err != nil {
		r.turnedAway(err)
		return Upload{}, err
	}
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
// those of Upload, *UploadOffsetError, *UploadTruncatedError; and *QuotaError and
// *LowSpaceError, after which the upload is gone if it had received anything.
func (r *Registry) AppendUpload(ctx context.Context, ref Ref, id string, offset int64, body io.Reader) (Upload, error) {
	w, leave, err := r.resume(ctx, ref, id, offset)
	if err != nil {
		return Upload{}, err
	}
	defer leave()
	if err := w.receive(ctx, body, ""); err != nil {
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
		if err := w.receive(ctx, body, d); err != nil {
			return Blob{}, err
		}
	}
	actual, err := w.digest(ctx, d.Algorithm())
	if err != nil {
		return Blob{}, err
	}
	if actual != d {
		ended, err := w.giveUp(ctx)
		if err != nil && !ended {
			return Blob{}, err
		}
		return Blob{}, errors.Join(&DigestMismatchError{Declared: d, Actual: actual}, err)
	}
	if err := r.keep(ctx, w, d); err != nil {
		return Blob{}, w.turnedAway(ctx, err)
	}
	return Blob{Digest: d, Size: w.row.Received}, nil
}

// keep makes a complete upload a blob. The order is what makes a crash harmless:
// bytes first, durable where they are to stay, then the records in one
// transaction. A file without records is nobody's blob.
//
// What is small is a part of its record and has no file.
//
// Whoever ends an upload's record owns its bytes: here that is this request, and
// the bytes either become the blob or are thrown away.
func (r *Registry) keep(ctx context.Context, w *uploadWriter, d digest.Digest) error {
	b := meta.Blob{Digest: string(d), Size: w.row.Received, CreatedAt: r.millis(), Content: w.row.Content}
	if w.file == nil {
		_, err := r.recordBlob(ctx, w, b, nil)
		return err
	}
	if err := r.admit(ctx, w.ref, w.row.RepositoryID, string(d), b.Size); err != nil {
		return err
	}
	defer r.files.lock(d)()
	there, spoilt, err := r.stored(ctx, d)
	if err != nil {
		return err
	}
	ours := false
	if there {
		err = r.linkStored(ctx, w, d)
		if errors.Is(err, errVanished) {
			there = false
			if _, spoilt, err = r.stored(ctx, d); err != nil {
				return err
			}
		}
	}
	if !there {
		if b.Location, err = w.settle(ctx, d); err != nil {
			return err
		}
		ours, err = r.recordBlob(ctx, w, b, spoilt)
		if isDefinite(err) && !r.blobs.Shared() {
			r.abandon(context.WithoutCancel(ctx), d, b.Location)
		}
	}
	if err != nil {
		return w.refused(ctx, err)
	}
	// The blob is stored and acknowledged: what stays behind now is only space.
	if there || b.Location != "" && !ours {
		err = w.file.Cancel(ctx)
	} else {
		err = w.file.Tidy(ctx)
		switch {
		case spoilt == nil || *spoilt == b.Location:
		case blob.IsCold(*spoilt):
			err = errors.Join(err, r.deleteStillDoomed(ctx, meta.Doomed{Digest: string(d), Location: *spoilt}))
		default:
			err = errors.Join(err, r.blobs.Delete(ctx, d, *spoilt))
		}
	}
	if err != nil {
		r.log.WarnContext(ctx, "could not remove what a finished upload has left", "upload", w.row.ID, "error", err)
	}
	return nil
}

// isDefinite reports whether an error of a transaction says for certain that
// nothing was stored.
func isDefinite(err error) bool {
	var unknown *UploadUnknownError
	var moved *UploadOffsetError
	var quota *QuotaError
	return errors.As(err, &unknown) || errors.As(err, &moved) || errors.As(err, &quota) || errors.Is(err, ErrFull)
}

// recordBlob records the blob of an upload whose bytes are where they are to stay,
// and reports whether the record is now the upload's.
func (r *Registry) recordBlob(ctx context.Context, w *uploadWriter, b meta.Blob, spoilt *string) (ours bool, err error) {
	err = r.write(ctx, func(q meta.Querier) error {
		// Whoever deleted the repository or the upload meanwhile took the row.
		if err := w.end(ctx, q); err != nil {
			return err
		}
		var err error
		if ours, err = meta.InsertBlob(ctx, q, b, spoilt); err != nil {
			return fmt.Errorf("record blob %s: %w", b.Digest, err)
		}
		if ours {
			// A push that meets a blob about to be deleted wins.
			if err := meta.KeepFromTrash(ctx, q, b.Digest, b.Location, b.Content == nil); err != nil {
				return fmt.Errorf("take blob %s out of the trash: %w", b.Digest, err)
			}
			if spoilt != nil && blob.IsCold(*spoilt) {
				if err := meta.DoomFile(ctx, q, meta.Doomed{Digest: b.Digest, Location: *spoilt}); err != nil {
					return fmt.Errorf("give up the archived bytes of %s: %w", b.Digest, err)
				}
			}
		}
		return r.link(ctx, q, w, digest.Digest(b.Digest))
	})
	return ours, err
}

// errVanished says that a blob which was stored has gone to the trash meanwhile.
var errVanished = errors.New("the blob is not stored any more")

// linkStored makes the repository of an upload hold a blob that is stored already.
// Errors: errVanished, after which the upload goes on.
func (r *Registry) linkStored(ctx context.Context, w *uploadWriter, d digest.Digest) error {
	return r.write(ctx, func(q meta.Querier) error {
		b, err := meta.FindFile(ctx, q, string(d))
		if errors.Is(err, meta.ErrNotFound) || err == nil && blob.IsCold(b.Location) {
			return errVanished
		}
		if err != nil {
			return fmt.Errorf("look for blob %s: %w", d, err)
		}
		if err := w.end(ctx, q); err != nil {
			return err
		}
		return r.link(ctx, q, w, d)
	})
}

// link makes the repository of an upload hold a blob, until an image needs it or
// the grace period is over. Errors: *QuotaError.
func (r *Registry) link(ctx context.Context, q meta.Querier, w *uploadWriter, d digest.Digest) error {
	if err := r.hold(ctx, q, w.ref, w.row.RepositoryID, string(d), w.row.Received); err != nil {
		return err
	}
	return r.reviewLater(ctx, q, w.row.RepositoryID, d)
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
	ended := false
	err := r.note(ctx, func(q meta.Querier) (err error) {
		ended, err = meta.DeleteUpload(ctx, q, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel upload %s to %s: %w", id, ref.Name, err)
	}
	if !ended {
		// Another request did it, and the bytes are its affair: they may have
		// become a blob.
		return nil
	}
	return r.blobs.Discard(ctx, id)
}
