package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"drydock/deploy/machine"
)

// engine is a dockerd of the test's own, to be ended and hung.
type engine struct {
	t      *testing.T
	folder string
	flags  []string
	daemon *exec.Cmd
}

// newEngine starts one that has no network.
func newEngine(t *testing.T, flags ...string) *engine {
	t.Helper()
	if os.Getenv("DRYDOCK_TEST_ENGINE") == "" || os.Geteuid() != 0 {
		t.Skip("an Engine of the test's own is begun by root, and where DRYDOCK_TEST_ENGINE is set")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("there is no dockerd here")
	}
	folder, err := os.MkdirTemp("", "ddout") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, folder: folder, flags: flags}
	t.Cleanup(e.remove)
	e.begin()
	return e
}

func (e *engine) host() string { return "unix://" + e.folder + "/s" }

func (e *engine) begin() {
	e.t.Helper()
	log, err := os.OpenFile(e.folder+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"--data-root", e.folder + "/data", "--exec-root", e.folder + "/exec", "--pidfile", e.folder + "/pid", "--host", e.host(),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"}, e.flags...)
	e.daemon = exec.Command("dockerd", args...)
	e.daemon.Stdout, e.daemon.Stderr = log, log
	e.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// One that was killed leaves these behind, and a process that nobody waited for looks
	// as if it ran.
	_, _ = os.Remove(e.folder+"/pid"), os.Remove(e.folder+"/exec/containerd/containerd.pid")
	if err := e.daemon.Start(); err != nil {
		e.t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := exec.CommandContext(ctx, "docker", "-H", e.host(), "version").Run()
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(e.folder + "/log")
			e.t.Fatalf("dockerd does not answer: %s", said)
		}
	}
}

func (e *engine) signal(s syscall.Signal) {
	e.t.Helper()
	if err := e.daemon.Process.Signal(s); err != nil {
		e.t.Fatal(err)
	}
}

// end ends it by a signal and waits until it has.
func (e *engine) end(s syscall.Signal) {
	e.t.Helper()
	e.signal(s)
	_ = e.daemon.Wait() // how it ends was asked for
}

// remove ends what was begun: dockerd, the containerd that it leaves when it is
// killed, and what that mounted.
func (e *engine) remove() {
	_ = e.daemon.Process.Signal(syscall.SIGCONT)
	_ = e.daemon.Process.Signal(syscall.SIGTERM)
	_ = e.daemon.Wait()
	e.killRest()
	mounts, _ := os.ReadFile("/proc/mounts")
	lines := strings.Split(string(mounts), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], e.folder+"/") {
			_ = syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
	if err := os.RemoveAll(e.folder); err != nil {
		e.t.Log(err)
	}
}

// killRest ends what an Engine that was killed leaves behind: its containerd and the
// shims, which have its folder among their arguments, and their containers with them.
func (e *engine) killRest() {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		args, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(args), e.folder+"/") || !strings.HasPrefix(filepath.Base(strings.SplitN(string(args), "\x00", 2)[0]), "containerd") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(f, "/")[2]); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// plainTask needs no network.
func (l *lab) plainTask(containers ...machine.Container) machine.Task {
	t := l.task(containers...)
	t.NetworkMode = "none"
	return t
}

func TestWhatRanIsToldAfterTheEngineWasRestarted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags []string
		by    syscall.Signal
		lives bool
	}{
		{"ended", nil, syscall.SIGTERM, false},
		{"killed", nil, syscall.SIGKILL, false},
		{"ended with live-restore", []string{"--live-restore"}, syscall.SIGTERM, true},
		{"killed with live-restore", []string{"--live-restore"}, syscall.SIGKILL, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, c.flags...)
			l := newLabAt(t, e.host())
			arn, exits := l.start(l.plainTask(essential("app", "wait"))), l.start(l.plainTask(essential("app", "sleep", "2s", "exit", "3")))
			id := l.becomes(arn, machine.Running).Containers[0].RuntimeID
			l.becomes(exits, machine.Running)
			e.end(c.by)
			time.Sleep(3 * time.Second)
			if s := l.state(arn); s.ARN != arn {
				t.Error("a machine whose Engine is away knows its tasks")
			}
			during := l.start(l.plainTask(essential("app", "wait"))) // it waits
			e.begin()
			l.becomes(during, machine.Running)
			if s := l.becomes(exits, machine.Stopped); c.lives && s.Containers[0].ExitCode != nil && *s.Containers[0].ExitCode != 3 {
				t.Errorf("%+v, %d", s, *s.Containers[0].ExitCode)
			}
			if c.lives {
				l.machine.reached()
				time.Sleep(500 * time.Millisecond)
				if s := l.state(arn); s.Status != machine.Running || s.Containers[0].RuntimeID != id {
					t.Errorf("%+v", s)
				}
				if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
					t.Fatal(err)
				}
			}
			s := l.becomes(arn, machine.Stopped)
			if !c.lives && s.StopCode != machine.EssentialContainerExited {
				t.Errorf("%+v", s)
			}
			l.rests(arn)
		})
	}
}

