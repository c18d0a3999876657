// Package machinetest is what every machine has to pass: the part of the contract in
// deploy/machine that can be seen from outside.
package machinetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"drydock/deploy/machine"
)

// Bench is a machine to be tested.
type Bench struct {
	Machine machine.Machine
	// Task makes a task of one essential container named "app", which runs until it
	// is stopped, each time another.
	Task func() machine.Task
	// Pass lets a little time pass.
	Pass func()
	// Command succeeds in a container.
	Command []string
}

// patience is how long what has to happen may take.
const patience = 40 * time.Second

// Run tests the machine that open makes, anew for each test.
func Run(t *testing.T, open func(*testing.T) Bench) {
	for name, test := range map[string]func(*testing.T, Bench){
		"it describes itself, always as the same":        describes,
		"a task runs, stops and is forgotten":            lives,
		"a task that is started twice runs once":         once,
		"a task that it does not have is told STOPPED":   unknown,
		"what changes is told, and states never go back": watched,
		"commands run in containers that run":            commands,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func describes(t *testing.T, b Bench) {
	first, err := b.Machine.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Machine.Describe(t.Context())
	if err != nil || first.ID == "" || first.ID != second.ID || first.CPU <= 0 || first.Memory <= 0 {
		t.Errorf("%+v, %+v, %v", first, second, err)
	}
}

// find is a task's state, and whether the machine has it.
func (b Bench) find(t *testing.T, arn string) (machine.State, bool) {
	t.Helper()
	all, err := b.Machine.Tasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s machine.State) bool { return s.ARN == arn })
	if i < 0 {
		return machine.State{}, false
	}
	return all[i], true
}

func (b Bench) becomes(t *testing.T, arn string, want machine.Status) machine.State {
	t.Helper()
	for deadline := time.Now().Add(patience); ; b.Pass() {
		s, _ := b.find(t, arn)
		if s.Status == want {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the task does not become %s: %+v", want, s)
		}
	}
}

func (b Bench) start(t *testing.T) machine.Task {
	t.Helper()
	task := b.Task()
	if err := b.Machine.Start(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return task
}

func lives(t *testing.T, b Bench) {
	arn := b.start(t).ARN
	s := b.becomes(t, arn, machine.Running)
	if len(s.Containers) != 1 || s.Containers[0].Status != machine.Running || s.Containers[0].RuntimeID == "" || s.PullStarted.IsZero() || s.PullStopped.Before(s.PullStarted) || s.Started.Before(s.PullStopped) {
		t.Errorf("%+v", s)
	}
	if err := b.Machine.Forget(t.Context(), arn); err != nil {
		t.Error(err)
	}
	if _, has := b.find(t, arn); !has {
		t.Error("a task that runs was forgotten")
	}
	for _, why := range []string{"enough", "again"} {
		if err := b.Machine.Stop(t.Context(), arn, machine.UserInitiated, why); err != nil {
			t.Error(err)
		}
	}
	s = b.becomes(t, arn, machine.Stopped)
	if s.Reason != "enough" || s.StopCode != machine.UserInitiated || s.Stopping.IsZero() || s.ExecutionStopped.Before(s.Stopping) || s.StoppedAt.Before(s.ExecutionStopped) {
		t.Errorf("%+v", s)
	}
	if c := s.Containers[0]; c.Status != machine.Stopped || c.ExitCode == nil {
		t.Errorf("%+v", c)
	}
	for range 2 {
		if err := b.Machine.Forget(t.Context(), arn); err != nil {
			t.Error(err)
		}
	}
	if _, has := b.find(t, arn); has {
		t.Error("a task that was forgotten is still there")
	}
}

func once(t *testing.T, b Bench) {
	task := b.start(t)
	id := b.becomes(t, task.ARN, machine.Running).Containers[0].RuntimeID
	if err := b.Machine.Start(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	b.Pass()
	all, err := b.Machine.Tasks(t.Context())
	if s, _ := b.find(t, task.ARN); err != nil || s.Containers[0].RuntimeID != id || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if err := b.Machine.Stop(t.Context(), task.ARN, machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	b.becomes(t, task.ARN, machine.Stopped)
	if err := b.Machine.Start(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	b.Pass()
	if s, _ := b.find(t, task.ARN); s.Status != machine.Stopped {
		t.Errorf("a task that has stopped was started again: %+v", s)
	}
}

// heard collects what is told until the test ends.
func (b Bench) heard(t *testing.T) func(arn string) []machine.State {
	t.Helper()
	var mu sync.Mutex
	var all []machine.State
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.Machine.Watch(ctx, func() { close(ready) }, func(s machine.State) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, s)
		})
	}()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a watch that was asked to end: %v", err)
		}
	})
	return func(arn string) (list []machine.State) {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range all {
			if s.ARN == arn {
				list = append(list, s)
			}
		}
		return list
	}
}

