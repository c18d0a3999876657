package blobtest

import (
	"slices"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
)

// filesAreListed lists files whose names are in another order by byte than by
// folder, whole and from behind each.
func filesAreListed(t *testing.T, p Place) {
	d := p.Open(t)
	list := func(after string) []string {
		t.Helper()
		var paths []string
		err := d.Files(t.Context(), "/some/blobs", after, func(fi driver.FileInfo) error {
			if fi.IsDir() || fi.Size() != int64(len(fi.Path())) || time.Since(fi.ModTime()).Abs() > time.Hour {
				t.Errorf("%s: %d bytes of %v", fi.Path(), fi.Size(), fi.ModTime())
			}
			paths = append(paths, fi.Path())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return paths
	}
	if got := list(""); len(got) > 0 {
		t.Fatalf("files where there are none: %v", got)
	}
	want := []string{"/some/blobs/a", "/some/blobs/b/c/d", "/some/blobs/b/e", "/some/blobs/b-f/g", "/some/blobs/b.h", "/some/blobs/i/j"}
	for _, path := range append(want, "/some/blobsk", "/other/blobs/l") {
		if err := d.PutContent(t.Context(), path, []byte(path)); err != nil {
			t.Fatal(err)
		}
	}
	all := list("")
	if sorted := slices.Sorted(slices.Values(all)); !slices.Equal(sorted, slices.Sorted(slices.Values(want))) {
		t.Fatalf("listed: %v", all)
	}
	for i, after := range all {
		if got := list(after); !slices.Equal(got, all[i+1:]) {
			t.Errorf("behind %s: %v, want %v", after, got, all[i+1:])
		}
	}
}

// storeListsFiles has the store tell whose its files are, and put them aside.
func storeListsFiles(t *testing.T, p Place) {
	d := p.Open(t)
	s := blob.NewStore(d)
	content := []byte("content")
	sum := digest.FromBytes(content)
	own := "sha256/" + sum.Encoded()[:2] + "/" + sum.Encoded() + "/data"
	for _, name := range []string{own, "by-upload/an-id/part", "sha256/00/" + sum.Encoded() + "/data"} {
		if err := d.PutContent(t.Context(), "/docker/registry/v2/blobs/"+name, content); err != nil {
			t.Fatal(err)
		}
	}
	list := func() map[string]blob.File {
		found := map[string]blob.File{}
		err := s.Files(t.Context(), "", func(f blob.File) error {
			if f.Size != int64(len(content)) || f.Modified.IsZero() {
				t.Errorf("%+v", f)
			}
			f.Size, f.Modified = 0, time.Time{}
			found[f.Name] = f
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	want := map[string]blob.File{
		own:                                    {Name: own, Digest: sum},
		"by-upload/an-id/part":                 {Name: "by-upload/an-id/part", Location: "by-upload/an-id/part", Upload: "an-id"},
		"sha256/00/" + sum.Encoded() + "/data": {Name: "sha256/00/" + sum.Encoded() + "/data", Location: "sha256/00/" + sum.Encoded() + "/data"},
	}
	for name, f := range list() {
		if f != want[name] {
			t.Errorf("%+v, want %+v", f, want[name])
		}
	}
	if s.Name(sum, "") != own || s.Name(sum, "by-upload/an-id/part") != "by-upload/an-id/part" {
		t.Errorf("named %s", s.Name(sum, ""))
	}
	for _, name := range []string{own, "by-upload/an-id/part"} {
		if err := s.PutAside(t.Context(), name, "folder"); err != nil {
			t.Fatal(err)
		}
		holds(t, d, "/"+blob.Aside(name, "folder"), content)
	}
	if got := list(); len(got) != 1 {
		t.Errorf("files after that: %v", got)
	}
	missing(t, s.PutAside(t.Context(), own, "folder"))
	if err := s.KeepAside(t.Context(), own, "other", content); err != nil {
		t.Fatal(err)
	}
	holds(t, d, "/"+blob.Aside(own, "other"), content)
}
