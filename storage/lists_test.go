package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pages reads a list page by page, each behind the last entry of the one before.
func pages[T, C any](t *testing.T, limit int, next func(after C, limit int) ([]T, error), cursor func(T) C) []T {
	t.Helper()
	var all []T
	var after C
	for range 100 {
		page, err := next(after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > limit {
			t.Fatalf("a page of %d has %d", limit, len(page))
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = cursor(page[len(page)-1])
	}
	t.Fatal("the list has no end")
	return nil
}

func TestListsComeInPages(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	var ids []ImageID
	var names []string
	for i := range 5 {
		var tags []string
		for j := range i {
			tags = append(tags, fmt.Sprintf("t%d%d", j, i))
		}
		d := e.image(t, ref, fmt.Sprint(i), tags...).Digest
		for _, tag := range tags {
			ids = append(ids, ImageID{d, tag})
		}
		if i == 0 {
			ids = append(ids, ImageID{Digest: d})
		}
		names = append(names, tags...)
	}
	// Another repository's do not show.
	e.image(t, e.repository(t, "other", Mutability{}), "other", "other")
	slices.Sort(names)
	slices.SortFunc(ids, func(a, b ImageID) int {
		if a.Digest != b.Digest {
			return slices.Compare([]byte(a.Digest), []byte(b.Digest))
		}
		return slices.Compare([]byte(a.Tag), []byte(b.Tag))
	})
	tagged := slices.DeleteFunc(slices.Clone(ids), func(id ImageID) bool { return id.Tag == "" })
	untagged := slices.DeleteFunc(slices.Clone(ids), func(id ImageID) bool { return id.Tag != "" })
	for limit := 1; limit <= 12; limit++ {
		got := pages(t, limit, func(after string, n int) ([]string, error) { return e.Tags(t.Context(), ref, after, n) }, func(s string) string { return s })
		if !slices.Equal(got, names) {
			t.Errorf("tags by %d: %v", limit, got)
		}
		for status, want := range map[TagStatus][]ImageID{AnyImage: ids, Tagged: tagged, Untagged: untagged} {
			got := pages(t, limit, func(after ImageID, n int) ([]ImageID, error) { return e.ImageIDs(t.Context(), ref, status, after, n) },
				func(id ImageID) ImageID { return id })
			if !slices.Equal(got, want) {
				t.Errorf("status %d by %d: %v, want %v", status, limit, got, want)
			}
			images := pages(t, limit, func(after digest.Digest, n int) ([]Image, error) { return e.Images(t.Context(), ref, status, after, n) },
				func(i Image) digest.Digest { return i.Digest })
			var flat []ImageID
			for _, image := range images {
				for _, tag := range image.Tags {
					flat = append(flat, ImageID{image.Digest, tag})
				}
				if len(image.Tags) == 0 {
					flat = append(flat, ImageID{Digest: image.Digest})
				}
			}
			if !slices.Equal(flat, want) {
				t.Errorf("images of status %d by %d: %v", status, limit, flat)
			}
		}
	}
	_, err := e.Tags(t.Context(), Ref{ref.Scope, "absent"}, "", 1)
	fails[*RepositoryUnknownError](t, err)
}

func TestReferrersByTypeAndInPages(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	config := e.blob(t, ref, "{}")
	// The subject need not be there.
	subject := digest.FromString("to come")
	var all, signatures []digest.Digest
	for i := range 6 {
		m := v1.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config,
			Subject:     &v1.Descriptor{Digest: subject, Size: 1, MediaType: v1.MediaTypeImageManifest},
			Annotations: map[string]string{"n": fmt.Sprint(i)},
		}
		if i%2 == 0 {
			m.ArtifactType = "application/signature"
		}
		stored, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: encode(t, m)})
		if err != nil || stored.Subject != subject {
			t.Fatalf("%+v, %v", stored, err)
		}
		all = append(all, stored.Digest)
		if i%2 == 0 {
			signatures = append(signatures, stored.Digest)
		}
	}
	e.image(t, ref, "without a subject")
	slices.Sort(all)
	slices.Sort(signatures)
	for kind, want := range map[string][]digest.Digest{
		"": all, "application/signature": signatures, config.MediaType: nil, "text/plain": nil,
		"text/plain " + config.MediaType + " application/signature": all,
	} {
		if kind == config.MediaType {
			// Without an artifactType the config's media type takes its place.
			want = slices.DeleteFunc(slices.Clone(all), func(d digest.Digest) bool { return slices.Contains(signatures, d) })
		}
		for limit := 1; limit < 8; limit++ {
			list := pages(t, limit, func(after digest.Digest, n int) ([]Descriptor, error) {
				return e.Referrers(t.Context(), ref, subject, strings.Fields(kind), after, n)
			}, func(d Descriptor) digest.Digest { return d.Digest })
			var got []digest.Digest
			for _, d := range list {
				got = append(got, d.Digest)
				if m, err := e.Manifest(t.Context(), ref, Reference{Digest: d.Digest}); err != nil || int64(len(m.Content)) != d.Size || d.Annotations["n"] == "" || d.ArtifactType == "" {
					t.Errorf("%+v: %v", d, err)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q by %d: %v, want %v", kind, limit, got, want)
			}
		}
	}
	if list, err := e.Referrers(t.Context(), ref, all[0], nil, "", 10); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	_, err := e.Referrers(t.Context(), ref, "x", nil, "", 10)
	fails[*DigestInvalidError](t, err)
}

