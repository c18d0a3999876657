package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// A blob that only archived images need lies in the cold tree, compressed where that
// makes it smaller. It is moved by jobs, which may be done twice and die at any moment:
// the new file is written, synced and read again before the record names it, and the
// old one is deleted after that.

// The queues of the jobs that move blobs. A job of ArchiveQueue puts a blob into the
// cold tree, one of RestoreQueue brings the blobs of an image back.
const (
	ArchiveQueue = "archive"
	RestoreQueue = "restore"
)

// freezing is the job that puts a blob into the cold tree, unless it is wanted.
func freezing(d digest.Digest) Job { return Job{Queue: ArchiveQueue, Key: string(d)} }

// thawing is the job that brings the blobs of an image back, and the image with them.
func thawing(ref Ref, d digest.Digest) (Job, error) {
	document, err := json.Marshal(thaw{ref.Account, ref.Region, ref.Name, d})
	if err != nil {
		return Job{}, fmt.Errorf("order the restoring of %s: %w", d, err)
	}
	return Job{Queue: RestoreQueue, Key: fmt.Sprintf("%s %s %s %s", ref.Account, ref.Region, ref.Name, d), Document: string(document)}, nil
}

// thaw is the document of a job of RestoreQueue.
type thaw struct {
	Account    string        `json:"account"`
	Region     string        `json:"region"`
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
}

// ErrHopeless is returned, wrapped, by jobs that are not worth while to be done again.
var ErrHopeless = errors.New("it cannot be done")

// freezeUnwanted orders that a blob is put into the cold tree if only archived images
// need it any more.
func (r *Registry) freezeUnwanted(ctx context.Context, q meta.Querier, d digest.Digest) error {
	b, err := meta.FindFile(ctx, q, string(d))
	if errors.Is(err, meta.ErrNotFound) || err == nil && isColdRow(b) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for blob %s: %w", d, err)
	}
	wanted, err := meta.IsWanted(ctx, q, string(d))
	if err != nil || wanted {
		return err
	}
	_, err = r.order(ctx, q, []Job{freezing(d)}) // found by who looks next
	return err
}

// Freeze does a job of ArchiveQueue: it moves a blob into the cold tree unless that is
// wanted at hand, or is there already.
func (r *Registry) Freeze(ctx context.Context, d digest.Digest) error {
	b, err := r.freezable(ctx, d)
	if err != nil || b == nil {
		return err
	}
	compress, err := r.compressible(ctx, *b)
	if err != nil {
		return err
	}
	location, size, err := r.copyCold(ctx, *b, compress)
	if err == nil && compress && size >= b.Size {
		// What is at its beginning said otherwise.
		if err := r.blobs.Delete(ctx, d, location); err != nil {
			return fault(err)
		}
		location, _, err = r.copyCold(ctx, *b, false)
	}
	if err != nil {
		return fault(err)
	}
	moved, err := r.moveFile(ctx, *b, location, func(q meta.Querier) (bool, error) {
		wanted, err := meta.IsWanted(ctx, q, string(d))
		return !wanted, err
	})
	if err == nil && !moved {
		err = r.blobs.Delete(ctx, d, location)
	}
	return fault(err)
}

// freezable finds the blob to be moved, nil where there is none or it is wanted.
func (r *Registry) freezable(ctx context.Context, d digest.Digest) (*meta.Blob, error) {
	if err := checkDigest(d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHopeless, err)
	}
	q := r.db.Reader()
	b, err := meta.FindFile(ctx, q, string(d))
	if errors.Is(err, meta.ErrNotFound) || err == nil && blob.IsCold(b.Location) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for blob %s: %w", d, err)
	}
	wanted, err := meta.IsWanted(ctx, q, string(d))
	if err != nil {
		return nil, fmt.Errorf("look who needs %s: %w", d, err)
	}
	if wanted {
		return nil, nil
	}
	return &b, nil
}

// sample is how much of a blob is looked at to find out whether compressing it is
// worth while, and worthwhile the share that is to be saved: most layers are
// compressed already.
const (
	sample     = 1 << 20
	worthwhile = 16
)

