package e2e

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// blobFiles counts the files of blobs in a data folder.
func blobFiles(t *testing.T, data string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "docker", "registry", "v2", "blobs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "data" {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// layer is content too large for a record, told by a number.
func layer(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("layer %06d ", n), 2000)) }

const imageType = "application/vnd.oci.image.manifest.v1+json"

// imageOfLayers is a manifest of a configuration and layers.
func imageOfLayers(config []byte, numbers ...int) []byte {
	var layers []string
	for _, n := range numbers {
		layers = append(layers, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}`, harness.Digest(layer(n)), len(layer(n))))
	}
	return []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[%s]}`,
		imageType, harness.Digest(config), len(config), strings.Join(layers, ",")))
}

// hoarder pushes images that share layers with those of others, and deletes most
// of them again. A server that is killed meanwhile makes it try again.
type hoarder struct {
	c     *harness.Client
	repo  string
	rnd   *rand.Rand
	count int
	// kept are the layers of the images that were acknowledged and not deleted.
	kept map[string][]int
}

func (h *hoarder) push() error {
	h.count++
	config := []byte(fmt.Sprintf(`{"of":%q,"n":%d}`, h.repo, h.count))
	numbers := []int{h.rnd.IntN(100), 100 + h.rnd.IntN(100)}
	for _, n := range numbers {
		content := layer(n)
		// As docker does: ask, and push only what is not there.
		a, err := h.c.Send("HEAD", "/v2/"+h.repo+"/blobs/"+harness.Digest(content), nil)
		if err != nil {
			return err
		}
		if a.Status == 404 {
			if err := h.c.PushBlob(h.repo, harness.Digest(content), content); err != nil {
				return err
			}
		}
	}
	if err := h.c.PushBlob(h.repo, harness.Digest(config), config); err != nil {
		return err
	}
	manifest := imageOfLayers(config, numbers...)
	if err := h.c.PutManifest(h.repo, fmt.Sprintf("t%d", h.count), imageType, manifest); err != nil {
		return err
	}
	d := harness.Digest(manifest)
	if h.rnd.IntN(100) == 0 {
		h.kept[d] = numbers
		return nil
	}
	_, err := h.c.Send("DELETE", "/v2/"+h.repo+"/manifests/"+d, nil)
	return err
}

// TestNothingIsLostOrLeftWhileEverythingIsCollected pushes and deletes with the
// shortest times there are, kills the server meanwhile, and counts at the end.
func TestNothingIsLostOrLeftWhileEverythingIsCollected(t *testing.T) {
	s := harness.Start(t, harness.Options{Args: []string{"--gc-grace", "2s", "--gc-trash", "1s", "--log-level", "warn"}})
	var all []*hoarder
	for i := range 4 {
		repo := fmt.Sprintf("hoard/r%d", i)
		s.CreateRepository(t, repo)
		all = append(all, &hoarder{c: s.Client(t), repo: repo, rnd: rand.New(rand.NewPCG(uint64(i), 1)), kept: map[string][]int{}})
	}
	end := time.Now().Add(12 * time.Second)
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := h.push(); err != nil {
					time.Sleep(50 * time.Millisecond) // the server is being killed
				}
			}
		})
	}
	for range 3 {
		time.Sleep(3 * time.Second)
		s.Kill()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()

	needed, images := map[int]bool{}, 0
	for _, h := range all {
		images += len(h.kept)
		for d, numbers := range h.kept {
			if a, err := h.c.Manifest(h.repo, d); err != nil || a.Status != 200 || harness.Digest(a.Body) != d {
				t.Errorf("image %s of %s: %v, %v", d, h.repo, a, err)
			}
			for _, n := range numbers {
				needed[n] = true
				a, err := h.c.Blob(h.repo, harness.Digest(layer(n)))
				if err != nil || harness.Digest(a.Body) != harness.Digest(layer(n)) {
					t.Errorf("layer %d of %s: %v", n, h.repo, err)
				}
			}
		}
	}
	t.Logf("%d images kept, of %d layers", images, len(needed))
	// A manifest may be stored without its acknowledgement when the server is
	// killed: its layers stay as well.
	least, most := len(needed), len(needed)+4*3*2
	deadline := time.Now().Add(30 * time.Second)
	for n := blobFiles(t, s.Data); n < least || n > most; n = blobFiles(t, s.Data) {
		if time.Now().After(deadline) {
			t.Fatalf("%d files for %d layers that are needed", n, least)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func TestDeletingAnImageGivesItsSpaceBackAndItCanComeBack(t *testing.T) {
	s := harness.Start(t, harness.Options{Args: []string{"--gc-grace", "1s", "--gc-trash", "20s"}})
	s.CreateRepository(t, "demo")
	c := s.Client(t)
	config, numbers := []byte(`{}`), []int{1, 2}
	for _, content := range [][]byte{config, layer(1), layer(2)} {
		if err := c.PushBlob("demo", harness.Digest(content), content); err != nil {
			t.Fatal(err)
		}
	}
	manifest := imageOfLayers(config, numbers...)
	if err := c.PutManifest("demo", "v1", imageType, manifest); err != nil {
		t.Fatal(err)
	}
	d := harness.Digest(manifest)
	del := func() {
		t.Helper()
		if a, err := c.Send("DELETE", "/v2/demo/manifests/"+d, nil); err != nil || a.Status != 202 {
			t.Fatalf("%v, %v", a, err)
		}
	}
	del()
	// Once a layer is gone, a push must not be told that it exists already.
	time.Sleep(1200 * time.Millisecond)
	command(t, s, "gc", "run")
	if a, err := c.Send("HEAD", "/v2/demo/blobs/"+harness.Digest(layer(1)), nil); err != nil || a.Status != 404 {
		t.Fatalf("a layer that is in the trash: %v, %v", a, err)
	}
	command(t, s, "gc", "undelete", d)
	if a, err := c.Manifest("demo", "v1"); err != nil || harness.Digest(a.Body) != d {
		t.Errorf("the image did not come back: %v", err)
	}
	if a, err := c.Blob("demo", harness.Digest(layer(1))); err != nil || harness.Digest(a.Body) != harness.Digest(layer(1)) {
		t.Errorf("its layer did not come back: %v", err)
	}
	if n := blobFiles(t, s.Data); n != 2 {
		t.Errorf("%d files", n)
	}
}
