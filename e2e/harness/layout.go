package harness

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Media types of what Layout writes.
const (
	IndexType    = "application/vnd.oci.image.index.v1+json"
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	ConfigType   = "application/vnd.oci.image.config.v1+json"
	LayerType    = "application/vnd.oci.image.layer.v1.tar"
)

// Descriptor is an OCI content descriptor as far as the tests write one.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *Platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Platform is what an image of an index runs on.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// Digest is the sha256 digest of content.
func Digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// Layout writes image layouts (OCI image-spec, "Image Layout") for the clients
// to push.
type Layout struct {
	// Dir is the layout's folder.
	Dir string
	t   testing.TB
	rnd *rand.ChaCha8
}

// NewLayout starts an empty layout. The seed decides the layers' content.
func NewLayout(t testing.TB, seed byte) *Layout {
	t.Helper()
	l := &Layout{Dir: t.TempDir(), t: t, rnd: rand.NewChaCha8([32]byte{seed})}
	if err := os.MkdirAll(filepath.Join(l.Dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

func (l *Layout) write(name string, content []byte) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.Dir, name), content, 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// Blob adds content and describes it.
func (l *Layout) Blob(mediaType string, content []byte) Descriptor {
	l.t.Helper()
	digest := Digest(content)
	l.write(filepath.Join("blobs", "sha256", digest[len("sha256:"):]), content)
	return Descriptor{MediaType: mediaType, Digest: digest, Size: int64(len(content))}
}

// JSON adds a document and describes it.
func (l *Layout) JSON(mediaType string, doc any) Descriptor {
	l.t.Helper()
	content, err := json.Marshal(doc)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.Blob(mediaType, content)
}

// Image adds an image for the platform with one compressed layer of about size
// bytes.
func (l *Layout) Image(architecture string, size int64) Descriptor {
	l.t.Helper()
	var layer bytes.Buffer
	zipped := gzip.NewWriter(&layer)
	diff := l.tar(zipped, size)
	if err := zipped.Close(); err != nil {
		l.t.Fatal(err)
	}
	return l.image(architecture, diff, l.Blob(LayerType+"+gzip", layer.Bytes()))
}

// Large adds an image with one uncompressed layer of about size bytes, which
// never is in memory as a whole.
func (l *Layout) Large(architecture string, size int64) Descriptor {
	l.t.Helper()
	f, err := os.CreateTemp(l.Dir, "layer")
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	diff := l.tar(f, size)
	info, err := f.Stat()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(f.Name(), filepath.Join(l.Dir, "blobs", "sha256", diff[len("sha256:"):])); err != nil {
		l.t.Fatal(err)
	}
	return l.image(architecture, diff, Descriptor{MediaType: LayerType, Digest: diff, Size: info.Size()})
}

func (l *Layout) image(architecture, diff string, layer Descriptor) Descriptor {
	l.t.Helper()
	config := l.JSON(ConfigType, map[string]any{
		"architecture": architecture, "os": "linux", "config": map[string]any{"Cmd": []string{"/random"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{diff}},
	})
	d := l.JSON(ManifestType, map[string]any{
		"schemaVersion": 2, "mediaType": ManifestType, "config": config, "layers": []Descriptor{layer},
	})
	d.Platform = &Platform{architecture, "linux"}
	return d
}

// tar writes an archive with one file of random bytes and returns its digest.
func (l *Layout) tar(w io.Writer, size int64) string {
	l.t.Helper()
	sum := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(w, sum))
	err := archive.WriteHeader(&tar.Header{Name: "random", Mode: 0o644, Size: size, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.CopyN(archive, l.rnd, size)
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
}

// Index adds an index of the images given.
func (l *Layout) Index(images ...Descriptor) Descriptor {
	l.t.Helper()
	return l.JSON(IndexType, map[string]any{"schemaVersion": 2, "mediaType": IndexType, "manifests": images})
}

// Entry makes something the layout's own entry under a tag and returns its
// digest.
func (l *Layout) Entry(tag string, d Descriptor) string {
	l.t.Helper()
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
	content, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": IndexType, "manifests": []Descriptor{d}})
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("index.json", content)
	return d.Digest
}

// EntryOf is the digest of what a client pulled into a layout: its only entry, or
// the one with a tag where the client lists an index's images as well.
func EntryOf(t testing.TB, dir string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []Descriptor }
	if err := json.Unmarshal(content, &index); err != nil {
		t.Fatalf("%s: index.json: %v", dir, err)
	}
	for _, d := range index.Manifests {
		if len(index.Manifests) == 1 || d.Annotations["org.opencontainers.image.ref.name"] != "" {
			return d.Digest
		}
	}
	t.Fatalf("%s has no entry:\n%s", dir, content)
	return ""
}

// CheckLayout compares every blob of a layout with its name.
func CheckLayout(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, "blobs", "sha256", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		f.Close()
		if got := fmt.Sprintf("%x", sum.Sum(nil)); err != nil || got != e.Name() {
			t.Errorf("the pulled blob %s holds %s (%v)", e.Name(), got, err)
		}
	}
}
