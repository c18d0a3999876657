package storage

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	someDigest  = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	otherDigest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	someConfig  = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":2}`
	dockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerImage = "application/vnd.docker.distribution.manifest.v2+json"
	ociIndex    = v1.MediaTypeImageIndex
	ociManifest = v1.MediaTypeImageManifest
)

func TestDocumentsTellWhatTheyNeed(t *testing.T) {
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"` + otherDigest + `","size":7}`
	for name, c := range map[string]struct {
		content, declared string
		want              document
	}{
		"an OCI image": {
			`{"schemaVersion":2,"mediaType":"` + ociManifest + `",` + someConfig + `,"layers":[` + layer + `]}`, "",
			document{mediaType: ociManifest, artifactType: v1.MediaTypeImageConfig, blobs: []digest.Digest{someDigest, otherDigest}, size: 9},
		},
		"a Docker image": {
			`{"schemaVersion":2,"mediaType":"` + dockerImage + `",` + someConfig + `,"layers":[` + layer + `]}`, dockerImage,
			document{mediaType: dockerImage, artifactType: v1.MediaTypeImageConfig, blobs: []digest.Digest{someDigest, otherDigest}, size: 9},
		},
		"an image without a media type": {
			`{"schemaVersion":2,` + someConfig + `,"layers":[]}`, "",
			document{mediaType: ociManifest, artifactType: v1.MediaTypeImageConfig, blobs: []digest.Digest{someDigest}, size: 2},
		},
		"an index without a media type": {
			`{"schemaVersion":2,"manifests":[]}`, "",
			document{mediaType: ociIndex},
		},
		"a media type that only the request gives": {
			`{"schemaVersion":2,"manifests":[{"digest":"` + someDigest + `","size":1}]}`, dockerList,
			document{mediaType: dockerList, manifests: []digest.Digest{someDigest}},
		},
		"a layer named twice": {
			`{"schemaVersion":2,` + someConfig + `,"layers":[` + layer + `,` + layer + `]}`, "",
			document{mediaType: ociManifest, artifactType: v1.MediaTypeImageConfig, blobs: []digest.Digest{someDigest, otherDigest}, size: 16},
		},
		"a foreign layer": {
			`{"schemaVersion":2,` + someConfig + `,"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"` + otherDigest + `","size":70}]}`, dockerImage,
			document{mediaType: dockerImage, artifactType: v1.MediaTypeImageConfig, blobs: []digest.Digest{someDigest}, size: 2},
		},
		"an artifact with a subject": {
			`{"schemaVersion":2,"artifactType":"application/example",` + someConfig + `,"subject":{"digest":"` + otherDigest + `","size":3}}`, "",
			document{mediaType: ociManifest, artifactType: "application/example", subject: otherDigest, blobs: []digest.Digest{someDigest}, size: 2},
		},
		"a build cache, which is an index of layers": {
			`{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[` + layer + `]}`, ociIndex,
			document{mediaType: ociIndex, blobs: []digest.Digest{otherDigest}, size: 7},
		},
	} {
		got, err := parseDocument([]byte(c.content), c.declared)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.mediaType != c.want.mediaType || got.artifactType != c.want.artifactType || got.subject != c.want.subject || got.size != c.want.size ||
			!slices.Equal(got.blobs, c.want.blobs) || !slices.Equal(got.manifests, c.want.manifests) {
			t.Errorf("%s: got %+v, want %+v", name, *got, c.want)
		}
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ content, declared, says string }{
		"nothing":                           {``, "", "JSON"},
		"no JSON":                           {`<html>`, "", "JSON"},
		"something behind the JSON":         {`{"schemaVersion":2,"manifests":[]}{}`, "", "JSON"},
		"schema 1":                          {`{"schemaVersion":1,"fsLayers":[]}`, "", "schemaVersion"},
		"two media types":                   {`{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[]}`, dockerList, "was sent as"},
		"an unknown media type":             {`{"schemaVersion":2,` + someConfig + `}`, "text/plain", "text/plain"},
		"an image without a config":         {`{"schemaVersion":2,"layers":[]}`, ociManifest, "no config"},
		"an image that lists manifests":     {`{"schemaVersion":2,` + someConfig + `,"manifests":[]}`, ociManifest, "lists manifests"},
		"an index with layers":              {`{"schemaVersion":2,"manifests":[],"layers":[]}`, ociIndex, "layers"},
		"an index with a config":            {`{"schemaVersion":2,"manifests":[],` + someConfig + `}`, ociIndex, "config"},
		"a digest that climbs out":          {`{"schemaVersion":2,"config":{"digest":"sha256:../../../etc/passwd"}}`, "", "digest"},
		"an algorithm that is not accepted": {`{"schemaVersion":2,"config":{"digest":"sha384:` + strings.Repeat("a", 96) + `"}}`, "", "digest"},
		"no digest":                         {`{"schemaVersion":2,"config":{}}`, "", "digest"},
		"a negative size":                   {`{"schemaVersion":2,"config":{"digest":"` + someDigest + `","size":-1}}`, "", "negative"},
		"a subject without a digest":        {`{"schemaVersion":2,"manifests":[],"subject":{}}`, "", "subject"},
		"more than is allowed":              {`{"schemaVersion":2,"manifests":[]}` + strings.Repeat(" ", MaxManifestSize), "", "bytes"},
	} {
		_, err := parseDocument([]byte(c.content), c.declared)
		var invalid *ManifestInvalidError
		if !errors.As(err, &invalid) || !strings.Contains(invalid.Reason, c.says) {
			t.Errorf("%s: got %v, want it to speak of %q", name, err, c.says)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,`+someConfig+`,"layers":[{"digest":"`+otherDigest+`","size":7}]}`), "")
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+someDigest+`"}],"subject":{"digest":"`+otherDigest+`"}}`), dockerList)
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"sha256:../x"}}`), ociManifest)
	f.Add([]byte(`{"schemaVersion":2,"config":null,"layers":[null]}`), ociManifest)
	f.Add([]byte(`[]`), "")
	f.Fuzz(func(t *testing.T, content []byte, declared string) {
		d, err := parseDocument(content, declared)
		if err != nil {
			var invalid *ManifestInvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if !isManifestType(d.mediaType) || declared != "" && d.mediaType != declared {
			t.Errorf("accepted as %q, sent as %q", d.mediaType, declared)
		}
		named := slices.Concat(d.blobs, d.manifests)
		if d.subject != "" {
			if err := checkDigest(d.subject); err != nil {
				t.Error(err)
			}
		}
		for _, one := range named {
			if err := checkDigest(one); err != nil {
				t.Error(err)
			}
			if strings.ContainsAny(string(one), "/.\\") {
				t.Errorf("%q could be a path", one)
			}
		}
		slices.Sort(named)
		if len(slices.Compact(named)) != len(d.blobs)+len(d.manifests) {
			t.Error("something is listed twice")
		}
	})
}