func TestRepositoriesOfAScopeInPages(t *testing.T) {
	e := newEngine(t)
	want := []string{"a", "a-b", "a/b", "b", "b/c/d"}
	for _, name := range want {
		e.repository(t, name, Mutability{})
	}
	scope := Scope{"123456789012", "eu-west-1"}
	for _, s := range []Scope{{"999999999999", scope.Region}, {scope.Account, "us-east-1"}} {
		if _, err := e.CreateRepository(t.Context(), Ref{s, "a"}, RepositoryOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for limit := 1; limit < 7; limit++ {
		list := pages(t, limit, func(after string, n int) ([]Repository, error) { return e.Repositories(t.Context(), scope, after, n) },
			func(r Repository) string { return r.Name })
		var got []string
		for _, r := range list {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %v", limit, got)
		}
	}
	_, err := e.CreateRepository(t.Context(), Ref{scope, "a"}, RepositoryOptions{})
	fails[*RepositoryExistsError](t, err)
}

func TestDeleteRepositoryWithAndWithoutForce(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	if err := e.TagRepository(t.Context(), ref, map[string]string{"team": "red"}, 50); err != nil {
		t.Fatal(err)
	}
	d := e.image(t, ref, "one", "latest").Digest
	id := e.start(t, ref)
	e.append(t, ref, id, "half")
	_, err := e.DeleteRepository(t.Context(), ref, false)
	fails[*RepositoryNotEmptyError](t, err)
	if _, err := e.Manifest(t.Context(), ref, Reference{Tag: "latest"}); err != nil {
		t.Error(err)
	}
	if gone, err := e.DeleteRepository(t.Context(), ref, true); err != nil || gone.Ref != ref {
		t.Fatalf("%+v, %v", gone, err)
	}
	if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of an upload stayed: %v", err)
	}
	_, err = e.DeleteRepository(t.Context(), ref, true)
	fails[*RepositoryUnknownError](t, err)
	// A new one of the name begins with nothing.
	e.repository(t, "demo", Mutability{})
	_, err = e.Manifest(t.Context(), ref, Reference{Digest: d})
	fails[*ManifestUnknownError](t, err)
	_, err = e.StatBlob(t.Context(), ref, digest.FromString("layer of one"))
	fails[*BlobUnknownError](t, err)
	_, err = e.Upload(t.Context(), ref, id)
	fails[*UploadUnknownError](t, err)
	if tags, err := e.ResourceTags(t.Context(), ref); err != nil || len(tags) != 0 {
		t.Errorf("%v, %v", tags, err)
	}
	// Blobs are no images.
	e.blob(t, ref, "alone")
	if _, err := e.DeleteRepository(t.Context(), ref, false); err != nil {
		t.Error(err)
	}
}

func TestResourceTagsHaveALimit(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	if err := e.TagRepository(t.Context(), ref, map[string]string{"a": "1", "b": "2"}, 2); err != nil {
		t.Fatal(err)
	}
	fails[*TooManyTagsError](t, e.TagRepository(t.Context(), ref, map[string]string{"a": "9", "c": "3"}, 2))
	if err := e.UntagRepository(t.Context(), ref, []string{"b", "absent"}); err != nil {
		t.Fatal(err)
	}
	tags, err := e.ResourceTags(t.Context(), ref)
	if err != nil || len(tags) != 1 || tags["a"] != "1" {
		t.Errorf("%v, %v", tags, err)
	}
}

func TestAbandonedUploadsExpire(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	old, fresh, empty := e.start(t, ref), e.start(t, ref), e.start(t, ref)
	e.append(t, ref, old, "old")
	e.clock = e.clock.Add(uploadExpiry / 2)
	e.append(t, ref, fresh, "fresh")
	for _, step := range []struct {
		wait  time.Duration
		ended int
	}{{uploadExpiry / 2, 0}, {time.Millisecond, 2}, {0, 0}} {
		e.clock = e.clock.Add(step.wait)
		if n, err := e.ExpireUploads(t.Context()); err != nil || n != step.ended {
			t.Errorf("%d expired, want %d: %v", n, step.ended, err)
		}
	}
	for _, id := range []string{old, empty} {
		_, err := e.Upload(t.Context(), ref, id)
		fails[*UploadUnknownError](t, err)
	}
	if _, err := os.Stat(e.uploadFile(old)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file stayed: %v", err)
	}
	if u, err := e.Upload(t.Context(), ref, fresh); err != nil || u.Offset != 5 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestFilesThatNoUploadKnowsAreSweptAtTheStart(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	id := e.start(t, ref)
	e.append(t, ref, id, "known")
	stray := filepath.Join(e.blobDir, "uploads", "00000000-0000-4000-8000-000000000000")
	if err := os.WriteFile(stray, []byte("stray"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.sweepFiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stray file stayed: %v", err)
	}
	if _, err := os.Stat(e.uploadFile(id)); err != nil {
		t.Error(err)
	}
}
