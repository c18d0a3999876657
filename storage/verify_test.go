package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// TestWhatIsWrongInTheRecordsIsMended breaks one thing after the other. After the
// repair everything is there as it was.
func TestWhatIsWrongInTheRecordsIsMended(t *testing.T) {
	layer := string(digest.FromString("layer of one"))
	of := func(repo, tag string) string {
		return `(SELECT t.digest FROM tag t JOIN repository r ON r.id = t.repository_id WHERE r.name = '` + repo + `' AND t.name = '` + tag + `')`
	}
	repo := func(name string) string { return `(SELECT id FROM repository WHERE name = '` + name + `')` }
	for name, c := range map[string]struct {
		statements []string
		kinds      []ProblemKind
	}{
		"a link":                    {[]string{`DELETE FROM blob_link WHERE repository_id = ` + repo("demo") + ` AND digest = '` + layer + `'`}, []ProblemKind{LinkMissing, CountWrong}},
		"a link of no repository":   {[]string{`INSERT INTO blob_link (repository_id, digest, created_at, size) VALUES (4711, '` + layer + `', 1, 12)`}, []ProblemKind{LinkStray}},
		"a link to no blob":         {[]string{`INSERT INTO blob_link (repository_id, digest, created_at, size) VALUES (` + repo("demo") + `, 'sha256:00', 1, 5)`}, []ProblemKind{LinkStray}},
		"a link without need":       {[]string{`INSERT INTO blob_link (repository_id, digest, created_at, size) VALUES (` + repo("demo") + `, '` + string(digest.FromString("layer of two")) + `', 1, 12)`}, []ProblemKind{LinkForgotten, CountWrong}},
		"the size of a link":        {[]string{`UPDATE blob_link SET size = size + 7 WHERE repository_id = ` + repo("demo") + ` AND digest = '` + layer + `'`}, []ProblemKind{CountWrong}},
		"a blob that nobody holds":  {[]string{`DELETE FROM review WHERE repository_id = 0`}, []ProblemKind{BlobForgotten}},
		"the type of an image":      {[]string{`UPDATE manifest SET media_type = 'application/vnd.oci.image.index.v1+json' WHERE digest = ` + of("other", "v2")}, []ProblemKind{ImageMisread}},
		"the size of an index":      {[]string{`UPDATE manifest SET image_size = 1 WHERE digest = ` + of("demo", "multi")}, []ProblemKind{ImageMisread}},
		"a subject":                 {[]string{`UPDATE manifest SET subject = '' WHERE subject <> ''`}, []ProblemKind{ImageMisread}},
		"a reference":               {[]string{`DELETE FROM manifest_reference WHERE parent = ` + of("other", "v2") + ` AND child = '` + string(digest.FromString("layer of two")) + `'`}, []ProblemKind{ImageMisread}},
		"a reference too many":      {[]string{`INSERT INTO manifest_reference (repository_id, parent, child, is_manifest) VALUES (` + repo("other") + `, ` + of("other", "v2") + `, '` + layer + `', false)`}, []ProblemKind{ImageMisread}},
		"references of no image":    {[]string{`INSERT INTO manifest_reference (repository_id, parent, child, is_manifest) VALUES (` + repo("demo") + `, 'sha256:11', '` + layer + `', false)`}, []ProblemKind{RecordStray}},
		"an image with a copy":      {[]string{`DELETE FROM manifest WHERE digest = ` + of("demo", "v1") + ` AND repository_id = ` + repo("demo")}, []ProblemKind{ImageMissing, CountWrong}},
		"the bytes of one":          {[]string{`UPDATE manifest SET content = '{}' WHERE digest = ` + of("demo", "v1") + ` AND repository_id = ` + repo("demo")}, []ProblemKind{ImageDamaged}},
		"an image of no repository": {[]string{`INSERT INTO manifest (repository_id, digest, media_type, artifact_type, subject, image_size, pushed_at, content) VALUES (4711, 'sha256:22', '', '', '', 1, 1, '{}')`}, []ProblemKind{RecordStray}},
		"a tag of no repository":    {[]string{`INSERT INTO tag (repository_id, name, digest, updated_at) VALUES (4711, 'x', 'sha256:22', 1)`}, []ProblemKind{RecordStray}},
		"a deleted image":           {[]string{`UPDATE manifest_trash SET content = '{}'`}, []ProblemKind{TrashDamaged}},
		"what a repository holds":   {[]string{`UPDATE quota_usage SET bytes = bytes + 5 WHERE scope = '123456789012/eu-west-1/demo'`}, []ProblemKind{CountWrong, CountWrong}},
		"what an account holds":     {[]string{`UPDATE quota_usage SET images = images - 1 WHERE scope = '123456789012'`}, []ProblemKind{CountWrong}},
		"a blob of no digest":       {[]string{`INSERT INTO blob (digest, size, created_at, location) VALUES ('nonsense', 3, 1, '')`}, []ProblemKind{BlobForgotten, BlobDamaged}},
		"the record of a blob":      {[]string{`DELETE FROM blob WHERE digest = '` + layer + `'`}, []ProblemKind{BlobUnrecorded}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFileEngine(t)
			e.clock = time.Now().Add(2 * time.Hour)
			demo, other := e.busy(t)
			for _, s := range c.statements {
				e.sql(t, s)
			}
			found := e.verify(t, VerifyOptions{})
			for _, p := range found {
				if p.Mended || p.Lost {
					t.Errorf("told of %+v", p)
				}
			}
			found = e.verify(t, VerifyOptions{Repair: true})
			expect(t, found, c.kinds...)
			for _, p := range found {
				if !p.Mended {
					t.Errorf("not mended: %+v", p)
				}
			}
			e.clean(t)
			for ref, tags := range map[Ref][]string{demo: {"v1", "latest", "multi"}, other: {"copy", "v2", "subject"}} {
				for _, tag := range tags {
					m, err := e.Manifest(t.Context(), ref, Reference{Tag: tag})
					if err != nil || digest.FromBytes(m.Content) != m.Digest || m.Incomplete {
						t.Errorf("%s:%s: %v", ref.Name, tag, err)
					}
				}
			}
			if e.read(t, demo, digest.Digest(layer)) != "layer of one" {
				t.Error("another layer")
			}
			if n := e.quarantined(t); n > 0 && name != "the bytes of one" {
				t.Errorf("%d files in quarantine", n)
			}
			// What it mended is collected as anything else.
			e.clock = e.clock.Add(50 * time.Hour)
			e.collectAll(t)
			e.clean(t)
		})
	}
}

