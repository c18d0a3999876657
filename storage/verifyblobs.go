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

// defect is what is wrong with the bytes of a blob.
type defect struct {
	kind ProblemKind
	says string
}

// isThere looks for a few files before anything is repaired. Errors: ErrNotThere.
func (v *verification) isThere(ctx context.Context) error {
	const few = 5
	list, err := meta.SurveyBlobs(ctx, v.r.db.Reader(), "", pageSize)
	if err != nil {
		return fmt.Errorf("list the first blobs: %w", err)
	}
	missing := 0
	for _, b := range list {
		if b.Content != nil {
			continue
		}
		wrong, err := v.inspect(ctx, b.Blob, false)
		if err != nil {
			return err
		}
		if wrong == nil || wrong.kind != BlobMissing {
			return nil
		}
		missing++
	}
	if missing >= few {
		return ErrNotThere
	}
	return nil
}

// tooMany is how many blobs in a row may be unreadable before it is taken for a
// failure of the storage, and not theirs.
const tooMany = 20

// unread counts blobs in a row that cannot be read.
func (v *verification) unread(wrong *defect) error {
	if wrong == nil || wrong.kind != BlobUnreadable {
		v.unreadable = 0
		return nil
	}
	if v.unreadable++; v.unreadable > tooMany {
		return fmt.Errorf("%d layers in a row cannot be read, so it is not about them: %s", v.unreadable, wrong.says)
	}
	return nil
}

// blobs looks at every blob that is recorded.
func (v *verification) blobs(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.SurveyedBlob, error) { return meta.SurveyBlobs(ctx, q, after, pageSize) }
	name := func(b meta.SurveyedBlob) string { return b.Digest }
	return walk(ctx, v, list, name, func(b meta.SurveyedBlob) error {
		if v.paced != nil {
			if err := v.paced(b.Digest); err != nil {
				return err
			}
		}
		v.count.Blobs++
		v.r.verified.blobs.Add(1)
		if !b.Kept {
			if err := v.look(ctx, func(q meta.Querier, mend bool) ([]Problem, error) { return v.forgotten(ctx, q, b.Digest, mend) }); err != nil {
				return err
			}
		}
		wrong, err := v.inspect(ctx, b.Blob, v.o.Deep)
		if err == nil {
			err = v.unread(wrong)
		}
		if err != nil || wrong == nil {
			return err
		}
		found, err := v.damaged(ctx, digest.Digest(b.Digest))
		return errors.Join(v.tell(ctx, found), err)
	})
}

// forgotten finds out whether a blob that nobody holds will be looked at.
func (v *verification) forgotten(ctx context.Context, q meta.Querier, d string, mend bool) ([]Problem, error) {
	recorded, kept, err := meta.IsKept(ctx, q, d)
	if err != nil {
		return nil, fmt.Errorf("look who holds %s: %w", d, err)
	}
	if !recorded || kept {
		return nil, nil
	}
	if mend {
		if err := v.r.reviewLater(ctx, q, meta.Everywhere, digest.Digest(d)); err != nil {
			return nil, err
		}
	}
	return []Problem{mendable(BlobForgotten, mend, "unheld "+d, "no repository holds the layer %s, and it would never be collected", d)}, nil
}

// inspect compares the bytes of a blob with its record. It returns nil when they
// agree. Errors: those that say nothing about the blob.
func (v *verification) inspect(ctx context.Context, b meta.Blob, deep bool) (*defect, error) {
	d := digest.Digest(b.Digest)
	if checkDigest(d) != nil {
		return &defect{BlobDamaged, "its name is no digest"}, nil
	}
	if b.Content != nil {
		return inspectContent(b.Content, b.Size, d), nil
	}
	size, err := v.r.blobs.Size(ctx, d, b.Location)
	if err == nil && blob.IsCompressed(b.Location) {
		size = b.Size // what its file has says nothing of it
	}
	if err == nil && size == b.Size && deep {
		return v.reread(ctx, b)
	}
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return &defect{BlobMissing, "its bytes are not there"}, nil
	case err != nil:
		return unreadable(ctx, err)
	case size != b.Size:
		return &defect{BlobDamaged, fmt.Sprintf("it has %d bytes and should have %d", size, b.Size)}, nil
	}
	return nil, nil
}

