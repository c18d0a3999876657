package storage

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// smallBlob is the most bytes of a blob that is kept in its record: so small a
// file would cost three syncs, its own and those of two folders, beside the
// commit that there is anyway. Configurations of images are mostly smaller.
const smallBlob = 16 << 10

// sharedCheckpointEvery is checkpointEvery where to store what was received means to
// wait for it: so seldom that the wait does not show.
const sharedCheckpointEvery = 16 * checkpointEvery

// uploadWriter is an upload on which a request is at work.
type uploadWriter struct {
	r   *Registry
	ref Ref
	row meta.Upload
	// found is where the row stands in the database.
	found meta.Stand
	// file is nil while all that came is in the row.
	file blob.Writer
	// alone is set while no row tells of the file, so that nobody else can have
	// gone on from it.
	alone     bool
	committed bool
	hash      hash.Hash
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
	w = &uploadWriter{r: r, ref: ref, row: row, found: row.Stand(), hash: sha256.New()}
	if row.Content == nil {
		// What a client has sent is to be stored even when it has gone meanwhile.
		if w.file, err = r.blobs.Resume(context.WithoutCancel(ctx), id, row.Received, row.Mark); err != nil {
			return nil, nil, w.lost(ctx, err)
		}
	}
	if err := w.restoreHash(ctx); err != nil {
		w.close()
		return nil, nil, w.lost(ctx, err)
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
	f, err := w.r.blobs.Begin(context.WithoutCancel(ctx), w.row.ID)
	if err != nil {
		return err
	}
	w.file, w.alone = f, true
	if len(w.row.Content) > 0 {
		if _, err := f.Write(w.row.Content); err != nil {
			return err
		}
	}
	w.row.Content = nil
	return nil
}

// lost answers the failure to find an upload's bytes: such an upload cannot go
// on, and the client has to begin a new one. Unless they are missing because another
// server has gone on with the upload: to that one it belongs then.
func (w *uploadWriter) lost(ctx context.Context, err error) error {
	if !errors.Is(err, blob.ErrNotFound) {
		return fault(err)
	}
	ctx = context.WithoutCancel(ctx)
	if w.r.blobs.Shared() && w.found.Mark != "" {
		// Where no record tells of it yet, what is recorded can still be gone on with.
		if f, e := w.r.blobs.Resume(ctx, w.row.ID, w.found.Received, w.found.Mark); e == nil {
			f.Close()
			return fmt.Errorf("%w: upload %s is at work elsewhere: %w", ErrUnavailable, w.row.ID, err)
		}
	}
	ended, e := w.giveUp(ctx)
	if e != nil && !ended {
		return e
	}
	w.r.log.WarnContext(ctx, "an upload has lost its bytes and is given up", "upload", w.row.ID, "error", err)
	return errors.Join(&UploadUnknownError{w.ref, w.row.ID}, e)
}

// giveUp ends the upload and throws away what it has received, if it still stands
// where it was found, and reports whether it did the first. Errors: those of end.
func (w *uploadWriter) giveUp(ctx context.Context) (ended bool, err error) {
	ctx = context.WithoutCancel(ctx)
	if err := w.r.note(ctx, func(q meta.Querier) error { return w.end(ctx, q) }); err != nil {
		return false, w.refused(ctx, err)
	}
	return true, w.r.blobs.Discard(ctx, w.row.ID)
}

// restoreHash takes up the running hash. The state in the row is good for the
// process that wrote it, and where bytes are durable before the row is written. Of
// files the bytes are read again after a restart: a loss of power may have kept the
// row and lost the bytes, and only they can tell.
func (w *uploadWriter) restoreHash(ctx context.Context) error {
	if w.row.Received == 0 {
		return nil
	}
	if w.row.Content == nil && (w.row.Writer == w.r.process || w.r.blobs.Shared()) {
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
	f, err := w.r.blobs.Reread(ctx, w.file)
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
	if w.file != nil {
		if err := w.commit(ctx); err != nil {
			return "", err
		}
	}
	if err := w.hashAgain(ctx, h); err != nil {
		return "", w.lost(ctx, err)
	}
	return digest.NewDigest(a, h), nil
}

// commit makes the file durable, once.
func (w *uploadWriter) commit(ctx context.Context) error {
	if w.committed {
		return nil
	}
	if err := w.file.Commit(ctx); err != nil {
		return w.lost(ctx, fmt.Errorf("sync upload %s: %w", w.row.ID, err))
	}
	w.committed = true
	return nil
}

// settle commits the file and puts it where blobs are.
func (w *uploadWriter) settle(ctx context.Context, d digest.Digest) (location string, err error) {
	if err := w.commit(ctx); err != nil {
		return "", err
	}
	if location, err = w.r.blobs.Keep(ctx, w.file, d); err != nil {
		return "", w.lost(ctx, err)
	}
	return location, nil
}

// end ends the upload's row, in a transaction. Errors: *UploadUnknownError, and
// *UploadOffsetError where another server has gone on with the upload.
func (w *uploadWriter) end(ctx context.Context, q meta.Querier) error {
	ended, err := meta.EndUpload(ctx, q, w.row.ID, w.found)
	if err == nil && !ended {
		return w.overtaken(ctx, q)
	}
	if err != nil {
		return fmt.Errorf("end upload %s: %w", w.row.ID, err)
	}
	return nil
}

// overtaken is the error for a row that does not stand where it was found.
func (w *uploadWriter) overtaken(ctx context.Context, q meta.Querier) error {
	received, err := meta.UploadReceived(ctx, q, w.row.ID)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return &UploadUnknownError{w.ref, w.row.ID}
	case err != nil:
		return fmt.Errorf("look up upload %s: %w", w.row.ID, err)
	}
	return &UploadOffsetError{Upload: Upload{ID: w.row.ID, Offset: received}, Got: w.found.Received}
}

// refused clears up where the row has been taken or moved by others: a file that
// they cannot know of is nobody's. Of anything else they may have need.
func (w *uploadWriter) refused(ctx context.Context, err error) error {
	var unknown *UploadUnknownError
	var moved *UploadOffsetError
	if w.file == nil || !w.alone || !errors.As(err, &unknown) && !errors.As(err, &moved) {
		return err
	}
	if err := w.file.Cancel(context.WithoutCancel(ctx)); err != nil {
		w.r.log.DebugContext(ctx, "could not remove what an upload that was ended has left", "upload", w.row.ID, "error", err)
	}
	return err
}

func (w *uploadWriter) state() Upload { return Upload{ID: w.row.ID, Offset: w.row.Received} }

// turnedAway throws the upload away if an error says that there is no room for it:
// the room that it takes is needed. One that has received nothing takes none, and a
// client that goes on with it in another way is told again what is wrong.
func (w *uploadWriter) turnedAway(ctx context.Context, err error) error {
	if !w.r.turnedAway(err) || w.row.Received == 0 && w.file == nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if w.file != nil {
		if err := w.file.Cancel(ctx); err != nil {
			w.r.log.DebugContext(ctx, "could not remove what an upload that was refused has left", "upload", w.row.ID, "error", err)
		}
	}
	if err := w.r.cancel(ctx, w.ref, w.row.ID); err != nil {
		w.r.log.WarnContext(ctx, "an upload that was refused stays until it expires", "upload", w.row.ID, "error", err)
	}
	return err
}

// fits refuses to go on with an upload that is going to have size bytes or more and
// become the blob d, empty while that is not known. Errors: *LowSpaceError,
// *QuotaError.
func (w *uploadWriter) fits(ctx context.Context, size int64, d digest.Digest) error {
	if err := w.r.takesMore(ctx); err != nil {
		return err
	}
	return w.r.admit(ctx, w.ref, w.row.RepositoryID, string(d), size)
}

// receive takes in a body, of an upload that is to become the blob d, empty while
// that is not known. When the body fails, what came is recorded.
func (w *uploadWriter) receive(ctx context.Context, body io.Reader, d digest.Digest) error {
	begin := w.row.Received
	size := begin
	if a, ok := body.(*Announced); ok {
		size += a.Length
	}
	if err := w.fits(ctx, size, d); err != nil {
		return w.turnedAway(ctx, err)
	}
	var noted int64
	n, err := ingest(writerFunc(func(p []byte) (int, error) { return w.write(ctx, p) }), w.hash, body, func(n int64) error {
		if err := w.fits(ctx, begin+n, d); err != nil {
			return err
		}
		if w.r.blobs.Shared() && n-noted < sharedCheckpointEvery {
			return nil
		}
		noted, w.row.Received = n, begin+n
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
		return w.lost(ctx, w.turnedAway(ctx, fmt.Errorf("write upload %s: %w", w.row.ID, err)))
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
	if w.file != nil {
		mark, err := w.file.Flush(ctx)
		if err != nil {
			return w.lost(ctx, fmt.Errorf("store what upload %s has received: %w", w.row.ID, err))
		}
		w.row.Mark = mark
	}
	state, err := w.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("keep the hash of upload %s: %w", w.row.ID, err)
	}
	w.row.HashState, w.row.Writer, w.row.UpdatedAt = state, w.r.process, w.r.millis()
	err = w.r.note(ctx, func(q meta.Querier) error {
		known, err := meta.UpdateUpload(ctx, q, w.row, w.found)
		if err == nil && !known {
			return w.overtaken(ctx, q)
		}
		if err != nil {
			return fmt.Errorf("record upload %s: %w", w.row.ID, err)
		}
		return nil
	})
	if err != nil {
		return w.refused(ctx, err)
	}
	w.found, w.alone = w.row.Stand(), false
	if w.file != nil {
		if err := w.file.Tidy(ctx); err != nil {
			w.r.log.DebugContext(ctx, "could not remove what an upload no longer needs", "upload", w.row.ID, "error", err)
		}
	}
	return nil
}
