// Package blob keeps bytes: finished blobs under their digest, and the files of
// uploads under way. It knows nothing of repositories or records; what is here
// counts only when a record says so.
//
// A backend is distribution's storage driver with a few more abilities, Driver.
// storage/blob/disk is one, storage/blob/s3 another; storage/blob/blobtest is what
// both have to pass. The layout is that of CNCF distribution, so that what the
// usual registry has stored can be taken over without copying.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
)

// ErrFull is returned, wrapped, when the backend has no room.
var ErrFull = errors.New("no space left for blobs")

// ErrNotFound is returned, wrapped, when a blob or an upload's file is missing
// or shorter than it has to be.
var ErrNotFound = errors.New("the bytes are not there")

// ErrUnavailable is returned, wrapped, when the backend does not answer, or only
// that it cannot now. It may a moment later.
var ErrUnavailable = errors.New("the blobs cannot be reached at the moment")

// ErrDamaged is returned, wrapped, by readers that find out that the bytes which are
// there are not those that were stored.
var ErrDamaged = errors.New("the bytes are damaged")

// Driver is a backend: distribution's contract, which its test suite certifies,
// plus what uploads and fast pulls need, which storage/blob/blobtest does.
type Driver interface {
	driver.StorageDriver
	// Shared reports whether the backend is a service that several servers use.
	// On one, what a Writer has flushed is durable and any server can go on from
	// it; and a file stays where it was written, because moving means copying.
	Shared() bool
	// PutNew stores content unless there is a file at the path, which it then
	// leaves as it is.
	PutNew(ctx context.Context, path string, content []byte) error
	// Begin returns a writer of a new file: at the path, in place of what was
	// there; or, where the backend is shared, below it under a name that nobody
	// has used or will use again, since others may be writing there too.
	Begin(ctx context.Context, path string) (Writer, error)
	// Resume returns a writer that goes on where a Writer of the same path stood
	// after size bytes, when its Flush returned the mark. What was written behind
	// does not count. Errors: driver.PathNotFoundError, and
	// driver.InvalidOffsetError when not all of those bytes are there.
	Resume(ctx context.Context, path string, size int64, mark string) (Writer, error)
	// Open returns a file of size bytes for reading from anywhere. A backend on
	// files returns the *os.File, which net/http can send without copying; one
	// that is shared takes the size for granted, asks for nothing before the
	// first Read, and may return a Fetcher. Errors, also of Read:
	// driver.PathNotFoundError.
	Open(ctx context.Context, path string, size int64) (io.ReadSeekCloser, error)
	// Sweep ends what was begun below the path, has been neither committed nor
	// cancelled, and is not to be kept. keep is told the name directly below the
	// path and when it was begun. What was committed on a shared backend stays.
	Sweep(ctx context.Context, path string, keep func(name string, begun time.Time) (bool, error)) error
	// Files calls fn for every file below the path, in an order of the backend's own
	// that stays the same, from behind the file at the path after on; from the first
	// on where that is empty. Where there is nothing there is no error.
	Files(ctx context.Context, path, after string, fn func(driver.FileInfo) error) error
}

// Writer writes the file of an upload. Its methods are not called by several
// goroutines at once. Errors: ErrFull, ErrUnavailable, and ErrNotFound when what had
// been written before has gone.
type Writer interface {
	driver.FileWriter
	// Flush stores what was written, and returns the mark by which Resume goes on
	// from here. Only on a shared backend does it survive more than this process.
	// On such a one, what is written after the last Flush is lost with Close.
	Flush(ctx context.Context) (mark string, err error)
	// Tidy removes what only earlier marks need. It is for those who have made
	// sure that no one goes on from them.
	Tidy(ctx context.Context) error
	// Path is where the file is once it is committed.
	Path() string
}

// Fetcher is a file that is read in requests, each of a range.
type Fetcher interface {
	io.ReadSeekCloser
	// Fetch asks for n bytes from the offset on, and waits for the answer to
	// begin, so that what cannot be had is known before anything is read. It
	// moves the reader to the offset. Errors: driver.PathNotFoundError.
	Fetch(offset, n int64) error
	// Send copies the next n bytes to w and returns how many it was. It may have
	// an io.ReaderFrom take them, which is to be on top of a *net.TCPConn if it
	// is to be worth while. Errors: those of Read, and of w.
	Send(w io.Writer, n int64) (int64, error)
}

// Store keeps blobs and uploads in a Driver.
type Store struct {
	driver Driver
}

// NewStore returns a store in d.
func NewStore(d Driver) *Store { return &Store{driver: d} }

// Shared is that of the driver.
func (s *Store) Shared() bool { return s.driver.Shared() }

const (
	root    = "/docker/registry/v2"
	blobs   = root + "/blobs"
	uploads = "/uploads"
	// byUpload is where uploads become blobs without being moved. It is not the
	// name of an algorithm.
	byUpload = "by-upload"
)

// blobPath is where a blob is: at its location below the blobs, if it has one,
// else where the usual registry's blob store has it. Digest and location have been
// validated or made here: no part of the path is the client's to choose.
func blobPath(d digest.Digest, location string) string {
	if location != "" {
		return path.Join(blobs, location)
	}
	hex := d.Encoded()
	return path.Join(blobs, d.Algorithm().String(), hex[:2], hex, "data")
}

