// Package blobtest is what every backend of package blob has to pass, beside
// distribution's own suite for drivers. It checks what uploads and pulls rely on:
// that a writer goes on exactly where a mark was made, here and in another process,
// whatever was written behind; that writers do not disturb one another; and that
// files are read from anywhere.
package blobtest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/blob"
)

// Place is where drivers keep what they are given.
type Place interface {
	// Open returns a driver for the place, as another process would have it.
	Open(t *testing.T) blob.Driver
}

// Run runs the suite. newPlace makes an empty place for each of its tests.
func Run(t *testing.T, newPlace func(t *testing.T) Place) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"paths that are none are refused", pathsAreRefused},
		{"content is put and replaced", contentIsPut},
		{"new content replaces nothing", newContentReplacesNothing},
		{"files of every size come back", everySizeComesBack},
		{"a writer goes on from a mark", goesOnFromAMark},
		{"what is behind a mark does not count", behindAMark},
		{"an upload goes on in many small pieces", manySmallPieces},
		{"uploads of which nothing is left are not found", nothingIsLeft},
		{"writers of many uploads do not disturb one another", manyWriters},
		{"a cancelled upload leaves nothing", cancelled},
		{"writers that are done refuse to write", writersThatAreDone},
		{"ranges are read from anywhere", ranges},
		{"files are deleted, and with them what is being written", deleted},
		{"what was begun and forgotten is swept", swept},
		{"on a shared backend writers of one upload have files of their own", sharedWriters},
		{"files are listed from behind any of them on", filesAreListed},
		{"the store keeps and opens blobs", storeKeepsBlobs},
		{"the store lists its files and puts them aside", storeListsFiles},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newPlace(t)) })
	}
}

// Sizes about which backends change their ways: pieces of buffers, and the parts of
// S3.
const (
	kib = 1 << 10
	mib = 1 << 20
)

// Noise returns n bytes that are the same at each call and look like nothing.
func Noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 1})
	_, _ = r.Read(b) // never fails
	return b
}

// write writes in pieces as an upload does.
func write(t *testing.T, w blob.Writer, content []byte) {
	t.Helper()
	before := w.Size()
	for at := 0; at < len(content); {
		n := min(256*kib, len(content)-at)
		m, err := w.Write(content[at : at+n])
		if err != nil || m != n {
			t.Fatalf("wrote %d of %d bytes at %d: %v", m, n, at, err)
		}
		at += n
	}
	if w.Size() != before+int64(len(content)) {
		t.Fatalf("the size is %d after %d and %d bytes", w.Size(), before, len(content))
	}
}

func begin(t *testing.T, d blob.Driver, path string) blob.Writer {
	t.Helper()
	w, err := d.Begin(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if w.Size() != 0 {
		t.Fatalf("a new file has %d bytes", w.Size())
	}
	return w
}

func resume(t *testing.T, d blob.Driver, path string, size int, mark string) blob.Writer {
	t.Helper()
	w, err := d.Resume(t.Context(), path, int64(size), mark)
	if err != nil {
		t.Fatalf("going on after %d bytes from %q: %v", size, mark, err)
	}
	if w.Size() != int64(size) {
		t.Fatalf("it goes on after %d bytes, not %d", w.Size(), size)
	}
	return w
}

func flush(t *testing.T, w blob.Writer) string {
	t.Helper()
	mark, err := w.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit commits and closes, and returns where the file is.
func commit(t *testing.T, w blob.Writer) string {
	t.Helper()
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := w.Path()
	closing(t, w)
	return path
}

// holds checks a file's content, as one reads it who knows its size, and as one who
// does not.
func holds(t *testing.T, d blob.Driver, path string, want []byte) {
	t.Helper()
	f, err := d.Open(t.Context(), path, int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	same(t, f, want)
	fi, err := d.Stat(t.Context(), path)
	if err != nil || fi.Size() != int64(len(want)) || fi.IsDir() {
		t.Fatalf("stat: %+v, %v; want %d bytes", fi, err, len(want))
	}
}

func same(t *testing.T, r io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %d of %d bytes: %v", len(got), len(want), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes came back, other than the %d that were written", len(got), len(want))
	}
}

// missing checks that an error says that something is not there.
func missing(t *testing.T, err error) {
	t.Helper()
	var none driver.PathNotFoundError
	var short driver.InvalidOffsetError
	if !errors.As(err, &none) && !errors.As(err, &short) && !errors.Is(err, blob.ErrNotFound) {
		t.Fatalf("got %v, want an error that says that the bytes are not there", err)
	}
}

// readAt opens, reads all, and returns the error of whichever failed.
func readAt(t *testing.T, d blob.Driver, path string, size int64) error {
	t.Helper()
	f, err := d.Open(t.Context(), path, size)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}