// compressible reports whether a blob seems to become smaller when it is compressed.
func (r *Registry) compressible(ctx context.Context, b meta.Blob) (bool, error) {
	f, err := r.blobs.Read(ctx, digest.Digest(b.Digest), b.Location, b.Size)
	if err != nil {
		return false, unreadableFile(err)
	}
	defer f.Close()
	beginning, err := io.ReadAll(io.LimitReader(f, sample))
	if err != nil {
		return false, unreadableFile(fmt.Errorf("read blob %s: %w", b.Digest, err))
	}
	saved, err := blob.Saved(beginning)
	return saved > len(beginning)/worthwhile, err
}

// unreadableFile tells a job whether to try again.
func unreadableFile(err error) error {
	if errors.Is(err, blob.ErrNotFound) || blob.IsDamage(err) {
		return fmt.Errorf("%w: %w", ErrHopeless, err)
	}
	return fault(err)
}

// copyCold writes a blob into the cold tree, and reads it again.
func (r *Registry) copyCold(ctx context.Context, b meta.Blob, compress bool) (location string, size int64, err error) {
	d := digest.Digest(b.Digest)
	id, err := newID(r.random)
	if err != nil {
		return "", 0, err
	}
	w, err := r.blobs.BeginCold(ctx, d, id, compress)
	if err != nil {
		return "", 0, err
	}
	defer w.Close()
	if err := r.copyWhole(ctx, w, b); err != nil {
		_ = w.Cancel(context.WithoutCancel(ctx))
		return "", 0, err
	}
	if location, size, err = w.Keep(ctx); err != nil {
		return "", 0, err
	}
	copied := b
	copied.Location = location
	if err := r.copyWhole(ctx, io.Discard, copied); err != nil {
		return "", 0, errors.Join(fmt.Errorf("read what was written: %w", err), r.blobs.Delete(context.WithoutCancel(ctx), d, location))
	}
	return location, size, nil
}

// copyWhole copies a blob to w, and makes sure that it was the blob.
func (r *Registry) copyWhole(ctx context.Context, w io.Writer, b meta.Blob) error {
	d := digest.Digest(b.Digest)
	f, err := r.blobs.Read(ctx, d, b.Location, b.Size)
	if err != nil {
		return unreadableFile(err)
	}
	defer f.Close()
	h := d.Algorithm().Hash()
	// One byte more than there should be, to see that there is none.
	n, err := io.Copy(io.MultiWriter(h, w), io.LimitReader(&untilDone{ctx, f}, b.Size+1))
	if err != nil {
		return unreadableFile(fmt.Errorf("copy blob %s: %w", d, err))
	}
	if n != b.Size || !isHash(h, d) {
		return fmt.Errorf("%w: blob %s: %w", ErrHopeless, d, blob.ErrDamaged)
	}
	return nil
}

func isHash(h hash.Hash, d digest.Digest) bool { return digest.NewDigest(d.Algorithm(), h) == d }

// untilDone reads until a context ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// moveFile makes a file that was written the blob's, if that is as it was found and
// still may be moved, and deletes the one that it was.
func (r *Registry) moveFile(ctx context.Context, was meta.Blob, location string, may func(meta.Querier) (bool, error)) (moved bool, err error) {
	d := digest.Digest(was.Digest)
	defer r.files.lock(d)()
	return r.moveLocked(ctx, was, location, may)
}

// moveLocked is moveFile for who has the lock of the digest.
func (r *Registry) moveLocked(ctx context.Context, was meta.Blob, location string, may func(meta.Querier) (bool, error)) (moved bool, err error) {
	err = r.write(ctx, func(q meta.Querier) error {
		moved = false
		ok, err := may(q)
		if err != nil || !ok {
			return err
		}
		if moved, err = meta.MoveFile(ctx, q, was.Digest, was.Location, location); err != nil || !moved {
			return err
		}
		return meta.KeepFromTrash(ctx, q, was.Digest, location, true)
	})
	if err != nil {
		return false, fmt.Errorf("record where blob %s is: %w", was.Digest, err)
	}
	if !moved {
		return false, nil
	}
	if err := r.deleteStillDoomed(ctx, meta.Doomed{Digest: was.Digest, Location: was.Location}); err != nil {
		r.log.WarnContext(ctx, "could not delete a file of which there is a copy", "digest", was.Digest, "error", err)
	}
	return true, nil
}

// isColdRow reports whether a blob lies in the cold tree.
func isColdRow(b meta.Blob) bool { return b.Content == nil && blob.IsCold(b.Location) }
