package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
)

const (
	testGrace = time.Hour
	testTrash = 3 * time.Hour
)

// newCollected is an engine with files for all and short times.
func newCollected(t *testing.T, grace, trash time.Duration) *engine {
	t.Helper()
	e := newEngine(t)
	e.small = -1
	e.options.Grace, e.options.Trash = grace, trash
	e.restart(t)
	return e
}

// collectAll works until nothing is due.
func (e *engine) collectAll(t *testing.T) {
	t.Helper()
	for {
		n, err := e.Collect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Purge(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if n+p == 0 {
			return
		}
	}
}

// files are the digests of all files of blobs.
func (e *engine) files(t *testing.T) map[digest.Digest]bool {
	t.Helper()
	found := map[digest.Digest]bool{}
	err := filepath.WalkDir(filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "data" {
			hex := filepath.Base(filepath.Dir(path))
			found[digest.NewDigestFromEncoded(digest.SHA256, hex)] = true
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func (e *engine) gone(t *testing.T, ref Ref, d digest.Digest) {
	t.Helper()
	_, err := e.StatBlob(t.Context(), ref, d)
	fails[*BlobUnknownError](t, err)
}

func TestWhatNoImageNeedsGoesToTheTrashAndThenForGood(t *testing.T) {
	e := newCollected(t, testGrace, testTrash)
	ref := e.repository(t, "demo", Mutability{})
	image := e.image(t, ref, "one", "latest")
	alone := e.blob(t, ref, "nobody's").Digest
	if len(e.files(t)) != 3 {
		t.Fatalf("%d files", len(e.files(t)))
	}
	e.clock = e.clock.Add(testGrace)
	e.collectAll(t)
	e.gone(t, ref, alone)
	if !e.files(t)[alone] {
		t.Error("it was not kept in the trash")
	}
	e.clock = e.clock.Add(testTrash)
	e.collectAll(t)
	if e.files(t)[alone] || len(e.files(t)) != 2 {
		t.Errorf("after the time in the trash: %v", e.files(t))
	}
	if err := e.DeleteManifest(t.Context(), ref, image.Digest); err != nil {
		t.Fatal(err)
	}
	e.clock = e.clock.Add(testGrace - time.Millisecond)
	e.collectAll(t)
	if _, err := e.StatBlob(t.Context(), ref, digest.FromString("layer of one")); err != nil {
		t.Errorf("within the grace period: %v", err)
	}
	e.clock = e.clock.Add(2 * testGrace)
	e.collectAll(t)
	e.clock = e.clock.Add(testTrash)
	e.collectAll(t)
	if n := len(e.files(t)); n != 0 {
		t.Errorf("%d files stay of a deleted image", n)
	}
	if got := e.Totals(); got.Purged != 3 || got.PurgedBytes == 0 || got.Trashed != 3 || got.Unlinked != 3 {
		t.Errorf("totals %+v", got)
	}
}

func TestABlobThatWasPromisedStays(t *testing.T) {
	e := newCollected(t, testGrace, testTrash)
	ref := e.repository(t, "demo", Mutability{})
	config, layer := e.blob(t, ref, "{}"), e.blob(t, ref, "layer")
	// Asked for again and again, for much longer than the grace period.
	for range 6 {
		e.clock = e.clock.Add(testGrace * 2 / 3)
		for _, d := range []digest.Digest{config.Digest, layer.Digest} {
			if _, err := e.StatBlob(t.Context(), ref, d); err != nil {
				t.Fatal(err)
			}
		}
		e.collectAll(t)
	}
	e.clock = e.clock.Add(testGrace / 2)
	e.collectAll(t)
	e.put(t, ref, imageOf(t, config, layer))
}

func TestAPushThatMeetsTheTrashWins(t *testing.T) {
	e := newCollected(t, testGrace, testTrash)
	ref := e.repository(t, "demo", Mutability{})
	d := e.blob(t, ref, "twice").Digest
	e.clock = e.clock.Add(testGrace)
	e.collectAll(t)
	e.gone(t, ref, d) // so a client pushes it again
	if e.blob(t, ref, "twice"); e.read(t, ref, d) != "twice" {
		t.Error("it is not whole")
	}
	config := e.blob(t, ref, "{}")
	image := e.put(t, ref, imageOf(t, config, e.blob(t, ref, "twice")))
	e.clock = e.clock.Add(testGrace + testTrash)
	e.collectAll(t)
	if e.read(t, ref, d) != "twice" {
		t.Error("the trash took what was pushed again")
	}
	if _, err := e.Manifest(t.Context(), ref, Reference{Digest: image}); err != nil {
		t.Error(err)
	}
}

func TestChildrenAndSharedLayersStay(t *testing.T) {
	e := newCollected(t, testGrace, testTrash)
	one, two := e.repository(t, "one", Mutability{}), e.repository(t, "two", Mutability{})
	a, b := e.image(t, one, "a"), e.image(t, one, "b")
	e.put(t, one, indexOf(t, a, b), "both")
	if _, err := e.MountBlob(t.Context(), two, one, digest.FromString("layer of a")); err != nil {
		t.Fatal(err)
	}
	e.put(t, two, imageOf(t, e.blob(t, two, `{"of":"c"}`), e.blob(t, two, "layer of a")), "c")
	if _, err := e.DeleteRepository(t.Context(), two, true); err != nil {
		t.Fatal(err)
	}
	e.clock = e.clock.Add(testGrace)
	e.collectAll(t)
	e.clock = e.clock.Add(testTrash)
	e.collectAll(t)
	for _, of := range []string{"a", "b"} {
		if got := e.read(t, one, digest.FromString("layer of "+of)); got != "layer of "+of {
			t.Errorf("read %q", got)
		}
	}
	if files := e.files(t); len(files) != 4 || files[digest.FromString(`{"of":"c"}`)] {
		t.Errorf("%d files, one of them of the deleted repository alone: %v", len(files), files)
	}
}

func TestADeletedImageComesBack(t *testing.T) {
	e := newCollected(t, testGrace, testTrash)
	ref := e.repository(t, "demo", Mutability{})
	image := e.image(t, ref, "one", "v1", "latest")
	if err := e.DeleteManifest(t.Context(), ref, image.Digest); err != nil {
		t.Fatal(err)
	}
	other := e.image(t, ref, "two", "latest")
	// Its layers are in the trash by now.
	e.clock = e.clock.Add(testGrace + time.Minute)
	e.collectAll(t)
	e.gone(t, ref, digest.FromString("layer of one"))
	back, err := e.Undelete(t.Context(), image.Digest)
	if err != nil || len(back) != 1 || back[0] != ref {
		t.Fatalf("%v, %v", back, err)
	}
	if e.read(t, ref, digest.FromString("layer of one")) != "layer of one" {
		t.Error("a layer is not whole")
	}
	for tag, want := range map[string]digest.Digest{"v1": image.Digest, "latest": other.Digest} {
		if m, err := e.Manifest(t.Context(), ref, Reference{Tag: tag}); err != nil || m.Digest != want {
			t.Errorf("%s is %s (%v)", tag, m.Digest, err)
		}
	}
	_, err = e.Undelete(t.Context(), image.Digest)
	fails[*ManifestUnknownError](t, err)
	e.clock = e.clock.Add(testGrace + testTrash)
	e.collectAll(t)
	if e.read(t, ref, digest.FromString("layer of one")) != "layer of one" {
		t.Error("what came back was collected")
	}
	if err := e.DeleteManifest(t.Context(), ref, image.Digest); err != nil {
		t.Fatal(err)
	}
	e.clock = e.clock.Add(testTrash)
	e.collectAll(t)
	_, err = e.Undelete(t.Context(), image.Digest)
	fails[*ManifestUnknownError](t, err)
}

// stubborn is a backend that does not delete while it is told so.
type stubborn struct {
	blob.Driver
	mu  sync.Mutex
	not bool
}

func (s *stubborn) Delete(ctx context.Context, path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.not && strings.Contains(path, "/blobs/") {
		return errors.New("not now")
	}
	return s.Driver.Delete(ctx, path)
}

func TestAFileThatCouldNotBeDeletedIsNotForgotten(t *testing.T) {
	e := newCollected(t, -1, -1)
	d0, err := disk.New(e.blobDir)
	if err != nil {
		t.Fatal(err)
	}
	files := &stubborn{Driver: d0, not: true}
	e.options.Blobs = blob.NewStore(files)
	e.restart(t)
	ref := e.repository(t, "demo", Mutability{})
	d := e.blob(t, ref, "stays").Digest
	if _, err := e.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Purge(t.Context()); err == nil {
		t.Error("it was not said that a file could not be deleted")
	}
	files.not = false
	e.restart(t)
	// The same pushed meanwhile must not be deleted with it.
	e.blob(t, ref, "stays")
	if err := e.deleteDoomed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e.read(t, ref, d) != "stays" {
		t.Error("what was pushed again was deleted")
	}
	e.collectAll(t)
	if len(e.files(t)) != 0 {
		t.Error("the file stays for ever")
	}
	if left, err := meta.ListDoomed(t.Context(), e.options.DB.Reader(), 10); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// Pushes of the same few layers, again and again, while everything unneeded is
// deleted at once: an image that was acknowledged is whole until it is deleted.
func TestPushesAndCollectionAtOnce(t *testing.T) {
	e := newCollected(t, -1, -1)
	now := time.Now
	e.options.Now = now
	e.restart(t)
	ref := e.repository(t, "demo", Mutability{})
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var pushers, collectors sync.WaitGroup
	for range 2 {
		collectors.Go(func() {
			for ctx.Err() == nil {
				if _, err := e.Collect(context.Background()); err != nil {
					t.Error(err)
				}
				if _, err := e.Purge(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	pushed := 0
	var mu sync.Mutex
	for p := range 4 {
		pushers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if e.pushOnce(t, ref, p, i) {
					mu.Lock()
					pushed++
					mu.Unlock()
				}
			}
		})
	}
	pushers.Wait()
	collectors.Wait()
	e.collectAll(t)
	t.Logf("%d images", pushed)
	if pushed == 0 {
		t.Error("no image was pushed")
	}
	if n := len(e.files(t)); n != 0 {
		t.Errorf("%d files stay", n)
	}
}

// pushOnce pushes an image that shares its layers with those of others, reads it
// and deletes it. Without a grace period a layer may be gone before the manifest
// comes: then it reports false.
func (e *engine) pushOnce(t *testing.T, ref Ref, p, i int) bool {
	shared := []string{"shared a", "shared b", "shared c"}[i%3]
	own := strings.Repeat("x", p+1)
	content := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` +
		string(digest.FromString(own)) + `","size":1},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + string(digest.FromString(shared)) + `","size":1}],"annotations":{"p":"` + own + `"}}`)
	for _, text := range []string{shared, own} {
		u, err := e.StartUpload(context.Background(), ref)
		if err != nil {
			t.Error(err)
			return false
		}
		if _, err := e.FinishUpload(context.Background(), ref, u.ID, 0, strings.NewReader(text), digest.FromString(text)); err != nil {
			t.Error(err)
			return false
		}
	}
	stored, err := e.PutManifest(context.Background(), ref, ManifestUpload{Content: content})
	var missing *MissingReferencesError
	if errors.As(err, &missing) {
		return false
	}
	if err != nil {
		t.Error(err)
		return false
	}
	for _, text := range []string{shared, own} {
		f, _, err := e.OpenBlob(context.Background(), ref, digest.FromString(text))
		if err != nil {
			t.Errorf("an image that was acknowledged lacks %q: %v", text, err)
			continue
		}
		got := make([]byte, len(text)+1)
		n, _ := f.Read(got)
		f.Close()
		if string(got[:n]) != text {
			t.Errorf("a layer reads %q, not %q", got[:n], text)
		}
	}
	if err := e.DeleteManifest(context.Background(), ref, stored.Digest); err != nil {
		t.Error(err)
	}
	return true
}
