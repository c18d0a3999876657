package storage

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

func TestUploadsGrowAtTheirOffset(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	for _, part := range []struct {
		offset int64
		text   string
		after  int64
	}{{0, "hello", 5}, {AnyOffset, ", ", 7}, {7, "", 7}, {7, "world", 12}} {
		u, err := e.AppendUpload(t.Context(), ref, id, part.offset, strings.NewReader(part.text))
		if err != nil || u.Offset != part.after || u.ID != id {
			t.Fatalf("%q at %d: %+v, %v", part.text, part.offset, u, err)
		}
	}
	d := digest.FromString("hello, world!")
	b, err := e.FinishUpload(t.Context(), ref, id, 12, strings.NewReader("!"), d)
	if err != nil || b.Size != 13 {
		t.Fatalf("%+v, %v", b, err)
	}
	if got := e.read(t, ref, d); got != "hello, world!" {
		t.Errorf("read %q", got)
	}
	_, err = e.Upload(t.Context(), ref, id)
	fails[*UploadUnknownError](t, err)
}

func TestAPartAtTheWrongOffsetIsRefusedAndChangesNothing(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	e.append(t, ref, id, "hello")
	for _, offset := range []int64{0, 4, 6, 1 << 40} {
		_, err := e.AppendUpload(t.Context(), ref, id, offset, strings.NewReader("no"))
		if got := fails[*UploadOffsetError](t, err); got.Upload.Offset != 5 || got.Got != offset {
			t.Errorf("at %d: %+v", offset, got)
		}
		_, err = e.FinishUpload(t.Context(), ref, id, offset, nil, digest.FromString("hello"))
		fails[*UploadOffsetError](t, err)
	}
	if _, err := e.FinishUpload(t.Context(), ref, id, 5, nil, digest.FromString("hello")); err != nil {
		t.Fatal(err)
	}
}

func TestATruncatedBodyKeepsWhatCame(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	whole := string(noise(pieceSize + 100))
	id := e.start(t, ref)
	cut := errors.New("the cable was pulled")
	// The client has gone, and its context with it.
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader(whole[:pieceSize+7]), &onRead{cancel}, iotest.ErrReader(cut))
	_, err := e.AppendUpload(ctx, ref, id, 0, body)
	if got := fails[*UploadTruncatedError](t, err); got.Upload.Offset != pieceSize+7 || !errors.Is(err, cut) {
		t.Errorf("got %+v", got)
	}
	u, err := e.Upload(t.Context(), ref, id)
	if err != nil || u.Offset != pieceSize+7 {
		t.Fatalf("%+v, %v", u, err)
	}
	d := digest.FromString(whole)
	if _, err := e.FinishUpload(t.Context(), ref, id, u.Offset, strings.NewReader(whole[u.Offset:]), d); err != nil {
		t.Fatal(err)
	}
	if e.read(t, ref, d) != whole {
		t.Error("other bytes were stored")
	}
}

// onRead does something when a body has come so far.
type onRead struct{ do func() }

func (r *onRead) Read([]byte) (int, error) {
	r.do()
	return 0, io.EOF
}