func inspectContent(content []byte, size int64, d digest.Digest) *defect {
	switch {
	case int64(len(content)) != size:
		return &defect{BlobDamaged, fmt.Sprintf("it has %d bytes and should have %d", len(content), size)}
	case digestOf(content, d) != d:
		return &defect{BlobDamaged, "its bytes are not those of its digest"}
	}
	return nil
}

// reread reads all bytes of a blob.
func (v *verification) reread(ctx context.Context, b meta.Blob) (*defect, error) {
	d := digest.Digest(b.Digest)
	h := d.Algorithm().Hash()
	n, err := v.read(ctx, h, d, b.Location, b.Size)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return &defect{BlobMissing, "its bytes are not there"}, nil
	case err != nil && blob.IsDamage(err):
		return &defect{BlobDamaged, "its bytes cannot be read: " + err.Error()}, nil
	case err != nil:
		return unreadable(ctx, err)
	case n != b.Size:
		return &defect{BlobDamaged, fmt.Sprintf("it has %d bytes and should have %d", n, b.Size)}, nil
	case digest.NewDigest(d.Algorithm(), h) != d:
		return &defect{BlobDamaged, "its bytes are not those of its digest"}, nil
	}
	return nil, nil
}

// read feeds the bytes of a file to w.
func (v *verification) read(ctx context.Context, w io.Writer, d digest.Digest, location string, size int64) (int64, error) {
	f, err := v.r.blobs.Read(ctx, d, location, size)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := v.rate.copy(ctx, w, f)
	v.count.Bytes += n
	v.r.verified.bytes.Add(n)
	return n, err
}

// unreadable tells errors that concern one blob from those that would concern the
// next one too.
func unreadable(ctx context.Context, err error) (*defect, error) {
	if ctx.Err() != nil || errors.Is(err, blob.ErrUnavailable) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) {
		return nil, fault(err)
	}
	return &defect{BlobUnreadable, "its bytes cannot be read: " + err.Error()}, nil
}

// damaged looks again at a blob with which something seems to be wrong, while
// nobody else can put it in its place or take it away; then it puts it aside.
func (v *verification) damaged(ctx context.Context, d digest.Digest) ([]Problem, error) {
	if checkDigest(d) == nil {
		defer v.r.files.lock(d)()
	}
	b, err := meta.FindBlob(ctx, v.r.db.Reader(), string(d))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for blob %s: %w", d, err)
	}
	unhurried := v.rate
	v.rate = rate{}
	wrong, err := v.inspect(ctx, b, v.o.Deep)
	v.rate = unhurried
	if err != nil || wrong == nil {
		return nil, err
	}
	name := v.asideName(b)
	var put func() error
	if wrong.kind != BlobUnreadable && v.o.Repair {
		if put, err = v.putAside(ctx, b, wrong, name); err != nil {
			return nil, err
		}
	}
	dropped := false
	found, err := v.decide(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
		dropped = false
		still, err := isStill(b)(meta.FindBlob(ctx, q, b.Digest))
		if err != nil || !still {
			return nil, err
		}
		mend = mend && put != nil
		if mend {
			if dropped, err = meta.DropBlob(ctx, q, b); err != nil {
				return nil, fmt.Errorf("forget blob %s: %w", d, err)
			}
			if err := meta.MarkIncomplete(ctx, q, b.Digest); err != nil {
				return nil, fmt.Errorf("mark the images that need %s: %w", d, err)
			}
		}
		p, err := v.lostBlob(ctx, q, wrong.kind, b.Digest, fmt.Sprintf("the layer %s is spoilt: %s", d, wrong.says))
		if err != nil {
			return nil, err
		}
		switch {
		case wrong.kind == BlobUnreadable:
			p.Lost, p.Advice = false, "look after the storage, and verify again"
		case mend && wrong.kind == BlobDamaged:
			p.Advice = "its bytes are in " + blob.Aside(name, v.aside) + "; " + p.Advice
		case !mend:
			p.Lost, p.Advice = false, "drydock verify --repair puts it aside, so that a push makes it whole"
		}
		p.Mended = mend && !p.Lost
		return []Problem{p}, nil
	})
	if err == nil && dropped {
		err = put()
	}
	return found, err
}

