package docker

import (
	"strings"
	"testing"
	"time"

	"drydock/deploy/machine"
)

func TestAnImagesOwnHealthCheckDoesNotCountAndItsStopSignalDoes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	app := essential("app", "interrupt")
	app.Repository = &machine.RepositoryImage{Name: "particular"}
	arn := l.start(l.task(app))
	l.becomes(arn, machine.Running)
	id := l.state(arn).Containers[0].RuntimeID
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		v, err := l.engine.ContainerInspect(t.Context(), id)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the image's check does not fail: %v", err)
		}
		if v.State.Health.Status == "unhealthy" {
			break
		}
	}
	l.machine.reached() // it looks
	time.Sleep(300 * time.Millisecond)
	if s := l.state(arn); s.Health != machine.Unknown || s.Containers[0].Health != machine.Unknown {
		t.Errorf("%+v", s)
	}
	if err := l.machine.Stop(t.Context(), arn, machine.UserInitiated, ""); err != nil {
		t.Fatal(err)
	}
	if s := l.becomes(arn, machine.Stopped); *s.Containers[0].ExitCode != 42 {
		t.Errorf("it did not get its own stop signal: %+v", s)
	}
	app.NoHealth = true
	arn = l.start(l.task(app))
	s := l.becomes(arn, machine.Running)
	if v, err := l.engine.ContainerInspect(t.Context(), s.Containers[0].RuntimeID); err != nil || v.State.Health != nil {
		t.Errorf("the check was turned off: %+v, %v", v.State.Health, err)
	}
}

func TestHealthIsTold(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	app := essential("app", "write", "/tmp/up", "wait")
	app.Health = &machine.HealthCheck{Command: []string{"CMD", "/probe", "exists", "/tmp/up"}, Interval: 500 * time.Millisecond, Timeout: time.Second, Retries: 2}
	sick := essential("app", "wait")
	sick.Health = &machine.HealthCheck{Command: []string{"CMD", "/probe", "exists", "/tmp/up"}, Interval: 500 * time.Millisecond, Timeout: time.Second, Retries: 2}
	slow := sick
	slow.Health = &machine.HealthCheck{Command: []string{"CMD", "/probe", "sleep", "1h"}, Interval: 500 * time.Millisecond, Timeout: 500 * time.Millisecond, Retries: 1}
	patient := sick
	patient.Health = &machine.HealthCheck{Command: []string{"CMD", "/probe", "exit", "1"}, Interval: 500 * time.Millisecond, Timeout: time.Second, Retries: 1, StartPeriod: time.Hour}
	arns := map[string]machine.Health{}
	for _, c := range []struct {
		c    machine.Container
		want machine.Health
	}{{app, machine.Healthy}, {sick, machine.Unhealthy}, {slow, machine.Unhealthy}, {patient, machine.Unknown}} {
		arns[l.start(l.task(c.c))] = c.want
	}
	deadline := time.Now().Add(20 * time.Second)
	for arn, want := range arns {
		for l.state(arn).Health != want || l.state(arn).Status != machine.Running {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not %s: %+v", arn, want, l.state(arn))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	for arn, want := range arns {
		if got := l.state(arn); got.Health != want || got.Status != machine.Running {
			t.Errorf("%s, not %s: an unhealthy task goes on until its service ends it", got.Health, want)
		}
	}
}

func TestATaskGoesOnWithoutWhatIsNotEssential(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for what, side := range map[string]machine.Container{
		"exits":            {Name: "side", Command: []string{"exit", "3"}},
		"cannot be pulled": {Name: "side", Repository: &machine.RepositoryImage{Name: "forbidden"}},
		"cannot start":     {Name: "side", EntryPoint: []string{"/nothing"}},
		"waits in vain":    {Name: "side", Command: []string{"wait"}, DependsOn: []machine.Dependency{{Container: "fails", Condition: "SUCCESS"}}},
	} {
		fails := machine.Container{Name: "fails", Command: []string{"exit", "1"}}
		arn := l.start(l.task(essential("app", "wait"), side, fails))
		l.becomes(arn, machine.Running)
		time.Sleep(300 * time.Millisecond)
		s := l.state(arn)
		if s.Status != machine.Running || s.Containers[0].Status != machine.Running || s.Containers[1].Status != machine.Stopped || what != "exits" && s.Containers[1].Reason == "" {
			t.Errorf("%s: %+v", what, s)
		}
	}
}

func TestConditionsOfOthersAreWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range []struct {
		condition, first string
		limit            time.Duration
		reason           string // empty: the task gets to run
	}{
		{"START", "wait", 0, ""},
		{"COMPLETE", "sleep 300ms exit 5", 0, ""},
		{"SUCCESS", "sleep 300ms exit 0", 0, ""},
		{"SUCCESS", "sleep 300ms exit 5", 0, "Container app waits for container first to be SUCCESS"},
		{"SUCCESS", "wait", time.Second, "Timed out"},
		{"HEALTHY", "wait", 2 * time.Second, "Timed out"},
		{"HEALTHY", "sleep 300ms exit 0", 0, "Container app waits for container first to be HEALTHY"},
	} {
		first := machine.Container{Name: "first", Command: strings.Fields(c.first), StartTimeout: c.limit}
		if c.condition == "HEALTHY" {
			first.Health = &machine.HealthCheck{Command: []string{"CMD", "/probe", "exit", "1"}, Interval: time.Second, Timeout: time.Second, Retries: 1}
		}
		app := essential("app", "wait")
		app.DependsOn = []machine.Dependency{{Container: "first", Condition: c.condition}}
		arn := l.start(l.task(app, first))
		if c.reason == "" {
			s := l.becomes(arn, machine.Running)
			if !s.Containers[0].Started.After(s.Containers[1].Started) {
				t.Errorf("%s: %+v", c.condition, s)
			}
			continue
		}
		if s := l.becomes(arn, machine.Stopped); !strings.HasPrefix(s.Reason, c.reason) || s.Containers[0].RuntimeID != "" {
			t.Errorf("%s of %q: %+v", c.condition, c.first, s)
		}
	}
}
