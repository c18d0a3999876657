package blob

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

// The cold tree is where blobs lie that nobody pulls: a folder among the blobs, which
// may be on another, slower disk, or a prefix that a bucket's rules may move to a
// cheaper class from which objects can be read at once. A file of it is either a blob
// as it is or one compressed with Zstandard; its location tells which.
const (
	cold       = "cold"
	asItIs     = "plain-"
	compressed = "zstd-"
)

// IsCold reports whether a location is in the cold tree.
func IsCold(location string) bool { return strings.HasPrefix(location, cold+"/") }

// IsCompressed reports whether the file at a location is compressed.
func IsCompressed(location string) bool {
	return IsCold(location) && strings.Contains(location, "/"+compressed)
}

// ColdFile is a file of the cold tree that is being written.
type ColdFile struct {
	store *Store
	file  Writer
	// zip is nil for a blob that is kept as it is.
	zip *zstd.Encoder
}

// BeginCold creates a file of the cold tree for a blob. id is its alone, for ever.
func (s *Store) BeginCold(ctx context.Context, d digest.Digest, id string, compress bool) (*ColdFile, error) {
	form := asItIs
	if compress {
		form = compressed
	}
	at := path.Join(blobs, cold, form+id)
	if !s.driver.Shared() {
		at = path.Join(blobs, cold, d.Encoded()[:2], form+id)
	}
	w, err := s.driver.Begin(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("create an archived file of blob %s: %w", d, err)
	}
	f := &ColdFile{store: s, file: w}
	if compress {
		// One goroutine, and the memory that goes with it: nobody waits for this.
		f.zip, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, fmt.Errorf("compress blob %s: %w", d, err)
		}
	}
	return f, nil
}

// Write implements io.Writer.
func (f *ColdFile) Write(p []byte) (int, error) {
	if f.zip != nil {
		return f.zip.Write(p)
	}
	return f.file.Write(p)
}

// Keep ends the file and returns its location and its size in bytes. Once it returns,
// the file survives a loss of power.
func (f *ColdFile) Keep(ctx context.Context) (location string, size int64, err error) {
	if f.zip != nil {
		if err := f.zip.Close(); err != nil {
			return "", 0, fmt.Errorf("end an archived file: %w", err)
		}
	}
	if err := f.file.Commit(ctx); err != nil {
		return "", 0, fmt.Errorf("sync an archived file: %w", err)
	}
	at := f.file.Path()
	if !f.store.driver.Shared() {
		// A file's name is made durable by moving it, be it to where it is.
		if err := f.store.driver.Move(ctx, at, at); err != nil {
			return "", 0, notFound(fmt.Errorf("keep an archived file: %w", err))
		}
	}
	return strings.TrimPrefix(at, blobs+"/"), f.file.Size(), nil
}

// Cancel removes the file.
func (f *ColdFile) Cancel(ctx context.Context) error { return f.file.Cancel(ctx) }

// Close ends the writing.
func (f *ColdFile) Close() {
	_ = f.file.Close() // what counts was synced before
}

// Read opens a blob of size bytes to be read from its beginning, wherever and in
// whatever form it lies. Errors: ErrNotFound, and ErrDamaged, also of Read.
func (s *Store) Read(ctx context.Context, d digest.Digest, location string, size int64) (io.ReadCloser, error) {
	if !IsCompressed(location) {
		return s.Open(ctx, d, location, size)
	}
	stored, err := s.Size(ctx, d, location)
	if err != nil {
		return nil, err
	}
	f, err := s.Open(ctx, d, location, stored)
	if err != nil {
		return nil, err
	}
	u := &unzipped{file: f}
	u.unzip, err = zstd.NewReader(readerFunc(u.fetch), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: blob %s: %w", ErrDamaged, d, err)
	}
	return u, nil
}

// unzipped reads a compressed file.
type unzipped struct {
	file  io.ReadSeekCloser
	unzip *zstd.Decoder
	// failed is the error of reading the file.
	failed error
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (u *unzipped) fetch(p []byte) (int, error) {
	n, err := u.file.Read(p)
	if err != nil && err != io.EOF {
		u.failed = err
	}
	return n, err
}

// Read implements io.Reader.
func (u *unzipped) Read(p []byte) (int, error) {
	n, err := u.unzip.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case u.failed != nil:
		return n, u.failed
	}
	return n, fmt.Errorf("%w: decompress: %w", ErrDamaged, err)
}

// Close implements io.Closer.
func (u *unzipped) Close() error {
	u.unzip.Close()
	return u.file.Close()
}

// SweepCold ends what was begun in the cold tree long ago and not ended, where a
// backend that is shared keeps such things.
func (s *Store) SweepCold(ctx context.Context, before time.Time) error {
	if !s.driver.Shared() {
		return nil
	}
	keep := func(_ string, begun time.Time) (bool, error) { return !begun.Before(before), nil }
	if err := s.driver.Sweep(ctx, path.Join(blobs, cold), keep); err != nil && !isNotFound(err) {
		return fmt.Errorf("sweep the cold tree: %w", err)
	}
	return nil
}

// Saved is by how many bytes content becomes smaller when it is compressed.
func Saved(content []byte) (int, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return 0, fmt.Errorf("compress: %w", err)
	}
	return len(content) - len(zip.EncodeAll(content, nil)), nil
}
