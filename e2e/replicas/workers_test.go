package replicas

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// worker is a client at work.
type worker interface {
	// round pushes something, and looks at what it has pushed.
	round(l *ledger, n int) error
}

// variety is how many different images a worker has.
const variety = 4

// noise is content that nobody compresses.
func noise(seed, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(content) // documented never to fail
	return content
}

// dockerWorker pushes images of an Engine.
type dockerWorker struct {
	harness.Runner
	uri string
	ids []string
}

func newDockerWorker(t *testing.T, f *fleet, engine harness.Runner, n int) worker {
	t.Helper()
	name := fmt.Sprint("by/docker-", n)
	f.front.CreateRepository(t, name)
	w := &dockerWorker{Runner: engine, uri: f.balancer.host() + "/" + name}
	w.Pipe(t, f.front.Password(t), "docker", "login", "--username", "AWS", "--password-stdin", f.balancer.host())
	for i := range variety {
		dir := t.TempDir()
		for layer, size := range []int{300 + i, 20_000, 3 << 20} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", layer)), noise(n*1000+i*10+layer, size), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY file0 /\nCOPY file1 /\nCOPY file2 /\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		tag := fmt.Sprintf("%s:%d", w.uri, i)
		w.Run(t, "docker", "build", "-q", "-t", tag, dir)
		w.ids = append(w.ids, strings.TrimSpace(w.Run(t, "docker", "image", "inspect", "--format", "{{.Id}}", tag)))
	}
	return w
}

var digestSaid = regexp.MustCompile(`digest: (sha256:[0-9a-f]{64})`)

func (w *dockerWorker) round(l *ledger, n int) error {
	i := n % variety
	tag := fmt.Sprintf("%s:%d", w.uri, i)
	var digest string
	err := l.insist("docker push", func() error {
		out, err := w.Try("", "docker", "push", tag)
		if err != nil {
			return err
		}
		m := digestSaid.FindStringSubmatch(out)
		if m == nil {
			return fmt.Errorf("docker push says no digest: %s", out)
		}
		digest = m[1]
		return nil
	})
	if err != nil {
		return err
	}
	l.stored(strings.TrimPrefix(tag, w.uri[:strings.Index(w.uri, "/")+1]), digest)
	if _, err := w.Try("", "docker", "rmi", "-f", tag); err != nil {
		return err
	}
	if err := l.insist("docker pull", func() error {
		_, err := w.Try("", "docker", "pull", tag)
		return err
	}); err != nil {
		return err
	}
	id, err := w.Try("", "docker", "image", "inspect", "--format", "{{.Id}}", tag)
	if err == nil && strings.TrimSpace(id) != w.ids[i] {
		err = fmt.Errorf("docker pulled %s as %s, and has pushed %s", tag, strings.TrimSpace(id), w.ids[i])
	}
	return err
}

// craneWorker pushes indexes of images out of folders.
type craneWorker struct {
	harness.Runner
	crane, host, name string
	layouts, digests  []string
	// moved counts how often a moving tag was elsewhere than it was moved to last.
	moved int
}

func newCraneWorker(t *testing.T, f *fleet, n int) *craneWorker {
	t.Helper()
	w := &craneWorker{
		Runner: harness.Runner{Env: harness.Environ("DOCKER_CONFIG=" + t.TempDir())},
		crane:  harness.Tool(t, "crane"), host: f.balancer.host(), name: fmt.Sprint("by/crane-", n),
	}
	f.front.CreateRepository(t, w.name)
	w.Pipe(t, f.front.Password(t), w.crane, "auth", "login", "--username", "AWS", "--password-stdin", w.host)
	for i := range variety {
		layout := harness.NewLayout(t, byte(n*100+i))
		index := layout.Index(layout.Image("amd64", 200), layout.Image("arm64", 100_000), layout.Image("riscv64", int64(i+1)<<20))
		w.digests = append(w.digests, layout.Entry("latest", index))
		w.layouts = append(w.layouts, layout.Dir)
	}
	return w
}

func (w *craneWorker) round(l *ledger, n int) error {
	i := n % variety
	image := fmt.Sprintf("%s:%d", w.name, n)
	command := func(args ...string) func() error {
		return func() error { _, err := w.Try("", w.crane, args...); return err }
	}
	if err := l.insist("crane push", command("push", w.layouts[i], w.host+"/"+image)); err != nil {
		return err
	}
	l.stored(image, w.digests[i])
	// A tag that moves is where it was moved to, whoever is asked.
	moving := w.name + ":moving"
	if err := l.insist("crane tag", command("tag", w.host+"/"+image, "moving")); err != nil {
		return err
	}
	if err := l.insist("crane digest", func() error {
		out, err := w.Try("", w.crane, "digest", w.host+"/"+moving)
		if got := strings.TrimSpace(out); err == nil && got != w.digests[i] {
			w.moved++
		}
		return err
	}); err != nil {
		return err
	}
	return l.insist("crane validate", command("validate", "--remote", w.host+"/"+image))
}

