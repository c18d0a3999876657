package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage/blob"
	"drydock/storage/blob/s3"
	"drydock/storage/blob/s3/s3test"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// onEveryBackend runs a test on blobs that are files, on blobs that are objects of
// an S3 server, each a file to whoever damages it, and on small ones in the records.
func onEveryBackend(t *testing.T, test func(t *testing.T, e *engine)) {
	t.Run("disk", func(t *testing.T) {
		if testdb.OnPostgres() {
			t.Skip("a folder has one server, and that mostly SQLite; it takes time")
		}
		t.Parallel()
		e := newFileEngine(t)
		e.clock = time.Now()
		test(t, e)
	})
	t.Run("S3", func(t *testing.T) {
		t.Parallel()
		test(t, newS3Engine(t))
	})
}

func newS3Engine(t *testing.T) *engine {
	t.Helper()
	s := s3test.Start(t)
	bucket, err := s3.New(t.Context(), s3.Options{
		Bucket: s.Bucket(t), Prefix: "pre", Endpoint: s.Endpoint, Region: s3test.Region, PathStyle: true,
		AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, Random: rand.Reader, Patience: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{blobDir: filepath.Join(s.Folder, "bucket-1", "pre"), clock: time.Now(), small: -1}
	e.options = Options{
		DB: testdb.New(t).Open(t), Blobs: blob.NewStore(bucket), Now: func() time.Time { return e.clock }, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), UploadExpiry: uploadExpiry,
	}
	e.restart(t)
	return e
}

// verify verifies and returns what was found, by subject.
func (e *engine) verify(t *testing.T, o VerifyOptions) []Problem {
	t.Helper()
	var found []Problem
	o.Found = func(p Problem) error { found = append(found, p); return nil }
	v, err := e.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	mended, lost := int64(0), int64(0)
	for _, p := range found {
		if p.Mended {
			mended++
		}
		if p.Lost {
			lost++
		}
		if p.Says == "" || p.Advice == "" || !slices.Contains(ProblemKinds(), p.Kind) {
			t.Errorf("told of %+v", p)
		}
	}
	if v.Problems != int64(len(found)) || v.Mended != mended || v.Lost != lost {
		t.Errorf("counted %+v, told of %+v", v, found)
	}
	slices.SortFunc(found, func(a, b Problem) int { return strings.Compare(a.Subject, b.Subject) })
	return found
}

// clean expects a verification to find nothing.
func (e *engine) clean(t *testing.T) {
	t.Helper()
	if found := e.verify(t, VerifyOptions{Deep: true}); len(found) > 0 {
		t.Errorf("not clean: %s", describeProblems(found))
	}
}

func describeProblems(list []Problem) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "\n%+v", p)
	}
	return b.String()
}

