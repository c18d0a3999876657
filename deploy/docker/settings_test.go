package docker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"drydock/deploy/machine"
)

// What a task definition says of a container is what the program in it finds: these
// tests ask the program.
func TestAContainerIsAsItsDefinitionSays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.privileged = true
	l.machine.Close()
	l.open()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "note"), []byte("from the machine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	zero, ten := int64(0), int64(10)
	for _, c := range []struct {
		name  string
		args  string
		with  func(*machine.Container)
		task  func(*machine.Task)
		wants []string // regular expressions
	}{
		{"the command replaces that of the image, and the entry point too", "", func(c *machine.Container) {
			c.EntryPoint, c.Command = []string{"/probe", "say"}, []string{"one two"}
		}, nil, []string{"^one two\n$"}},
		{"working directory and user", "where", func(c *machine.Container) { c.WorkingDirectory, c.User = "/tmp/below", "1234:99" }, nil,
			[]string{"dir /tmp/below uid 1234 gid 99"}},
		{"hostname", "where", func(c *machine.Container) { c.Hostname = "boat" }, nil, []string{"host boat "}},
		{"environment", "env COLOUR env EMPTY env PASSWORD", func(c *machine.Container) {
			c.Environment, c.Secrets = map[string]string{"COLOUR": "blue = sky", "EMPTY": ""}, map[string]string{"PASSWORD": "arn"}
		}, nil, []string{"^blue = sky\n\nsecret of app\n$"}},
		{"extra hosts, resolvers and search domains", "cat /etc/hosts cat /etc/resolv.conf", func(c *machine.Container) {
			c.ExtraHosts, c.DNSServers, c.DNSSearch = map[string]string{"harbour": "192.0.2.7"}, []string{"192.0.2.53"}, []string{"quay.example"}
		}, nil, []string{`192\.0\.2\.7\s+harbour`, `nameserver 192\.0\.2\.53`, `search quay\.example`}},
		{"memory, its reservation and cpu shares", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes cat /sys/fs/cgroup/cpu/cpu.shares",
			func(c *machine.Container) { c.Memory, c.MemoryReservation, c.CPU = 96, 48, 333 }, nil, []string{fmt.Sprintf("^%d\n%d\n333\n$", 96<<20, 48<<20)}},
		{"without cpu it has the least share", "cat /sys/fs/cgroup/cpu/cpu.shares", nil, nil, []string{"^2\n$"}},
		{"no swap and its own swappiness", "cat /sys/fs/cgroup/memory/memory.swappiness", func(c *machine.Container) { c.Linux.MaxSwap, c.Linux.Swappiness = &zero, &ten }, nil, []string{"^10\n$"}},
		{"swappiness does not count without maxSwap", "cat /sys/fs/cgroup/memory/memory.swappiness", func(c *machine.Container) { c.Linux.Swappiness = &ten }, nil, []string{"^60\n$"}},
		{"maxSwap without memory is no reason to fail", "say fine", func(c *machine.Container) { c.Memory, c.MemoryReservation, c.Linux.MaxSwap = 0, 32, &ten }, nil, []string{"^fine\n$"}},
		{"ulimits", "cat /proc/self/limits", func(c *machine.Container) { c.Ulimits = []machine.Ulimit{{Name: "nofile", Soft: 500, Hard: 600}} }, nil, []string{`Max open files\s+[56]\d\d\s+600`}},
		{"tmpfs", "cat /proc/mounts", func(c *machine.Container) {
			c.Linux.Tmpfs = []machine.Tmpfs{{Path: "/scratch", Size: 3, Options: []string{"noexec", "mode=700"}}}
		}, nil, []string{`tmpfs /scratch tmpfs \S*noexec\S*size=3072k\S*mode=700`}},
		{"shared memory", "cat /proc/mounts", func(c *machine.Container) { c.Linux.SharedMemory = 5 }, nil, []string{`/dev/shm tmpfs \S*size=5120k`}},
		{"system controls of its own namespaces", "cat /proc/sys/net/core/somaxconn cat /proc/sys/kernel/msgmax", func(c *machine.Container) {
			c.Sysctls = map[string]string{"net.core.somaxconn": "321", "kernel.msgmax": "9000"}
		}, nil, []string{"^321\n9000\n$"}},
		{"capabilities", "cat /proc/self/status", func(c *machine.Container) {
			c.Linux.DropCapabilities, c.Linux.AddCapabilities = []string{"ALL"}, []string{"SYS_PTRACE"}
		}, nil, []string{"CapEff:\t0000000000080000"}},
		{"a read-only root with a volume to write to", "write /x write /data/x cat /proc/mounts", func(c *machine.Container) {
			c.ReadOnlyRoot, c.Command = true, nil
			c.Command = []string{"write", "/data/x", "cat", "/proc/mounts", "write", "/x"}
			c.Mounts = []machine.Mount{{Volume: "data", Path: "/data"}}
		}, func(t *machine.Task) { t.Volumes = []machine.Volume{{Name: "data"}} }, []string{`overlay / overlay ro,`, "read-only file system"}},
		{"a folder of the machine, not to be written to", "cat /host/note write /host/x", func(c *machine.Container) {
			c.Mounts = []machine.Mount{{Volume: "host", Path: "/host", ReadOnly: true}}
		}, func(t *machine.Task) { t.Volumes = []machine.Volume{{Name: "host", HostPath: folder}} }, []string{"from the machine\n", "read-only file system"}},
		{"a device with its permissions", "cat /dev/nothing", func(c *machine.Container) {
			c.Linux.Devices = []machine.Device{{Host: "/dev/null", Container: "/dev/nothing", Permissions: []string{"read"}}}
		}, nil, []string{"^$"}},
		{"an init process", "where cat /proc/1/comm", func(c *machine.Container) { c.Linux.Init = true }, nil, []string{`pid [2-9]`, "init|tini"}},
		{"a terminal and an open input", "terminal", func(c *machine.Container) { c.Terminal, c.Interactive = true, true }, nil, []string{"out true"}},
		{"no terminal", "terminal", nil, nil, []string{"out false"}},
		{"no network", "cat /proc/net/dev", nil, func(t *machine.Task) { t.NetworkMode = "none" }, []string{`lo:`}},
		{"networking disabled", "cat /proc/net/dev", func(c *machine.Container) { c.DisableNetworking = true }, nil, []string{`lo:`}},
		{"the machine's network", "cat /proc/net/dev", nil, func(t *machine.Task) { t.NetworkMode = "host" }, []string{`docker0|dd-|eth0|ens`}},
		{"an address of its own, with resolvers and system controls", "cat /etc/resolv.conf cat /proc/sys/net/core/somaxconn cat /proc/net/dev", func(c *machine.Container) {
			c.DNSServers, c.Sysctls = []string{"192.0.2.53"}, map[string]string{"net.core.somaxconn": "222"}
		}, func(t *machine.Task) { t.NetworkMode = "awsvpc" }, []string{`nameserver 192\.0\.2\.53|127\.0\.0\.11`, "222\n", "eth0"}},
		{"the processes of the task", "cat /proc/1/comm", nil, func(t *machine.Task) { t.PidMode = "task" }, []string{"^pause\n$"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.t = t
			app := essential("app", strings.Fields(c.args)...)
			if c.with != nil {
				c.with(&app)
			}
			task := l.task(app)
			if c.task != nil {
				c.task(&task)
			}
			got := l.prints(task)
			for _, want := range c.wants {
				if !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("%q is not in what it wrote:\n%s\n%+v", want, got, l.state(task.ARN))
				}
			}
			if strings.Contains(c.name, "no network") && strings.Contains(got, "eth0") {
				t.Error("it has a network")
			}
			if err := l.machine.Forget(t.Context(), task.ARN); err != nil {
				t.Error(err)
			}
		})
	}
	l.t = t
}

