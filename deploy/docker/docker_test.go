package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
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
	l := &lab{t: t, host: host, keeper: keeper{}, engine: engine, folder: t.TempDir(), owner: strings.ReplaceAll(t.Name(), "/", "-")}
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
	id := fmt.Sprintf("%032x", l.n)
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

func TestATaskRunsOnDynamicPortsAndStopsInOrder(t *testing.T) {
	l := newLab(t)
	web := essential("web", "serve", "8080", "wait")
	web.Ports = []machine.Port{{ContainerPort: 8080, Protocol: "tcp"}}
	web.Environment = map[string]string{"COLOUR": "blue"}
	arn := l.start(l.task(web))
	s := l.becomes(arn, machine.Running)
	c := s.Containers[0]
	if len(c.Bindings) != 1 || c.Bindings[0].HostPort < 1024 || c.RuntimeID == "" || c.ImageDigest != "sha256:abc" || s.PullStarted.IsZero() || s.Started.IsZero() {
		t.Fatalf("%+v", s)
	}
	if got := l.get(fmt.Sprintf("http://127.0.0.1:%d/", c.Bindings[0].HostPort)); !strings.Contains(got, "blue") {
		t.Error(got)
	}
	if stats, err := l.machine.Stats(t.Context(), arn, "web"); err != nil || !bytes.Contains(stats, []byte("memory_stats")) {
		t.Errorf("%s, %v", stats, err)
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	s = l.becomes(arn, machine.Stopped)
	if s.Reason != "enough" || s.StopCode != machine.UserInitiated || *s.Containers[0].ExitCode != 0 || s.StoppedAt.IsZero() {
		t.Errorf("%+v", s)
	}
	var logs bytes.Buffer
	if err := l.machine.Logs(t.Context(), arn, "web", false, &logs); err != nil || logs.String() != "stopped\n" {
		t.Errorf("%q, %v", logs.String(), err)
	}
	if err := l.machine.Forget(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	if _, err := l.engine.ContainerInspect(t.Context(), c.RuntimeID); err == nil {
		t.Error("a task that was forgotten leaves its container")
	}
}

func TestContainersWaitForWhatTheyDependOn(t *testing.T) {
	l := newLab(t)
	volume := machine.Mount{Volume: "shared", Path: "/tmp"}
	setup := machine.Container{Name: "setup", Command: []string{"sleep", "1s", "write", "/tmp/done", "exit", "0"}, Mounts: []machine.Mount{volume}}
	db := machine.Container{Name: "db", Command: []string{"sleep", "500ms", "write", "/tmp/up", "wait"}, Mounts: []machine.Mount{volume}, Essential: true,
		Health: &machine.HealthCheck{Command: []string{"CMD", "/probe", "exists", "/tmp/up"}, Interval: time.Second, Timeout: time.Second, Retries: 5}}
	app := essential("app", "say", "begins", "wait")
	app.DependsOn = []machine.Dependency{{Container: "setup", Condition: "SUCCESS"}, {Container: "db", Condition: "HEALTHY"}}
	task := l.task(app, db, setup)
	task.Volumes = []machine.Volume{{Name: "shared"}}
	arn := l.start(task)
	s := l.becomes(arn, machine.Running)
	if s.Health == machine.Unhealthy || !s.Containers[0].Started.After(s.Containers[2].Finished) {
		t.Errorf("%+v", s)
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	s = l.becomes(arn, machine.Stopped)
	if s.Containers[1].Finished.Before(s.Containers[0].Finished) {
		t.Error("what others depend on has to stop last")
	}
	if err := l.machine.Forget(t.Context(), arn); err != nil {
		t.Error(err)
	}
}

func TestWhyATaskDidNotStartIsTold(t *testing.T) {
	l := newLab(t)
	forbidden := essential("app")
	forbidden.Repository = &machine.RepositoryImage{Name: "forbidden"}
	missing := essential("app")
	missing.EntryPoint = []string{"/nothing"}
	privileged := essential("app")
	privileged.Privileged = true
	failing := machine.Container{Name: "setup", Command: []string{"exit", "3"}}
	app := essential("app", "wait")
	app.DependsOn = []machine.Dependency{{Container: "setup", Condition: "SUCCESS"}}
	for name, c := range map[string]struct {
		task   machine.Task
		reason string
	}{
		"pull":       {l.task(forbidden), "CannotPullContainerError: the role may not pull"},
		"start":      {l.task(missing), "CannotStartContainerError"},
		"privileged": {l.task(privileged), "privileged containers are not allowed"},
		"dependency": {l.task(app, failing), "Container app waits for container setup to be SUCCESS"},
	} {
		s := l.becomes(l.start(c.task), machine.Stopped)
		if !strings.Contains(s.Reason, c.reason) || s.StopCode != machine.TaskFailedToStart {
			t.Errorf("%s: %s: %s", name, s.StopCode, s.Reason)
		}
	}
}

func TestAnEssentialContainerTakesTheTaskWithIt(t *testing.T) {
	l := newLab(t)
	side := essential("side", "wait")
	arn := l.start(l.task(essential("app", "sleep", "300ms", "exit", "7"), side))
	s := l.becomes(arn, machine.Stopped)
	if s.StopCode != machine.EssentialContainerExited || *s.Containers[0].ExitCode != 7 || *s.Containers[1].ExitCode != 0 {
		t.Errorf("%+v", s)
	}
	greedy := essential("app", "eat", "512", "wait")
	greedy.Memory = 32
	s = l.becomes(l.start(l.task(greedy)), machine.Stopped)
	if !strings.Contains(s.Containers[0].Reason, "OutOfMemoryError") || *s.Containers[0].ExitCode != 137 {
		t.Errorf("%+v", s)
	}
	deaf := essential("app", "deaf", "sleep", "1h")
	deaf.StopTimeout = time.Second
	arn = l.start(l.task(deaf))
	l.becomes(arn, machine.Running)
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	if s = l.becomes(arn, machine.Stopped); *s.Containers[0].ExitCode != 137 {
		t.Errorf("%+v", s)
	}
}

func TestATaskHasAnAddressOfItsOwn(t *testing.T) {
	l := newLab(t)
	task := l.task(essential("app", "serve", "8080", "wait"), essential("side", "wait"))
	task.NetworkMode, task.CPU, task.Memory = "awsvpc", 256, 128
	for i := range task.Containers {
		task.Containers[i].Memory = 0
	}
	arn := l.start(task)
	s := l.becomes(arn, machine.Running)
	if s.Address == "" || s.MAC == "" {
		t.Fatalf("%+v", s)
	}
	if got := l.get("http://" + s.Address + ":8080/"); !strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	if l.machine.cgroups == cgroupfs1 {
		b, err := os.ReadFile("/sys/fs/cgroup/memory/drydock/" + arn[strings.LastIndex(arn, "/")+1:] + "/memory.limit_in_bytes")
		if err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(128<<20) {
			t.Errorf("the task's limit: %s, %v", b, err)
		}
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	l.becomes(arn, machine.Stopped)
	if err := l.machine.Forget(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	list, err := l.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelOwner+"="+l.owner))})
	if err != nil || len(list) != 0 {
		t.Errorf("%v is left, %v", list, err)
	}
}

func TestEverythingIsFoundAgainAfterAKill(t *testing.T) {
	l := newLab(t)
	lives, dies, vanishes := l.start(l.task(essential("app", "wait"))), l.start(l.task(essential("app", "sleep", "1s", "exit", "4"))), l.start(l.task(essential("app", "wait")))
	for _, arn := range []string{lives, dies, vanishes} {
		l.becomes(arn, machine.Running)
	}
	before := l.state(lives).Containers[0].RuntimeID
	gone := l.state(vanishes).Containers[0].RuntimeID
	// What a killed server leaves: nothing is told to anybody.
	l.machine.Close()
	if err := l.engine.ContainerRemove(t.Context(), gone, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	stray, err := l.engine.ContainerCreate(t.Context(), &container.Config{Image: probe, Cmd: []string{"wait"}, Labels: map[string]string{labelOwner: l.owner, labelTask: "nobody's"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	l.open()
	if s := l.becomes(dies, machine.Stopped); *s.Containers[0].ExitCode != 4 {
		t.Errorf("%+v", s)
	}
	if s := l.becomes(vanishes, machine.Stopped); s.Containers[0].Reason != "The container was removed." {
		t.Errorf("%+v", s)
	}
	if s := l.becomes(lives, machine.Running); s.Containers[0].RuntimeID != before {
		t.Error("a task that went on has another container")
	}
	if _, err := l.engine.ContainerInspect(t.Context(), stray.ID); err == nil {
		t.Error("a container without a task is left")
	}
}

func TestACommandRunsInAContainer(t *testing.T) {
	l := newLab(t)
	app := essential("app", "wait")
	app.Secrets = map[string]string{"PASSWORD": "arn"}
	arn := l.start(l.task(app))
	l.becomes(arn, machine.Running)
	var out, errOut bytes.Buffer
	code, err := l.machine.Exec(t.Context(), arn, "app", machine.Exec{Command: []string{"/probe", "env", "PASSWORD", "env", "ECS_CONTAINER_METADATA_URI_V4", "exit", "9"}, Stdout: &out, Stderr: &errOut})
	if err != nil || code != 9 || out.String() != "secret of app\nhttp://169.254.170.2/v4/app\n" {
		t.Errorf("%d, %v, %q %q", code, err, out.String(), errOut.String())
	}
	if _, err := l.machine.Exec(t.Context(), arn, "other", machine.Exec{Command: []string{"/probe"}}); !errors.Is(err, machine.ErrUnknownTask) {
		t.Error(err)
	}
}

func TestAContainerIsRestartedByItsPolicy(t *testing.T) {
	l := newLab(t)
	app := essential("app", "sleep", "1500ms", "exit", "1")
	app.Restart = &machine.RestartPolicy{Period: time.Second}
	arn := l.start(l.task(app))
	for deadline := time.Now().Add(20 * time.Second); l.state(arn).Containers[0].Restarts < 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || l.state(arn).Status == machine.Stopped {
			t.Fatalf("%+v", l.state(arn))
		}
	}
	app = essential("app", "exit", "2")
	app.Restart = &machine.RestartPolicy{IgnoredExitCodes: []int32{2}}
	l.becomes(l.start(l.task(app)), machine.Stopped)
}
