package docker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"drydock/deploy/machine"
)

func TestATaskRunsOnDynamicPortsAndStopsInOrder(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

func TestATaskThatEndsAtOnceRunsOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var list []string
	for range 16 {
		list = append(list, l.start(l.task(essential("app", "say", "once"))))
	}
	for _, arn := range list {
		l.becomes(arn, machine.Stopped)
		var said bytes.Buffer
		if err := l.machine.Logs(t.Context(), arn, "app", false, &said); err != nil || said.String() != "once\n" {
			t.Errorf("%q, %v", said.String(), err)
		}
	}
}

func TestWhyATaskDidNotStartIsTold(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	deaf := essential("app", "deaf", "say", "deaf", "sleep", "1h")
	deaf.StopTimeout = time.Second
	arn = l.start(l.task(deaf))
	l.becomes(arn, machine.Running)
	l.says(arn, "app", "deaf\n")
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	if s = l.becomes(arn, machine.Stopped); *s.Containers[0].ExitCode != 137 {
		t.Errorf("%+v", s)
	}
}

func TestATaskHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
