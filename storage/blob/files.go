package blob

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
)

// quarantine is where files are put aside.
const quarantine = "/quarantine"

// File is a file among the blobs, whether or not a record tells of it.
type File struct {
	// Name is its path below the blobs.
	Name string
	// Digest is set where the name tells which blob it should be. Else Location is,
	// and Upload where the name tells which upload wrote it.
	Digest           digest.Digest
	Location, Upload string
	// Size is in bytes.
	Size     int64
	Modified time.Time
}

// Files calls fn for every file among the blobs, from behind the one of the name
// after on, or from the first on where that is empty.
func (s *Store) Files(ctx context.Context, after string, fn func(File) error) error {
	if after != "" {
		after = path.Join(blobs, after)
	}
	var stopped error
	err := s.driver.Files(ctx, blobs, after, func(fi driver.FileInfo) error {
		stopped = fn(fileOf(fi))
		return stopped
	})
	if err != nil && stopped == nil {
		return fmt.Errorf("list the files of blobs: %w", err)
	}
	return err
}

func fileOf(fi driver.FileInfo) File {
	f := File{Name: strings.TrimPrefix(fi.Path(), blobs+"/"), Size: fi.Size(), Modified: fi.ModTime()}
	parts := strings.Split(f.Name, "/")
	if len(parts) == 4 && parts[3] == "data" {
		d := digest.NewDigestFromEncoded(digest.Algorithm(parts[0]), parts[2])
		if d.Validate() == nil && parts[1] == parts[2][:2] {
			f.Digest = d
			return f
		}
	}
	f.Location = f.Name
	if len(parts) > 2 && parts[0] == byUpload {
		f.Upload = parts[1]
	}
	return f
}

// Name is that of the file of a blob, as in File.
func (s *Store) Name(d digest.Digest, location string) string {
	return strings.TrimPrefix(blobPath(d, location), blobs+"/")
}

// PutAside moves the file of a name out of the way, into a folder of the
// quarantine, where nobody looks for it. Errors: ErrNotFound.
func (s *Store) PutAside(ctx context.Context, name, folder string) error {
	if err := s.driver.Move(ctx, path.Join(blobs, name), "/"+Aside(name, folder)); err != nil {
		return notFound(fmt.Errorf("put the file %s into quarantine: %w", name, err))
	}
	return nil
}

// KeepAside stores content where PutAside would move a file of that name.
func (s *Store) KeepAside(ctx context.Context, name, folder string, content []byte) error {
	if err := s.driver.PutContent(ctx, "/"+Aside(name, folder), content); err != nil {
		return fmt.Errorf("put %s into quarantine: %w", name, err)
	}
	return nil
}

// Aside is where PutAside puts a file: a path below the folder or the prefix that
// holds all.
func Aside(name, folder string) string { return path.Join(quarantine, folder, name)[1:] }

// IsDamage reports whether an error of reading says that the bytes are spoilt, and
// not only out of reach.
func IsDamage(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, syscall.EIO) }
