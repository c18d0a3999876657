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

// smallBlob is the most bytes of a blob that is kept in its record: so small a
// file would cost three syncs, its own and those of two folders, beside the
// commit that there is anyway. Configurations of images are mostly smaller.
const smallBlob = 16 << 10

// uploadWriter is an upload on which a request is at work.
type uploadWriter struct {
	r   *Registry
	ref Ref
	row meta.Upload
	// file is nil while all that came is in the row.
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
	if row.Content == nil {
		if w.file, err = r.blobs.Append(ctx, id, row.Received); err != nil {
			return nil, nil, w.lost(ctx, err)
		}
	}
	return w, func() { w.close(); done() }, nil
}

func (w *uploadWriter) close() {
	if w.file != nil {
		w.file.Close() // what counts was synced or recorded before
	}
}

// write adds to the upload: to its row, and to its file once that is too much
// for a row.
func (w *uploadWriter) write(ctx context.Context, p []byte) (int, error) {
	if w.file == nil {
		if len(w.row.Content)+len(p) <= w.r.small {
			w.row.Content = append(w.row.Content, p...)
			return len(p), nil
		}
		if err := w.spill(ctx); err != nil {
			return 0, err
		}
	}
	return w.file.Write(p)
}

// spill moves what the row holds to a file. A crash before the row is recorded
// again finds the row as it was.
func (w *uploadWriter) spill(ctx context.Context) error {
	f, err := w.r.blobs.Append(ctx, w.row.ID, 0)
	if err != nil {
		return err
	}
	w.file = f
	if len(w.row.Content) > 0 {
		if _, err := f.Write(w.row.Content); err != nil {
			return err
		}
	}
	w.row.Content = nil
	return nil
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
	if w.row.Content == nil && w.row.Writer == w.r.process {
		if err := w.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(w.row.HashState); err != nil {
			return fmt.Errorf("restore the hash of upload %s: %w", w.row.ID, err)
		}
		return nil
	}
	return w.hashAgain(ctx, w.hash)
}

// hashAgain feeds what the upload has received to h.
func (w *uploadWriter) hashAgain(ctx context.Context, h hash.Hash) error {
	if w.row.Content != nil {
		h.Write(w.row.Content)
		return nil
	}
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
	if err := w.hashAgain(ctx, h); err != nil {
		return "", w.lost(ctx, err)
	}
	return digest.NewDigest(a, h), nil
}

func (w *uploadWriter) state() Upload { return Upload{ID: w.row.ID, Offset: w.row.Received} }

// receive takes in a body. When the body fails, what came is recorded.
func (w *uploadWriter) receive(ctx context.Context, body io.Reader) error {
	begin := w.row.Received
	n, err := ingest(writerFunc(func(p []byte) (int, error) { return w.write(ctx, p) }), w.hash, body, func(n int64) error {
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

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

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
