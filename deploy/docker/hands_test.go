package docker

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"drydock/deploy/machine"
)

// What somebody does to the containers of tasks by hand.

// left are the containers that a task has.
func (l *lab) left(arn string) (list []string) {
	l.t.Helper()
	all, err := l.engine.ContainerList(l.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelTask+"="+arn), filters.Arg("label", labelOwner+"="+l.owner))})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range all {
		list = append(list, c.ID+" "+c.State)
	}
	return list
}

// rests waits until no container of a task runs, and sees to it that it stays so.
func (l *lab) rests(arn string) {
	l.t.Helper()
	running := func() bool {
		for _, c := range l.left(arn) {
			if strings.HasSuffix(c, " running") {
				return true
			}
		}
		return false
	}
	quiet := 0
	for deadline := time.Now().Add(20 * time.Second); quiet < 10; time.Sleep(50 * time.Millisecond) {
		if quiet++; running() {
			quiet = 0
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("a container of a task that has stopped runs: %v", l.left(arn))
		}
	}
}

func TestWhatHandsDoToContainersIsMet(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx := t.Context()
	for _, c := range []struct {
		name string
		do   func(id string) error
		code int // -1: the task goes on
	}{
		{"killed", func(id string) error { return l.engine.ContainerKill(ctx, id, "KILL") }, 137},
		{"stopped", func(id string) error { return l.engine.ContainerStop(ctx, id, container.StopOptions{}) }, 0},
		{"removed", func(id string) error { return l.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}) }, 137},
		{"renamed", func(id string) error { return l.engine.ContainerRename(ctx, id, "renamed-"+id[:8]) }, -1},
		{"paused", func(id string) error { return l.engine.ContainerPause(ctx, id) }, -1},
		{"given other limits", func(id string) error {
			_, err := l.engine.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{Memory: 128 * mib, MemorySwap: -1}})
			return err
		}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.t = t
			app := essential("app", "wait")
			app.StopTimeout = 2 * time.Second
			arn := l.start(l.task(app))
			s := l.becomes(arn, machine.Running)
			id := s.Containers[0].RuntimeID
			if err := c.do(id); err != nil {
				t.Fatal(err)
			}
			if c.code < 0 {
				l.machine.reached()
				time.Sleep(500 * time.Millisecond)
				if s := l.state(arn); s.Status != machine.Running || s.Containers[0].RuntimeID != id {
					t.Fatalf("%+v", s)
				}
				if err := l.machine.Stop(ctx, arn, machine.UserInitiated, "enough"); err != nil {
					t.Fatal(err)
				}
			}
			s = l.becomes(arn, machine.Stopped)
			if e := s.Containers[0].ExitCode; c.code >= 0 && e != nil && *e != c.code {
				t.Errorf("%d: %+v", *e, s)
			}
			l.rests(arn)
			if err := l.machine.Forget(ctx, arn); err != nil {
				t.Fatal(err)
			}
			if left := l.left(arn); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
	l.t = t
}

func TestAContainerThatHandsStartAfterItsTaskIsStopped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	arn := l.start(l.task(essential("app", "wait"), essential("side", "wait")))
	s := l.becomes(arn, machine.Running)
	if err := l.engine.ContainerRestart(t.Context(), s.Containers[0].RuntimeID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	// Whether the end was seen before the new beginning is chance; the task and its
	// containers have to agree either way.
	time.Sleep(time.Second)
	if l.state(arn).Status == machine.Running {
		if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
			t.Fatal(err)
		}
	}
	l.becomes(arn, machine.Stopped)
	l.rests(arn)
	if err := l.engine.ContainerStart(t.Context(), s.Containers[1].RuntimeID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	l.rests(arn)
	if got := l.state(arn); got.Status != machine.Stopped {
		t.Errorf("%+v", got)
	}
}

