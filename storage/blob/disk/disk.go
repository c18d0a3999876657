// Package disk keeps blobs in a folder of the local file system. It implements
// blob.Driver; distribution's own test suite certifies it.
//
// A file whose Commit and Move (or PutContent) have returned survives a loss of
// power, and so does its name: file and folders have been synced.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/internal/atomicfile"
	"drydock/storage/blob"
)

const name = "disk"

// Driver stores files below a folder.
type Driver struct {
	root string
}

var _ blob.Driver = (*Driver)(nil)

// New returns a driver for the folder root, which it creates where it is
// missing.
func New(root string) (*Driver, error) {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return nil, fmt.Errorf("create the blob folder: %w", err)
	}
	return &Driver{root: root}, nil
}

// Name implements driver.StorageDriver.
func (d *Driver) Name() string { return name }

// Shared implements blob.Driver: a folder belongs to one server.
func (d *Driver) Shared() bool { return false }

// file turns a path of the contract into one of the file system. The form of
// paths excludes everything but plain names; "." and ".." it does not.
func (d *Driver) file(p string) (string, error) {
	if !plain(p) {
		return "", driver.InvalidPathError{Path: p, DriverName: name}
	}
	return d.root + filepath.FromSlash(p), nil
}

// entry is file for the calls that may also mean the root.
func (d *Driver) entry(p string) (string, error) {
	if p == "/" {
		return d.root, nil
	}
	return d.file(p)
}

// plain reports whether p has the form of driver.PathRegexp and no component
// that the file system takes to mean another folder.
func plain(p string) bool {
	if p == "" || p[0] != '/' || p[len(p)-1] == '/' {
		return false
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
		for i := range len(part) {
			c := part[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
				return false
			}
		}
	}
	return true
}

// GetContent implements driver.StorageDriver.
func (d *Driver) GetContent(ctx context.Context, p string) ([]byte, error) {
	f, err := d.Open(ctx, p, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// PutContent implements driver.StorageDriver. The content appears at once and
// whole.
func (d *Driver) PutContent(_ context.Context, p string, content []byte) error {
	return d.put(p, content, os.Rename)
}

// PutNew implements blob.Driver.
func (d *Driver) PutNew(_ context.Context, p string, content []byte) error {
	file, err := d.file(p)
	if err != nil {
		return err
	}
	// A full disk is no hindrance where there is nothing to write.
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	err = d.put(p, content, os.Link)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// put writes a file under another name, and has it given the right one.
func (d *Driver) put(p string, content []byte, name func(from, to string) error) error {
	file, err := d.file(p)
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Dir(file)); err != nil {
		return full(err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".put-*")
	if err != nil {
		return full(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return full(err)
	}
	if err := name(f.Name(), file); err != nil {
		return full(err)
	}
	return syncFolder(filepath.Dir(file))
}

// Reader implements driver.StorageDriver.
func (d *Driver) Reader(ctx context.Context, p string, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, driver.InvalidOffsetError{Path: p, Offset: offset, DriverName: name}
	}
	f, err := d.Open(ctx, p, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Open implements blob.Driver; the reader is an *os.File.
func (d *Driver) Open(_ context.Context, p string, _ int64) (io.ReadSeekCloser, error) {
	file, err := d.file(p)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, missing(err, p)
	}
	return f, nil
}

// Stat implements driver.StorageDriver.
func (d *Driver) Stat(_ context.Context, p string) (driver.FileInfo, error) {
	file, err := d.entry(p)
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(file)
	if err != nil {
		return nil, missing(err, p)
	}
	info := driver.FileInfoFields{Path: p, ModTime: fi.ModTime(), IsDir: fi.IsDir()}
	if !info.IsDir {
		info.Size = fi.Size()
	}
	return driver.FileInfoInternal{FileInfoFields: info}, nil
}

// List implements driver.StorageDriver.
func (d *Driver) List(_ context.Context, p string) ([]string, error) {
	file, err := d.entry(p)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(file)
	if err != nil {
		return nil, missing(err, p)
	}
	paths := make([]string, len(entries))
	for i, e := range entries {
		paths[i] = path.Join(p, e.Name())
	}
	return paths, nil
}

// Move implements driver.StorageDriver. The new name is durable when it returns.
func (d *Driver) Move(_ context.Context, from, to string) error {
	src, err := d.file(from)
	if err != nil {
		return err
	}
	dst, err := d.file(to)
	if err != nil {
		return err
	}
	if _, err := os.Stat(src); err != nil {
		return missing(err, from)
	}
	if err := makeFolder(filepath.Dir(dst)); err != nil {
		return full(err)
	}
	if err := os.Rename(src, dst); err != nil {
		return full(missing(err, from))
	}
	return syncFolder(filepath.Dir(dst))
}

// Delete implements driver.StorageDriver.
func (d *Driver) Delete(_ context.Context, p string) error {
	file, err := d.file(p)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(file); err != nil {
		return missing(err, p)
	}
	return os.RemoveAll(file)
}

// RedirectURL implements driver.StorageDriver: files are served, not redirected
// to.
func (d *Driver) RedirectURL(*http.Request, string) (string, error) { return "", nil }

// Walk implements driver.StorageDriver.
func (d *Driver) Walk(ctx context.Context, p string, fn driver.WalkFn, options ...func(*driver.WalkOptions)) error {
	return driver.WalkFallback(ctx, d, p, fn, options...)
}

// Sweep implements blob.Driver.
func (d *Driver) Sweep(_ context.Context, p string, keep func(name string, begun time.Time) (bool, error)) error {
	folder, err := d.file(p)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return missing(err, p)
	}
	for _, e := range entries {
		var begun time.Time
		if fi, err := e.Info(); err == nil {
			begun = fi.ModTime()
		}
		kept, err := keep(e.Name(), begun)
		if err != nil {
			return err
		}
		if kept {
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder creates a folder with its parents, each made durable in its own
// parent.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o750)
	switch {
	case err == nil:
		return syncFolder(filepath.Dir(dir))
	case errors.Is(err, os.ErrExist):
		// Whoever created it may not have come to syncing it yet.
		return syncFolder(filepath.Dir(dir))
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	return makeFolder(dir)
}

func syncFolder(dir string) error { return full(atomicfile.SyncFolder(dir)) }

func missing(err error, p string) error {
	// A name below a file, or one that is too long, cannot exist either.
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return driver.PathNotFoundError{Path: p, DriverName: name}
	}
	return err
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	return err
}