func TestLabelsAndTheirOwnerAreOnContainers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	app := essential("app", "wait")
	app.Labels = map[string]string{"team": "dock", labelOwner: "somebody", labelTask: "another"}
	arn := l.start(l.task(app))
	s := l.becomes(arn, machine.Running)
	v, err := l.engine.ContainerInspect(t.Context(), s.Containers[0].RuntimeID)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Config.Labels; got["team"] != "dock" || got[labelOwner] != l.owner || got[labelTask] != arn || got[labelContainer] != "app" {
		t.Errorf("%v", got)
	}
}

func TestPrivilegeIsHadWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.machine.Close()
	l.privileged = true
	l.open()
	app := essential("app", "wait")
	app.Privileged = true
	arn := l.start(l.task(app))
	for deadline := time.Now().Add(20 * time.Second); l.state(arn).Containers[0].RuntimeID == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", l.state(arn))
		}
	}
	// Whether the Engine itself may is the machine's own affair.
	if v, err := l.engine.ContainerInspect(t.Context(), l.state(arn).Containers[0].RuntimeID); err != nil || !v.HostConfig.Privileged {
		t.Errorf("%+v, %v", v.HostConfig, err)
	}
}

func TestWhatGivesPowerOverTheMachineIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for what, with := range map[string]func(*machine.Task, *machine.Container){
		"privileged containers":              func(_ *machine.Task, c *machine.Container) { c.Privileged = true },
		"devices of the machine":             func(_ *machine.Task, c *machine.Container) { c.Linux.Devices = []machine.Device{{Host: "/dev/null"}} },
		"Docker's security options":          func(_ *machine.Task, c *machine.Container) { c.DockerSecurityOptions = []string{"no-new-privileges"} },
		"processes beside those of the mach": func(t *machine.Task, _ *machine.Container) { t.PidMode = "host" },
		"further capabilities":               func(_ *machine.Task, c *machine.Container) { c.Linux.AddCapabilities = []string{"SYS_ADMIN"} },
		"folders of the machine": func(t *machine.Task, c *machine.Container) {
			t.Volumes, c.Mounts = []machine.Volume{{Name: "v", HostPath: "/"}}, []machine.Mount{{Volume: "v", Path: "/v"}}
		},
		"there are no GPUs on this machine": func(_ *machine.Task, c *machine.Container) { c.GPUs = 1 },
		"net.ipv4.ip_forward|sysctl":        func(_ *machine.Task, c *machine.Container) { c.Sysctls = map[string]string{"kernel.panic": "1"} },
	} {
		task := l.task(essential("app", "wait"))
		with(&task, &task.Containers[0])
		s := l.becomes(l.start(task), machine.Stopped)
		if !regexp.MustCompile(what).MatchString(s.Reason) || s.StopCode != machine.TaskFailedToStart {
			t.Errorf("%s: %s: %s", what, s.StopCode, s.Reason)
		}
	}
}