// plainWorker pushes layers in chunks and goes on after a failure from where the
// server says that it is.
type plainWorker struct {
	c      *harness.Client
	name   string
	random *rand.Rand
	seed   int
}

func newPlainWorker(t *testing.T, f *fleet, n int, seed uint64) worker {
	t.Helper()
	w := &plainWorker{c: f.front.Client(t), name: fmt.Sprint("by/chunks-", n), random: rand.New(rand.NewPCG(seed, uint64(n))), seed: 100 * n}
	w.c.Base = "http://" + f.balancer.host()
	w.c.HTTP.Timeout = 30 * time.Second
	f.front.CreateRepository(t, w.name)
	return w
}

func (w *plainWorker) round(l *ledger, n int) error {
	var layers []harness.Descriptor
	for _, size := range []int{10 << 10, w.random.IntN(1 << 20), w.random.IntN(12 << 20)} {
		w.seed++
		content := noise(w.seed, size)
		layers = append(layers, harness.Descriptor{MediaType: harness.LayerType, Digest: harness.Digest(content), Size: int64(size)})
		if err := l.insist("push in chunks", func() error { return w.push(l, content) }); err != nil {
			return err
		}
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": harness.ManifestType, "config": layers[0], "layers": layers[1:]})
	if err != nil {
		return err
	}
	tag := fmt.Sprint(n)
	if err := l.insist("push of a manifest", func() error {
		return w.c.PutManifest(w.name, tag, harness.ManifestType, manifest)
	}); err != nil {
		return err
	}
	l.stored(w.name+":"+tag, harness.Digest(manifest))
	return nil
}

// push pushes a blob. Its error is one after which only a new upload is left.
func (w *plainWorker) push(l *ledger, content []byte) error {
	digest := harness.Digest(content)
	begin, err := w.c.StartUpload(w.name)
	if err != nil {
		return err
	}
	location, done := begin, int64(0)
	for failures := 0; done < int64(len(content)); {
		end := min(done+int64(1+w.random.IntN(4<<20)), int64(len(content)))
		next, err := w.c.Patch(location, done, content[done:end])
		l.try("chunk", err)
		if err == nil {
			location, done = next, end
			continue
		}
		if failures++; failures > 10 {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		offset, next, err := w.c.Offset(location)
		var refused *harness.UnexpectedError
		switch {
		case err == nil:
			location, done = next, offset
		case errors.As(err, &refused) && refused.Answer.Status == http.StatusNotFound:
			l.try("going on", err)
			return err
		}
	}
	err = w.c.FinishUpload(location, digest, nil)
	if err == nil {
		return nil
	}
	// It may have been done all the same.
	a, herr := w.c.Send(http.MethodHead, "/v2/"+w.name+"/blobs/"+digest, nil)
	if herr == nil && a.Status == http.StatusOK {
		return nil
	}
	return err
}

// whole reads all of an image, and what it has read is in seen.
func whole(c *harness.Client, image, digest string, seen map[string]bool) (n int, err error) {
	name, tag, _ := strings.Cut(image, ":")
	a, err := c.Manifest(name, tag)
	if err != nil || a.Status != http.StatusOK {
		return n, fmt.Errorf("%v, %w", a, err)
	}
	if got := harness.Digest(a.Body); got != digest {
		return n, fmt.Errorf("the tag leads to %s", got)
	}
	return parts(c, name, a.Body, seen)
}

func parts(c *harness.Client, name string, manifest []byte, seen map[string]bool) (n int, err error) {
	var m struct {
		Config            *harness.Descriptor
		Layers, Manifests []harness.Descriptor
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return n, err
	}
	for _, d := range m.Manifests {
		a, err := c.Manifest(name, d.Digest)
		if err != nil || a.Status != http.StatusOK || harness.Digest(a.Body) != d.Digest {
			return n, fmt.Errorf("manifest %s: %v, %w", d.Digest, a, err)
		}
		more, err := parts(c, name, a.Body, seen)
		if n += more; err != nil {
			return n, err
		}
	}
	blobs := m.Layers
	if m.Config != nil {
		blobs = append(blobs, *m.Config)
	}
	for _, d := range blobs {
		if seen[name+d.Digest] {
			continue
		}
		seen[name+d.Digest] = true
		a, err := c.Blob(name, d.Digest)
		if err != nil || a.Status != http.StatusOK || harness.Digest(a.Body) != d.Digest || int64(len(a.Body)) != d.Size {
			return n, fmt.Errorf("blob %s of %d bytes: %d with %d bytes, %w", d.Digest, d.Size, a.Status, len(a.Body), err)
		}
		n += len(a.Body)
	}
	return n, nil
}
