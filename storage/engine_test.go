package storage

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/testdb"
)

const uploadExpiry = time.Hour

// engine is a Registry over a real database and folder, on a clock of the test.
type engine struct {
	*Registry
	blobDir string
	options Options
	clock   time.Time
	// small is the most bytes of a blob without a file.
	small int
}

func newEngine(t testing.TB) *engine {
	t.Helper()
	dir := t.TempDir()
	db := testdb.New(t).Open(t)
	e := &engine{blobDir: filepath.Join(dir, "blobs"), clock: time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC), small: smallBlob}
	files, err := disk.New(e.blobDir)
	if err != nil {
		t.Fatal(err)
	}
	e.options = Options{
		DB: db, Blobs: blob.NewStore(files),
		Now: func() time.Time { return e.clock }, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), UploadExpiry: uploadExpiry,
	}
	e.restart(t)
	return e
}

// restart is what the next run of the server finds.
func (e *engine) restart(t testing.TB) {
	t.Helper()
	var err error
	if e.Registry, err = New(t.Context(), e.options); err != nil {
		t.Fatal(err)
	}
	e.Registry.small = e.small
}

// newFileEngine is an engine that has a file for every byte.
func newFileEngine(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t)
	e.small = -1
	e.restart(t)
	return e
}

// uploadFile is where the bytes of an upload lie.
func (e *engine) uploadFile(id string) string { return filepath.Join(e.blobDir, "uploads", id) }

// repository creates one and returns its name.
func (e *engine) repository(t testing.TB, name string, m Mutability) Ref {
	t.Helper()
	ref := Ref{Scope{"123456789012", "eu-west-1"}, name}
	if _, err := e.CreateRepository(t.Context(), ref, RepositoryOptions{Mutability: m}); err != nil {
		t.Fatal(err)
	}
	return ref
}

// start begins an upload.
func (e *engine) start(t *testing.T, ref Ref) string {
	t.Helper()
	u, err := e.StartUpload(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// append adds bytes to an upload, wherever it stands.
func (e *engine) append(t *testing.T, ref Ref, id, content string) {
	t.Helper()
	if _, err := e.AppendUpload(t.Context(), ref, id, AnyOffset, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

// blob uploads a blob at once.
func (e *engine) blob(t *testing.T, ref Ref, content string) v1.Descriptor {
	t.Helper()
	d := digest.FromString(content)
	if _, err := e.FinishUpload(t.Context(), ref, e.start(t, ref), 0, strings.NewReader(content), d); err != nil {
		t.Fatal(err)
	}
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(content))}
}

// read reads a blob through a repository.
func (e *engine) read(t *testing.T, ref Ref, d digest.Digest) string {
	t.Helper()
	f, b, err := e.OpenBlob(t.Context(), ref, d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil || int64(len(content)) != b.Size || b.Digest != d {
		t.Fatalf("%d bytes of %+v: %v", len(content), b, err)
	}
	return string(content)
}

// put stores a manifest and expects it to work.
func (e *engine) put(t *testing.T, ref Ref, content []byte, tags ...string) digest.Digest {
	t.Helper()
	stored, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: content, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	if stored.Digest != digest.FromBytes(content) {
		t.Fatalf("stored as %s", stored.Digest)
	}
	return stored.Digest
}

// image pushes an image of a config and a layer that only it has.
func (e *engine) image(t *testing.T, ref Ref, of string, tags ...string) v1.Descriptor {
	t.Helper()
	config, layer := e.blob(t, ref, `{"of":"`+of+`"}`), e.blob(t, ref, "layer of "+of)
	content := imageOf(t, config, layer)
	return v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: e.put(t, ref, content, tags...), Size: int64(len(content))}
}

// imageOf writes an image manifest.
func imageOf(t testing.TB, config v1.Descriptor, layers ...v1.Descriptor) []byte {
	t.Helper()
	config.MediaType = v1.MediaTypeImageConfig
	return encode(t, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: layers})
}

// indexOf writes an index.
func indexOf(t *testing.T, manifests ...v1.Descriptor) []byte {
	t.Helper()
	return encode(t, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: manifests})
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// fails checks that an error is of a kind, and returns it.
func fails[E error](t *testing.T, err error) E {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got %v, want a %T", err, want)
	}
	return want
}

func TestWriteAfterTheDatabaseIsClosedIsErrClosed(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	if err := e.options.DB.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := e.StartUpload(t.Context(), ref)
	if !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