func TestAnEngineThatIsKilledAmidTheStartsOfTasks(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	l := newLabAt(t, e.host())
	var arns []string
	for range 6 {
		arns = append(arns, l.start(l.plainTask(essential("app", "wait"), essential("side", "wait"))))
	}
	for _, after := range []time.Duration{150 * time.Millisecond, 400 * time.Millisecond} {
		time.Sleep(after)
		e.end(syscall.SIGKILL)
		e.begin()
	}
	for _, arn := range arns {
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			s := l.state(arn)
			if s.Status == machine.Running || s.Status == machine.Stopped {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%+v", s)
			}
		}
		s := l.state(arn)
		if strings.Contains(s.Reason, "daemon") || strings.Contains(s.Reason, "EOF") {
			t.Errorf("that the Engine was away is no reason for a task to fail: %s", s.Reason)
		}
		if got := l.left(arn); len(got) > 2 {
			t.Errorf("a container was made twice: %v", got)
		}
		if s.Status == machine.Stopped {
			l.rests(arn)
		}
	}
}

func TestAnEngineThatHangsBlocksNobody(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	l := newLabAt(t, e.host())
	arn := l.start(l.plainTask(essential("app", "wait")))
	l.becomes(arn, machine.Running)
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- l.machine.Watch(t.Context(), func() { close(ready) }, func(machine.State) {}) }()
	<-ready
	e.signal(syscall.SIGSTOP)
	began := time.Now()
	select {
	case err := <-ended:
		if !errors.Is(err, machine.ErrUnavailable) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nobody notices that the Engine hangs")
	}
	if _, err := l.machine.Describe(t.Context()); !errors.Is(err, machine.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := l.machine.Stats(t.Context(), arn, "app"); !errors.Is(err, machine.ErrUnavailable) {
		t.Error(err)
	}
	if s := l.state(arn); s.Status != machine.Running {
		t.Errorf("%+v", s)
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Error(err)
	}
	late := l.start(l.plainTask(essential("app", "wait")))
	t.Logf("the Engine hung for %v", time.Since(began))
	e.signal(syscall.SIGCONT)
	if s := l.becomes(arn, machine.Stopped); s.Reason != "enough" {
		t.Errorf("%+v", s)
	}
	l.becomes(late, machine.Running)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithCancel(t.Context())
		err := l.machine.Watch(ctx, cancel, func(machine.State) {})
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the Engine is back and nobody notices: %v", err)
		}
	}
	// One that hangs does not keep the server from ending either.
	e.signal(syscall.SIGSTOP)
	closed := make(chan error, 1)
	go func() { closed <- l.machine.Close() }()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the machine cannot be closed")
	}
	e.signal(syscall.SIGCONT)
}

func TestADiskWithoutRoomIsTheReason(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "ddfull")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if os.Geteuid() == 0 && os.Getenv("DRYDOCK_TEST_ENGINE") != "" {
		if err := syscall.Mount("none", folder, "tmpfs", 0, "size=48m"); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	}
	e := newEngine(t, "--data-root", filepath.Join(folder, "data"))
	l := newLabAt(t, e.host())
	task := l.plainTask(essential("app", "wait"))
	task.Containers[0].Repository, task.Containers[0].Image = nil, l.serveImage(64<<20)
	arn := l.start(task)
	s := l.becomes(arn, machine.Stopped)
	if !strings.HasPrefix(s.Reason, "CannotPullContainerError: ") || !strings.Contains(s.Reason, "no space left on device") {
		t.Errorf("%+v", s)
	}
	other := l.start(l.plainTask(essential("app", "wait")))
	id := l.becomes(other, machine.Running).Containers[0].RuntimeID
	if _, err := l.engine.ContainerInspect(t.Context(), id); err != nil {
		t.Error(err)
	}
	if err := l.engine.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}