// isStill reports whether a record is as it was found.
func isStill(was meta.Blob) func(is meta.Blob, err error) (bool, error) {
	return func(is meta.Blob, err error) (bool, error) {
		if errors.Is(err, meta.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for blob %s again: %w", was.Digest, err)
		}
		return is.Location == was.Location && is.Size == was.Size && bytes.Equal(is.Content, was.Content) && (is.Content == nil) == (was.Content == nil), nil
	}
}

// asideName is that of a blob in quarantine.
func (v *verification) asideName(b meta.Blob) string {
	d := digest.Digest(b.Digest)
	if checkDigest(d) != nil {
		return "records/" + digest.FromString(b.Digest).Encoded()
	}
	return v.r.blobs.Name(d, b.Location)
}

// putAside puts what there is of a blob into quarantine: content of the records at
// once, and a file, which is to be there as long as its record, by the function that
// it returns.
func (v *verification) putAside(ctx context.Context, b meta.Blob, wrong *defect, name string) (func() error, error) {
	if b.Content != nil {
		return func() error { return nil }, v.r.blobs.KeepAside(ctx, name, v.aside, b.Content)
	}
	if wrong.kind == BlobMissing || checkDigest(digest.Digest(b.Digest)) != nil {
		return func() error { return nil }, nil
	}
	return func() error {
		err := v.r.blobs.PutAside(ctx, name, v.aside)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		return nil
	}, nil
}

// lostBlob is the problem of a blob that only a push can bring back, if any image
// needs it.
func (v *verification) lostBlob(ctx context.Context, q meta.Querier, kind ProblemKind, d, says string) (Problem, error) {
	images, more, err := needing(ctx, q, d)
	if err != nil {
		return Problem{}, err
	}
	p := Problem{Kind: kind, Subject: blobSubject(d), Says: says, Images: images, More: more, Lost: true, Advice: pushAgain(len(images))}
	if len(images) == 0 {
		p.Lost, p.Advice = false, "no image needs it"
	}
	return p, nil
}

// trash looks at what could be brought back.
func (v *verification) trash(ctx context.Context) error {
	q := v.r.db.Reader()
	list := func(after string) ([]meta.Blob, error) {
		d, location := cutTrashKey(after)
		return meta.SurveyTrash(ctx, q, d, location, pageSize)
	}
	name := func(b meta.Blob) string { return b.Digest + " " + b.Location }
	return walk(ctx, v, list, name, func(b meta.Blob) error {
		v.count.Blobs++
		wrong, err := v.inspect(ctx, b, v.o.Deep)
		if err != nil || wrong == nil {
			return err
		}
		found, err := v.spoiltTrash(ctx, b)
		return errors.Join(v.tell(ctx, found), err)
	})
}

// spoiltTrash looks again at a blob of the trash, as damaged does at others.
func (v *verification) spoiltTrash(ctx context.Context, b meta.Blob) ([]Problem, error) {
	d := digest.Digest(b.Digest)
	if checkDigest(d) == nil {
		defer v.r.files.lock(d)()
	}
	b, err := meta.FindTrashed(ctx, v.r.db.Reader(), b.Digest, b.Location)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s in the trash: %w", d, err)
	}
	wrong, err := v.inspect(ctx, b, v.o.Deep)
	if err != nil || wrong == nil {
		return nil, err
	}
	put := func() error { return nil }
	mends := wrong.kind != BlobUnreadable
	if mends && v.o.Repair {
		if put, err = v.putAside(ctx, b, wrong, v.asideName(b)); err != nil {
			return nil, err
		}
	}
	dropped := false
	found, err := v.decide(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
		dropped = false
		still, err := isStill(b)(meta.FindTrashed(ctx, q, b.Digest, b.Location))
		if err != nil || !still {
			return nil, err
		}
		if mend && mends {
			if dropped, err = meta.DropTrashed(ctx, q, b); err != nil {
				return nil, fmt.Errorf("take %s from the trash: %w", d, err)
			}
		}
		p := mendable(TrashDamaged, dropped, "trash "+b.Digest+" "+b.Location, "the layer %s, which is in the trash, could not be brought back: %s", d, wrong.says)
		if dropped {
			p.Advice = "it is no longer in the trash"
		}
		return []Problem{p}, nil
	})
	if err == nil && dropped {
		err = put()
	}
	return found, err
}