func TestUploadsGoOnAfterARestart(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	d := digest.FromString("hello, world")
	for name, meanwhile := range map[string]func(t *testing.T, file string){
		"untouched": func(*testing.T, string) {},
		// Bytes that were written and not recorded.
		"the file is longer than the record": func(t *testing.T, file string) {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("unrecorded"); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := e.start(t, ref)
			e.append(t, ref, id, "hello")
			e.restart(t)
			meanwhile(t, e.uploadFile(id))
			u, err := e.AppendUpload(t.Context(), ref, id, 5, strings.NewReader(", "))
			if err != nil || u.Offset != 7 {
				t.Fatalf("%+v, %v", u, err)
			}
			if _, err := e.FinishUpload(t.Context(), ref, id, 7, strings.NewReader("world"), d); err != nil {
				t.Fatal(err)
			}
			if got := e.read(t, ref, d); got != "hello, world" {
				t.Errorf("read %q", got)
			}
			if err := e.DeleteBlob(t.Context(), ref, d); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAfterARestartTheBytesAndNotTheRecordAreHashed(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	e.append(t, ref, id, "hello")
	e.restart(t)
	// What a loss of power leaves of a file whose bytes were never synced.
	if err := os.WriteFile(e.uploadFile(id), make([]byte, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := e.FinishUpload(t.Context(), ref, id, 5, nil, digest.FromString("hello"))
	if got := fails[*DigestMismatchError](t, err); got.Actual != digest.FromString("\x00\x00\x00\x00\x00") {
		t.Errorf("the record was believed: %+v", got)
	}
}

func TestAnUploadThatLostItsBytesIsUnknown(t *testing.T) {
	for name, lose := range map[string]func(file string) error{
		"the file is shorter than the record": func(file string) error { return os.Truncate(file, 3) },
		"the file is gone":                    os.Remove,
	} {
		for _, restarted := range []bool{false, true} {
			e := newFileEngine(t)
			ref := e.repository(t, "demo", Mutability{})
			id := e.start(t, ref)
			e.append(t, ref, id, "hello")
			if restarted {
				e.restart(t)
			}
			if err := lose(e.uploadFile(id)); err != nil {
				t.Fatal(err)
			}
			_, err := e.AppendUpload(t.Context(), ref, id, 5, strings.NewReader("!"))
			if got := fails[*UploadUnknownError](t, err); got.ID != id {
				t.Errorf("%s: %+v", name, got)
			}
			// It is given up: it must not come back half.
			_, err = e.Upload(t.Context(), ref, id)
			fails[*UploadUnknownError](t, err)
			if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the file stayed: %v", name, err)
			}
		}
	}
}

func TestAWrongDigestDiscardsTheUpload(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	declared := digest.FromString("something else")
	_, err := e.FinishUpload(t.Context(), ref, id, 0, strings.NewReader("hello"), declared)
	if got := fails[*DigestMismatchError](t, err); got.Declared != declared || got.Actual != digest.FromString("hello") {
		t.Errorf("%+v", got)
	}
	_, err = e.Upload(t.Context(), ref, id)
	fails[*UploadUnknownError](t, err)
	for _, d := range []digest.Digest{declared, digest.FromString("hello")} {
		_, err := e.StatBlob(t.Context(), ref, d)
		fails[*BlobUnknownError](t, err)
	}
	if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stayed: %v", err)
	}
}

func TestDigestsThatAreNoneAreRefusedBeforeTheBodyIsRead(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	for _, d := range []digest.Digest{"", "sha256:", "sha256:abc", "sha384:" + digest.Digest(strings.Repeat("a", 96)), "sha256:../../../../etc/passwd", "md5:d41d8cd98f00b204e9800998ecf8427e"} {
		_, err := e.FinishUpload(t.Context(), ref, id, 0, iotest.ErrReader(errors.New("it was read")), d)
		fails[*DigestInvalidError](t, err)
	}
}

func TestUploadsOfSHA512AndOfNothing(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	for _, text := range []string{"", "hello"} {
		for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			d := a.FromString(text)
			if _, err := e.FinishUpload(t.Context(), ref, e.start(t, ref), AnyOffset, strings.NewReader(text), d); err != nil {
				t.Errorf("%s of %q: %v", a, text, err)
				continue
			}
			if got := e.read(t, ref, d); got != text {
				t.Errorf("%s of %q: read %q", a, text, got)
			}
			wrong := a.FromString("wrong")
			_, err := e.FinishUpload(t.Context(), ref, e.start(t, ref), 0, strings.NewReader(text), wrong)
			fails[*DigestMismatchError](t, err)
		}
	}
}

func TestAnUploadBelongsToItsRepository(t *testing.T) {
	e := newEngine(t)
	ref, other := e.repository(t, "demo", Mutability{}), e.repository(t, "other", Mutability{})
	id := e.start(t, ref)
	_, err := e.Upload(t.Context(), other, id)
	fails[*UploadUnknownError](t, err)
	_, err = e.AppendUpload(t.Context(), other, id, 0, strings.NewReader("x"))
	fails[*UploadUnknownError](t, err)
	_, err = e.FinishUpload(t.Context(), other, id, 0, strings.NewReader("x"), digest.FromString("x"))
	fails[*UploadUnknownError](t, err)
	fails[*UploadUnknownError](t, e.CancelUpload(t.Context(), other, id))
	_, err = e.Upload(t.Context(), Ref{ref.Scope, "absent"}, id)
	fails[*RepositoryUnknownError](t, err)
	if err := e.CancelUpload(t.Context(), ref, id); err != nil {
		t.Fatal(err)
	}
	fails[*UploadUnknownError](t, e.CancelUpload(t.Context(), ref, id))
}

func TestAnUploadOfADeletedRepositoryEndsUnknown(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	body := io.MultiReader(strings.NewReader("hello"), &onRead{func() {
		if _, err := e.DeleteRepository(context.Background(), ref, true); err != nil {
			t.Error(err)
		}
	}})
	_, err := e.FinishUpload(t.Context(), ref, id, 0, body, digest.FromString("hello"))
	fails[*UploadUnknownError](t, err)
	if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stayed: %v", err)
	}
}