func TestADeletedImageThatIsDamagedDoesNotComeBack(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	image := e.image(t, ref, "one", "v1")
	if err := e.DeleteManifest(t.Context(), ref, image.Digest); err != nil {
		t.Fatal(err)
	}
	e.sql(t, `UPDATE manifest_trash SET content = $1`, imageOf(t, e.blob(t, ref, "{}")))
	if _, err := e.Undelete(t.Context(), image.Digest); err == nil {
		t.Error("it came back")
	}
}

func TestAManifestWithoutACopyIsLostUntilItIsPushed(t *testing.T) {
	for name, statement := range map[string]string{
		"its bytes":  `UPDATE manifest SET content = '{}' WHERE digest = $1`,
		"its record": `DELETE FROM manifest WHERE digest = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newFileEngine(t)
			demo, other := e.busy(t)
			m, err := e.Manifest(t.Context(), other, Reference{Tag: "v2"})
			if err != nil {
				t.Fatal(err)
			}
			e.sql(t, statement, string(m.Digest))
			found := e.verify(t, VerifyOptions{Repair: true})
			var lost []Problem
			for _, p := range found {
				if p.Lost {
					lost = append(lost, p)
				}
			}
			if len(lost) != 1 || !slices.Contains(lost[0].Images, "123456789012/eu-west-1/other:v2@"+string(m.Digest)) {
				t.Errorf("told of %+v", found)
			}
			_, err = e.Manifest(t.Context(), other, Reference{Tag: "v2"})
			fails[*ManifestUnknownError](t, err)
			expect(t, e.verify(t, VerifyOptions{Repair: true}), ImageMissing)
			e.put(t, other, m.Content)
			if again, err := e.Manifest(t.Context(), other, Reference{Tag: "v2"}); err != nil || !bytes.Equal(again.Content, m.Content) {
				t.Errorf("not back: %v", err)
			}
			e.clean(t)
			e.image(t, demo, "more", "more")
		})
	}
}

// later makes all files old.
func (e *engine) later(t *testing.T) { e.clock = e.clock.Add(2 * orphanAge) }

func TestFilesWithoutARecordArePutAsideWhenTheyAreOld(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		e.busy(t)
		content := "of nobody"
		d := digest.FromString(content)
		stray := filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs", "sha256", d.Encoded()[:2], d.Encoded(), "data")
		if err := os.MkdirAll(filepath.Dir(stray), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(stray, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		e.clean(t)
		e.later(t)
		found := e.verify(t, VerifyOptions{})
		expect(t, found, FileOrphaned)
		found = e.verify(t, VerifyOptions{Repair: true})
		expect(t, found, FileOrphaned)
		if !found[0].Mended || e.quarantined(t) != 1 {
			t.Errorf("%+v, %d in quarantine", found[0], e.quarantined(t))
		}
		if _, err := os.Stat(stray); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
		e.clean(t)
	})
}

func TestAFileWhoseRecordWasLostIsRecordedAgain(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		demo, other := e.busy(t)
		layer := digest.FromString("layer of one")
		e.sql(t, `DELETE FROM blob WHERE digest = $1`, string(layer))
		e.later(t)
		found := e.verify(t, VerifyOptions{Repair: true})
		expect(t, found, BlobUnrecorded)
		if !found[0].Mended {
			t.Errorf("%+v", found[0])
		}
		for _, ref := range []Ref{demo, other} {
			if e.read(t, ref, layer) != "layer of one" {
				t.Error("another layer")
			}
		}
		e.clean(t)
	})
}

func TestWhatIsSpoiltInTheTrashIsTakenOut(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		_, other := e.busy(t)
		layer := digest.FromString("layer of deleted")
		file := e.file(t, layer)
		e.clock = e.clock.Add(25 * time.Hour)
		e.collectAll(t)
		e.gone(t, other, layer)
		if err := os.Truncate(file, 1); err != nil {
			t.Fatal(err)
		}
		expect(t, e.verify(t, VerifyOptions{}), TrashDamaged)
		found := e.verify(t, VerifyOptions{Repair: true})
		expect(t, found, TrashDamaged)
		if n := e.quarantined(t); n != 1 || !found[0].Mended {
			t.Errorf("%d files in quarantine, %+v", n, found[0])
		}
		e.clean(t)
	})
}

func TestAVerificationGoesOnWhereItWasBrokenOff(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	for i := range 30 {
		e.image(t, ref, fmt.Sprint(i), fmt.Sprint("t", i))
	}
	_, err := e.Verify(t.Context(), VerifyOptions{Resume: true})
	if !errors.Is(err, ErrNothingToResume) {
		t.Errorf("nothing to resume: %v", err)
	}
	for i := range 30 {
		e.remove(t, digest.FromString(fmt.Sprintf("layer of %d", i)))
	}
	stop := errors.New("enough")
	var first, second []string
	_, err = e.Verify(t.Context(), VerifyOptions{Deep: true, Repair: true, Found: func(p Problem) error {
		first = append(first, p.Subject)
		if len(first) == 10 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	e.restart(t)
	v, err := e.Verify(t.Context(), VerifyOptions{Resume: true, Found: func(p Problem) error {
		second = append(second, p.Subject)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	unique := slices.Compact(slices.Sorted(slices.Values(second)))
	if len(second) != 30 || len(unique) != 30 || v.Problems != 30 || v.Lost != 30 || v.Images != 30 || v.Stage != "" {
		t.Errorf("told of %d, %d of them once: %+v", len(second), len(unique), v)
	}
	if v.Blobs > 61 {
		t.Errorf("%d blobs were looked at: it began anew", v.Blobs)
	}
}

func TestOfTwoVerificationsTheLaterGoesOn(t *testing.T) {
	e := newFileEngine(t)
	e.busy(t)
	e.remove(t, digest.FromString("layer of one"))
	_, err := e.Verify(t.Context(), VerifyOptions{Found: func(Problem) error {
		_, err := e.Verify(context.Background(), VerifyOptions{})
		return err
	}})
	if !errors.Is(err, ErrOvertaken) {
		t.Errorf("got %v", err)
	}
}

func TestReadingKeepsToTheRate(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	e.blob(t, ref, strings.Repeat("x", 1<<20))
	begun := time.Now()
	e.verify(t, VerifyOptions{Deep: true, Rate: 2 << 20})
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("half a second's bytes took %v", took)
	}
}

func TestTheScrubReadsEverythingOnceInItsPeriod(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	var layers []string
	for i := range 40 {
		e.image(t, ref, fmt.Sprint(i), fmt.Sprint("t", i))
		layers = append(layers, string(digest.FromString(fmt.Sprintf("layer of %d", i))))
	}
	slices.Sort(layers)
	e.flip(t, digest.Digest(layers[len(layers)-1]))
	const period = 10 * time.Hour
	run := func() VerifyTotals {
		t.Helper()
		if err := e.Scrub(t.Context(), period); err != nil {
			t.Fatal(err)
		}
		return e.VerifyTotals()
	}
	first := run()
	if first.Blobs > 2 {
		t.Errorf("at the beginning %d blobs were read", first.Blobs)
	}
	e.clock = e.clock.Add(period / 2)
	half := run()
	if half.Blobs < 25 || half.Blobs > 55 || half.ScrubReached < 0.3 || half.ScrubReached > 0.5 || !half.ScrubEnded.IsZero() {
		t.Errorf("after half of the period: %+v", half)
	}
	states, err := e.VerifyStates(t.Context())
	if err != nil || len(states) != 1 || states[0].Name != "scrub" || states[0].Verified.Stage != "blobs" || states[0].Reached < 0.3 || states[0].Reached > 0.5 {
		t.Errorf("after half of the period: %+v, %v", states, err)
	}
	if again := run(); again.Blobs != half.Blobs {
		t.Errorf("read twice: %+v", again)
	}
	e.restart(t)
	e.clock = e.clock.Add(period/2 + time.Second)
	whole := run()
	if whole.Blobs+half.Blobs != 80 || whole.Problems[BlobDamaged] != 1 || !whole.ScrubEnded.Equal(time.UnixMilli(e.clock.UnixMilli())) {
		t.Errorf("at the end, after %d: %+v", half.Blobs, whole)
	}
	states, err = e.VerifyStates(t.Context())
	if err != nil || len(states) != 1 || states[0].Verified.Stage != "" || states[0].EndedAt.IsZero() || len(states[0].Problems) != 1 || len(states[0].Problems[0].Images) != 1 {
		t.Errorf("at the end: %+v, %v", states, err)
	}
	// The next one begins at once, since the period is over, and so on.
	e.clock = e.clock.Add(period)
	if next := run(); next.Blobs > whole.Blobs+80 {
		t.Errorf("then: %+v", next)
	}
	// A clock that was wrong for a while does not keep it from going on.
	e.clock = e.clock.Add(-100 * period)
	run()
	e.clock = e.clock.Add(period)
	before := e.VerifyTotals().Blobs
	if after := run(); after.Blobs <= before {
		t.Errorf("it stands still: %+v", after)
	}
	// It mends nothing.
	if n := e.quarantined(t); n != 0 {
		t.Errorf("%d files in quarantine", n)
	}
}

// TestVerificationTakesNothingThatHappensMeanwhileForAProblem repairs again and
// again while images are pushed, mounted, deleted and collected at once, and files
// without a record are put aside as soon as they are seen.
func TestVerificationTakesNothingThatHappensMeanwhileForAProblem(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		e.options.Now, e.options.Grace, e.options.Trash = time.Now, 100*time.Millisecond, 100*time.Millisecond
		e.restart(t)
		e.Registry.orphanAge = 0
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		var wg sync.WaitGroup
		repos := []Ref{e.repository(t, "r0", Mutability{}), e.repository(t, "r1", Mutability{}), e.repository(t, "r2", Mutability{})}
		var pushed atomic.Int64
		for n, ref := range repos {
			wg.Go(func() {
				rnd := mathrand.New(mathrand.NewPCG(uint64(n), 7))
				for i := 0; ctx.Err() == nil; i++ {
					if e.churn(ctx, rnd, ref, repos[(n+1)%3]) == nil {
						pushed.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = e.Collect(ctx)
				_, _ = e.Purge(ctx)
			}
		})
		rounds := 0
		for ; ctx.Err() == nil; rounds++ {
			_, err := e.Verify(ctx, VerifyOptions{Deep: rounds%3 > 0, Repair: rounds%2 > 0, Found: func(p Problem) error {
				t.Errorf("found %+v", p)
				return nil
			}})
			if err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		t.Logf("%d images were pushed during %d verifications", pushed.Load(), rounds)
		if pushed.Load() < 10 || rounds < 3 {
			t.Error("that is too little to say anything")
		}
	})
}

// churn pushes an image of layers that others push and lose too, and mostly deletes
// it again. Whatever fails, the next will do.
func (e *engine) churn(ctx context.Context, rnd *mathrand.Rand, ref, other Ref) error {
	var blobs []v1.Descriptor
	for range 2 {
		content := fmt.Sprintf("layer %d of all", rnd.IntN(8))
		d := digest.FromString(content)
		_, err := e.MountBlob(ctx, ref, other, d)
		if err != nil {
			var u Upload
			if u, err = e.StartUpload(ctx, ref); err == nil {
				_, err = e.FinishUpload(ctx, ref, u.ID, 0, strings.NewReader(content), d)
			}
		}
		if err != nil {
			return err
		}
		blobs = append(blobs, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(content))})
	}
	m, err := json.Marshal(v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: blobs[0], Layers: blobs[1:]})
	if err != nil {
		return err
	}
	stored, err := e.PutManifest(ctx, ref, ManifestUpload{Content: m, Tags: []string{fmt.Sprint("t", rnd.IntN(4))}})
	if err != nil {
		return err
	}
	switch rnd.IntN(4) {
	case 0, 1:
		err = e.DeleteManifest(ctx, ref, stored.Digest)
	case 2:
		_ = e.DeleteManifest(ctx, ref, stored.Digest)
		_, err = e.Undelete(ctx, stored.Digest)
	}
	return err
}
