package storage

import (
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestManifestsKeepTheirExactBytes(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	config := e.blob(t, ref, "{}")
	content := append(imageOf(t, config), " \n\n"...)
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		d := a.FromBytes(content)
		tag := a.String()
		stored, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Digest: d, Tags: []string{tag}})
		if err != nil || stored.Digest != d || stored.MediaType != v1.MediaTypeImageManifest {
			t.Fatalf("%+v, %v", stored, err)
		}
		for _, which := range []Reference{{Tag: tag}, {Digest: d}, {Tag: tag, Digest: d}} {
			m, err := e.Manifest(t.Context(), ref, which)
			if err != nil || string(m.Content) != string(content) || m.Digest != d || m.MediaType != v1.MediaTypeImageManifest {
				t.Errorf("%+v: %+v, %v", which, m, err)
			}
		}
		_, err = e.Manifest(t.Context(), ref, Reference{Tag: tag, Digest: config.Digest})
		fails[*ManifestUnknownError](t, err)
	}
	wrong := digest.FromString("wrong")
	_, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Digest: wrong})
	if got := fails[*DigestMismatchError](t, err); got.Declared != wrong || got.Actual != digest.FromBytes(content) {
		t.Errorf("%+v", got)
	}
	_, err = e.PutManifest(t.Context(), Ref{ref.Scope, "absent"}, ManifestUpload{Content: content})
	fails[*RepositoryUnknownError](t, err)
}

func TestTagsThatAreNoneAreRefused(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	content := imageOf(t, e.blob(t, ref, "{}"))
	for _, tag := range []string{"", ".hidden", "-x", "a/b", "a:b", "ä", "a\n", string(make([]byte, 129))} {
		_, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Tags: []string{"good", tag}})
		fails[*TagInvalidError](t, err)
	}
	// All or nothing.
	_, err := e.Manifest(t.Context(), ref, Reference{Tag: "good"})
	fails[*ManifestUnknownError](t, err)
}

func TestPuttingTheSameAgainChangesNothing(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	content := imageOf(t, e.blob(t, ref, "{}"))
	for i, c := range []struct {
		tags      []string
		unchanged bool
	}{{[]string{"a"}, false}, {[]string{"a"}, true}, {nil, true}, {[]string{"a", "b"}, false}, {[]string{"b", "a"}, true}} {
		e.clock = e.clock.Add(time.Minute)
		stored, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Tags: c.tags})
		if err != nil || stored.Unchanged != c.unchanged {
			t.Errorf("put %d: %+v, %v", i, stored, err)
		}
	}
	image, err := e.Image(t.Context(), ref, Reference{Tag: "b"})
	if err != nil || !slices.Equal(image.Tags, []string{"a", "b"}) {
		t.Fatalf("%+v, %v", image, err)
	}
	if pushed := e.clock.Add(-4 * time.Minute); !image.PushedAt.Equal(pushed) {
		t.Errorf("pushed at %s, want the first time, %s", image.PushedAt, pushed)
	}
}

