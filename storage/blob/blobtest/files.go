package blobtest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
)

func pathsAreRefused(t *testing.T, p Place) {
	d := p.Open(t)
	ctx := t.Context()
	for _, path := range []string{"", "a", "/..", "/../etc/passwd", "/a/../b", "/a//b", "/a/", "/.", "/a/./b", "/a\x00b", "/a b", `/a\b`, "/a?b", "/ä"} {
		for name, use := range map[string]func() error{
			"Begin":      func() error { _, err := d.Begin(ctx, path); return err },
			"Resume":     func() error { _, err := d.Resume(ctx, path, 1, ""); return err },
			"Writer":     func() error { _, err := d.Writer(ctx, path, false); return err },
			"Open":       func() error { _, err := d.Open(ctx, path, 1); return err },
			"Reader":     func() error { _, err := d.Reader(ctx, path, 0); return err },
			"GetContent": func() error { _, err := d.GetContent(ctx, path); return err },
			"PutContent": func() error { return d.PutContent(ctx, path, []byte("x")) },
			"PutNew":     func() error { return d.PutNew(ctx, path, []byte("x")) },
			"Stat":       func() error { _, err := d.Stat(ctx, path); return err },
			"List":       func() error { _, err := d.List(ctx, path); return err },
			"Delete":     func() error { return d.Delete(ctx, path) },
			"Move from":  func() error { return d.Move(ctx, path, "/to") },
			"Move to":    func() error { return d.Move(ctx, "/from", path) },
		} {
			var invalid driver.InvalidPathError
			if err := use(); !errors.As(err, &invalid) {
				t.Errorf("%s of %q: got %v", name, path, err)
			}
		}
	}
}

func contentIsPut(t *testing.T, p Place) {
	d := p.Open(t)
	for _, content := range [][]byte{[]byte("first"), nil, Noise(300 * kib), []byte("last")} {
		if err := d.PutContent(t.Context(), "/folder/file", content); err != nil {
			t.Fatal(err)
		}
		got, err := d.GetContent(t.Context(), "/folder/file")
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back of %d: %v", len(got), len(content), err)
		}
	}
	_, err := d.GetContent(t.Context(), "/folder/other")
	missing(t, err)
}

func newContentReplacesNothing(t *testing.T, p Place) {
	d := p.Open(t)
	for _, content := range []string{"first", "second"} {
		if err := d.PutNew(t.Context(), "/folder/file", []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.GetContent(t.Context(), "/folder/file"); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
}

func ranges(t *testing.T, p Place) {
	d := p.Open(t)
	content := Noise(9*mib + 3)
	w := begin(t, d, "/uploads/u")
	write(t, w, content)
	path := commit(t, w)
	size := int64(len(content))
	f, err := d.Open(t.Context(), path, size)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seek := func(offset int64, whence int, want int64) {
		t.Helper()
		if at, err := f.Seek(offset, whence); err != nil || at != want {
			t.Fatalf("at %d, want %d: %v", at, want, err)
		}
	}
	// As http.ServeContent does.
	seek(0, io.SeekEnd, size)
	seek(0, io.SeekStart, 0)
	for _, r := range [][2]int64{{0, 1}, {0, size}, {1, size - 1}, {size - 1, 1}, {5 * mib, 10}, {3, 2 * mib}, {size - 2*mib, 2 * mib}} {
		seek(r[0], io.SeekStart, r[0])
		same(t, io.LimitReader(f, r[1]), content[r[0]:r[0]+r[1]])
		if g, ok := f.(blob.Fetcher); ok {
			if err := g.Fetch(r[0], r[1]); err != nil {
				t.Fatal(err)
			}
			same(t, io.LimitReader(f, r[1]), content[r[0]:r[0]+r[1]])
			if err := g.Fetch(r[0], r[1]); err != nil {
				t.Fatal(err)
			}
			var sent bytes.Buffer
			if n, err := g.Send(&sent, r[1]); err != nil || n != r[1] || !bytes.Equal(sent.Bytes(), content[r[0]:r[0]+r[1]]) {
				t.Errorf("%d bytes from %d: %d were sent, %d of them came: %v", r[1], r[0], n, sent.Len(), err)
			}
			// Behind what was fetched it goes on all the same.
			if r[0]+r[1] < size {
				same(t, io.LimitReader(f, 1), content[r[0]+r[1]:][:1])
			}
		}
	}
	seek(10, io.SeekStart, 10)
	same(t, io.LimitReader(f, 5), content[10:15])
	seek(-5, io.SeekCurrent, 10)
	same(t, io.LimitReader(f, 5), content[10:15])
	seek(-3, io.SeekEnd, size-3)
	same(t, f, content[size-3:])
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes behind the end: %v", n, err)
	}
	seek(7, io.SeekEnd, size+7)
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes far behind the end: %v", n, err)
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("there is something before the beginning")
	}
	seek(0, io.SeekStart, 0)
	same(t, f, content)
	if g, ok := f.(blob.Fetcher); ok {
		seek(-5, io.SeekEnd, size-5)
		if n, err := g.Send(io.Discard, 6); n != 5 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("of 6 bytes where 5 are left %d were sent: %v", n, err)
		}
	}
	for _, offset := range []int64{0, 1, size - 1, size, size + 5} {
		r, err := d.Reader(t.Context(), path, offset)
		if err != nil {
			t.Fatal(err)
		}
		same(t, r, content[min(offset, size):])
		closing(t, r)
	}
	missing(t, readAt(t, d, "/uploads/none", 5))
	if g, ok := f.(blob.Fetcher); ok {
		for _, r := range [][2]int64{{-1, 5}, {0, 0}, {0, size + 1}, {size, 1}, {1 << 62, 1 << 62}} {
			if err := g.Fetch(r[0], r[1]); err == nil {
				t.Errorf("%v was fetched", r)
			}
		}
		other, err := d.Open(t.Context(), "/uploads/none", 5)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		missing(t, other.(blob.Fetcher).Fetch(0, 5))
	}
}

