package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// writeBack is how many bytes are gathered before the kernel is asked to begin
// writing them out, so that the sync at the end finds little left to do.
const writeBack = 8 << 20

// Writer implements driver.StorageDriver.
func (d *Driver) Writer(_ context.Context, p string, appending bool) (driver.FileWriter, error) {
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
	w := &writer{file: f}
	if appending {
		if w.size, err = f.Seek(0, 2); err != nil {
			f.Close()
			return nil, err
		}
		w.written = w.size
	}
	return w, nil
}

// Resume implements blob.Driver.
func (d *Driver) Resume(_ context.Context, p string, offset int64) (driver.FileWriter, error) {
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
	return &writer{file: f, size: offset, written: offset}, nil
}

// writer implements driver.FileWriter without a buffer of its own: those who
// write much write large pieces.
type writer struct {
	file *os.File
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