// last waits until the last that was told of a task is that it has stopped.
func (b Bench) last(t *testing.T, told func(string) []machine.State, arn string) []machine.State {
	t.Helper()
	for deadline := time.Now().Add(patience); ; b.Pass() {
		list := told(arn)
		if len(list) > 0 && list[len(list)-1].Status == machine.Stopped {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", list)
		}
		time.Sleep(time.Millisecond)
	}
}

func unknown(t *testing.T, b Bench) {
	told := b.heard(t)
	arn := b.Task().ARN
	if err := b.Machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	if s := b.last(t, told, arn)[0]; s.Reason != "enough" || s.StoppedAt.IsZero() {
		t.Errorf("%+v", s)
	}
	if err := b.Machine.Forget(t.Context(), arn); err != nil {
		t.Error(err)
	}
}

func watched(t *testing.T, b Bench) {
	told := b.heard(t)
	arn := b.start(t).ARN
	b.becomes(t, arn, machine.Running)
	if err := b.Machine.Stop(t.Context(), arn, machine.UserInitiated, "enough"); err != nil {
		t.Fatal(err)
	}
	var before machine.State
	ran := false
	for _, s := range b.last(t, told, arn) {
		if s.Status.Before(before.Status) {
			t.Errorf("%s after %s", s.Status, before.Status)
		}
		ran = ran || s.Status == machine.Running
		before = s
	}
	if !ran {
		t.Error("that it ran was not told")
	}
}

func commands(t *testing.T, b Bench) {
	arn := b.start(t).ARN
	b.becomes(t, arn, machine.Running)
	command := machine.Exec{Command: b.Command, Stdout: io.Discard, Stderr: io.Discard}
	if code, err := b.Machine.Exec(t.Context(), arn, "app", command); err != nil || code != 0 {
		t.Errorf("%d, %v", code, err)
	}
	if err := b.Machine.Logs(t.Context(), arn, "app", false, io.Discard); err != nil {
		t.Error(err)
	}
	if stats, err := b.Machine.Stats(t.Context(), arn, "app"); err != nil || len(stats) == 0 {
		t.Errorf("%s, %v", stats, err)
	}
	for what, where := range map[string][2]string{"another task": {b.Task().ARN, "app"}, "another container": {arn, "other"}} {
		if _, err := b.Machine.Exec(t.Context(), where[0], where[1], command); !errors.Is(err, machine.ErrUnknownTask) {
			t.Errorf("a command in %s: %v", what, err)
		}
		if err := b.Machine.Logs(t.Context(), where[0], where[1], false, io.Discard); !errors.Is(err, machine.ErrUnknownTask) {
			t.Errorf("the logs of %s: %v", what, err)
		}
		if _, err := b.Machine.Stats(t.Context(), where[0], where[1]); !errors.Is(err, machine.ErrUnknownTask) {
			t.Errorf("the statistics of %s: %v", what, err)
		}
	}
	if err := b.Machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	b.becomes(t, arn, machine.Stopped)
	if _, err := b.Machine.Exec(t.Context(), arn, "app", command); err == nil {
		t.Error("a command ran in a container that has stopped")
	}
}
