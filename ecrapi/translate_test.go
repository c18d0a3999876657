package ecrapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/manifest/schema2"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage"
)

const ociImage = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:c","size":7},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:l","size":9,"annotations":{"a":"b"}}]}`

func TestAnOCIImageReadsTheSameInDockersFormatAndBack(t *testing.T) {
	content, mediaType, ok := translate(storage.Manifest{MediaType: v1.MediaTypeImageManifest, Content: []byte(ociImage)},
		[]string{"application/vnd.docker.distribution.manifest.v1+json", schema2.MediaTypeManifest})
	if !ok || mediaType != schema2.MediaTypeManifest {
		t.Fatalf("got %q, %v", mediaType, ok)
	}
	var m schema2.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	if m.MediaType != schema2.MediaTypeManifest || m.SchemaVersion != 2 ||
		m.Config.MediaType != schema2.MediaTypeImageConfig || m.Config.Digest != "sha256:c" || m.Config.Size != 7 ||
		len(m.Layers) != 1 || m.Layers[0].MediaType != schema2.MediaTypeLayer || m.Layers[0].Digest != "sha256:l" || m.Layers[0].Size != 9 {
		t.Errorf("got %s", content)
	}
	back, mediaType, ok := translate(storage.Manifest{MediaType: mediaType, Content: content}, []string{v1.MediaTypeImageManifest})
	if !ok || mediaType != v1.MediaTypeImageManifest || !strings.Contains(string(back), v1.MediaTypeImageLayerGzip) {
		t.Errorf("back it reads %s", back)
	}
}

func TestWhatHasNoCounterpartIsNotTranslated(t *testing.T) {
	docker := []string{schema2.MediaTypeManifest}
	for what, m := range map[string]storage.Manifest{
		"an index":        {MediaType: v1.MediaTypeImageIndex, Content: []byte(`{"schemaVersion":2,"manifests":[]}`)},
		"a zstd layer":    {MediaType: v1.MediaTypeImageManifest, Content: []byte(strings.ReplaceAll(ociImage, "tar+gzip", "tar+zstd"))},
		"a chart":         {MediaType: v1.MediaTypeImageManifest, Content: []byte(strings.ReplaceAll(ociImage, "oci.image.config", "cncf.helm.config"))},
		"a signature":     {MediaType: v1.MediaTypeImageManifest, Content: []byte(strings.Replace(ociImage, `"config"`, `"subject":{"digest":"sha256:s"},"config"`, 1))},
		"no JSON":         {MediaType: v1.MediaTypeImageManifest, Content: []byte("{")},
		"an unknown type": {MediaType: "text/plain", Content: []byte("{}")},
	} {
		if content, _, ok := translate(m, docker); ok {
			t.Errorf("%s became %s", what, content)
		}
	}
	if _, _, ok := translate(storage.Manifest{MediaType: v1.MediaTypeImageManifest, Content: []byte(ociImage)}, []string{"text/plain"}); ok {
		t.Error("an image became what nobody asked for")
	}
}
