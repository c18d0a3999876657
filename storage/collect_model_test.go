package storage

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var (
	modelSeed = flag.Uint64("collect.seed", 1, "the first seed of the model test of collection")
	modelRuns = flag.Int("collect.runs", 30, "how many seeds the model test of collection goes through")
)

// model is what a registry has to hold, in the simplest form there is.
type model struct {
	rnd   *rand.Rand
	e     *engine
	repos map[string]*modelRepo
	trace []string
}

type modelRepo struct {
	ref      Ref
	images   map[digest.Digest]*modelImage
	tags     map[string]digest.Digest
	promised map[digest.Digest]time.Time
	deleted  map[digest.Digest]time.Time // images in the trash, until when
	kept     map[digest.Digest]*modelImage
}

type modelImage struct {
	content  []byte
	blobs    []string
	children []digest.Digest
}

// TestCollectionKeepsWhatTheModelHolds drives random histories of pushes, mounts,
// deletions, collection and restarts, and after every step everything that the
// model holds has to be there, whole.
func TestCollectionKeepsWhatTheModelHolds(t *testing.T) {
	for seed := *modelSeed; seed < *modelSeed+uint64(*modelRuns); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{rnd: rand.New(rand.NewPCG(seed, 0)), e: newCollected(t, testGrace, testTrash), repos: map[string]*modelRepo{}}
			if seed%2 == 0 {
				m.e.small = smallBlob
				m.e.restart(t)
			}
			for range 250 {
				m.step(t)
				if m.check(t); t.Failed() {
					t.Fatalf("history:\n%s", strings.Join(m.trace[max(0, len(m.trace)-60):], "\n"))
				}
			}
			m.end(t)
			if t.Failed() {
				t.Fatalf("history:\n%s", strings.Join(m.trace, "\n"))
			}
		})
	}
}

func (m *model) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *model) repo(t *testing.T) *modelRepo {
	name := []string{"one", "two", "three"}[m.rnd.IntN(3)]
	r := m.repos[name]
	if r == nil {
		r = &modelRepo{ref: m.e.repository(t, name, Mutability{}), images: map[digest.Digest]*modelImage{}, tags: map[string]digest.Digest{},
			promised: map[digest.Digest]time.Time{}, deleted: map[digest.Digest]time.Time{}, kept: map[digest.Digest]*modelImage{}}
		m.repos[name] = r
		m.note("create %s", name)
	}
	return r
}

func (m *model) text() string { return fmt.Sprintf("blob %d", m.rnd.IntN(12)) }

func (m *model) step(t *testing.T) {
	r, n := m.repo(t), m.rnd.IntN(100)
	switch {
	case n < 20:
		text := m.text()
		m.note("%s: push %q", r.ref.Name, text)
		r.promised[m.e.blob(t, r.ref, text).Digest] = m.e.clock
	case n < 35:
		m.head(t, r)
	case n < 40:
		m.mount(t, r)
	case n < 55:
		m.image(t, r)
	case n < 58:
		m.index(t, r)
	case n < 68:
		m.delete(t, r)
	case n < 71:
		m.undelete(t, r)
	case n < 73:
		m.note("%s: delete the repository", r.ref.Name)
		if _, err := m.e.DeleteRepository(t.Context(), r.ref, true); err != nil {
			t.Error(err)
		}
		delete(m.repos, r.ref.Name)
	case n < 76:
		m.note("restart")
		m.e.restart(t)
		if err := m.e.deleteDoomed(t.Context()); err != nil {
			t.Error(err)
		}
	case n < 86:
		d := time.Duration(m.rnd.Int64N(int64(testGrace * 2 / 3)))
		m.note("wait %v", d)
		m.e.clock = m.e.clock.Add(d)
	case n < 94:
		k, err := m.e.Collect(t.Context())
		m.note("collect: %d (%v)", k, err)
		if err != nil {
			t.Error(err)
		}
	default:
		k, err := m.e.Purge(t.Context())
		m.note("purge: %d (%v)", k, err)
		if err != nil {
			t.Error(err)
		}
	}
}

func (m *model) head(t *testing.T, r *modelRepo) {
	d := digest.FromString(m.text())
	_, err := m.e.StatBlob(t.Context(), r.ref, d)
	m.note("%s: head %s (%v)", r.ref.Name, d[7:15], err)
	if err == nil {
		r.promised[d] = m.e.clock
	} else {
		fails[*BlobUnknownError](t, err)
		delete(r.promised, d)
	}
}

func (m *model) mount(t *testing.T, r *modelRepo) {
	from, d := m.repo(t), digest.FromString(m.text())
	_, err := m.e.MountBlob(t.Context(), r.ref, from.ref, d)
	m.note("%s: mount %s of %s (%v)", r.ref.Name, d[7:15], from.ref.Name, err)
	if err == nil {
		r.promised[d] = m.e.clock
		return
	}
	var unknown *BlobUnknownError
	if !errors.As(err, &unknown) {
		t.Error(err)
	}
}

// image pushes a manifest of two blobs. It has to be taken if both were promised
// not longer ago than half of the grace period.
func (m *model) image(t *testing.T, r *modelRepo) {
	a, b := m.text(), m.text()
	if m.rnd.IntN(2) == 0 {
		a, b = m.promised(r, a), m.promised(r, b)
	}
	da, db := digest.FromString(a), digest.FromString(b)
	content := imageOf(t, v1.Descriptor{Digest: da, Size: int64(len(a))}, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: db, Size: int64(len(b))})
	tag := fmt.Sprintf("t%d", m.rnd.IntN(4))
	stored, err := m.e.PutManifest(t.Context(), r.ref, ManifestUpload{Content: content, Tags: []string{tag}})
	m.note("%s: image of %q and %q as %s (%v)", r.ref.Name, a, b, tag, err)
	var missing *MissingReferencesError
	switch {
	case err == nil:
		r.images[stored.Digest] = &modelImage{content: content, blobs: []string{a, b}}
		r.tags[tag] = stored.Digest
		delete(r.deleted, stored.Digest)
	case !errors.As(err, &missing):
		t.Error(err)
	default:
		for _, d := range missing.Blobs {
			if at, ok := r.promised[d]; ok && m.e.clock.Sub(at) <= testGrace/2 {
				t.Errorf("%s was promised %v ago and is gone", d, m.e.clock.Sub(at))
			}
		}
	}
}

