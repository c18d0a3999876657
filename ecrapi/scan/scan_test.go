package scan

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/match"
	"drydock/ecrapi/scan/scantest"
	"drydock/internal/jobs"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// house is a scanner over a real engine, whose clock the test sets.
type house struct {
	*Scanner
	t      *testing.T
	engine *storage.Registry
	db     meta.DB
	queues *jobs.Queues
	told   chan storage.Change
	millis atomic.Int64
	ref    storage.Ref
}

// told are the kinds of settings by which a test hears of events.
const told = "told"

func newHouse(t *testing.T, o Options) *house {
	t.Helper()
	db := testdb.New(t).Open(t)
	h := &house{t: t, db: db, told: make(chan storage.Change, 100), ref: storage.Ref{Scope: storage.Scope{Account: "123456789012", Region: "eu-west-1"}, Name: "team/app"}}
	h.millis.Store(time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC).UnixMilli())
	blobs, err := disk.New(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	h.queues = jobs.New(jobs.Options{DB: db, Now: h.now, Log: log, Poll: 10 * time.Millisecond})
	listen := storage.Watcher{Kinds: []string{told}, Decide: func(c storage.Change, _ []storage.Setting) ([]storage.Job, error) {
		if c.Kind == "scanned" {
			h.told <- c
		}
		return nil, nil
	}}
	h.engine, err = storage.New(t.Context(), storage.Options{
		DB: db, Blobs: blob.NewStore(blobs), Now: h.now, Random: rand.Reader, Log: log, UploadExpiry: time.Hour,
		Watchers: []storage.Watcher{Watcher(), listen}, Wake: h.queues.Wake,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine.CreateRepository(t.Context(), h.ref, storage.RepositoryOptions{Settings: map[string]string{told: "{}"}}); err != nil {
		t.Fatal(err)
	}
	o.Engine, o.DB, o.Folder, o.Now, o.Log, o.Wake = h.engine, db, filepath.Join(t.TempDir(), "scan"), h.now, log, h.queues.Wake
	if h.Scanner, err = New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) now() time.Time { return time.UnixMilli(h.millis.Load()) }

func (h *house) later(d time.Duration) { h.millis.Add(d.Milliseconds()) }

// work does the jobs that wait.
func (h *house) work() {
	h.t.Helper()
	for range 50 {
		due, err := meta.DueJobs(h.t.Context(), h.db.Reader(), Queue, h.millis.Load(), 10)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		for _, row := range due {
			err := h.Worker().Do(h.t.Context(), jobs.Job{Key: row.Key, Document: row.Document, Attempts: int(row.Attempts)})
			err = errors.Join(err, h.db.Write(h.t.Context(), meta.Durable, func(q meta.Querier) error {
				_, err := meta.EndJob(h.t.Context(), q, row)
				return err
			}))
			if err != nil {
				h.t.Fatal(err)
			}
		}
	}
	h.t.Fatal("there is always something to do")
}

// push pushes an image of layers and returns its digest.
func (h *house) push(tag string, layers ...[]byte) digest.Digest {
	h.t.Helper()
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: v1.Descriptor{MediaType: v1.MediaTypeImageConfig}}
	descriptor := h.blob([]byte(`{"os":"linux"}`))
	descriptor.MediaType = v1.MediaTypeImageConfig
	m.Config = descriptor
	for _, l := range layers {
		d := h.blob(l)
		d.MediaType = v1.MediaTypeImageLayerGzip
		m.Layers = append(m.Layers, d)
	}
	content, err := json.Marshal(m)
	if err != nil {
		h.t.Fatal(err)
	}
	stored, err := h.engine.PutManifest(h.t.Context(), h.ref, storage.ManifestUpload{Content: content, Tags: []string{tag}})
	if err != nil {
		h.t.Fatal(err)
	}
	return stored.Digest
}

func (h *house) blob(content []byte) v1.Descriptor {
	h.t.Helper()
	d := digest.FromBytes(content)
	u, err := h.engine.StartUpload(h.t.Context(), h.ref)
	if err == nil {
		_, err = h.engine.FinishUpload(h.t.Context(), h.ref, u.ID, 0, bytes.NewReader(content), d)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return v1.Descriptor{Digest: d, Size: int64(len(content))}
}

func (h *house) imports(records map[string]string) {
	h.t.Helper()
	if _, err := h.Import(h.t.Context(), []string{scantest.Exports(h.t, records)}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) onPush() {
	h.t.Helper()
	if err := h.PutRepository(h.t.Context(), h.ref, Repository{OnPush: true}); err != nil {
		h.t.Fatal(err)
	}
}

// found is the state of an image's scan with the names of what was found.
func (h *house) found(d digest.Digest) (State, string) {
	h.t.Helper()
	st, all, err := h.Findings(h.t.Context(), h.ref, d)
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name+" "+f.Package.Name+" "+f.Package.Version+" "+string(f.Severity))
	}
	return st, strings.Join(names, "; ")
}

const (
	opensslFound = "CVE-2023-5363 openssl 3.0.11-1~deb12u1 HIGH"
	bashFound    = "CVE-2024-0001 bash 5.2.15-2+b2 LOW"
)

func openssl() map[string]string { return map[string]string{"a": scantest.OpenSSL} }

func TestWhatIsPushedIsScannedWhereTheRepositoryAsksForIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.imports(openssl())
	before := h.push("before", scantest.Layer(t, scantest.Debian()...))
	h.work()
	if _, _, err := h.Findings(t.Context(), h.ref, before); !errors.Is(err, ErrNoScan) {
		t.Errorf("nobody asked for a scan: %v", err)
	}
	h.onPush()
	d := h.push("v1", scantest.Layer(t, append(scantest.Debian(), scantest.File{Name: "x"})...))
	if st, _ := h.found(d); st.Status != InProgress {
		t.Errorf("before it was scanned it is %+v", st)
	}
	if all, err := h.States(t.Context(), h.ref, d, d); err != nil || all[d].Status != InProgress {
		t.Errorf("among the others it is %+v (%v)", all, err)
	}
	h.work()
	st, names := h.found(d)
	if st.Status != Complete || names != opensslFound || st.Counts[match.High] != 1 {
		t.Errorf("found %s: %+v", names, st)
	}
	if want := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC); !st.SourceAt.Equal(want) || !st.CompletedAt.Equal(h.now()) {
		t.Errorf("compared at %s with vulnerabilities of %s", st.CompletedAt, st.SourceAt)
	}
	if all, err := h.States(t.Context(), h.ref, "", "z"); err != nil || len(all) != 1 || all[d].Counts[match.High] != 1 {
		t.Errorf("the states of all are %+v (%v)", all, err)
	}
	c := <-h.told
	counts, _ := c.Detail["finding-severity-counts"].(map[match.Severity]int)
	if c.Digest != d || c.Detail["scan-status"] != "COMPLETE" || counts[match.High] != 1 {
		t.Errorf("told of %+v", c)
	}
}

