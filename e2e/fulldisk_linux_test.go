package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

func TestAFullDiskLosesNothingAndIsOverWhenThereIsRoomAgain(t *testing.T) {
	harness.EndToEnd(t)
	disk := harness.NewDisk(t, 96<<20)
	s := harness.Start(t, harness.Options{Data: filepath.Join(disk.Path, "data"), Args: []string{"--disk-watermark", "0"}})
	s.CreateRepository(t, "full/one")
	c := s.Client(t)
	kept := bytes.Repeat([]byte("kept"), 1<<18)
	keptDigest := harness.Digest(kept)
	if err := c.PushBlob("full/one", keptDigest, kept); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk.Path, "filler")
	fill(t, filler)

	large := bytes.Repeat([]byte("large"), 1<<20)
	digest := harness.Digest(large)
	if a, err := c.Send("POST", "/v2/full/one/blobs/uploads/", nil); err != nil || a.Status != 403 || !strings.Contains(string(a.Body), "space") {
		t.Errorf("a disk without a single byte to spare: %v, %v", a, err)
	}
	shrink(t, filler, 2<<20)
	for range 3 {
		location, err := c.StartUpload("full/one")
		if err != nil {
			t.Fatalf("with 2 MiB to spare: %v", err)
		}
		a, err := c.Send("PUT", harness.WithDigest(location, digest), bytes.NewReader(large))
		if err != nil {
			t.Fatalf("the server does not answer a push that does not fit: %v", err)
		}
		t.Logf("a push that does not fit: %v", a)
		if a.Status != 403 || a.Code() != "DENIED" {
			t.Errorf("a push that does not fit is answered with %v", a)
		}
		if !strings.Contains(strings.ToLower(string(a.Body)), "space") {
			t.Errorf("nothing of space in %s", a.Body)
		}
	}
	if a, err := c.Blob("full/one", digest); err != nil || a.Status != 404 {
		t.Errorf("the blob that did not fit answers %d, %v", a.Status, err)
	}
	if a, err := c.Blob("full/one", keptDigest); err != nil || !bytes.Equal(a.Body, kept) {
		t.Errorf("what was there before has %d bytes, %v", len(a.Body), err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := c.PushBlob("full/one", digest, large); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	fill(t, filler)
	if err := s.Start(); err != nil {
		// A server may refuse to start on a full disk, but has to say why.
		if !strings.Contains(strings.ToLower(err.Error()), "space") {
			t.Errorf("on a full disk the server says %v", err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for want, content := range map[string][]byte{keptDigest: kept, digest: large} {
		if a, err := c.Blob("full/one", want); err != nil || !bytes.Equal(a.Body, content) {
			t.Errorf("%s has %d bytes, %v", want, len(a.Body), err)
		}
	}
}

// fill writes a file until the disk takes no more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	_ = f.Sync() // the disk is full; whatever fits is there
}

// shrink makes room again.
func shrink(t *testing.T, path string, by int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-by)
	}
	if err != nil {
		t.Fatal(err)
	}
}
