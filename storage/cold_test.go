package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// row is the record of a blob.
func (a *archiver) row(t *testing.T, of string) meta.Blob {
	t.Helper()
	b, err := meta.FindBlob(t.Context(), a.options.DB.Reader(), string(digest.FromString(of)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// archived is an archiver with an image of one layer in the archive.
func archived(t *testing.T) (a *archiver, d digest.Digest, content string) {
	t.Helper()
	a, content = newArchiver(t), layer("demo")
	d = a.push(t, a.ref, []string{content}, "v1")
	a.later(t)
	a.set(t, d, Archive)
	return a, d, content
}

func TestAServerThatDiesWhileItArchivesLosesNothing(t *testing.T) {
	t.Parallel()
	died := errors.New("the server has died")
	for _, c := range []struct {
		name string
		// until does what is done until the server dies.
		until func(t *testing.T, a *archiver, content string)
		// left is how many files of the cold tree no record tells of.
		left int
	}{
		{"while it writes the copy", func(t *testing.T, a *archiver, content string) {
			w, err := a.blobs.BeginCold(t.Context(), digest.FromString(content), "0", true)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write([]byte(content[:1000]))
			w.Close()
		}, 1},
		{"before the copy is recorded", func(t *testing.T, a *archiver, content string) {
			if _, _, err := a.copyCold(t.Context(), a.row(t, content), true); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"in the transaction", func(t *testing.T, a *archiver, content string) {
			b := a.row(t, content)
			location, _, err := a.copyCold(t.Context(), b, true)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.moveFile(t.Context(), b, location, func(meta.Querier) (bool, error) { return false, died })
			if !errors.Is(err, died) {
				t.Fatal(err)
			}
		}, 1},
		{"before the file is deleted", func(t *testing.T, a *archiver, content string) {
			b := a.row(t, content)
			location, _, err := a.copyCold(t.Context(), b, false)
			if err != nil {
				t.Fatal(err)
			}
			err = a.write(t.Context(), func(q meta.Querier) error {
				_, err := meta.MoveFile(t.Context(), q, b.Digest, b.Location, location)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, d, content := archived(t)
			c.until(t, a, content)
			a.restart(t)
			a.worked(t)
			if err := a.deleteDoomed(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.expectFiles(t, 0, 2+c.left)
			if c.left == 0 {
				a.sound(t)
			}
			a.orphanAge = -time.Hour
			if _, err := a.Verify(t.Context(), VerifyOptions{Repair: true, Found: func(p Problem) error {
				if p.Kind != FileOrphaned {
					t.Errorf("%s: %s", p.Kind, p.Says)
				}
				return nil
			}}); err != nil {
				t.Fatal(err)
			}
			a.expectFiles(t, 0, 2)
			a.set(t, d, Standard)
			a.worked(t)
			if a.status(t, d) != Active || a.read(t, a.ref, digest.FromString(content)) != content {
				t.Error("it has not come back")
			}
			a.sound(t)
		})
	}
}

func TestAServerThatDiesWhileItRestoresLosesNothing(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]func(t *testing.T, a *archiver, content string){
		"before the bytes are recorded": func(t *testing.T, a *archiver, content string) {
			w, err := a.blobs.Begin(t.Context(), "0")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(a.copyWhole(t.Context(), w, a.row(t, content)), w.Commit(t.Context())); err != nil {
				t.Fatal(err)
			}
			if _, err := a.blobs.Keep(t.Context(), w, digest.FromString(content)); err != nil {
				t.Fatal(err)
			}
		},
		"before the copy is deleted": func(t *testing.T, a *archiver, content string) {
			b := a.row(t, content)
			hot := filepath.Join(a.blobDir, "docker/registry/v2/blobs", a.blobs.Name(digest.Digest(b.Digest), ""))
			if err := errors.Join(os.MkdirAll(filepath.Dir(hot), 0o755), os.WriteFile(hot, []byte(content), 0o600)); err != nil {
				t.Fatal(err)
			}
			err := a.write(t.Context(), func(q meta.Querier) error {
				_, err := meta.MoveFile(t.Context(), q, b.Digest, b.Location, "")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		"before the image is active": func(t *testing.T, a *archiver, content string) {
			if err := a.thaw(t.Context(), a.row(t, content)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, d, content := archived(t)
			a.worked(t)
			a.set(t, d, Standard)
			until(t, a, content)
			a.restart(t)
			a.worked(t)
			if err := a.deleteDoomed(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a.status(t, d) != Active || a.read(t, a.ref, digest.FromString(content)) != content {
				t.Error("it has not come back")
			}
			a.expectFiles(t, 2, 0)
			a.sound(t)
		})
	}
}

func TestADeletedArchivedImageCanBeBroughtBackOrIsPurged(t *testing.T) {
	t.Parallel()
	a, d, content := archived(t)
	a.worked(t)
	remove := func() {
		t.Helper()
		if err := a.DeleteManifest(t.Context(), a.ref, d); err != nil {
			t.Fatal(err)
		}
		a.later(t)
		a.expectFiles(t, 0, 2)
		a.sound(t)
	}
	remove()
	if _, err := a.Undelete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if a.status(t, d) != Activating {
		t.Errorf("brought back it is %s", a.status(t, d))
	}
	a.worked(t)
	if a.status(t, d) != Active || a.read(t, a.ref, digest.FromString(content)) != content {
		t.Error("it has not come back")
	}
	a.later(t)
	a.set(t, d, Archive)
	a.worked(t)
	remove()
	a.clock = a.clock.Add(usualTrash)
	if _, err := a.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.expectFiles(t, 0, 0)
	a.sound(t)
}

func TestADamagedCopyIsNeverTakenForTheLayer(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"it is cut off":         func(path string) error { return os.Truncate(path, 40) },
		"it is another content": func(path string) error { return os.WriteFile(path, []byte(layer("other")), 0o600) },
		"it is gone":            os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, d, content := archived(t)
			a.worked(t)
			if err := spoil(filepath.Join(a.blobDir, "docker/registry/v2/blobs", a.row(t, content).Location)); err != nil {
				t.Fatal(err)
			}
			a.set(t, d, Standard)
			if failed := a.work(t); len(failed) != 1 || !errors.Is(failed[0], ErrHopeless) {
				t.Errorf("restoring it: %v", failed)
			}
			if a.status(t, d) != Activating {
				t.Errorf("it is %s", a.status(t, d))
			}
			found := 0
			if _, err := a.Verify(t.Context(), VerifyOptions{Deep: true, Repair: true, Found: func(p Problem) error {
				if p.Kind == BlobDamaged || p.Kind == BlobMissing {
					found++
				}
				return nil
			}}); err != nil || found != 1 {
				t.Errorf("%d spoilt layers were found: %v", found, err)
			}
			a.push(t, a.ref, []string{content}, "v1")
			a.worked(t)
			if a.status(t, d) != Active || a.read(t, a.ref, digest.FromString(content)) != content {
				t.Error("a push has not made it whole")
			}
			a.sound(t)
		})
	}
}

func TestADamagedLayerIsNotMoved(t *testing.T) {
	t.Parallel()
	a, _, content := archived(t)
	file := filepath.Join(a.blobDir, "docker/registry/v2/blobs", a.blobs.Name(digest.FromString(content), ""))
	if err := os.WriteFile(file, []byte(layer("dem0")), 0o600); err != nil {
		t.Fatal(err)
	}
	if failed := a.work(t); len(failed) != 1 || !errors.Is(failed[0], ErrHopeless) || !blob.IsDamage(failed[0]) {
		t.Errorf("archiving it: %v", failed)
	}
	a.expectFiles(t, 1, 1)
}

func TestWhatIsBrokenOffIsDoneAgain(t *testing.T) {
	t.Parallel()
	a, d, content := archived(t)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := a.Freeze(ended, digest.FromString(content)); err == nil || errors.Is(err, ErrHopeless) {
		t.Errorf("archiving after the end: %v", err)
	}
	a.worked(t)
	a.set(t, d, Standard)
	if err := a.thaw(ended, a.row(t, content)); err == nil || errors.Is(err, ErrHopeless) {
		t.Errorf("restoring after the end: %v", err)
	}
	a.worked(t)
	a.expectFiles(t, 2, 0)
	a.sound(t)
}
