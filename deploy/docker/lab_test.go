package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"drydock/deploy/machine"
)

// These tests need an Engine of which they may do as they like: scripts/test starts
// one, with a network.

const probe = "drydock-test/probe:3"

// particular is an image with a health check and a stop signal of its own.
const particular = "drydock-test/particular:3"

// keeper has an image for everybody but one.
type keeper struct{}

func (keeper) Image(_ context.Context, _ machine.Task, image machine.RepositoryImage) (machine.Pull, error) {
	if image.Name == "forbidden" {
		return machine.Pull{}, errors.New("the role may not pull")
	}
	if image.Name == "particular" {
		return machine.Pull{Address: particular, Digest: "sha256:def"}, nil
	}
	return machine.Pull{Address: probe, Digest: "sha256:abc"}, nil
}

func (keeper) Secrets(_ context.Context, t machine.Task, name string) (map[string]string, map[string]string, error) {
	env := map[string]string{}
	for _, c := range t.Containers {
		for n := range c.Secrets {
			env[n] = "secret of " + name
		}
	}
	return env, nil, nil
}

func (keeper) Environment(_ context.Context, _ machine.Task, name string) (map[string]string, error) {
	return map[string]string{"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/" + name}, nil
}

func (keeper) LogOptions(context.Context, machine.Task, string) (map[string]string, error) {
	return nil, nil
}

// lab is an Engine with a machine on it.
type lab struct {
	t       *testing.T
	host    string
	engine  *client.Client
	folder  string
	owner   string
	keeper  machine.Keeper
	machine *Machine
	n       int

	privileged bool
}

func newLab(t *testing.T) *lab {
	t.Helper()
	host := os.Getenv("DRYDOCK_TEST_ENGINE")
	if host == "" {
		say := t.Skip
		if os.Getenv("CI") == "true" {
			say = t.Fatal
		}
		say("no Docker Engine to test with: run it with make test, or set DRYDOCK_TEST_ENGINE")
	}
	return newLabAt(t, host)
}

// newLabAt is a lab on an Engine of the test's own.
func newLabAt(t *testing.T, host string) *lab {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, host: host, keeper: keeper{}, engine: engine, folder: t.TempDir(), owner: strings.NewReplacer("/", "-", ",", "").Replace(t.Name())}
	l.buildProbe()
	l.buildParticular()
	l.open()
	t.Cleanup(func() {
		l.machine.Close()
		ctx := context.Background()
		list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelOwner+"="+l.owner))})
		if err != nil {
			t.Error(err)
		}
		for _, c := range list {
			if err := engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				t.Error(err)
			}
		}
		engine.Close()
	})
	return l
}

func (l *lab) open() {
	l.t.Helper()
	m, err := Open(l.t.Context(), Options{
		Host: l.host, Folder: l.folder, Owner: l.owner, Keeper: l.keeper, Now: time.Now, Log: slog.New(slog.NewTextHandler(l.t.Output(), nil)), Privileged: l.privileged,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.machine = m
}

// buildParticular makes an image with settings of its own, once.
func (l *lab) buildParticular() {
	l.t.Helper()
	ctx := l.t.Context()
	if _, err := l.engine.ImageInspect(ctx, particular); err == nil {
		return
	}
	c, err := l.engine.ContainerCreate(ctx, &container.Config{
		Image: probe, StopSignal: "SIGINT",
		Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", "1"}, Interval: 500 * time.Millisecond, Retries: 1},
	}, nil, nil, nil, "")
	if err == nil {
		_, err = l.engine.ContainerCommit(ctx, c.ID, container.CommitOptions{Reference: particular})
		err = errors.Join(err, l.engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// buildProbe makes the image that the tests run, once.
func (l *lab) buildProbe() {
	l.t.Helper()
	if _, err := l.engine.ImageInspect(l.t.Context(), probe); err == nil {
		return
	}
	path := filepath.Join(l.t.TempDir(), "probe")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, h := range []*tar.Header{{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o777}, {Name: "probe", Mode: 0o755, Size: int64(len(program))}} {
		if err := w.WriteHeader(h); err != nil {
			l.t.Fatal(err)
		}
	}
	if _, err := w.Write(program); err != nil {
		l.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		l.t.Fatal(err)
	}
	body, err := l.engine.ImageImport(l.t.Context(), image.ImportSource{Source: &files, SourceName: "-"}, probe, image.ImportOptions{Changes: []string{`ENTRYPOINT ["/probe"]`}})
	if err != nil {
		l.t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, body); err != nil {
		l.t.Fatal(err)
	}
}

// task is a task of containers that have names and the arguments of the probe.
func (l *lab) task(containers ...machine.Container) machine.Task {
	l.n++
	// Tests run side by side, and names of containers are made of the task's.
	h := fnv.New64a()
	_, _ = h.Write([]byte(l.owner))
	id := fmt.Sprintf("%016x%016x", h.Sum64(), l.n)
	for i := range containers {
		c := &containers[i]
		if c.Repository == nil {
			c.Repository = &machine.RepositoryImage{Name: "probe"}
		}
		if c.StopTimeout == 0 {
			c.StopTimeout = 5 * time.Second
		}
	}
	return machine.Task{
		ARN: "arn:aws:ecs:eu-west-1:123456789012:task/default/" + id, Cluster: "default", Family: strings.ToLower(l.owner), Revision: 1,
		NetworkMode: "bridge", Containers: containers,
	}
}

// prints runs a task that ends by itself and returns what its first container wrote.
func (l *lab) prints(t machine.Task) string {
	l.t.Helper()
	arn := l.start(t)
	s := l.becomes(arn, machine.Stopped)
	var b bytes.Buffer
	if err := l.machine.Logs(l.t.Context(), arn, t.Containers[0].Name, false, &b); err != nil {
		l.t.Fatalf("%v: %+v", err, s)
	}
	return b.String()
}

func (l *lab) start(t machine.Task) string {
	l.t.Helper()
	if err := l.machine.Start(l.t.Context(), t); err != nil {
		l.t.Fatal(err)
	}
	return t.ARN
}

func (l *lab) state(arn string) machine.State {
	l.t.Helper()
	states, err := l.machine.Tasks(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range states {
		if s.ARN == arn {
			return s
		}
	}
	return machine.State{}
}

func (l *lab) becomes(arn string, want machine.Status) machine.State {
	l.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if s := l.state(arn); s.Status == want {
			return s
		}
	}
	l.t.Fatalf("the task does not become %s: %+v", want, l.state(arn))
	return machine.State{}
}

// says waits until a container has written what is wanted: one that runs may not have
// come to it yet.
func (l *lab) says(arn, name, want string) {
	l.t.Helper()
	var said bytes.Buffer
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		said.Reset()
		if err := l.machine.Logs(l.t.Context(), arn, name, false, &said); err != nil {
			l.t.Fatal(err)
		}
		if strings.Contains(said.String(), want) {
			return
		}
	}
	l.t.Fatalf("container %s says %q, not %q", name, said.String(), want)
}

// get asks a container that runs, and may not listen yet.
func (l *lab) get(url string) string {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a, err := http.Get(url)
		if err == nil {
			b, err := io.ReadAll(a.Body)
			a.Body.Close()
			if err == nil {
				return string(b)
			}
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s does not answer: %v", url, err)
		}
	}
}

func essential(name string, args ...string) machine.Container {
	return machine.Container{Name: name, Essential: true, Command: args, Memory: 64}
}
