package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

const decade = 10 * 365 * 24 * time.Hour

// worker is an engine with what its background work knows of the time. Time passes
// when the test lets it; the clock may say something else.
type worker struct {
	*engine
	t          *testing.T
	collection *watch
	uploads    *watch
	passed     time.Duration
}

func newWorker(t *testing.T) *worker {
	w := &worker{engine: newCollected(t, testGrace, testTrash), t: t}
	w.begin()
	return w
}

// begin is a start of the server, which remembers nothing.
func (w *worker) begin() {
	w.restart(w.t)
	w.collection, w.uploads = w.watchOfCollection(), w.watchOfUploads()
}

// pass lets time pass, and the work be done in small steps.
func (w *worker) pass(d time.Duration) {
	w.t.Helper()
	for d > 0 {
		step := min(d, 10*time.Minute)
		d -= step
		w.passed += step
		w.clock = w.clock.Add(step)
		w.work(step)
	}
}

// left is how long collection still waits.
func (w *worker) left() time.Duration {
	w.t.Helper()
	d, err := w.collection.wait(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// jump has the clock alone go on, or back.
func (w *worker) jump(d time.Duration) {
	w.t.Helper()
	w.clock = w.clock.Add(d)
	w.work(0)
}

// off is a server that does not run for a while.
func (w *worker) off(d time.Duration) {
	w.t.Helper()
	w.passed += d
	w.clock = w.clock.Add(d)
	w.begin()
	w.work(0)
}

func (w *worker) work(passed time.Duration) {
	w.t.Helper()
	for n, since := 1, passed; n > 0; since = 0 {
		var err error
		if n, err = w.collectInTime(w.t.Context(), w.collection, since); err != nil {
			w.t.Fatal(err)
		}
	}
	wait, err := w.uploads.wait(w.t.Context(), passed)
	if err == nil && wait == 0 {
		_, err = w.ExpireUploads(w.t.Context())
	}
	if err == nil {
		err = w.bringBack(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAClockThatJumpsTakesNothingBeforeItsTime(t *testing.T) {
	for name, jump := range map[string]func(*worker){
		"ten years ahead":                 func(w *worker) { w.jump(decade) },
		"ten years ahead while off":       func(w *worker) { w.clock = w.clock.Add(decade); w.off(time.Minute) },
		"ahead, and further ahead":        func(w *worker) { w.jump(2 * time.Hour); w.jump(decade) },
		"ahead, and a start":              func(w *worker) { w.jump(decade); w.off(time.Second) },
		"ten years back":                  func(w *worker) { w.jump(-decade) },
		"ahead, and not all the way back": func(w *worker) { w.jump(decade); w.jump(-decade / 2) },
		"back, and right again":           func(w *worker) { w.jump(-decade); w.pass(time.Minute); w.jump(decade) },
		"back, a start, and right":        func(w *worker) { w.jump(-decade); w.off(time.Second); w.jump(decade) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorker(t)
			ref := w.repository(t, "demo", Mutability{})
			kept, deleted := w.image(t, ref, "kept", "kept"), w.image(t, ref, "deleted", "deleted")
			w.pass(time.Minute)
			if err := w.DeleteManifest(t.Context(), ref, deleted.Digest); err != nil {
				t.Fatal(err)
			}
			// A push that has come as far as its layers, and one of which there is half.
			config, layer := w.blob(t, ref, `{"of":"pushed"}`), w.blob(t, ref, "layer of pushed")
			half := w.start(t, ref)
			w.append(t, ref, half, "the first half, ")

			jump(w)
			if told, err := w.Waiting(t.Context()); err != nil || told.Clock != w.left() {
				t.Errorf("collection is said to wait for %v, %v, and not %v", told.Clock, err, w.left())
			}
			w.pass(30 * time.Minute)
			if _, err := w.Undelete(t.Context(), deleted.Digest); err != nil {
				t.Errorf("what was deleted half an hour ago is gone: %v", err)
			}
			w.put(t, ref, imageOf(t, config, layer), "pushed")
			whole := digest.FromString("the first half, the second")
			if _, err := w.FinishUpload(t.Context(), ref, half, AnyOffset, strings.NewReader("the second"), whole); err != nil {
				t.Errorf("an upload that was begun half an hour ago: %v", err)
			}
			for _, d := range []digest.Digest{kept.Digest, deleted.Digest} {
				w.whole(t, ref, d)
			}
			// And what is unneeded goes, sooner or later.
			if err := w.DeleteManifest(t.Context(), ref, deleted.Digest); err != nil {
				t.Fatal(err)
			}
			w.start(t, ref)
			w.pass(2 * (testGrace + testTrash + uploadExpiry))
			w.onlyNeeded(t, ref, 2)
		})
	}
}

// whole reads an image of a configuration and layers.
func (w *worker) whole(t *testing.T, ref Ref, d digest.Digest) {
	t.Helper()
	m, err := w.Manifest(t.Context(), ref, Reference{Digest: d})
	if err != nil {
		t.Errorf("%s: %v", d, err)
		return
	}
	doc, err := parseDocument(m.Content, m.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range doc.blobs {
		w.read(t, ref, b)
	}
}

// onlyNeeded finds so many images, each of two blobs, and nothing else.
func (w *worker) onlyNeeded(t *testing.T, ref Ref, images int) {
	t.Helper()
	var left [5]int
	for i, table := range []string{"manifest", "blob", "trash", "manifest_trash", "upload"} {
		if err := w.options.DB.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&left[i]); err != nil {
			t.Fatal(err)
		}
	}
	if want := [5]int{images, 2 * images, 0, 0, 0}; left != want {
		t.Errorf("there are %v manifests, blobs, both in the trash and uploads, and not %v", left, want)
	}
}

func TestAClockThatIsPutRightLeavesNothingBehind(t *testing.T) {
	w := newWorker(t)
	ref := w.repository(t, "demo", Mutability{})
	w.jump(decade)
	deleted := w.image(t, ref, "deleted", "deleted")
	if err := w.DeleteManifest(t.Context(), ref, deleted.Digest); err != nil {
		t.Fatal(err)
	}
	w.start(t, ref)
	w.jump(-decade)
	if wait := w.left(); wait != 0 {
		t.Errorf("once the clock is right, collection waits %v", wait)
	}
	w.pass(testGrace - time.Minute)
	if _, err := w.Undelete(t.Context(), deleted.Digest); err != nil {
		t.Errorf("what was deleted an hour ago: %v", err)
	}
	if err := w.DeleteManifest(t.Context(), ref, deleted.Digest); err != nil {
		t.Fatal(err)
	}
	w.pass(testGrace + testTrash + uploadExpiry + time.Hour)
	w.onlyNeeded(t, ref, 0)
}

func TestAFullDatabaseDoesNotKeepCollectionFromMakingRoom(t *testing.T) {
	w := newWorker(t)
	w.options.DB = &fullDB{DB: w.options.DB}
	w.begin()
	if wait, err := w.collection.wait(t.Context(), 0); wait != 0 || err != nil {
		t.Errorf("%v, %v", wait, err)
	}
}

// fullDB takes no writes.
type fullDB struct{ meta.DB }

func (fullDB) Write(_ context.Context, _ meta.Durability, _ func(meta.Querier) error) error {
	return meta.ErrFull
}

// TestNothingGoesEarlyHoweverTheClockGoes deletes images while the clock jumps about
// and the server is off now and then.
func TestNothingGoesEarlyHoweverTheClockGoes(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorker(t)
		ref := w.repository(t, "demo", Mutability{})
		deletedAt := map[digest.Digest]time.Duration{}
		for step := range 60 {
			d := time.Duration(rnd.Int64N(int64(3 * time.Hour)))
			switch rnd.IntN(8) {
			case 0:
				w.jump(astray + d)
			case 1:
				w.jump(-astray - d)
			case 2:
				w.jump(time.Duration(rnd.Int64N(int64(2*decade))) - decade)
			case 3:
				w.off(d)
			case 4, 5:
				w.pass(d / 4)
			default:
				of := fmt.Sprintf("image %d", step)
				im := w.image(t, ref, of, "latest")
				if err := w.DeleteManifest(t.Context(), ref, im.Digest); err != nil {
					t.Fatal(err)
				}
				deletedAt[im.Digest] = w.passed
			}
			for d, at := range deletedAt {
				if w.passed-at > testTrash-2*astray {
					delete(deletedAt, d)
					continue
				}
				list, err := meta.TrashedManifests(t.Context(), w.options.DB.Reader(), string(d))
				if err != nil || len(list) != 1 {
					t.Fatalf("seed %d, step %d: an image deleted %v ago is gone: %v", seed, step, w.passed-at, err)
				}
			}
		}
		for d := range deletedAt {
			if _, err := w.Undelete(t.Context(), d); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		w.pass(3 * (testGrace + testTrash))
		w.onlyNeeded(t, ref, len(deletedAt))
	}
}

func TestAClockThatJumpsAgainIsWaitedForAgain(t *testing.T) {
	w := newWorker(t)
	ref := w.repository(t, "demo", Mutability{})
	w.jump(decade)
	w.pass(testGrace + testTrash - 10*time.Minute)
	deleted := w.image(t, ref, "deleted", "deleted")
	if err := w.DeleteManifest(t.Context(), ref, deleted.Digest); err != nil {
		t.Fatal(err)
	}
	w.jump(decade)
	w.pass(testTrash - 10*time.Minute)
	if _, err := w.Undelete(t.Context(), deleted.Digest); err != nil {
		t.Error(err)
	}
}
