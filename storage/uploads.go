package storage

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
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
		u := meta.Upload{ID: id, RepositoryID: repo, StartedAt: now, UpdatedAt: now, HashState: []byte{}, Writer: r.process}
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
func (r *Registry) keep(ctx context.Context, w *uploadWriter, d digest.Digest) error {
	there, err := r.stored(ctx, d)
	if err != nil {
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
	err = r.write(ctx, func(q meta.Querier) error {
		// Whoever deleted the repository or the upload meanwhile took the row.
		known, err := meta.DeleteUpload(ctx, q, w.row.ID)
		if err != nil {
			return fmt.Errorf("end upload %s: %w", w.row.ID, err)
		}
		if !known {
			return &UploadUnknownError{w.ref, w.row.ID}
		}
		if err := meta.InsertBlob(ctx, q, string(d), w.row.Received, r.millis()); err != nil {
			return fmt.Errorf("record blob %s: %w", d, err)
		}
		if err := meta.LinkBlob(ctx, q, w.row.RepositoryID, string(d), r.millis()); err != nil {
			return fmt.Errorf("link blob %s: %w", d, err)
		}
		return nil
	})
	if err == nil && there {
		return r.blobs.Discard(ctx, w.row.ID)
	}
	return err
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

// uploadWriter is an upload on which a request is at work.
type uploadWriter struct {
	r    *Registry
	ref  Ref
	row  meta.Upload
	file driver.FileWriter
	hash hash.Hash
}

// resume opens an upload to go on at an offset. leave ends the request's turn.
func (r *Registry) resume(ctx context.Context, ref Ref, id string, offset int64) (w *uploadWriter, leave func(), err error) {
	done, err := r.sessions.enter(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	row, err := r.findUpload(ctx, ref, id)
	if err != nil {
		return nil, nil, err
	}
	if offset != AnyOffset && offset != row.Received {
		return nil, nil, &UploadOffsetError{Upload: Upload{ID: id, Offset: row.Received}, Got: offset}
	}
	w = &uploadWriter{r: r, ref: ref, row: row, hash: sha256.New()}
	if err := w.restoreHash(ctx); err != nil {
		return nil, nil, w.lost(ctx, err)
	}
	if w.file, err = r.blobs.Append(ctx, id, row.Received); err != nil {
		return nil, nil, w.lost(ctx, err)
	}
	return w, func() { w.file.Close(); done() }, nil
}

// lost answers the failure to find an upload's bytes: such an upload cannot go
// on, and the client has to begin a new one.
func (w *uploadWriter) lost(ctx context.Context, err error) error {
	if !errors.Is(err, blob.ErrNotFound) {
		return fault(err)
	}
	w.r.log.WarnContext(ctx, "an upload has lost its bytes and is given up", "upload", w.row.ID, "error", err)
	return errors.Join(&UploadUnknownError{w.ref, w.row.ID}, w.r.cancel(ctx, w.ref, w.row.ID))
}

// restoreHash takes up the running hash. The state in the row is good for the
// process that wrote it. After a restart the bytes are read again: a loss of
// power may have kept the row and lost the bytes, and only they can tell.
func (w *uploadWriter) restoreHash(ctx context.Context) error {
	if w.row.Received == 0 {
		return nil
	}
	if w.row.Writer == w.r.process {
		if err := w.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(w.row.HashState); err != nil {
			return fmt.Errorf("restore the hash of upload %s: %w", w.row.ID, err)
		}
		return nil
	}
	return w.hashFile(ctx, w.hash)
}

// hashFile feeds what the upload has received to h.
func (w *uploadWriter) hashFile(ctx context.Context, h hash.Hash) error {
	f, err := w.r.blobs.ReadUpload(ctx, w.row.ID)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(h, io.LimitReader(f, w.row.Received))
	if err != nil {
		return fmt.Errorf("read upload %s again: %w", w.row.ID, err)
	}
	if n != w.row.Received {
		return fmt.Errorf("upload %s has %d of %d bytes: %w", w.row.ID, n, w.row.Received, blob.ErrNotFound)
	}
	return nil
}

// digest returns the digest of all that the upload has received. The running
// hash is sha256; the rare other algorithm costs a second reading.
func (w *uploadWriter) digest(ctx context.Context, a digest.Algorithm) (digest.Digest, error) {
	if a == digest.SHA256 {
		return digest.NewDigest(a, w.hash), nil
	}
	h := a.Hash()
	if err := w.hashFile(ctx, h); err != nil {
		return "", w.lost(ctx, err)
	}
	return digest.NewDigest(a, h), nil
}

func (w *uploadWriter) state() Upload { return Upload{ID: w.row.ID, Offset: w.row.Received} }

// receive takes in a body. When the body fails, what came is recorded.
func (w *uploadWriter) receive(ctx context.Context, body io.Reader) error {
	begin := w.row.Received
	n, err := ingest(w.file, w.hash, body, func(n int64) error {
		w.row.Received = begin + n
		return w.record(ctx)
	})
	w.row.Received = begin + n
	var broken *readError
	if errors.As(err, &broken) {
		if err := w.record(ctx); err != nil {
			return err
		}
		return &UploadTruncatedError{Upload: w.state(), Cause: broken.error}
	}
	if err != nil {
		return fault(fmt.Errorf("write upload %s: %w", w.row.ID, err))
	}
	return nil
}

// record notes how far the upload has come. It does so even for a client that
// has gone: that is when it matters.
func (w *uploadWriter) record(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	state, err := w.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("keep the hash of upload %s: %w", w.row.ID, err)
	}
	w.row.HashState, w.row.Writer, w.row.UpdatedAt = state, w.r.process, w.r.millis()
	return w.r.note(ctx, func(q meta.Querier) error {
		known, err := meta.UpdateUpload(ctx, q, w.row)
		if err != nil {
			return fmt.Errorf("record upload %s: %w", w.row.ID, err)
		}
		if !known {
			return &UploadUnknownError{w.ref, w.row.ID}
		}
		return nil
	})
}
