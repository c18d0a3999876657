package storage

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/distribution/distribution/v3/manifest/manifestlist"
	"github.com/distribution/distribution/v3/manifest/schema2"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxManifestSize is the largest manifest in bytes that is stored. It is what
// the distribution spec recommends registries to accept.
const MaxManifestSize = 4 << 20

// tagForm is that of the distribution spec.
var tagForm = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// document is what the engine needs to know of a manifest.
type document struct {
	mediaType    string
	artifactType string
	subject      digest.Digest
	// blobs and manifests are what the manifest needs to be there, each once.
	blobs, manifests []digest.Digest
	// size is the sum in bytes of the blobs, as their descriptors give it.
	size int64
}

// isManifestType reports whether a media type is one of a manifest or an index.
func isManifestType(mediaType string) bool { return isImageType(mediaType) || isIndexType(mediaType) }

func isImageType(mediaType string) bool {
	return mediaType == v1.MediaTypeImageManifest || mediaType == schema2.MediaTypeManifest
}

func isIndexType(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == manifestlist.MediaTypeManifestList
}

// isForeignType reports whether layers of a media type may live elsewhere, so
// that a manifest may name them without their having been pushed.
func isForeignType(mediaType string) bool {
	switch mediaType {
	case schema2.MediaTypeForeignLayer,
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return true
	}
	return false
}

// Elsewhere reports whether layers of a media type may be kept in another place than a
// registry.
func Elsewhere(mediaType string) bool { return isForeignType(mediaType) }

// parseDocument reads a manifest as the OCI image spec and Docker's schema 2
// describe it. Errors: *ManifestInvalidError.
func parseDocument(content []byte, declared string) (*document, error) {
	invalid := func(format string, args ...any) error {
		return &ManifestInvalidError{fmt.Sprintf(format, args...)}
	}
	if len(content) > MaxManifestSize {
		return nil, invalid("it has %d bytes, more than the %d that are allowed", len(content), MaxManifestSize)
	}
	var m struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		ArtifactType  string          `json:"artifactType"`
		Config        *v1.Descriptor  `json:"config"`
		Layers        []v1.Descriptor `json:"layers"`
		Manifests     []v1.Descriptor `json:"manifests"`
		Subject       *v1.Descriptor  `json:"subject"`
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, invalid("it is not the JSON of a manifest: %v", err)
	}
	if m.SchemaVersion != 2 {
		return nil, invalid("its schemaVersion is %d, and only 2 is supported", m.SchemaVersion)
	}
	d := &document{mediaType: m.MediaType, artifactType: m.ArtifactType}
	switch {
	case declared == "":
	case d.mediaType == "":
		d.mediaType = declared
	case d.mediaType != declared:
		return nil, invalid("it was sent as %s, but its mediaType is %s", declared, d.mediaType)
	}
	if d.mediaType == "" {
		// Old OCI manifests carry none. What they hold tells which they are.
		d.mediaType = v1.MediaTypeImageManifest
		if m.Manifests != nil {
			d.mediaType = v1.MediaTypeImageIndex
		}
	}
	seen := map[digest.Digest]bool{}
	add := func(list *[]digest.Digest, what string, desc v1.Descriptor) error {
		if err := checkDigest(desc.Digest); err != nil {
			return invalid("the digest of a %s: %v", what, err)
		}
		if desc.Size < 0 {
			return invalid("the size of %s is negative", desc.Digest)
		}
		if !seen[desc.Digest] {
			seen[desc.Digest] = true
			*list = append(*list, desc.Digest)
		}
		return nil
	}
	switch {
	case isImageType(d.mediaType):
		// A document that can be read both ways means different things to
		// different clients (CVE-2021-41190).
		if m.Manifests != nil {
			return nil, invalid("it is an image manifest and lists manifests")
		}
		if m.Config == nil {
			return nil, invalid("it has no config")
		}
		if d.artifactType == "" {
			d.artifactType = m.Config.MediaType
		}
		if err := add(&d.blobs, "config", *m.Config); err != nil {
			return nil, err
		}
		d.size = m.Config.Size
		for _, l := range m.Layers {
			if isForeignType(l.MediaType) {
				continue
			}
			if err := add(&d.blobs, "layer", l); err != nil {
				return nil, err
			}
			d.size += l.Size
		}
	case isIndexType(d.mediaType):
		if m.Config != nil || m.Layers != nil {
			return nil, invalid("it is an index and has a config or layers")
		}
		for _, child := range m.Manifests {
			// Some build caches are indexes that list layers.
			list := &d.blobs
			if child.MediaType == "" || isManifestType(child.MediaType) {
				list = &d.manifests
			} else {
				d.size += child.Size
			}
			if err := add(list, "manifest", child); err != nil {
				return nil, err
			}
		}
	default:
		return nil, invalid("the media type %q is not that of a manifest", d.mediaType)
	}
	if m.Subject != nil {
		if err := checkDigest(m.Subject.Digest); err != nil {
			return nil, invalid("the digest of the subject: %v", err)
		}
		d.subject = m.Subject.Digest
	}
	return d, nil
}

// annotations reads a manifest's annotations, as a list of referrers shows them.
func annotations(content []byte) map[string]string {
	var m struct {
		Annotations map[string]string `json:"annotations"`
	}
	// What is stored has been parsed before.
	if json.Unmarshal(content, &m) != nil {
		return nil
	}
	return m.Annotations
}
