package faults

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
)

// noise is content that no compression makes smaller.
func noise(seed byte, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // documented never to fail
	return content
}

// image is what a test pushes: a configuration, which is kept with the records, and
// layers, which are not.
type image struct {
	config   []byte
	layers   [][]byte
	manifest []byte
}

func newImage(seed byte, sizes ...int) image {
	im := image{config: fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","seed":%d}`, seed)}
	var layers []string
	for i, size := range sizes {
		layer := noise(seed+byte(i), size)
		im.layers = append(im.layers, layer)
		layers = append(layers, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, harness.LayerType, harness.Digest(layer), size))
	}
	im.manifest = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[%s]}`,
		harness.ManifestType, harness.ConfigType, harness.Digest(im.config), len(im.config), strings.Join(layers, ","))
	return im
}

func (im image) push(c *harness.Client, repo, tag string) error {
	for _, content := range append([][]byte{im.config}, im.layers...) {
		if err := c.PushBlob(repo, harness.Digest(content), content); err != nil {
			return err
		}
	}
	return c.PutManifest(repo, tag, harness.ManifestType, im.manifest)
}

// whole reports how an image as it is pulled differs from what was pushed.
func (im image) whole(c *harness.Client, repo, tag string) error {
	a, err := c.Manifest(repo, tag)
	if err != nil || a.Status != http.StatusOK || !bytes.Equal(a.Body, im.manifest) {
		return fmt.Errorf("the manifest of %s: %v, %w", tag, a, err)
	}
	for _, content := range append([][]byte{im.config}, im.layers...) {
		a, err := c.Blob(repo, harness.Digest(content))
		if err != nil {
			return fmt.Errorf("a blob of %s: %w", tag, err)
		}
		if a.Status != http.StatusOK || !bytes.Equal(a.Body, content) {
			return fmt.Errorf("a blob of %s answers %d with %d of %d bytes", tag, a.Status, len(a.Body), len(content))
		}
	}
	return nil
}

// TestWhatClientsSeeOfAnS3ServiceThatIsUnwellAndThatItIsOverWhenThatIs has one fault
// a server, which lasts until a client has seen it.
func TestWhatClientsSeeOfAnS3ServiceThatIsUnwellAndThatItIsOverWhenThatIs(t *testing.T) {
	t.Parallel()
	service := s3test.Start(t)
	// What a client sees of a request that needs the bucket: a status, or that an
	// answer that had begun broke off.
	const brokenOff = -1
	var all sync.WaitGroup // they mostly wait, so all of them at once
	defer all.Wait()
	for _, c := range []struct {
		name  string
		fault fault
		// pull and push are what is seen of a layer of 3 MiB.
		pull, push int
		// says is in what a push is told.
		says string
	}{
		{"every request is answered with 500", says(500, "InternalError"), 503, 503, "try again"},
		{"every request is answered with 503", says(503, "SlowDown"), 503, 503, "try again"},
		{"every connection is closed", hangUp, 503, 503, "try again"},
		{"every answer is lost", loseAnswer, 503, 503, "try again"},
		{"every body that is sent is cut", cutRequest, 200, 503, "try again"},
		{"every answer is cut after 64 KiB", cutAnswer(64 << 10), brokenOff, 201, ""},
		{"a bit of all that is read is wrong", flip, brokenOff, 201, ""},
		{"the bucket is full", only("PutObject", says(507, "InsufficientStorage")), 200, 403, "space"},
		{"the keys are no longer good", says(403, "AccessDenied"), 500, 500, "log"},
		{"every answer takes its time", slow(700 * time.Millisecond), 200, 201, ""},
	} {
		all.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				s, between := onS3(t, service, harness.Options{})
				s.CreateRepository(t, "demo")
				client := s.Client(t)
				before := newImage(1, 3<<20, 40<<10)
				if err := before.push(client, "demo", "before"); err != nil {
					t.Fatal(err)
				}
				between.set(c.fault)
				begun := time.Now()

				// What is in the records needs no bucket.
				for what, path := range map[string]string{
					"a manifest":      "/v2/demo/manifests/before",
					"the tags":        "/v2/demo/tags/list",
					"a configuration": "/v2/demo/blobs/" + harness.Digest(before.config),
					"readiness":       "/readyz",
				} {
					if a, err := client.Send("GET", path, nil); err != nil || a.Status != 200 {
						t.Errorf("%s: %v, %v", what, a, err)
					}
				}
				pulled := make(chan string, 1)
				go func() {
					a, err := client.Blob("demo", harness.Digest(before.layers[0]))
					pulled <- seen(a, err, c.pull, before.layers[0])
				}()
				during := newImage(101, 3<<20)
				location, err := client.StartUpload("demo")
				if err != nil {
					t.Fatal(err)
				}
				a, err := client.Send("PUT", harness.WithDigest(location, harness.Digest(during.layers[0])), bytes.NewReader(during.layers[0]))
				if err != nil || a.Status != c.push {
					t.Errorf("a push is answered with %v, %v, and not %d", a, err, c.push)
				}
				if c.push >= 400 && (a.Code() == "" || !strings.Contains(string(a.Body), c.says)) {
					t.Errorf("a push is told %s", a.Body)
				}
				if c.push == 503 && a.Header.Get("Retry-After") == "" {
					t.Error("a push is not told when to try again")
				}
				if problem := <-pulled; problem != "" {
					t.Errorf("a pull %s", problem)
				}
				t.Logf("answered after %v", time.Since(begun).Round(100*time.Millisecond))

				between.set(pass)
				if err := during.push(client, "demo", "after"); err != nil {
					t.Errorf("once it is over: %v", err)
				}
				for tag, im := range map[string]image{"before": before, "after": during} {
					if err := im.whole(client, "demo", tag); err != nil {
						t.Errorf("once it is over: %v", err)
					}
				}
			})
		})
	}
}

// seen says what is wrong with how a layer was answered.
func seen(a harness.Answer, err error, want int, content []byte) string {
	switch {
	case want < 0 && err == nil:
		return fmt.Sprintf("is answered in full: %d with %d bytes", a.Status, len(a.Body))
	case want < 0:
		return ""
	case err != nil:
		return fmt.Sprintf("fails: %v", err)
	case a.Status != want:
		return fmt.Sprintf("is answered with %v, and not %d", a, want)
	case want == 200 && !bytes.Equal(a.Body, content):
		return fmt.Sprintf("brings %d bytes, others than were pushed", len(a.Body))
	case want == 503 && a.Header.Get("Retry-After") == "":
		return "is not told when to try again"
	}
	return ""
}

// TestAPushGoesOnAfterConnectionsThatLeadNowhere has the service take in requests and
// say nothing for 40 seconds, as behind a firewall that drops what it gets.
func TestAPushGoesOnAfterConnectionsThatLeadNowhere(t *testing.T) {
	if os.Getenv("DRYDOCK_LONG") == "" {
		t.Skip("takes a minute: run it with DRYDOCK_LONG=1")
	}
	t.Parallel()
	s, between := onS3(t, s3test.Start(t), harness.Options{})
	s.CreateRepository(t, "demo")
	client := s.Client(t)
	end := time.Now().Add(40 * time.Second)
	between.set(func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		if time.Now().After(end) {
			pass(s, w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	begun := time.Now()
	im := newImage(7, 3<<20, 20<<20)
	if err := im.push(client, "demo", "v1"); err != nil {
		t.Fatal(err)
	}
	t.Logf("pushed after %v", time.Since(begun).Round(time.Second))
	if err := im.whole(client, "demo", "v1"); err != nil {
		t.Error(err)
	}
}