func TestVolumesAreTheTasksOrShared(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	name := "kept-" + strings.ToLower(t.Name())
	t.Cleanup(func() { _ = l.engine.VolumeRemove(t.Context(), name, true) })
	task := func(args ...string) machine.Task {
		app := essential("app", args...)
		app.Mounts = []machine.Mount{{Volume: "own", Path: "/own"}, {Volume: name, Path: "/shared"}}
		v := l.task(app)
		v.Volumes = []machine.Volume{{Name: "own"}, {Name: name, Shared: true, Autoprovision: true, Labels: map[string]string{"a": "b"}}}
		return v
	}
	first := task("write", "/own/x", "write", "/shared/x")
	l.prints(first)
	own := volumeName(&first, first.Volumes[0])
	if _, err := l.engine.VolumeInspect(t.Context(), own); err != nil {
		t.Error(err)
	}
	if err := l.machine.Forget(t.Context(), first.ARN); err != nil {
		t.Fatal(err)
	}
	if _, err := l.engine.VolumeInspect(t.Context(), own); err == nil {
		t.Error("a task's own volume outlives it")
	}
	second := task("cat", "/own/x", "cat", "/shared/x", "say", "read")
	if got := l.prints(second); strings.Count(got, "no such file") != 1 || !strings.Contains(got, "/own/x") {
		t.Errorf("a shared volume is kept, another not: %s", got)
	}
	if v, err := l.engine.VolumeInspect(t.Context(), name); err != nil || v.Labels["a"] != "b" {
		t.Errorf("%+v, %v", v, err)
	}
	absent := l.task(essential("app", "wait"))
	absent.Volumes = []machine.Volume{{Name: "nowhere-" + name, Shared: true}}
	if s := l.becomes(l.start(absent), machine.Stopped); !strings.HasPrefix(s.Reason, "CannotCreateVolumeError: ") {
		t.Error(s.Reason)
	}
}

func TestAContainerTakesTheVolumesOfAnotherAndALink(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	web := machine.Container{Name: "web", Command: []string{"write", "/data/x", "serve", "8080", "wait"}, Mounts: []machine.Mount{{Volume: "data", Path: "/data"}}, Essential: true,
		Health: &machine.HealthCheck{Command: []string{"CMD", "/probe", "get", "http://127.0.0.1:8080/"}, Interval: 500 * time.Millisecond, Timeout: time.Second, Retries: 20}}
	app := essential("app", "cat", "/data/x", "look", "shop", "write", "/data/y")
	app.VolumesFrom, app.Links = []machine.VolumesFrom{{Container: "web", ReadOnly: true}}, []string{"web:shop"}
	app.DependsOn = []machine.Dependency{{Container: "web", Condition: "HEALTHY"}}
	task := l.task(app, web)
	task.Volumes = []machine.Volume{{Name: "data"}}
	if got := l.prints(task); !regexp.MustCompile(`^\[[0-9.]+\] <nil>`).MatchString(got) || !strings.Contains(got, "read-only file system") || strings.Contains(got, "no such file") {
		t.Error(got)
	}
}

