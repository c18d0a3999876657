package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/blob"
)

// Resume implements blob.Driver. A writer of this process left what is to be known;
// of another's, it is asked for.
func (d *Driver) Resume(ctx context.Context, p string, size int64, text string) (blob.Writer, error) {
	if !plain(p) {
		return nil, badPath(p)
	}
	if size == 0 {
		return d.Begin(ctx, p)
	}
	if text == "" {
		return nil, gone(p)
	}
	m, err := parseMark(text)
	if err != nil {
		return nil, err
	}
	if m.Size != size {
		return nil, driver.InvalidOffsetError{Path: p, Offset: size, DriverName: name}
	}
	w := d.newWriter(ctx, p, false)
	w.key, _ = d.key(path.Join(p, m.Name))
	w.asleep, w.size, w.id = true, size, m.ID
	if m.ID == "" {
		w.whole = size
	}
	if r, ok := d.memory.take(text); ok {
		w.takeUp(r.parts, r.parts)
		w.tail = r.tail
		return w, nil
	}
	if m.ID != "" {
		all, err := d.listParts(ctx, w.key, m.ID)
		switch {
		case err == nil:
			chosen, ok := m.choose(all)
			if !ok {
				return nil, gone(p)
			}
			w.takeUp(chosen, all)
			return w, nil
		case !isMissing(err):
			return nil, err
		}
		// It may be that it was completed, and then the server died.
		w.id, w.whole = "", size
	}
	switch there, err := d.length(ctx, w.key); {
	case err != nil && isMissing(err):
		return nil, gone(p)
	case err != nil:
		return nil, failed("look for", w.key, err)
	case there != size:
		return nil, driver.InvalidOffsetError{Path: p, Offset: size, DriverName: name}
	}
	return w, nil
}

// takeUp takes parts that are there, of which some may not count.
func (w *writer) takeUp(chosen, all []part) {
	if len(all) == 0 {
		return
	}
	w.parts, w.next = chosen, all[len(all)-1].number+1
	w.summed = chosen[0].checksum != ""
	if !w.summed {
		// The service may have made some of its own accord.
		for i := range w.parts {
			w.parts[i].checksum = ""
		}
	}
}

// length asks for the size of an object.
func (d *Driver) length(ctx context.Context, key string) (int64, error) {
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &d.o.Bucket, Key: &key})
	if err != nil {
		return 0, err
	}
	return aws.ToInt64(out.ContentLength), nil
}

// find looks for what was written to a path: a multipart upload under way, the
// latest one, else an object, else nothing.
func (w *writer) find(key string) error {
	uploads, err := w.d.multiparts(w.ctx, key)
	if err != nil {
		return err
	}
	var latest multipart
	for _, u := range uploads {
		if u.key == key && !u.begun.Before(latest.begun) {
			latest = u
		}
	}
	if latest.id != "" {
		parts, err := w.d.listParts(w.ctx, key, latest.id)
		if err != nil {
			return err
		}
		if len(parts) > 0 {
			for _, p := range parts {
				w.size += p.size
			}
			w.key, w.id, w.asleep = key, latest.id, true
			w.takeUp(parts, parts)
			return nil
		}
	}
	size, err := w.d.length(w.ctx, key)
	switch {
	case err != nil && isMissing(err):
		return nil
	case err != nil:
		return failed("look for", key, err)
	}
	w.key, w.size, w.whole, w.asleep = key, size, size, size > 0
	return nil
}

// wake makes a resumed writer ready for more bytes. What can be no part that
// others follow is taken up into pending, to be stored again with what comes.
func (w *writer) wake() error {
	if !w.asleep {
		return nil
	}
	tail := w.tail
	w.tail = nil
	switch {
	case w.id == "" && w.whole < minPart:
		if tail == nil {
			var err error
			if tail, err = w.fetch(w.key, w.whole); err != nil {
				return err
			}
		}
		w.pending = *tail
	case w.id == "":
		if err := w.copyOver(); err != nil {
			return err
		}
	default:
		last := w.parts[len(w.parts)-1]
		switch {
		case last.size >= minPart:
		case tail != nil && tail.size == last.size:
			w.pending, w.short = *tail, true
		default:
			if err := w.rebase(); err != nil {
				return err
			}
		}
	}
	w.asleep = false
	return nil
}

// fetch reads the first n bytes of an object into a buffer.
func (w *writer) fetch(key string, n int64) (*buffer, error) {
	f, err := w.d.Open(w.ctx, w.d.path(key), n)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := &buffer{pool: w.d.chunks}
	if _, err := io.Copy(writeFunc(b.write), f); err != nil {
		b.release()
		var none driver.PathNotFoundError
		if errors.As(err, &none) {
			err = lost(w.at, err)
		}
		return nil, err
	}
	return b, nil
}

type writeFunc func([]byte)

func (f writeFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// rebase makes an object of the parts, and parts of the object: fewer, and such
// that others may follow.
func (w *writer) rebase() error {
	var size int64
	for _, p := range w.parts {
		size += p.size
	}
	if err := w.d.complete(w.ctx, w.key, w.id, w.parts); err != nil {
		if isLost(err) {
			err = lost(w.at, err)
		}
		return err
	}
	w.id, w.whole, w.parts = "", size, nil
	return w.copyOver()
}

// copyOver begins a multipart upload with what the object at key holds.
func (w *writer) copyOver() error {
	from, size := w.key, w.whole
	if err := w.open(false); err != nil {
		return err
	}
	parts, err := w.d.copyParts(w.ctx, w.key, w.id, from, size)
	if err != nil {
		if isMissing(err) {
			err = lost(w.at, err)
		}
		return fmt.Errorf("go on behind what is stored of %s: %w", w.at, err)
	}
	w.takeUp(parts, parts)
	return nil
}
