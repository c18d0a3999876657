package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

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

func TestNothingIsRepairedWhereTheStorageIsMissing(t *testing.T) {
	e := newFileEngine(t)
	e.clock = time.Now()
	demo, _ := e.busy(t)
	blobs := filepath.Join(e.blobDir, "docker", "registry", "v2", "blobs")
	if err := os.Rename(blobs, blobs+".not-mounted"); err != nil {
		t.Fatal(err)
	}
	_, err := e.Verify(t.Context(), VerifyOptions{Repair: true})
	if !errors.Is(err, ErrNotThere) {
		t.Fatalf("got %v", err)
	}
	if err := os.Rename(blobs+".not-mounted", blobs); err != nil {
		t.Fatal(err)
	}
	e.clean(t)
	if e.read(t, demo, digest.FromString("layer of one")) != "layer of one" {
		t.Error("another layer")
	}

	// Whoever insists can have it repaired, and even that is not the end.
	if err := os.Rename(blobs, blobs+".not-mounted"); err != nil {
		t.Fatal(err)
	}
	if _, err = e.Verify(t.Context(), VerifyOptions{Repair: true}); !errors.Is(err, ErrNotThere) {
		t.Fatalf("got %v", err)
	}
	v, err := e.Verify(t.Context(), VerifyOptions{Resume: true})
	if err != nil || v.Lost < 10 {
		t.Fatalf("got %+v, %v", v, err)
	}
	if err := os.Rename(blobs+".not-mounted", blobs); err != nil {
		t.Fatal(err)
	}
	e.later(t)
	e.verify(t, VerifyOptions{Repair: true})
	e.clean(t)
	if e.read(t, demo, digest.FromString("layer of one")) != "layer of one" {
		t.Error("another layer")
	}
}

func TestAStorageThatCannotBeReadIsNotTakenForDamage(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root may read anything: links that lead round in a circle stand for what it may not")
	}
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	var files []string
	for i := range 30 {
		d := e.blob(t, ref, fmt.Sprint("layer ", i)).Digest
		files = append(files, e.file(t, d))
	}
	for _, f := range files {
		if err := errors.Join(os.Remove(f), os.Symlink(f, f)); err != nil {
			t.Fatal(err)
		}
	}
	var found []Problem
	_, err := e.Verify(t.Context(), VerifyOptions{Deep: true, Repair: true, Found: func(p Problem) error {
		found = append(found, p)
		return nil
	}})
	if err == nil || len(found) == 0 || len(found) > tooMany {
		t.Errorf("found %d: %v", len(found), err)
	}
	for _, p := range found {
		if p.Kind != BlobUnreadable || p.Mended || p.Lost {
			t.Errorf("told of %+v", p)
		}
	}
	for _, f := range files {
		if _, err := os.Lstat(f); err != nil {
			t.Errorf("it was touched: %v", err)
		}
	}
}