func TestPortsOfTheMachineAreAsAsked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	static := essential("app", "serve", "8080", "wait")
	static.Ports = []machine.Port{{ContainerPort: 8080, HostPort: 18987, Protocol: "tcp"}, {ContainerPort: 8080, Protocol: "udp"}}
	arn := l.start(l.task(static))
	s := l.becomes(arn, machine.Running)
	if got := l.get("http://127.0.0.1:18987/"); !strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	for _, b := range s.Containers[0].Bindings {
		if b.Protocol == "tcp" && b.HostPort != 18987 || b.Protocol == "udp" && (b.HostPort < 32768 || b.HostPort > 65535) {
			t.Errorf("%+v", b)
		}
	}
	second := l.becomes(l.start(l.task(static)), machine.Stopped)
	if !strings.HasPrefix(second.Reason, "CannotStartContainerError: ") || !strings.Contains(second.Reason, "18987") || second.StopCode != machine.TaskFailedToStart {
		t.Errorf("a port that is taken: %+v", second)
	}
	ranged := essential("app", "serve", "9003", "wait")
	ranged.Ports = []machine.Port{{ContainerPortRange: "9000-9004", Protocol: "tcp"}}
	a, b := l.start(l.task(ranged)), l.start(l.task(ranged))
	seen := map[string]bool{}
	for _, arn := range []string{a, b} {
		got := l.becomes(arn, machine.Running).Containers[0].Bindings
		if len(got) != 1 || got[0].ContainerPortRange != "9000-9004" || seen[got[0].HostPortRange] {
			t.Fatalf("%+v", got)
		}
		seen[got[0].HostPortRange] = true
		single := got[0].Singly()
		if len(single) != 5 || single[3].ContainerPort != 9003 {
			t.Fatalf("%+v", single)
		}
		if hello := l.get(fmt.Sprintf("http://127.0.0.1:%d/", single[3].HostPort)); !strings.HasPrefix(hello, "hello") {
			t.Error(hello)
		}
	}
	host := essential("app", "serve", "18988", "wait")
	host.Ports = []machine.Port{{ContainerPort: 18988, Protocol: "tcp"}}
	task := l.task(host)
	task.NetworkMode = "host"
	if got := l.becomes(l.start(task), machine.Running).Containers[0].Bindings; len(got) != 1 || got[0].HostPort != 18988 {
		t.Errorf("%+v", got)
	}
	l.get("http://127.0.0.1:18988/")
}

func TestATasksLimitHoldsForAllOfItsContainers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if l.machine.cgroups == "" {
		t.Skip("this Engine has no cgroups in which tasks can be limited")
	}
	eater, other := machine.Container{Name: "app", Essential: true, Command: []string{"sleep", "500ms", "eat", "200", "wait"}}, machine.Container{Name: "other", Essential: true, Command: []string{"wait"}}
	task := l.task(eater, other)
	task.CPU, task.Memory, task.LaunchType = 256, 64, "FARGATE"
	arn := l.start(task)
	s := l.becomes(arn, machine.Stopped)
	if s.Containers[0].Reason != "OutOfMemoryError: Container killed due to memory usage" || *s.Containers[0].ExitCode != 137 || s.StopCode != machine.EssentialContainerExited {
		t.Errorf("%+v", s)
	}
	if s.Containers[1].Reason != "" {
		t.Errorf("the other one was not killed: %+v", s.Containers[1])
	}
	folders, _ := filepath.Glob("/sys/fs/cgroup/memory/drydock/" + arn[strings.LastIndex(arn, "/")+1:])
	if err := l.machine.Forget(t.Context(), arn); err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if _, err := os.Stat(f); err == nil {
			t.Error("the cgroup of a task that was forgotten is left")
		}
	}
}

func TestLogDriversAreDockers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	app := essential("app", "say", "hello", "wait")
	app.Log = &machine.Log{Driver: "json-file", Options: map[string]string{"max-size": "1m", "tag": "x"}}
	arn := l.start(l.task(app))
	s := l.becomes(arn, machine.Running)
	v, err := l.engine.ContainerInspect(t.Context(), s.Containers[0].RuntimeID)
	if err != nil || v.HostConfig.LogConfig.Type != "json-file" || v.HostConfig.LogConfig.Config["max-size"] != "1m" {
		t.Errorf("%+v, %v", v.HostConfig.LogConfig, err)
	}
	app.Log = &machine.Log{Driver: "none"}
	arn = l.start(l.task(app))
	l.becomes(arn, machine.Running)
	var b bytes.Buffer
	if err := l.machine.Logs(t.Context(), arn, "app", false, &b); err == nil && b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
}