// uploadPath is where uploads are written, or that of one.
func (s *Store) uploadPath(id string) string {
	if s.driver.Shared() {
		return path.Join(blobs, byUpload, id)
	}
	return path.Join(uploads, id)
}

// Claim marks the folder of repositories as drydock's. The usual registry finds
// repositories there as folders; a file in that place makes it, and above all
// its garbage collector, to which every blob here would look unreferenced,
// refuse to run.
func (s *Store) Claim(ctx context.Context) error {
	const notice = "The blobs beside this file belong to drydock, which keeps their records in a database.\n" +
		"This file keeps other registries and their garbage collectors from treating the blobs as unreferenced.\n"
	if err := s.driver.PutNew(ctx, path.Join(root, "repositories"), []byte(notice)); err != nil {
		return fmt.Errorf("mark the blob folder as drydock's: %w", err)
	}
	return nil
}

// Open opens a blob of size bytes for reading; see Driver.Open. Errors:
// ErrNotFound.
func (s *Store) Open(ctx context.Context, d digest.Digest, location string, size int64) (io.ReadSeekCloser, error) {
	f, err := s.driver.Open(ctx, blobPath(d, location), size)
	if err != nil {
		return nil, notFound(fmt.Errorf("open blob %s: %w", d, err))
	}
	return f, nil
}

// Size returns the length of a blob in bytes. Errors: ErrNotFound.
func (s *Store) Size(ctx context.Context, d digest.Digest, location string) (int64, error) {
	fi, err := s.driver.Stat(ctx, blobPath(d, location))
	if err != nil {
		return 0, notFound(fmt.Errorf("look for blob %s: %w", d, err))
	}
	return fi.Size(), nil
}

// URL returns an address from which anybody may GET a blob for a while, or "" when
// it has none.
func (s *Store) URL(ctx context.Context, d digest.Digest, location string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return "", err
	}
	url, err := s.driver.RedirectURL(r, blobPath(d, location))
	if err != nil {
		return "", fmt.Errorf("make an address for blob %s: %w", d, err)
	}
	return url, nil
}

// Delete removes the bytes of a blob; they need not be there.
func (s *Store) Delete(ctx context.Context, d digest.Digest, location string) error {
	if err := s.driver.Delete(ctx, blobPath(d, location)); err != nil && !isNotFound(err) {
		return fmt.Errorf("delete blob %s: %w", d, err)
	}
	return nil
}

// Begin creates the file of an upload.
func (s *Store) Begin(ctx context.Context, id string) (Writer, error) {
	w, err := s.driver.Begin(ctx, s.uploadPath(id))
	if err != nil {
		return nil, fmt.Errorf("create the file of upload %s: %w", id, err)
	}
	return w, nil
}

// Resume opens the file of an upload to go on after size bytes, from the mark of
// a Flush. Errors: ErrNotFound when those bytes are not there.
func (s *Store) Resume(ctx context.Context, id string, size int64, mark string) (Writer, error) {
	w, err := s.driver.Resume(ctx, s.uploadPath(id), size, mark)
	if err != nil {
		return nil, notFound(fmt.Errorf("open the file of upload %s: %w", id, err))
	}
	return w, nil
}

// Reread opens what a writer, which on a shared backend has been committed, has
// written. Errors: ErrNotFound.
func (s *Store) Reread(ctx context.Context, w Writer) (io.ReadSeekCloser, error) {
	f, err := s.driver.Open(ctx, w.Path(), w.Size())
	if err != nil {
		return nil, notFound(fmt.Errorf("read an upload again: %w", err))
	}
	return f, nil
}

// Keep makes the committed file of an upload the blob of that digest, and returns
// its location. Once it returns, the blob survives a loss of power. Errors:
// ErrNotFound.
func (s *Store) Keep(ctx context.Context, w Writer, d digest.Digest) (location string, err error) {
	if s.driver.Shared() {
		return strings.TrimPrefix(w.Path(), blobs+"/"), nil
	}
	if err := s.driver.Move(ctx, w.Path(), blobPath(d, "")); err != nil {
		return "", notFound(fmt.Errorf("keep an upload as blob %s: %w", d, err))
	}
	return "", nil
}

// Discard removes all that an upload has written; there need not be anything. On a
// shared backend that takes the blob with it that the upload may have become, so
// it is for those who have ended the upload's record, and nobody else.
func (s *Store) Discard(ctx context.Context, id string) error {
	err := s.driver.Delete(ctx, s.uploadPath(id))
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("discard upload %s: %w", id, err)
	}
	return nil
}

// Sweep removes what unfinished uploads have written and is not to be kept. keep
// is told the upload's id and when that was begun.
func (s *Store) Sweep(ctx context.Context, keep func(id string, begun time.Time) (bool, error)) error {
	if err := s.driver.Sweep(ctx, s.uploadPath(""), keep); err != nil && !isNotFound(err) {
		return fmt.Errorf("sweep uploads: %w", err)
	}
	return nil
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
