// Package inventory finds out which packages an image has, from its layers: those of
// its operating system (dpkg, apk, rpm), of npm, Python, Ruby, Java, and those that
// Go and Rust programs say they were built from.
//
// Layers come from anybody, so they are read within Bounds: as streams, of which only
// the files that name packages are kept for a while, under names of the reader's own.
// What most of these files say is read by Google's osv-scalibr; programs and Java
// archives, which can be made to unpack to anything, by readers here that stop.
package inventory

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Package is something that an image has.
type Package struct {
	// Ecosystem is OSV's name for where it comes from, such as "Debian:12" or "npm";
	// it is empty where OSV has none.
	Ecosystem string `json:"e"`
	// Name and Version are those of the file that names it.
	Name    string `json:"n"`
	Version string `json:"v"`
	// Source and SourceVersion are those of the source package that it was built from,
	// where that has another name or version.
	Source        string `json:"s,omitempty"`
	SourceVersion string `json:"w,omitempty"`
	// Manager is what installed it, as Amazon Inspector spells it: OS, NODE, JAR, …
	Manager string `json:"m"`
	// Path is the file that names it, and Layer the digest of the layer with that file.
	Path  string `json:"p,omitempty"`
	Layer string `json:"l,omitempty"`
	Arch  string `json:"a,omitempty"`
}

// Inventory is what an image has.
type Inventory struct {
	// OS is the operating system, such as "debian 12", empty for none.
	OS       string    `json:"os,omitempty"`
	Packages []Package `json:"packages"`
	// Unread counts files that seemed to name packages and could not be read.
	Unread int `json:"unread,omitempty"`
}

// Supported reports whether anything can be said of the image: there are packages, or
// an operating system, that OSV knows.
func (i Inventory) Supported() bool {
	for _, p := range i.Packages {
		if p.Ecosystem != "" {
			return true
		}
	}
	return false
}

// Layer is one of an image, opened when its turn comes.
type Layer struct {
	Digest string
	Open   func(ctx context.Context) (io.ReadCloser, error)
}

// Bounds are what an image may take. A zero is the usual one.
type Bounds struct {
	// Layers and Entries are how many layers an image and files all layers together
	// may have.
	Layers, Entries int
	// Unpacked is how many bytes all layers together may unpack to.
	Unpacked int64
	// Kept is how many bytes of files that name packages may be kept, Files how many
	// such files there may be, and Depth in how many folders.
	Kept  int64
	Files int
	Depth int
	// Program, List, Lock and Text are the largest programs and archives, databases of
	// packages, lock files, and other files that are looked into. Larger ones are not.
	Program, List, Lock, Text int64
	// Packages is how many there may be.
	Packages int
}

func (b Bounds) orUsual() Bounds {
	usual(&b.Layers, 256)
	usual(&b.Entries, 1_000_000)
	usual(&b.Unpacked, 32<<30)
	usual(&b.Kept, 4<<30)
	usual(&b.Files, 100_000)
	usual(&b.Depth, 128)
	usual(&b.Program, 512<<20)
	usual(&b.List, 256<<20)
	usual(&b.Lock, 32<<20)
	usual(&b.Text, 4<<20)
	usual(&b.Packages, 200_000)
	return b
}

func usual[T int | int64](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// BoundError says that an image takes more than it may.
type BoundError struct{ What string }

func (e *BoundError) Error() string { return "the image has " + e.What }

// LayerError says that a layer is no archive, or a broken one.
type LayerError struct {
	Digest string
	Err    error
}

func (e *LayerError) Error() string {
	return fmt.Sprintf("layer %s cannot be read: %v", e.Digest, e.Err)
}
func (e *LayerError) Unwrap() error { return e.Err }

// ListError says that a file is unreadable without which nothing can be said of an
// image, such as the list of packages of its operating system.
type ListError struct {
	Path string
	Err  error
}

func (e *ListError) Error() string { return fmt.Sprintf("%q cannot be read: %v", e.Path, e.Err) }
func (e *ListError) Unwrap() error { return e.Err }

// mostUnpacked is how long an inventory may be when it is read back.
const mostUnpacked = 256 << 20

// Pack makes the short form of an inventory.
func (i Inventory) Pack() ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(w).Encode(i), w.Close()); err != nil {
		return nil, fmt.Errorf("pack an inventory: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack has made.
func Unpack(packed []byte) (i Inventory, err error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(r, mostUnpacked)).Decode(&i)
	}
	if err != nil {
		return Inventory{}, fmt.Errorf("unpack an inventory: %w", err)
	}
	return i, nil
}
