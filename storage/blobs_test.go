package storage

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// blobFiles counts the files under the blob store.
func (e *engine) blobFiles(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestABlobOfManyRepositoriesIsStoredOnce(t *testing.T) {
	e := newFileEngine(t)
	d := digest.FromString("shared")
	for _, name := range []string{"one", "two", "three/four"} {
		ref := e.repository(t, name, Mutability{})
		for range 2 {
			e.blob(t, ref, "shared")
		}
		if got := e.read(t, ref, d); got != "shared" {
			t.Errorf("%s: read %q", name, got)
		}
	}
	if n := e.blobFiles(t); n != 1 {
		t.Errorf("%d files hold it", n)
	}
	left, err := os.ReadDir(filepath.Join(e.blobDir, "uploads"))
	if err != nil || len(left) != 0 {
		t.Errorf("uploads stayed: %v, %v", left, err)
	}
}

func TestAFileThatWasDamagedIsReplacedByTheNextPush(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	d := e.blob(t, ref, "precious").Digest
	hex := d.Encoded()
	file := filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs", "sha256", hex[:2], hex, "data")
	if err := os.Truncate(file, 3); err != nil {
		t.Fatal(err)
	}
	e.blob(t, ref, "precious")
	if got := e.read(t, ref, d); got != "precious" {
		t.Errorf("read %q", got)
	}
}

func TestABlobIsReachableOnlyThroughARepositoryThatHoldsIt(t *testing.T) {
	e := newEngine(t)
	ref, other := e.repository(t, "demo", Mutability{}), e.repository(t, "other", Mutability{})
	d := e.blob(t, ref, "hello").Digest
	elsewhere := Ref{Scope{"999999999999", ref.Region}, ref.Name}
	_, err := e.StatBlob(t.Context(), other, d)
	if got := fails[*BlobUnknownError](t, err); got.Ref != other || got.Digest != d {
		t.Errorf("%+v", got)
	}
	_, _, err = e.OpenBlob(t.Context(), other, d)
	fails[*BlobUnknownError](t, err)
	fails[*BlobUnknownError](t, e.DeleteBlob(t.Context(), other, d))
	_, err = e.StatBlob(t.Context(), elsewhere, d)
	fails[*RepositoryUnknownError](t, err)
	_, err = e.StatBlob(t.Context(), ref, "sha256:../x")
	fails[*DigestInvalidError](t, err)
	if b, err := e.StatBlob(t.Context(), ref, d); err != nil || b.Size != 5 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestMountedBlobsAreHeldByBoth(t *testing.T) {
	e := newEngine(t)
	from, ref := e.repository(t, "from", Mutability{}), e.repository(t, "to", Mutability{})
	d := e.blob(t, from, "hello").Digest
	for range 2 {
		if b, err := e.MountBlob(t.Context(), ref, from, d); err != nil || b.Size != 5 || b.Digest != d {
			t.Fatalf("%+v, %v", b, err)
		}
	}
	if err := e.DeleteBlob(t.Context(), from, d); err != nil {
		t.Fatal(err)
	}
	if got := e.read(t, ref, d); got != "hello" {
		t.Errorf("read %q", got)
	}
	_, err := e.StatBlob(t.Context(), from, d)
	fails[*BlobUnknownError](t, err)
	_, err = e.MountBlob(t.Context(), ref, from, d)
	if got := fails[*BlobUnknownError](t, err); got.Ref != from {
		t.Errorf("%+v", got)
	}
	absent := Ref{ref.Scope, "absent"}
	_, err = e.MountBlob(t.Context(), absent, ref, d)
	if got := fails[*RepositoryUnknownError](t, err); got.Ref != absent {
		t.Errorf("%+v", got)
	}
	_, err = e.MountBlob(t.Context(), from, absent, d)
	if got := fails[*RepositoryUnknownError](t, err); got.Ref != absent {
		t.Errorf("%+v", got)
	}
}

func TestWhatAManifestNeedsCannotBeDeleted(t *testing.T) {
	e := newEngine(t)
	ref, other := e.repository(t, "demo", Mutability{}), e.repository(t, "other", Mutability{})
	config, layer := e.blob(t, ref, "{}"), e.blob(t, ref, "layer")
	e.blob(t, other, "layer")
	image := e.put(t, ref, imageOf(t, config, layer))
	for _, d := range []digest.Digest{config.Digest, layer.Digest} {
		if got := fails[*BlobReferencedError](t, e.DeleteBlob(t.Context(), ref, d)); got.By != image || got.Digest != d {
			t.Errorf("%+v", got)
		}
	}
	// Another repository's copy is its own affair.
	if err := e.DeleteBlob(t.Context(), other, layer.Digest); err != nil {
		t.Error(err)
	}
	if err := e.DeleteManifest(t.Context(), ref, image); err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{config.Digest, layer.Digest} {
		if err := e.DeleteBlob(t.Context(), ref, d); err != nil {
			t.Error(err)
		}
	}
}

func TestAManifestThatAnIndexListsCannotBeDeleted(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	child := e.image(t, ref, "child", "child")
	index := e.put(t, ref, indexOf(t, child), "all")
	if got := fails[*ManifestReferencedError](t, e.DeleteManifest(t.Context(), ref, child.Digest)); got.By != index {
		t.Errorf("%+v", got)
	}
	// By its last tag: the tag goes, the manifest stays.
	gone, err := e.DeleteImage(t.Context(), ref, Reference{Tag: "child"})
	if err != nil || len(gone) != 1 || gone[0] != (ImageID{child.Digest, "child"}) {
		t.Errorf("%v, %v", gone, err)
	}
	if _, err := e.Manifest(t.Context(), ref, Reference{Digest: child.Digest}); err != nil {
		t.Error(err)
	}
	if err := e.DeleteManifest(t.Context(), ref, index); err != nil {
		t.Fatal(err)
	}
	_, err = e.Manifest(t.Context(), ref, Reference{Tag: "all"})
	fails[*ManifestUnknownError](t, err)
	if err := e.DeleteManifest(t.Context(), ref, child.Digest); err != nil {
		t.Error(err)
	}
	fails[*ManifestUnknownError](t, e.DeleteManifest(t.Context(), ref, child.Digest))
}

func TestMissingReferencesAreAllNamed(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	there := e.blob(t, ref, "{}")
	// More than one look-up takes.
	content := `{"schemaVersion":2,"config":{"digest":"` + there.Digest.String() + `","size":2},"layers":[`
	var absent []digest.Digest
	for i := range 40 {
		d := digest.FromString(strings.Repeat("x", i))
		absent = append(absent, d)
		content += `{"digest":"` + d.String() + `","size":1},`
	}
	content = strings.TrimSuffix(content, ",") + `]}`
	_, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: []byte(content), Tags: []string{"latest"}})
	got := fails[*MissingReferencesError](t, err)
	if len(got.Blobs) != len(absent) || len(got.Manifests) != 0 {
		t.Errorf("%d blobs and %d manifests are named", len(got.Blobs), len(got.Manifests))
	}
	for _, d := range absent {
		if !strings.Contains(got.Error(), d.String()) {
			t.Errorf("%s is not named", d)
		}
	}
	_, err = e.Manifest(t.Context(), ref, Reference{Tag: "latest"})
	fails[*ManifestUnknownError](t, err)

	// What another repository holds is missing here.
	other := e.repository(t, "other", Mutability{})
	child := e.image(t, other, "child")
	_, err = e.PutManifest(t.Context(), ref, ManifestUpload{Content: indexOf(t, child)})
	if got := fails[*MissingReferencesError](t, err); len(got.Manifests) != 1 || got.Manifests[0] != child.Digest {
		t.Errorf("%+v", got)
	}
}