func TestImmutableTagsStay(t *testing.T) {
	for name, c := range map[string]struct {
		m             Mutability
		locked, moved []string
	}{
		"mutable":                    {Mutability{}, nil, []string{"latest", "v1"}},
		"immutable":                  {Mutability{Immutable: true}, []string{"latest", "v1"}, nil},
		"immutable, with exceptions": {Mutability{Immutable: true, Except: []string{"latest", "dev-*"}}, []string{"v1", "latest2", "dev"}, []string{"latest", "dev-", "dev-7.x"}},
		"mutable, with exceptions":   {Mutability{Except: []string{"v*", "*-final"}}, []string{"v1", "v", "x-final"}, []string{"latest", "w1", "final"}},
	} {
		e := newEngine(t)
		ref := e.repository(t, "demo", c.m)
		config, layer := e.blob(t, ref, "{}"), e.blob(t, ref, "layer")
		first, second := imageOf(t, config), imageOf(t, config, layer)
		for _, tag := range slices.Concat(c.locked, c.moved) {
			e.put(t, ref, first, tag)
			// The same image again moves nothing.
			e.put(t, ref, first, tag)
		}
		for _, tag := range c.locked {
			_, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: second, Tags: []string{"new", tag}})
			if got := fails[*TagImmutableError](t, err); got.Tag != tag {
				t.Errorf("%s: %+v", name, got)
			}
			if m, err := e.Manifest(t.Context(), ref, Reference{Tag: tag}); err != nil || string(m.Content) != string(first) {
				t.Errorf("%s: %s has moved: %v", name, tag, err)
			}
			// All or nothing: neither the manifest nor the other tag.
			_, err = e.Manifest(t.Context(), ref, Reference{Tag: "new"})
			fails[*ManifestUnknownError](t, err)
			_, err = e.Manifest(t.Context(), ref, Reference{Digest: digest.FromBytes(second)})
			fails[*ManifestUnknownError](t, err)
		}
		for _, tag := range c.moved {
			if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: second, Tags: []string{tag}}); err != nil {
				t.Errorf("%s: %s cannot be moved: %v", name, tag, err)
			}
		}
	}
}

func TestMutabilityCanBeChanged(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	e.image(t, ref, "one", "latest")
	want := Mutability{Immutable: true, Except: []string{"dev"}}
	if r, err := e.SetMutability(t.Context(), ref, want); err != nil || !r.Mutability.Immutable {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err := e.Repository(t.Context(), ref)
	if err != nil || !r.Mutability.Immutable || !slices.Equal(r.Mutability.Except, want.Except) {
		t.Errorf("%+v, %v", r, err)
	}
	other := imageOf(t, e.blob(t, ref, "{}"))
	_, err = e.PutManifest(t.Context(), ref, ManifestUpload{Content: other, Tags: []string{"latest"}})
	fails[*TagImmutableError](t, err)
}

func TestSizesOfImagesAndIndexes(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	config := e.blob(t, ref, "{}")
	small, large := e.blob(t, ref, "small"), e.blob(t, ref, "very much larger")
	one, two := imageOf(t, config, small), imageOf(t, config, small, large)
	var children []v1.Descriptor
	for _, content := range [][]byte{one, two} {
		children = append(children, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: e.put(t, ref, content), Size: int64(len(content))})
	}
	index := e.put(t, ref, indexOf(t, children...), "all")
	for _, c := range []struct {
		d    digest.Digest
		want int64
	}{{children[0].Digest, 2 + 5}, {children[1].Digest, 2 + 5 + 16}, {index, 2 + 5 + 16}} {
		if image, err := e.Image(t.Context(), ref, Reference{Digest: c.d}); err != nil || image.Size != c.want {
			t.Errorf("%d bytes, want %d: %v", image.Size, c.want, err)
		}
	}
}

func TestDeletingByTagTakesTheManifestWithItsLastTag(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	d := e.image(t, ref, "one", "a", "b").Digest
	for i, tag := range []string{"a", "b"} {
		gone, err := e.DeleteImage(t.Context(), ref, Reference{Tag: tag})
		if err != nil || !slices.Equal(gone, []ImageID{{d, tag}}) {
			t.Fatalf("%v, %v", gone, err)
		}
		_, err = e.Manifest(t.Context(), ref, Reference{Digest: d})
		if i == 0 && err != nil {
			t.Error(err)
		}
		if i == 1 {
			fails[*ManifestUnknownError](t, err)
		}
	}
	d = e.image(t, ref, "two", "c", "d").Digest
	if got, err := e.DeleteTag(t.Context(), ref, "c"); err != nil || got != d {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := e.DeleteTag(t.Context(), ref, "d"); err != nil {
		t.Error(err)
	}
	// DeleteTag leaves the manifest, even without a tag.
	gone, err := e.DeleteImage(t.Context(), ref, Reference{Digest: d})
	if err != nil || !slices.Equal(gone, []ImageID{{d, ""}}) {
		t.Errorf("%v, %v", gone, err)
	}
}