func TestAScanWithoutADatabaseFailsAndIsMadeUpForByAnImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.onPush()
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	h.work()
	if st, names := h.found(d); st.Status != Failed || names != "" || !strings.Contains(st.Description, "drydock vulndb import") {
		t.Fatalf("%+v %s", st, names)
	}
	h.imports(openssl())
	if err := h.blindEngine(); err != nil {
		t.Fatal(err)
	}
	h.work()
	if st, names := h.found(d); st.Status != Complete || names != opensslFound {
		t.Errorf("after the import: %+v %s", st, names)
	}
}

// blindEngine takes away every blob, so that a layer cannot be read again.
func (h *house) blindEngine() error {
	return h.db.Write(h.t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(h.t.Context(), `DELETE FROM blob_link`)
		return err
	})
}

func TestANewImportComparesAllImagesAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	err := h.PutRegistry(t.Context(), h.ref.Scope, Registry{Type: Enhanced, Rules: []Rule{{Frequency: Continuous, Filters: []string{"*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	h.imports(openssl())
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	h.work()
	if _, names := h.found(d); names != opensslFound {
		t.Fatal(names)
	}
	<-h.told
	h.imports(map[string]string{"a": scantest.OpenSSL, "b": scantest.Bash})
	if _, names := h.found(d); names != opensslFound+"; "+bashFound {
		t.Errorf("what is asked for goes by the new import at once: %s", names)
	}
	h.later(time.Minute)
	h.work()
	all, err := h.States(t.Context(), h.ref, d, d)
	if err != nil || all[d].Counts[match.Low] != 1 || !all[d].CompletedAt.Equal(h.now()) {
		t.Errorf("on record is %+v (%v)", all[d], err)
	}
	if c := <-h.told; c.Detail["scan-status"] != "COMPLETE" {
		t.Errorf("told of %+v", c)
	}
	// The same again tells nobody anything new.
	h.imports(map[string]string{"a": scantest.OpenSSL, "b": scantest.Bash})
	h.work()
	select {
	case c := <-h.told:
		t.Errorf("told of %+v", c)
	default:
	}
}

func TestContinuousScanningBeginsWithTheImagesThatAreThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.imports(openssl())
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	for _, c := range []struct {
		filter string
		status Status
	}{{"other*", ""}, {"team/*", Complete}} {
		err := h.PutRegistry(t.Context(), h.ref.Scope, Registry{Type: Enhanced, Rules: []Rule{{Frequency: Continuous, Filters: []string{c.filter}}}})
		if err != nil {
			t.Fatal(err)
		}
		h.work()
		all, err := h.States(t.Context(), h.ref, d, d)
		if err != nil || all[d].Status != c.status {
			t.Errorf("by %s the image is %+v (%v)", c.filter, all, err)
		}
	}
}

func TestNothingFoundIsSaidOnlyWhereSomethingCouldHaveBeen(t *testing.T) {
	t.Parallel()
	npm := scantest.File{Name: "app/node_modules/left/package.json", Content: `{"name":"left","version":"1.0.0"}`}
	release := func(id, version string) scantest.File {
		return scantest.File{Name: "etc/os-release", Content: "ID=" + id + "\nVERSION_ID=" + version + "\n"}
	}
	dpkg := scantest.Debian()[1]
	for what, c := range map[string]struct {
		layer  []byte
		status Status
		says   string
	}{
		"no package at all":                              {scantest.Layer(t, scantest.File{Name: "a", Content: "b"}), Unsupported, "not supported"},
		"an operating system that OSV does not know":     {scantest.Layer(t, release("fedora", "40"), dpkg), Unsupported, "not supported"},
		"… beside packages that it knows":                {scantest.Layer(t, release("fedora", "40"), dpkg, npm), Unsupported, "not supported"},
		"a release that the database has nothing on":     {scantest.Layer(t, release("debian", "99"), dpkg), Failed, "nothing on Debian:99"},
		"packages that the database has nothing on":      {scantest.Layer(t, npm), Failed, "nothing on npm"},
		"such beside an operating system that it has on": {scantest.Layer(t, append(scantest.Debian(), npm)...), Complete, "Packages of npm were not compared"},
		"what is no archive":                             {[]byte("this is no archive, whatever it is called"), Failed, "cannot be read"},
		"a list of packages that is broken":              {scantest.Layer(t, scantest.Debian()[0], scantest.File{Name: "var/lib/dpkg/status", Content: "Package: a\nStatus: broken\n"}), Failed, "var/lib/dpkg/status"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, Options{})
			h.onPush()
			h.imports(openssl())
			d := h.push("v1", c.layer)
			h.work()
			st, _ := h.found(d)
			if st.Status != c.status || !strings.Contains(st.Description, c.says) {
				t.Errorf("%+v, want %s, saying %s", st, c.status, c.says)
			}
		})
	}
}

func TestAnImageIsScannedOnceADayUnlessThatFailed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	i := storage.Image{Digest: d, MediaType: v1.MediaTypeImageManifest}
	start := func(want error) {
		t.Helper()
		if err := h.Start(t.Context(), h.ref, i); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	start(nil)
	start(ErrTooSoon) // it waits
	h.work()
	start(nil) // it has failed without a database
	h.imports(openssl())
	h.work()
	start(ErrTooSoon)
	h.later(23 * time.Hour)
	start(ErrTooSoon)
	h.later(time.Hour)
	start(nil)
	h.work()
	if err := h.Start(t.Context(), h.ref, storage.Image{Digest: d, MediaType: v1.MediaTypeImageIndex}); !errors.Is(err, ErrNoImage) {
		t.Errorf("an index can be scanned: %v", err)
	}
	if err := h.PutRegistry(t.Context(), h.ref.Scope, Registry{Type: Enhanced}); err != nil {
		t.Fatal(err)
	}
	start(ErrDisabled)
}

func TestAnImageThatIsDeletedTakesItsScanWithIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.onPush()
	h.imports(openssl())
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	e := h.push("v2", scantest.Layer(t, append(scantest.Debian(), scantest.File{Name: "x"})...))
	if err := h.engine.DeleteManifest(t.Context(), h.ref, e); err != nil {
		t.Fatal(err) // before it was scanned
	}
	h.work()
	if err := h.engine.DeleteManifest(t.Context(), h.ref, d); err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{d, e} {
		if _, _, err := h.Findings(t.Context(), h.ref, d); !errors.Is(err, ErrNoScan) {
			t.Errorf("of %s is left %v", d, err)
		}
	}
}

func TestAnImageThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Patience: time.Nanosecond})
	h.onPush()
	h.imports(openssl())
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	h.work()
	if st, _ := h.found(d); st.Status != Failed || !strings.Contains(st.Description, "longer than") {
		t.Errorf("%+v", st)
	}
}

func TestALayerThatCannotBeHadIsTriedAgainAndThenSaidSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.onPush()
	h.imports(openssl())
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	if err := h.blindEngine(); err != nil {
		t.Fatal(err)
	}
	job, err := jobOf(h.ref, d, h.now())
	if err != nil {
		t.Fatal(err)
	}
	for n := range attempts {
		if err := h.Worker().Do(t.Context(), jobs.Job{Key: job.Key, Document: job.Document, Attempts: n}); err == nil {
			t.Fatalf("attempt %d did not fail", n)
		}
	}
	if err := h.Worker().Do(t.Context(), jobs.Job{Key: job.Key, Document: job.Document, Attempts: attempts}); err != nil {
		t.Fatal(err)
	}
	all, err := h.States(t.Context(), h.ref, "", "z")
	if row := all[d]; err != nil || row.Status != InProgress { // the job itself is still there
		t.Errorf("%+v (%v)", row, err)
	}
	row, err := meta.FindScanState(t.Context(), h.db.Reader(), h.ref.Account, h.ref.Region, h.ref.Name, string(d))
	if err != nil || row.Status != string(Failed) || !strings.Contains(row.Description, "could not be read") {
		t.Errorf("%+v (%v)", row, err)
	}
}

func TestAnImportThatComesInBetweenIsNotMistakenForNothingFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.imports(openssl())
	v, err := h.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.imports(openssl()) // which deletes the records of the one before
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	made := verdict{status: Complete, version: v, findings: []findings.Finding{}}
	packed, err := inventory.Inventory{}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	row := meta.Scan{Account: h.ref.Account, Region: h.ref.Region, Name: h.ref.Name, Digest: string(d), Inventory: packed}
	if err := h.write(t.Context(), h.ref, row, made, true); !errors.Is(err, errMoved) {
		t.Errorf("what was compared with an import that is gone was written: %v", err)
	}
}

func TestScansAreDoneByTheQueue(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	h.onPush()
	h.imports(openssl())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.queues.Run(ctx, Queue, h.Worker()) }()
	d := h.push("v1", scantest.Layer(t, scantest.Debian()...))
	<-h.told
	// Until its job is gone as well, the scan is in progress.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := h.States(t.Context(), h.ref, d, d)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v (%v)", all, err)
		}
		if all[d].Counts[match.High] == 1 {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