// sql changes the records behind the engine's back.
func (e *engine) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	err := e.options.DB.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		res, err := q.ExecContext(t.Context(), statement, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return errors.New("it changes nothing")
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// file is where the bytes of a blob lie.
func (e *engine) file(t *testing.T, d digest.Digest) string {
	t.Helper()
	b, err := meta.FindBlob(t.Context(), e.options.DB.Reader(), string(d))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs", filepath.FromSlash(e.options.Blobs.Name(d, b.Location)))
}

func (e *engine) truncate(t *testing.T, d digest.Digest) {
	t.Helper()
	if err := os.Truncate(e.file(t, d), 3); err != nil {
		t.Fatal(err)
	}
}

func (e *engine) flip(t *testing.T, d digest.Digest) {
	t.Helper()
	name := e.file(t, d)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	// In place, so that what the S3 server notes beside the file stays.
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(content)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (e *engine) remove(t *testing.T, d digest.Digest) {
	t.Helper()
	if err := os.Remove(e.file(t, d)); err != nil {
		t.Fatal(err)
	}
}

// quarantined counts the files in quarantine.
func (e *engine) quarantined(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(e.blobDir, "quarantine"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

// expect checks the kinds of what was found.
func expect(t *testing.T, found []Problem, kinds ...ProblemKind) {
	t.Helper()
	var got []ProblemKind
	for _, p := range found {
		got = append(got, p.Kind)
	}
	slices.Sort(got)
	slices.Sort(kinds)
	if !slices.Equal(got, kinds) {
		t.Fatalf("found %v, want %v:%s", got, kinds, describeProblems(found))
	}
}

// busy is a registry with a bit of everything.
func (e *engine) busy(t *testing.T) (demo, other Ref) {
	t.Helper()
	demo, other = e.repository(t, "demo", Mutability{}), e.repository(t, "other", Mutability{})
	amd, arm := e.image(t, demo, "amd64"), e.image(t, demo, "arm64")
	e.put(t, demo, indexOf(t, amd, arm), "multi")
	e.image(t, demo, "one", "v1", "latest")
	e.image(t, other, "one", "copy")
	e.image(t, other, "two", "v2")
	subject := e.image(t, other, "subject", "subject")
	config := e.blob(t, other, "{}")
	e.put(t, other, encode(t, v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: "application/sbom", Config: config, Subject: &subject, Versioned: specs.Versioned{SchemaVersion: 2}}))
	gone := e.image(t, other, "deleted", "gone")
	if err := e.DeleteManifest(t.Context(), other, gone.Digest); err != nil {
		t.Fatal(err)
	}
	trashed := e.blob(t, other, "of no image")
	if err := e.DeleteBlob(t.Context(), other, trashed.Digest); err != nil {
		t.Fatal(err)
	}
	e.append(t, demo, e.start(t, demo), strings.Repeat("unfinished ", 10000))
	return demo, other
}

func TestWhatIsWholeIsCleanAndStaysAsItIs(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		e.busy(t)
		e.clean(t)
		for _, wait := range []time.Duration{0, 25 * time.Hour, 8 * 24 * time.Hour} {
			e.clock = e.clock.Add(wait)
			e.collectAll(t)
			if found := e.verify(t, VerifyOptions{Deep: true, Repair: true}); len(found) > 0 {
				t.Errorf("found: %s", describeProblems(found))
			}
		}
		if n := e.quarantined(t); n > 0 {
			t.Errorf("%d files in quarantine", n)
		}
	})
}

func TestSpoiltLayersAreNamedPutAsideAndWholeWhenPushed(t *testing.T) {
	layer := digest.FromString("layer of one")
	for name, c := range map[string]struct {
		spoil func(*engine, *testing.T, digest.Digest)
		kind  ProblemKind
		deep  bool
		kept  int
	}{
		"removed":   {(*engine).remove, BlobMissing, false, 0},
		"truncated": {(*engine).truncate, BlobDamaged, false, 1},
		"flipped":   {(*engine).flip, BlobDamaged, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, e *engine) {
				demo, other := e.busy(t)
				c.spoil(e, t, layer)
				for range 2 {
					if c.deep {
						expect(t, e.verify(t, VerifyOptions{}))
					}
					found := e.verify(t, VerifyOptions{Deep: c.deep})
					expect(t, found, c.kind)
					if p := found[0]; p.Mended || p.Subject != "layer "+string(layer) || len(p.Images) != 3 {
						t.Errorf("told of %+v", p)
					}
				}
				found := e.verify(t, VerifyOptions{Deep: c.deep, Repair: true})
				expect(t, found, c.kind)
				image, err := e.Image(t.Context(), demo, Reference{Tag: "v1"})
				if err != nil {
					t.Fatal(err)
				}
				want := []string{
					"123456789012/eu-west-1/demo:latest@" + string(image.Digest), "123456789012/eu-west-1/demo:v1@" + string(image.Digest),
					"123456789012/eu-west-1/other:copy@" + string(image.Digest),
				}
				if p := found[0]; !p.Lost || p.Mended || !slices.Equal(p.Images, want) {
					t.Errorf("told of %+v", p)
				}
				if n := e.quarantined(t); n != c.kept {
					t.Errorf("%d files in quarantine", n)
				}
				// Who asks is told the truth, so that a push brings it back.
				for _, ref := range []Ref{demo, other} {
					e.gone(t, ref, layer)
					m, err := e.Manifest(t.Context(), ref, Reference{Digest: image.Digest})
					if err != nil || !m.Incomplete {
						t.Errorf("%s: complete, %v", ref.Name, err)
					}
					_, err = e.PutManifest(t.Context(), ref, ManifestUpload{Content: m.Content})
					fails[*MissingReferencesError](t, err)
				}
				found = e.verify(t, VerifyOptions{Deep: true, Repair: true})
				expect(t, found, BlobUnrecorded)
				if p := found[0]; !p.Lost || !slices.Equal(p.Images, want) {
					t.Errorf("told again of %+v", p)
				}
				third := e.repository(t, "third", Mutability{})
				e.blob(t, third, "layer of one")
				for _, ref := range []Ref{demo, other} {
					if e.read(t, ref, layer) != "layer of one" {
						t.Error("another layer")
					}
					if m, err := e.Manifest(t.Context(), ref, Reference{Digest: image.Digest}); err != nil || m.Incomplete {
						t.Errorf("%s: incomplete, %v", ref.Name, err)
					}
				}
				e.clean(t)
			})
		})
	}
}

func TestAnIndexOfALostLayerIsIncompleteToo(t *testing.T) {
	e := newFileEngine(t)
	demo, _ := e.busy(t)
	e.remove(t, digest.FromString("layer of arm64"))
	found := e.verify(t, VerifyOptions{Repair: true})
	expect(t, found, BlobMissing)
	index, err := e.Image(t.Context(), demo, Reference{Tag: "multi"})
	if err != nil {
		t.Fatal(err)
	}
	if p := found[0]; len(p.Images) != 1 || !strings.HasPrefix(p.Images[0], "123456789012/eu-west-1/demo:multi@"+string(index.Digest)+" (its ") {
		t.Errorf("told of %+v", p)
	}
	m, err := e.Manifest(t.Context(), demo, Reference{Tag: "multi"})
	if err != nil || !m.Incomplete {
		t.Errorf("the index is complete: %v", err)
	}
	if _, err := e.PutManifest(t.Context(), demo, ManifestUpload{Content: m.Content}); err != nil {
		t.Fatal(err)
	}
	if m, _ = e.Manifest(t.Context(), demo, Reference{Tag: "multi"}); !m.Incomplete {
		t.Error("the push of the index alone made it complete")
	}
	e.image(t, demo, "arm64")
	if m, _ = e.Manifest(t.Context(), demo, Reference{Tag: "multi"}); m.Incomplete {
		t.Error("it is not complete again")
	}
	e.clean(t)
}

func TestSmallBlobsInTheRecordsAreVerifiedToo(t *testing.T) {
	e := newEngine(t)
	demo, _ := e.busy(t)
	layer := digest.FromString("layer of two")
	e.sql(t, `UPDATE blob SET content = $2 WHERE digest = $1`, string(layer), []byte("layer of tvo"))
	expect(t, e.verify(t, VerifyOptions{Repair: true}), BlobDamaged)
	if n := e.quarantined(t); n != 1 {
		t.Errorf("%d files in quarantine", n)
	}
	e.blob(t, demo, "layer of two")
	e.clean(t)
}