func deleted(t *testing.T, p Place) {
	d := p.Open(t)
	ctx := t.Context()
	missing(t, d.Delete(ctx, "/none"))
	for _, path := range []string{"/f/a", "/f/ab", "/f/a-b/c", "/f/d/e"} {
		if err := d.PutContent(ctx, path, []byte(path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Delete(ctx, "/f/a"); err != nil {
		t.Fatal(err)
	}
	missing(t, readAt(t, d, "/f/a", 4))
	for _, path := range []string{"/f/ab", "/f/a-b/c"} {
		if got, err := d.GetContent(ctx, path); err != nil || string(got) != path {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	left, err := d.List(ctx, "/f")
	slices.Sort(left)
	if want := []string{"/f/a-b", "/f/ab", "/f/d"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("%v are left: %v", left, err)
	}
	// An upload under way, of which nothing is a file yet.
	w := begin(t, d, "/f/upload")
	write(t, w, Noise(20*mib))
	mark := flush(t, w)
	closing(t, w)
	if err := d.Delete(ctx, "/f/upload"); err != nil {
		t.Fatal(err)
	}
	_, err = p.Open(t).Resume(ctx, "/f/upload", 20*mib, mark)
	missing(t, err)
	if err := d.Delete(ctx, "/f"); err != nil {
		t.Fatal(err)
	}
	missing(t, d.Delete(ctx, "/f"))
}

func swept(t *testing.T, p Place) {
	d := p.Open(t)
	before := time.Now().Add(-2 * time.Second) // some keep whole seconds only
	marks := map[string]string{}
	for _, id := range []string{"keep", "drop"} {
		w := begin(t, d, "/uploads/"+id)
		write(t, w, Noise(20*mib))
		marks[id] = flush(t, w)
		closing(t, w)
	}
	finished := begin(t, d, "/uploads/finished")
	write(t, finished, Noise(20*mib))
	path := commit(t, finished)
	var told []string
	err := d.Sweep(t.Context(), "/uploads", func(name string, begun time.Time) (bool, error) {
		told = append(told, name)
		if begun.Before(before) || begun.After(time.Now().Add(2*time.Second)) {
			t.Errorf("%s was begun at %v", name, begun)
		}
		return name == "keep", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(told, "keep") || !slices.Contains(told, "drop") || d.Shared() && slices.Contains(told, "finished") {
		t.Errorf("it was told of %v", told)
	}
	d = p.Open(t)
	closing(t, resume(t, d, "/uploads/keep", 20*mib, marks["keep"]))
	_, err = d.Resume(t.Context(), "/uploads/drop", 20*mib, marks["drop"])
	missing(t, err)
	if d.Shared() {
		holds(t, d, path, Noise(20*mib))
	}
	stop := errors.New("stop")
	if err := d.Sweep(t.Context(), "/uploads", func(string, time.Time) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func storeKeepsBlobs(t *testing.T, p Place) {
	s := blob.NewStore(p.Open(t))
	ctx := t.Context()
	for range 2 {
		if err := s.Claim(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i, size := range []int{1, 6 * mib, 20 * mib} {
		content := Noise(size)
		d := digest.FromBytes(content)
		id := strings.Repeat(string(rune('a'+i)), 8)
		w, err := s.Begin(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, content)
		mark := flush(t, w)
		closing(t, w)
		if w, err = s.Resume(ctx, id, int64(size), mark); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		f, err := s.Reread(ctx, w)
		if err != nil {
			t.Fatal(err)
		}
		same(t, f, content)
		closing(t, f)
		location, err := s.Keep(ctx, w, d)
		if err != nil || s.Shared() == (location == "") {
			t.Fatalf("it is at %q: %v", location, err)
		}
		closing(t, w)
		if n, err := s.Size(ctx, d, location); err != nil || n != int64(size) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if f, err = s.Open(ctx, d, location, int64(size)); err != nil {
			t.Fatal(err)
		}
		same(t, f, content)
		closing(t, f)
		// The sweep finds nothing to take.
		if err := s.Sweep(ctx, func(id string, _ time.Time) (bool, error) { t.Errorf("upload %s is left", id); return true, nil }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Delete(ctx, d, location); err != nil {
				t.Fatal(err)
			}
			if err := s.Discard(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		_, err = s.Size(ctx, d, location)
		missing(t, err)
	}
}
