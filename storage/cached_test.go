package storage

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestAnImageOfAnUpstreamIsThereBeforeItsLayers(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "hub/demo", Mutability{})
	layer := v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("a layer"), Size: 7}
	config := v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromString("{}"), Size: 2}
	content, err := json.Marshal(v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	d := digest.FromBytes(content)
	index, err := json.Marshal(v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(content))}}})
	if err != nil {
		t.Fatal(err)
	}
	var missing *MissingReferencesError
	if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content}); !errors.As(err, &missing) {
		t.Errorf("pushed without its layers: %v", err)
	}
	incomplete := func(which Reference) bool {
		t.Helper()
		m, err := e.Manifest(t.Context(), ref, which)
		if err != nil {
			t.Fatal(err)
		}
		return m.Incomplete
	}
	sound := func(when string) {
		t.Helper()
		v, err := e.Verify(t.Context(), VerifyOptions{Deep: true, Found: func(p Problem) error {
			t.Errorf("%s: %s: %s", when, p.Kind, p.Says)
			return nil
		}})
		if err != nil || v.Problems != 0 {
			t.Errorf("%s: %d problems: %v", when, v.Problems, err)
		}
	}
	for i, c := range [][]byte{index, content} {
		if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: c, Cached: true, Tags: []string{[]string{"v1", "v1-amd64"}[i]}}); err != nil {
			t.Fatal(err)
		}
		sound([]string{"an index without its images", "an image without its layers"}[i])
	}
	if !incomplete(Reference{Tag: "v1"}) || !incomplete(Reference{Digest: d}) {
		t.Error("an image without its layers is called whole")
	}
	e.blob(t, ref, "a layer")
	e.blob(t, ref, "{}")
	if incomplete(Reference{Tag: "v1"}) || incomplete(Reference{Digest: d}) {
		t.Error("an image with its layers is called incomplete")
	}
	sound("the whole image")
	if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Tags: []string{"mine"}}); err != nil {
		t.Errorf("pushed with its layers: %v", err)
	}
	if _, err := e.DeleteRepository(t.Context(), ref, true); err != nil {
		t.Error(err)
	}
	sound("nothing")
}

func TestWhenATagWasComparedIsKept(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "hub/demo", Mutability{})
	if _, cached, err := e.Checked(t.Context(), ref, "v1"); err != nil || cached {
		t.Errorf("a tag that came from nowhere: %v, %v", cached, err)
	}
	for _, at := range []time.Time{time.UnixMilli(1000), time.UnixMilli(2000)} {
		if err := e.SetChecked(t.Context(), ref, "v1", at); err != nil {
			t.Fatal(err)
		}
		if got, cached, err := e.Checked(t.Context(), ref, "v1"); err != nil || !cached || !got.Equal(at) {
			t.Errorf("compared at %v, and %v is kept: %v", at, got, err)
		}
	}
	if err := e.SetChecked(t.Context(), Ref{Scope: ref.Scope, Name: "absent"}, "v1", time.UnixMilli(1)); err != nil {
		t.Errorf("in a repository that is gone: %v", err)
	}
}
