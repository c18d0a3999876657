package storage

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

// hasFile reports whether a blob is a file.
func (e *engine) hasFile(t *testing.T, d digest.Digest) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs", string(d.Algorithm()), d.Encoded()[:2], d.Encoded(), "data"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestABlobIsAFileWhenItIsMoreThanARowTakes(t *testing.T) {
	for size, file := range map[int]bool{0: false, 1: false, smallBlob: false, smallBlob + 1: true} {
		for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			// In one body, in two halves, and with the server restarted between them.
			for _, way := range []string{"at once", "halves", "restart"} {
				e := newEngine(t)
				ref := e.repository(t, "demo", Mutability{})
				content := strings.Repeat("x", size)
				d := a.FromString(content)
				id, rest := e.start(t, ref), content
				if way != "at once" {
					e.append(t, ref, id, content[:size/2])
					rest = content[size/2:]
				}
				if way == "restart" {
					e.restart(t)
				}
				if _, err := e.FinishUpload(t.Context(), ref, id, AnyOffset, strings.NewReader(rest), d); err != nil {
					t.Fatalf("%d bytes, %s, %s: %v", size, a, way, err)
				}
				if got := e.read(t, ref, d); got != content {
					t.Errorf("%d bytes, %s, %s: read %d", size, a, way, len(got))
				}
				if e.hasFile(t, d) != file {
					t.Errorf("%d bytes, %s, %s: a file: %v", size, a, way, !file)
				}
			}
		}
	}
}

func TestAnUploadThatOutgrowsItsRowGoesOnInAFile(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	whole := strings.Repeat("0123456789abcdef", smallBlob/16*3)
	part := len(whole) / 7
	for at := 0; at < len(whole); at += part {
		u, err := e.AppendUpload(t.Context(), ref, id, int64(at), strings.NewReader(whole[at:min(at+part, len(whole))]))
		if err != nil || u.Offset != int64(min(at+part, len(whole))) {
			t.Fatalf("at %d: %+v, %v", at, u, err)
		}
		e.restart(t)
	}
	d := digest.FromString(whole)
	if _, err := e.FinishUpload(t.Context(), ref, id, int64(len(whole)), nil, d); err != nil {
		t.Fatal(err)
	}
	if e.read(t, ref, d) != whole {
		t.Error("other bytes came back")
	}
}

func TestASmallBodyThatBreaksOffKeepsWhatCame(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	broken := io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(errors.New("the line is cut")))
	_, err := e.FinishUpload(t.Context(), ref, id, 0, broken, digest.FromString("hello"))
	if got := fails[*UploadTruncatedError](t, err); got.Upload.Offset != 3 {
		t.Errorf("%+v", got)
	}
	e.restart(t)
	if _, err := e.FinishUpload(t.Context(), ref, id, 3, strings.NewReader("lo"), digest.FromString("hello")); err != nil {
		t.Fatal(err)
	}
	if got := e.read(t, ref, digest.FromString("hello")); got != "hello" {
		t.Errorf("read %q", got)
	}
}

func TestASmallBlobWhoseFileWasLostIsWholeAfterTheNextPush(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	d := e.blob(t, ref, "precious").Digest
	if err := os.RemoveAll(filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs", "sha256")); err != nil {
		t.Fatal(err)
	}
	e.small = smallBlob
	e.restart(t)
	e.blob(t, ref, "precious")
	if got := e.read(t, ref, d); got != "precious" {
		t.Errorf("read %q", got)
	}
}
