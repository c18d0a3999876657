package s3

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
	"drydock/storage/blob/blobtest"
	"drydock/storage/meta"
)

// work has servers in turn do the jobs of a queue.
func (f *fleet) work(t *testing.T, queue string, servers ...*storage.Registry) {
	t.Helper()
	due, err := meta.DueJobs(t.Context(), f.db.Reader(), queue, f.now().UnixMilli(), 100)
	if err != nil || len(due) == 0 {
		t.Fatalf("%s: %d jobs: %v", queue, len(due), err)
	}
	for i, j := range due {
		r := servers[i%len(servers)]
		if queue == storage.ArchiveQueue {
			err = r.Freeze(t.Context(), digest.Digest(j.Key))
		} else {
			err = r.Thaw(t.Context(), j.Document)
		}
		if err != nil {
			t.Fatal(err)
		}
		err := f.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
			_, err := meta.EndJob(t.Context(), q, j)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLayersGoIntoTheArchiveByOneServerAndOutByAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.open(t), f.open(t)
	soft, hard := bytes.Repeat([]byte("a layer, "), 30_000), blobtest.Noise(200_000)
	manifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` +
		digest.FromString("{}").String() + `","size":2},"layers":[`
	for i, c := range [][]byte{[]byte("{}"), soft, hard} {
		d := digest.FromBytes(c)
		if err := f.push(t, c, d, a, b); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			manifest += `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + d.String() + `","size":1},`
		}
	}
	stored, err := a.PutManifest(t.Context(), f.ref, storage.ManifestUpload{Content: []byte(strings.TrimSuffix(manifest, ",") + "]}")})
	if err != nil {
		t.Fatal(err)
	}
	f.wait(2 * time.Hour)
	if _, err := a.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	set := func(r *storage.Registry, class storage.StorageClass) {
		t.Helper()
		if _, err := r.SetStorageClass(t.Context(), f.ref, []digest.Digest{stored.Digest}, class); err != nil {
			t.Fatal(err)
		}
	}
	sound := func() {
		t.Helper()
		v, err := b.Verify(t.Context(), storage.VerifyOptions{Deep: true, Found: func(p storage.Problem) error {
			t.Errorf("%s: %s", p.Kind, p.Says)
			return nil
		}})
		if err != nil || v.Problems != 0 {
			t.Errorf("%d problems: %v", v.Problems, err)
		}
	}
	set(a, storage.Archive)
	f.work(t, storage.ArchiveQueue, b, a)
	objects, unfinished := f.left(t)
	if len(objects) != 2 || len(unfinished) != 0 {
		t.Fatalf("the bucket holds %v, and unfinished %v", objects, unfinished)
	}
	for _, o := range objects {
		if !strings.Contains(o, "/blobs/cold/") {
			t.Errorf("%s is not in the cold tree", o)
		}
	}
	_, _, err = b.OpenBlob(t.Context(), f.ref, digest.FromBytes(soft))
	if archived := new(storage.BlobArchivedError); !errors.As(err, &archived) {
		t.Errorf("an archived layer: %v", err)
	}
	sound()
	set(b, storage.Standard)
	f.work(t, storage.RestoreQueue, a)
	for _, c := range [][]byte{soft, hard} {
		f.read(t, b, c, digest.FromBytes(c))
	}
	f.expectLeft(t, 2)
	sound()
	// Pushed again while it is archived, the upload's object takes the copy's place.
	set(a, storage.Archive)
	f.work(t, storage.ArchiveQueue, a, b)
	for _, c := range [][]byte{soft, hard} {
		if err := f.push(t, c, digest.FromBytes(c), b, a); err != nil {
			t.Fatal(err)
		}
	}
	f.expectLeft(t, 2)
	set(a, storage.Standard)
	f.work(t, storage.RestoreQueue, b)
	for _, c := range [][]byte{soft, hard} {
		f.read(t, a, c, digest.FromBytes(c))
	}
	sound()
}
