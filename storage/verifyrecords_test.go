package storage

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

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