func TestATaskWhoseNetworkIsTakenAwayEnds(t *testing.T) {
	l := newLab(t)
	task := l.task(essential("app", "wait"))
	task.NetworkMode = "awsvpc"
	arn := l.start(task)
	l.becomes(arn, machine.Running)
	if err := l.engine.ContainerRemove(t.Context(), pauseContainer(&task), container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	s := l.becomes(arn, machine.Stopped)
	if !strings.HasPrefix(s.Reason, "Essential container in task exited") {
		t.Errorf("%+v", s)
	}
	l.rests(arn)

	// Without the network and the image that tasks share, they are made again.
	if err := l.engine.NetworkRemove(t.Context(), taskNetwork); err != nil {
		t.Fatal(err)
	}
	if _, err := l.engine.ImageRemove(t.Context(), pauseImage, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	var arns []string
	for range 4 {
		task := l.task(essential("app", "wait"))
		task.NetworkMode = "awsvpc"
		arns = append(arns, l.start(task))
	}
	for _, arn := range arns {
		if s := l.becomes(arn, machine.Running); s.Address == "" || !strings.Contains(s.Subnet, "/") {
			t.Errorf("%+v", s)
		}
	}
	states := map[machine.Status]bool{}
	if err := l.machine.Stop(t.Context(), arns[0], machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !states[machine.Stopped] && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		states[l.state(arns[0]).Status] = true
	}
	if !states[machine.Deprovisioning] || !states[machine.Stopped] || l.state(arns[0]).ExecutionStopped.After(l.state(arns[0]).StoppedAt) {
		t.Errorf("%v %+v", states, l.state(arns[0]))
	}
	if got := l.left(arns[0]); len(got) != 1 {
		t.Errorf("what held the network of a task that has stopped is left: %v", got)
	}
}

func TestAnImageThatHandsRemoveIsNotMissed(t *testing.T) {
	l := newLab(t)
	app := essential("app", "sleep", "1500ms", "exit", "1")
	app.Restart = &machine.RestartPolicy{Period: time.Second}
	arn := l.start(l.task(app))
	l.becomes(arn, machine.Running)
	if _, err := l.engine.ImageRemove(t.Context(), probe, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); l.state(arn).Containers[0].Restarts < 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) || l.state(arn).Status == machine.Stopped {
			t.Fatalf("%+v", l.state(arn))
		}
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	l.becomes(arn, machine.Stopped)
}

// refusing refuses all images from when it is told to.
type refusing struct {
	keeper
	refuse bool
}

func (k *refusing) Image(ctx context.Context, t machine.Task, i machine.RepositoryImage) (machine.Pull, error) {
	if k.refuse {
		return machine.Pull{}, errors.New("the role is gone")
	}
	return k.keeper.Image(ctx, t, i)
}

func TestATaskThatRunsNeedsNoImageAfterARestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	k := &refusing{}
	l.machine.Close()
	l.keeper = k
	l.open()
	arn := l.start(l.task(essential("app", "wait")))
	id := l.becomes(arn, machine.Running).Containers[0].RuntimeID
	renamed := l.start(l.task(essential("app", "wait")))
	other := l.becomes(renamed, machine.Running).Containers[0].RuntimeID
	l.machine.Close()
	k.refuse = true
	if err := l.engine.ContainerRename(t.Context(), other, "renamed-"+other[:8]); err != nil {
		t.Fatal(err)
	}
	l.open()
	time.Sleep(time.Second)
	for arn, id := range map[string]string{arn: id, renamed: other} {
		if s := l.state(arn); s.Status != machine.Running || s.Containers[0].RuntimeID != id || len(l.left(arn)) != 1 {
			t.Errorf("%+v %v", s, l.left(arn))
		}
	}
}

// slow gives images only when it is let.
type slow struct {
	keeper
	asked, ended chan struct{}
}

func (k *slow) Image(ctx context.Context, t machine.Task, i machine.RepositoryImage) (machine.Pull, error) {
	k.asked <- struct{}{}
	<-ctx.Done()
	k.ended <- struct{}{}
	return machine.Pull{}, ctx.Err()
}

func TestAPullEndsWithItsTask(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	k := &slow{asked: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
	l.machine.Close()
	l.keeper = k
	l.open()
	arn := l.start(l.task(essential("app", "wait")))
	<-k.asked
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	s := l.becomes(arn, machine.Stopped)
	if s.Reason != "enough" || s.Containers[0].Reason != "" {
		t.Errorf("%+v", s)
	}
	select {
	case <-k.ended:
	case <-time.After(10 * time.Second):
		t.Error("the pull goes on")
	}
}

func TestACommandEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	arn := l.start(l.task(essential("app", "wait")))
	id := l.becomes(arn, machine.Running).Containers[0].RuntimeID
	for _, args := range [][]string{{"/probe", "sleep", "1h"}, {"/probe", "deaf", "sleep", "1h"}} {
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := l.machine.Exec(ctx, arn, "app", machine.Exec{Command: args, Stdout: io.Discard, Stderr: io.Discard})
			ended <- err
		}()
		processes := func() int {
			top, err := l.engine.ContainerTop(t.Context(), id, nil)
			if err != nil {
				t.Fatal(err)
			}
			return len(top.Processes)
		}
		for deadline := time.Now().Add(10 * time.Second); processes() < 2; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the command does not begin")
			}
		}
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for deadline := time.Now().Add(10 * time.Second); processes() > 1; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v goes on", args)
			}
		}
	}
	if l.state(arn).Status != machine.Running {
		t.Error("the container ended too")
	}
}
