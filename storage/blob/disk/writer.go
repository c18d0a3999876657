package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/blob"
)

// writeBack is how many bytes are gathered before the kernel is asked to begin
// writing them out, so that the sync at the end finds little left to do.
const writeBack = 8 << 20

// Writer implements driver.StorageDriver.
func (d *Driver) Writer(_ context.Context, p string, appending bool) (driver.FileWriter, error) {
	return d.create(p, appending)
}

// Begin implements blob.Driver.
func (d *Driver) Begin(_ context.Context, p string) (blob.Writer, error) { return d.create(p, false) }

func (d *Driver) create(p string, appending bool) (blob.Writer, error) {
	file, err := d.file(p)
	if err != nil {
		return nil, err
	}
	flags := os.O_WRONLY | os.O_CREATE
	if !appending {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(file, flags, 0o640)
	if errors.Is(err, os.ErrNotExist) {
		if err := makeFolder(filepath.Dir(file)); err != nil {
			return nil, full(err)
		}
		f, err = os.OpenFile(file, flags, 0o640)
	}
	if err != nil {
		return nil, full(err)
	}
	w := &writer{file: f, path: p}
	if appending {
		if w.size, err = f.Seek(0, 2); err != nil {
			f.Close()
			return nil, err
		}
		w.written = w.size
	}
	return w, nil
}

// Resume implements blob.Driver. The size is all that it takes.
func (d *Driver) Resume(_ context.Context, p string, offset int64, _ string) (blob.Writer, error) {
	file, err := d.file(p)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return nil, missing(err, p)
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() < offset {
		err = driver.InvalidOffsetError{Path: p, Offset: offset, DriverName: name}
	}
	if err == nil && fi.Size() > offset {
		err = f.Truncate(offset)
	}
	if err == nil {
		_, err = f.Seek(offset, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &writer{file: f, path: p, size: offset, written: offset}, nil
}

// writer implements blob.Writer without a buffer of its own: those who write much
// write large pieces.
type writer struct {
	file *os.File
	path string
	// size is the length of the file, written up to where the kernel has been
	// asked to write it out.
	size, written int64
	state         error
}

var (
	errClosed    = errors.New("the writer is closed")
	errCommitted = errors.New("the writer is committed")
	errCancelled = errors.New("the writer is cancelled")
)

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.state != nil {
		return 0, w.state
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	if w.size-w.written >= writeBack {
		startWriteBack(w.file, w.written, w.size-w.written)
		w.written = w.size
	}
	return n, full(err)
}

// Size implements driver.FileWriter.
func (w *writer) Size() int64 { return w.size }

// Path implements blob.Writer.
func (w *writer) Path() string { return w.path }

// Flush implements blob.Writer: what was written is the kernel's already.
func (w *writer) Flush(context.Context) (string, error) {
	if w.state != nil {
		return "", w.state
	}
	return "", nil
}

// Tidy implements blob.Writer: a file needs no more than itself.
func (w *writer) Tidy(context.Context) error { return nil }

// Close implements io.Closer. What was written is in the file, but not synced
// unless it was committed.
func (w *writer) Close() error {
	if errors.Is(w.state, errClosed) {
		return w.state
	}
	w.state = errClosed
	return w.file.Close()
}

// Cancel implements driver.FileWriter.
func (w *writer) Cancel(context.Context) error {
	if errors.Is(w.state, errClosed) {
		return w.state
	}
	w.state = errCancelled
	return os.Remove(w.file.Name())
}

// Commit implements driver.FileWriter: it syncs the file's content. Its name
// becomes durable with Move.
func (w *writer) Commit(context.Context) error {
	if w.state != nil {
		return w.state
	}
	if err := w.file.Sync(); err != nil {
		return full(err)
	}
	w.state = errCommitted
	return nil
}