// promised is a blob that a client was told of, or another one.
func (m *model) promised(r *modelRepo, other string) string {
	for n := range 12 {
		text := fmt.Sprintf("blob %d", (n+int(m.rnd.Uint32()))%12)
		if at, ok := r.promised[digest.FromString(text)]; ok && m.e.clock.Sub(at) <= testGrace/2 {
			return text
		}
	}
	return other
}

func (m *model) index(t *testing.T, r *modelRepo) {
	var of []v1.Descriptor
	var children []digest.Digest
	for d, i := range r.images {
		if i.blobs != nil && len(of) < 2 {
			of = append(of, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: int64(len(i.content))})
			children = append(children, d)
		}
	}
	content := indexOf(t, of...)
	stored, err := m.e.PutManifest(t.Context(), r.ref, ManifestUpload{Content: content})
	m.note("%s: index of %d (%v)", r.ref.Name, len(of), err)
	if err != nil {
		t.Error(err)
		return
	}
	r.images[stored.Digest] = &modelImage{content: content, children: children}
	delete(r.deleted, stored.Digest)
}

func (m *model) delete(t *testing.T, r *modelRepo) {
	for d, i := range r.images {
		err := m.e.DeleteManifest(t.Context(), r.ref, d)
		m.note("%s: delete %s (%v)", r.ref.Name, d[7:15], err)
		var listed *ManifestReferencedError
		if errors.As(err, &listed) {
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		delete(r.images, d)
		for tag, of := range r.tags {
			if of == d {
				delete(r.tags, tag)
			}
		}
		r.deleted[d], r.kept[d] = m.e.clock.Add(testTrash), i
		return
	}
}

// undelete brings an image back, which has to work as long as it is in the trash
// and its children are there.
func (m *model) undelete(t *testing.T, r *modelRepo) {
	for d, until := range r.deleted {
		_, err := m.e.Undelete(t.Context(), d)
		m.note("undelete %s (%v)", d[7:15], err)
		i := r.kept[d]
		complete := !slices.ContainsFunc(i.children, func(c digest.Digest) bool { return r.images[c] == nil })
		if err != nil && complete && m.e.clock.Before(until) && m.alone(d) {
			t.Errorf("it did not come back: %v", err)
		}
		if err == nil {
			m.returned(t, d)
		}
		return
	}
}

// alone reports whether no other repository has the same image in the trash, whose
// children may be missing.
func (m *model) alone(d digest.Digest) bool {
	n := 0
	for _, r := range m.repos {
		if _, ok := r.deleted[d]; ok {
			n++
		}
	}
	return n == 1
}

// returned notes that an image is back wherever it was in the trash.
func (m *model) returned(t *testing.T, d digest.Digest) {
	for _, r := range m.repos {
		if _, ok := r.deleted[d]; !ok {
			continue
		}
		if _, err := m.e.Manifest(t.Context(), r.ref, Reference{Digest: d}); err != nil {
			continue // its time in the trash was over
		}
		r.images[d] = r.kept[d]
		delete(r.deleted, d)
	}
}

// check reads everything that the model holds, and now and then counts again what it
// is charged for.
func (m *model) check(t *testing.T) {
	for _, r := range m.repos {
		if len(m.trace)%10 == 0 {
			m.e.recounted(t, r.ref)
		}
		for d, i := range r.images {
			got, err := m.e.Manifest(t.Context(), r.ref, Reference{Digest: d})
			if err != nil || string(got.Content) != string(i.content) {
				t.Errorf("%s: image %s: %v", r.ref.Name, d, err)
			}
			for _, text := range i.blobs {
				if got := m.e.read(t, r.ref, digest.FromString(text)); got != text {
					t.Errorf("%s: a layer reads %q, not %q", r.ref.Name, got, text)
				}
			}
		}
		for tag, d := range r.tags {
			if got, err := m.e.Manifest(t.Context(), r.ref, Reference{Tag: tag}); err != nil || got.Digest != d {
				t.Errorf("%s: %s is %s, not %s: %v", r.ref.Name, tag, got.Digest, d, err)
			}
		}
	}
}

// end lets all times pass and compares what is left with what is needed.
func (m *model) end(t *testing.T) {
	m.e.orphanAge = math.MinInt64 // whatever the clock of the test says
	for range 3 {
		m.e.clean(t)
		m.e.clock = m.e.clock.Add(2 * (testGrace + testTrash))
		m.e.collectAll(t)
	}
	m.check(t)
	needed := map[string]bool{}
	for _, r := range m.repos {
		for _, i := range r.images {
			for _, text := range i.blobs {
				needed[text] = true
			}
		}
	}
	if m.e.small < 0 {
		if n := len(m.e.files(t)); n != len(needed) {
			t.Errorf("%d files for %d blobs that are needed", n, len(needed))
		}
	}
	for table, want := range map[string]int{"blob": len(needed), "review": 0, "trash": 0, "doomed": 0, "manifest_trash": 0} {
		var n int
		if err := m.e.options.DB.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil || n != want {
			t.Errorf("%d rows in %s, not %d: %v", n, table, want, err)
		}
	}
}
