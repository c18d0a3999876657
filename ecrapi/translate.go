package ecrapi

import (
	"encoding/json"
	"slices"

	"github.com/distribution/distribution/v3/manifest/schema2"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage"
)

// Media types that are still met, but that the libraries do not name or call
// deprecated.
const (
	dockerPlainLayer = "application/vnd.docker.image.rootfs.diff.tar"
	ociForeignLayer  = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
)

// twins are media types, OCI's and Docker's, of the same bytes. What has no
// twin, such as a zstd layer or the config of a chart, cannot be translated.
var twins = [][2]string{
	{v1.MediaTypeImageManifest, schema2.MediaTypeManifest},
	{v1.MediaTypeImageConfig, schema2.MediaTypeImageConfig},
	{v1.MediaTypeImageLayerGzip, schema2.MediaTypeLayer},
	{v1.MediaTypeImageLayer, dockerPlainLayer},
	{ociForeignLayer, schema2.MediaTypeForeignLayer},
}

// translate gives an image's manifest in an accepted format, as ECR does for
// pulls by tag: OCI images as Docker's schema 2 and the other way round, and
// nothing else. The layers and the config are the same bytes under other names;
// the manifest gets another digest, and loses annotations.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-manifest-formats.html
func translate(m storage.Manifest, accepted []string) (content []byte, mediaType string, ok bool) {
	to, ok := twin(m.MediaType)
	if !ok || !slices.Contains(accepted, to) {
		return nil, "", false
	}
	var from v1.Manifest
	if err := json.Unmarshal(m.Content, &from); err != nil || from.Subject != nil || from.ArtifactType != "" {
		return nil, "", false
	}
	target := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{SchemaVersion: 2, MediaType: to, Layers: []descriptor{}}
	if target.Config, ok = translateDescriptor(from.Config); !ok {
		return nil, "", false
	}
	for _, layer := range from.Layers {
		d, ok := translateDescriptor(layer)
		if !ok {
			return nil, "", false
		}
		target.Layers = append(target.Layers, d)
	}
	content, err := json.MarshalIndent(target, "", "   ")
	return content, to, err == nil
}

// descriptor is what both formats have in common.
type descriptor struct {
	MediaType string   `json:"mediaType"`
	Size      int64    `json:"size"`
	Digest    string   `json:"digest"`
	URLs      []string `json:"urls,omitempty"`
}

func translateDescriptor(d v1.Descriptor) (descriptor, bool) {
	t, ok := twin(d.MediaType)
	return descriptor{t, d.Size, d.Digest.String(), d.URLs}, ok
}

// twin is the other format's name of a media type.
func twin(mediaType string) (string, bool) {
	for _, t := range twins {
		switch mediaType {
		case t[0]:
			return t[1], true
		case t[1]:
			return t[0], true
		}
	}
	return "", false
}
