// Package blob keeps bytes: finished blobs under their digest, and the files of
// uploads under way. It knows nothing of repositories or records; what is here
// counts only when a record says so.
//
// A backend is distribution's storage driver with two more abilities, Driver.
// storage/blob/disk is one. The layout is that of CNCF distribution, so that a
// folder of the usual registry can be taken over without copying.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
)

// ErrFull is returned, wrapped, when the backend has no room.
var ErrFull = errors.New("no space left for blobs")

// ErrNotFound is returned, wrapped, when a blob or an upload's file is missing
// or shorter than it has to be.
var ErrNotFound = errors.New("the bytes are not there")

// Driver is a backend: distribution's contract, which its test suite certifies,
// plus what uploads and fast pulls need.
type Driver interface {
	driver.StorageDriver
	// Resume returns a writer that goes on at the offset given and discards
	// what lies behind it. Errors: driver.PathNotFoundError, and
	// driver.InvalidOffsetError when the file is shorter.
	Resume(ctx context.Context, path string, offset int64) (driver.FileWriter, error)
	// Open returns the content for reading from anywhere. A backend on files
	// returns the *os.File, which net/http can send without copying. Errors:
	// driver.PathNotFoundError.
	Open(ctx context.Context, path string) (io.ReadSeekCloser, error)
}

// Store keeps blobs and uploads in a Driver.
type Store struct {
	driver Driver
}

// NewStore returns a store in d.
func NewStore(d Driver) *Store { return &Store{driver: d} }

const (
	root    = "/docker/registry/v2"
	uploads = "/uploads"
)

// blobPath has the form of the usual registry's blob store. The digest has been
// validated: no part of the path is the client's to choose.
func blobPath(d digest.Digest) string {
	hex := d.Encoded()
	return path.Join(root, "blobs", d.Algorithm().String(), hex[:2], hex, "data")
}

func uploadPath(id string) string { return path.Join(uploads, id) }

// Claim marks the folder of repositories as drydock's. The usual registry finds
// repositories there as folders; a file in that place makes it, and above all
// its garbage collector, to which every blob here would look unreferenced,
// refuse to run.
func (s *Store) Claim(ctx context.Context) error {
	const notice = "The blobs beside this file belong to drydock, which keeps their records in a database.\n" +
		"This file keeps other registries and their garbage collectors from treating the blobs as unreferenced.\n"
	at := path.Join(root, "repositories")
	if _, err := s.driver.Stat(ctx, at); err == nil {
		return nil
	}
	if err := s.driver.PutContent(ctx, at, []byte(notice)); err != nil {
		return fmt.Errorf("mark the blob folder as drydock's: %w", err)
	}
	return nil
}

// Open opens a blob for reading. Errors: ErrNotFound.
func (s *Store) Open(ctx context.Context, d digest.Digest) (io.ReadSeekCloser, error) {
	f, err := s.driver.Open(ctx, blobPath(d))
	if err != nil {
		return nil, notFound(fmt.Errorf("open blob %s: %w", d, err))
	}
	return f, nil
}

// Size returns the length of a blob in bytes. Errors: ErrNotFound.
func (s *Store) Size(ctx context.Context, d digest.Digest) (int64, error) {
	fi, err := s.driver.Stat(ctx, blobPath(d))
	if err != nil {
		return 0, notFound(fmt.Errorf("look for blob %s: %w", d, err))
	}
	return fi.Size(), nil
}

// Append opens the file of an upload to go on at the offset given, and creates
// it at offset 0. Errors: ErrNotFound when the file does not reach the offset.
func (s *Store) Append(ctx context.Context, id string, offset int64) (driver.FileWriter, error) {
	var w driver.FileWriter
	var err error
	if offset == 0 {
		w, err = s.driver.Writer(ctx, uploadPath(id), false)
	} else {
		w, err = s.driver.Resume(ctx, uploadPath(id), offset)
	}
	if err != nil {
		return nil, notFound(fmt.Errorf("open the file of upload %s: %w", id, err))
	}
	return w, nil
}

// ReadUpload opens what an upload has received so far. Errors: ErrNotFound.
func (s *Store) ReadUpload(ctx context.Context, id string) (io.ReadSeekCloser, error) {
	f, err := s.driver.Open(ctx, uploadPath(id))
	if err != nil {
		return nil, notFound(fmt.Errorf("read the file of upload %s: %w", id, err))
	}
	return f, nil
}

// Keep makes the committed file of an upload the blob of that digest. Once it
// returns, the blob survives a loss of power. Errors: ErrNotFound.
func (s *Store) Keep(ctx context.Context, id string, d digest.Digest) error {
	if err := s.driver.Move(ctx, uploadPath(id), blobPath(d)); err != nil {
		return notFound(fmt.Errorf("keep upload %s as blob %s: %w", id, d, err))
	}
	return nil
}

// Discard removes the file of an upload; it need not be there.
func (s *Store) Discard(ctx context.Context, id string) error {
	err := s.driver.Delete(ctx, uploadPath(id))
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("discard upload %s: %w", id, err)
	}
	return nil
}

// Uploads lists the ids of all uploads that have a file.
func (s *Store) Uploads(ctx context.Context) ([]string, error) {
	paths, err := s.driver.List(ctx, uploads)
	if err != nil {
		if isNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	ids := make([]string, len(paths))
	for i, p := range paths {
		ids[i] = path.Base(p)
	}
	return ids, nil
}

func isNotFound(err error) bool {
	var none driver.PathNotFoundError
	var short driver.InvalidOffsetError
	return errors.As(err, &none) || errors.As(err, &short)
}

func notFound(err error) error {
	if isNotFound(err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
