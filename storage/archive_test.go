package storage

import (
	"errors"
	"io/fs"
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
	"drydock/storage/meta"
)

// archiver is an engine that has a file for every byte, and does jobs when it is told.
type archiver struct {
	*engine
	ref Ref
}

func newArchiver(t *testing.T) *archiver {
	t.Helper()
	e := newFileEngine(t)
	return &archiver{e, e.repository(t, "demo", Mutability{})}
}

// layer is content that compresses well.
func layer(of string) string { return strings.Repeat("a layer of "+of+", ", 4000) }

// push stores an image of layers.
func (a *archiver) push(t *testing.T, ref Ref, layers []string, tags ...string) digest.Digest {
	t.Helper()
	config := a.blob(t, ref, `{"layers":"`+digest.FromString(strings.Join(layers, "")).Encoded()+`"}`)
	var list []v1.Descriptor
	for _, l := range layers {
		list = append(list, a.blob(t, ref, l))
	}
	return a.put(t, ref, imageOf(t, config, list...), tags...)
}

// later lets the grace period of all that was pushed or deleted pass.
func (a *archiver) later(t *testing.T) {
	t.Helper()
	a.clock = a.clock.Add(usualGrace + time.Hour)
	for {
		n, err := a.Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// work does the jobs of both queues until there are none, and returns the errors of
// those that failed.
func (a *archiver) work(t *testing.T) (failed []error) {
	t.Helper()
	for _, queue := range []string{ArchiveQueue, RestoreQueue} {
		due, err := meta.DueJobs(t.Context(), a.options.DB.Reader(), queue, a.millis(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range due {
			if queue == ArchiveQueue {
				err = a.Freeze(t.Context(), digest.Digest(j.Key))
			} else {
				err = a.Thaw(t.Context(), j.Document)
			}
			if err != nil {
				failed = append(failed, err)
			}
			err := a.options.DB.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
				_, err := meta.EndJob(t.Context(), q, j)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return failed
}

func (a *archiver) worked(t *testing.T) {
	t.Helper()
	if failed := a.work(t); len(failed) > 0 {
		t.Fatalf("jobs failed: %v", errors.Join(failed...))
	}
}

func (a *archiver) set(t *testing.T, d digest.Digest, class StorageClass) ImageStatus {
	t.Helper()
	list, err := a.SetStorageClass(t.Context(), a.ref, []digest.Digest{d}, class)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func (a *archiver) status(t *testing.T, d digest.Digest) ImageStatus {
	t.Helper()
	i, err := a.Image(t.Context(), a.ref, Reference{Digest: d})
	if err != nil {
		t.Fatal(err)
	}
	return i.Status
}

// files are where the bytes of blobs lie, below the folder of blobs, by whether they
// are in the cold tree.
func (a *archiver) files(t *testing.T) (hot, cold []string) {
	t.Helper()
	root := filepath.Join(a.blobDir, "docker/registry/v2/blobs")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			name := strings.TrimPrefix(path, root+"/")
			if blob.IsCold(name) {
				cold = append(cold, name)
			} else {
				hot = append(hot, name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hot, cold
}

func (a *archiver) expectFiles(t *testing.T, hot, cold int) {
	t.Helper()
	if h, c := a.files(t); len(h) != hot || len(c) != cold {
		t.Errorf("there are %d files at hand and %d in the cold tree, want %d and %d: %v %v", len(h), len(c), hot, cold, h, c)
	}
}

func (a *archiver) sound(t *testing.T) {
	t.Helper()
	a.orphanAge = -time.Hour
	v, err := a.Verify(t.Context(), VerifyOptions{Deep: true, Found: func(p Problem) error {
		t.Errorf("%s: %s", p.Kind, p.Says)
		return nil
	}})
	if err != nil || v.Problems != 0 {
		t.Errorf("%d problems: %v", v.Problems, err)
	}
}

func TestAnArchivedImageCannotBePulledAndComesBackAsItWas(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	soft, hard := layer("demo"), string(noise(40_000))
	d := a.push(t, a.ref, []string{soft, hard}, "v1")
	a.later(t)
	a.expectFiles(t, 3, 0)
	pulled := func(which Reference) error { _, err := a.Manifest(t.Context(), a.ref, which); return err }
	layerOf := func(of string) error { _, _, err := a.OpenBlob(t.Context(), a.ref, digest.FromString(of)); return err }
	unpullable := func(when string, status ImageStatus) {
		t.Helper()
		for _, which := range []Reference{{Tag: "v1"}, {Digest: d}} {
			err := pulled(which)
			if e := fails[*ArchivedError](t, err); e.Status != status {
				t.Errorf("%s: %s is %s", when, which, e.Status)
			}
			fails[*ManifestUnknownError](t, err)
		}
		for _, of := range []string{soft, hard} {
			if e := fails[*BlobArchivedError](t, layerOf(of)); e.Size != int64(len(of)) {
				t.Errorf("%s: a layer has %d bytes", when, e.Size)
			}
			_, err := a.StatBlob(t.Context(), a.ref, digest.FromString(of))
			fails[*BlobArchivedError](t, err)
			fails[*BlobUnknownError](t, err)
		}
		if got := a.status(t, d); got != status {
			t.Errorf("%s: it is %s", when, got)
		}
	}
	if got := a.set(t, d, Archive); got != Archived {
		t.Errorf("it is %s", got)
	}
	unpullable("before its layers are moved", Archived)
	a.expectFiles(t, 3, 0)
	a.worked(t)
	unpullable("after", Archived)
	a.expectFiles(t, 0, 3)
	a.sound(t)
	_, cold := a.files(t)
	for _, c := range cold {
		info, err := os.Stat(filepath.Join(a.blobDir, "docker/registry/v2/blobs", c))
		if err != nil {
			t.Fatal(err)
		}
		if small := info.Size() < 2000; small != blob.IsCompressed(c) && info.Size() > 200 {
			t.Errorf("%s has %d bytes", c, info.Size())
		}
	}
	i, err := a.Image(t.Context(), a.ref, Reference{Tag: "v1"})
	if err != nil || !i.ArchivedAt.Equal(a.clock) || !i.ActivatedAt.IsZero() {
		t.Errorf("described as %+v: %v", i, err)
	}
	a.clock = a.clock.Add(time.Hour)
	if got := a.set(t, d, Standard); got != Activating {
		t.Errorf("while it is restored it is %s", got)
	}
	unpullable("while it is restored", Activating)
	a.restart(t) // and the job is there still
	a.worked(t)
	a.expectFiles(t, 3, 0)
	if pulled(Reference{Tag: "v1"}) != nil || a.read(t, a.ref, digest.FromString(soft)) != soft || a.read(t, a.ref, digest.FromString(hard)) != hard {
		t.Error("it has not come back as it was")
	}
	i, err = a.Image(t.Context(), a.ref, Reference{Tag: "v1"})
	if err != nil || i.Status != Active || !i.ActivatedAt.Equal(a.clock) || !i.ArchivedAt.Before(a.clock) {
		t.Errorf("described as %+v: %v", i, err)
	}
	a.sound(t)
	if got := a.set(t, d, Standard); got != Active {
		t.Errorf("restoring it once more made it %s", got)
	}
}

func TestListsTellArchivedImagesApart(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	old, kept := a.push(t, a.ref, []string{layer("old")}, "old", "older"), a.push(t, a.ref, []string{layer("new")}, "new")
	a.set(t, old, Archive)
	for status, want := range map[ImageStatus][]digest.Digest{Active: {kept}, Archived: {old}, Activating: nil, AnyStatus: {old, kept}} {
		for _, tags := range []TagStatus{AnyImage, Tagged, Untagged} {
			want := slices.Clone(want)
			if tags == Untagged {
				want = nil
			}
			slices.Sort(want)
			images, err := a.FilteredImages(t.Context(), a.ref, ImageFilter{Tags: tags, Status: status}, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := a.FilteredImageIDs(t.Context(), a.ref, ImageFilter{Tags: tags, Status: status}, ImageID{}, 10)
			if err != nil {
				t.Fatal(err)
			}
			var got, named []digest.Digest
			for _, i := range images {
				got = append(got, i.Digest)
			}
			for _, i := range ids {
				named = append(named, i.Digest)
			}
			if named = slices.Compact(named); !slices.Equal(got, want) || !slices.Equal(named, want) {
				t.Errorf("%q, %d: listed %v and %v, want %v", status, tags, got, named, want)
			}
		}
	}
	if tags, err := a.Tags(t.Context(), a.ref, "", 10); err != nil || !slices.Equal(tags, []string{"new"}) {
		t.Errorf("tags %v: %v", tags, err)
	}
	if _, err := a.FilteredImages(t.Context(), a.ref, ImageFilter{Status: "x' OR 1=1"}, "", 10); err == nil {
		t.Error("a status that there is not was taken")
	}
}

func TestWhatAnActiveImageNeedsStaysAtHandUntilItGoes(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	other := a.repository(t, "other", Mutability{})
	base := layer("base")
	d := a.push(t, a.ref, []string{base, layer("own")}, "v1")
	here, there := a.push(t, a.ref, []string{base, layer("here")}), a.push(t, other, []string{base})
	a.later(t)
	a.set(t, d, Archive)
	a.worked(t)
	a.expectFiles(t, 4, 2) // the other two images have the base, a layer and two configurations
	if a.read(t, a.ref, digest.FromString(base)) != base {
		t.Error("the base cannot be read")
	}
	for _, gone := range []struct {
		ref       Ref
		d         digest.Digest
		hot, cold int
	}{{a.ref, here, 2, 2}, {other, there, 0, 3}} {
		if err := a.DeleteManifest(t.Context(), gone.ref, gone.d); err != nil {
			t.Fatal(err)
		}
		a.worked(t)
		a.later(t)
		a.clock = a.clock.Add(usualTrash)
		if _, err := a.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.worked(t)
		a.expectFiles(t, gone.hot, gone.cold)
	}
	a.sound(t)
	a.set(t, d, Standard)
	a.worked(t)
	if a.read(t, a.ref, digest.FromString(base)) != base {
		t.Error("the base has not come back")
	}
}

func TestPushingAnArchivedImageBringsItBackAtOnce(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	layers := []string{layer("demo")}
	d := a.push(t, a.ref, layers, "v1")
	a.later(t)
	a.set(t, d, Archive)
	a.worked(t)
	if again := a.push(t, a.ref, layers, "v1"); again != d || a.status(t, d) != Active {
		t.Errorf("pushed again as %s, and it is %s", again, a.status(t, d))
	}
	if a.read(t, a.ref, digest.FromString(layers[0])) != layers[0] {
		t.Error("the layer cannot be read")
	}
	a.expectFiles(t, 2, 0)
	a.worked(t)
	a.expectFiles(t, 2, 0)
	a.sound(t)
	// One whose layers have not been moved yet needs nothing but its manifest.
	a.later(t)
	a.set(t, d, Archive)
	m := imageOf(t, a.blob(t, a.ref, `{"layers":"`+digest.FromString(layers[0]).Encoded()+`"}`), v1.Descriptor{
		MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(layers[0]), Size: int64(len(layers[0]))})
	stored, err := a.PutManifest(t.Context(), a.ref, ManifestUpload{Content: m, Tags: []string{"v1"}})
	if err != nil || stored.Unchanged || stored.Digest != d || a.status(t, d) != Active {
		t.Errorf("pushed again: %+v, %v, and it is %s", stored, err, a.status(t, d))
	}
	a.worked(t)
	a.expectFiles(t, 2, 0)
}

func TestAnImagePushedWithoutItsArchivedLayersWaitsForThem(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	base := a.blob(t, a.ref, layer("base"))
	first := imageOf(t, a.blob(t, a.ref, `{"of":"first"}`), base)
	old := a.put(t, a.ref, first, "v1")
	a.later(t)
	a.set(t, old, Archive)
	a.worked(t)
	d := a.put(t, a.ref, imageOf(t, a.blob(t, a.ref, `{"of":"second"}`), base), "v2")
	if a.status(t, d) != Activating || a.status(t, old) != Archived {
		t.Errorf("the new image is %s, the old one %s", a.status(t, d), a.status(t, old))
	}
	a.worked(t)
	if a.status(t, d) != Active || a.read(t, a.ref, base.Digest) != layer("base") {
		t.Errorf("then it is %s", a.status(t, d))
	}
	a.put(t, a.ref, first, "v1")
	if a.status(t, old) != Activating {
		t.Errorf("the old image, of which only the base is at hand, is %s", a.status(t, old))
	}
	a.worked(t)
	if a.status(t, old) != Active {
		t.Errorf("then it is %s", a.status(t, old))
	}
	a.sound(t)
	elsewhere := a.repository(t, "elsewhere", Mutability{})
	if _, err := a.MountBlob(t.Context(), elsewhere, a.ref, base.Digest); err != nil {
		t.Errorf("mounting what is at hand: %v", err)
	}
}

func TestWhatSomebodyIsAboutToPushIsNotMoved(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	other := a.repository(t, "other", Mutability{})
	d := a.push(t, a.ref, []string{layer("demo")}, "v1")
	a.later(t)
	a.set(t, d, Archive)
	a.blob(t, other, layer("demo"))
	a.worked(t)
	a.expectFiles(t, 1, 1) // the configuration alone was moved
	if _, err := a.StatBlob(t.Context(), other, digest.FromString(layer("demo"))); err != nil {
		t.Errorf("who has pushed it is told: %v", err)
	}
	a.later(t)
	a.worked(t)
	a.expectFiles(t, 0, 2)
	_, err := a.MountBlob(t.Context(), other, a.ref, digest.FromString(layer("demo")))
	fails[*BlobUnknownError](t, err)
}

func TestAnIndexGoesAndComesWithItsImagesAndTheirSignatures(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	manifest := func(d digest.Digest) v1.Descriptor {
		m, err := a.Manifest(t.Context(), a.ref, Reference{Digest: d})
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{MediaType: m.MediaType, Digest: d, Size: int64(len(m.Content))}
	}
	amd, arm, named := a.push(t, a.ref, []string{layer("amd")}), a.push(t, a.ref, []string{layer("arm")}), a.push(t, a.ref, []string{layer("named")}, "named")
	index := a.put(t, a.ref, indexOf(t, manifest(amd), manifest(arm), manifest(named)), "v1")
	second := a.put(t, a.ref, indexOf(t, manifest(arm)), "v2")
	subject := manifest(amd)
	signature := a.put(t, a.ref, encode(t, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: "a/signature", Config: v1.DescriptorEmptyJSON, Subject: &subject, Layers: []v1.Descriptor{a.blob(t, a.ref, "{}")}}))
	_, err := a.SetStorageClass(t.Context(), a.ref, []digest.Digest{amd}, Archive)
	if e := fails[*ManifestReferencedError](t, err); e.By != index {
		t.Errorf("listed by %s", e.By)
	}
	if a.status(t, amd) != Active {
		t.Error("what was refused was done")
	}
	statuses := func() string {
		var list []string
		for _, d := range []digest.Digest{index, amd, arm, named, signature, second} {
			list = append(list, string(a.status(t, d)))
		}
		return strings.Join(list, " ")
	}
	a.set(t, index, Archive)
	if got := statuses(); got != "ARCHIVED ARCHIVED ACTIVE ACTIVE ARCHIVED ACTIVE" {
		t.Errorf("with the first index gone: %s", got)
	}
	if list, err := a.Referrers(t.Context(), a.ref, amd, nil, "", 10); err != nil || len(list) != 0 {
		t.Errorf("referrers %v: %v", list, err)
	}
	if list, err := a.ReferrersOf(t.Context(), a.ref, amd, nil, Archived, "", 10); err != nil || len(list) != 1 || list[0].Status != Archived {
		t.Errorf("archived referrers %v: %v", list, err)
	}
	if _, err := a.SetStorageClass(t.Context(), a.ref, []digest.Digest{named, second}, Archive); err != nil {
		t.Fatal(err)
	}
	if got := statuses(); got != "ARCHIVED ARCHIVED ARCHIVED ARCHIVED ARCHIVED ARCHIVED" {
		t.Errorf("with all gone: %s", got)
	}
	a.set(t, index, Standard)
	if got := statuses(); got != "ACTIVATING ACTIVATING ACTIVATING ACTIVATING ACTIVATING ARCHIVED" {
		t.Errorf("with the first coming back: %s", got)
	}
	a.worked(t)
	if got := statuses(); got != "ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ARCHIVED" {
		t.Errorf("with the first back: %s", got)
	}
	// An index that is pushed brings the images back that it lists.
	a.set(t, index, Archive)
	third := a.put(t, a.ref, indexOf(t, manifest(named), v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: amd, Size: subject.Size}))
	if a.status(t, third) != Active || a.status(t, amd) != Active || a.status(t, index) != Archived {
		t.Errorf("pushed: %s, its image %s, the index that was archived %s", a.status(t, third), a.status(t, amd), a.status(t, index))
	}
}

func TestStorageClassesOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	a := newArchiver(t)
	d := a.push(t, a.ref, []string{layer("demo")})
	_, err := a.SetStorageClass(t.Context(), Ref{a.ref.Scope, "none"}, []digest.Digest{d}, Archive)
	fails[*RepositoryUnknownError](t, err)
	_, err = a.SetStorageClass(t.Context(), a.ref, []digest.Digest{d, digest.FromString("none")}, Archive)
	fails[*ManifestUnknownError](t, err)
	_, err = a.SetStorageClass(t.Context(), a.ref, []digest.Digest{"x"}, Archive)
	fails[*DigestInvalidError](t, err)
	if a.status(t, d) != Active {
		t.Error("of two one was archived, and the other refused")
	}
	if err := a.Freeze(t.Context(), "x"); !errors.Is(err, ErrHopeless) {
		t.Errorf("moving what is no digest: %v", err)
	}
	if err := a.Thaw(t.Context(), "x"); !errors.Is(err, ErrHopeless) {
		t.Errorf("restoring what is no order: %v", err)
	}
	if err := errors.Join(a.Freeze(t.Context(), digest.FromString("none")), a.Thaw(t.Context(), `{"repository":"none"}`)); err != nil {
		t.Errorf("what is gone is to be left alone: %v", err)
	}
}
