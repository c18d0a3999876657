package docker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"drydock/deploy/machine"
)

// advance finds what can be done to get the task to run. The caller has the lock.
func (r *runner) advance() (jobs []func(context.Context)) {
	if !r.pulled && !slices.ContainsFunc(r.k.State.Containers, func(c machine.ContainerState) bool { return c.RuntimeID == "" && c.Status == machine.Pending }) {
		r.pulled = true // it goes on from before a restart
	}
	if !r.pulled {
		if !r.pulling {
			r.pulling = true
			if r.k.State.PullStarted.IsZero() {
				r.k.State.PullStarted = r.m.o.Now()
			}
			jobs = append(jobs, r.pullAll)
		}
		return jobs
	}
	if holds(&r.k.Task) && r.k.Pause == "" {
		if !r.busy[pauseName] {
			r.busy[pauseName] = true
			jobs = append(jobs, r.provision)
		}
		return jobs
	}
	for _, c := range r.k.Task.Containers {
		s := r.state(c.Name)
		if r.busy[c.Name] || !r.again[c.Name] && (s.Status != machine.Pending || !r.ready(c)) {
			continue
		}
		r.busy[c.Name] = true
		jobs = append(jobs, func(ctx context.Context) { r.startContainer(ctx, c.Name) })
	}
	return jobs
}

// ready reports whether what a container waits for has come. The caller has the lock.
func (r *runner) ready(c machine.Container) bool {
	return !slices.ContainsFunc(waitsFor(&c), func(d machine.Dependency) bool { return !r.met(d) })
}

// What a container waits for beside the conditions of ECS: that another one runs, to
// which it has a link, or that it was made, whose volumes it takes.
const (
	isRunning = "RUNNING"
	isMade    = "CREATED"
)

// waitsFor is all that a container waits for.
func waitsFor(c *machine.Container) []machine.Dependency {
	list := slices.Clone(c.DependsOn)
	for _, l := range c.Links {
		list = append(list, machine.Dependency{Container: linked(l), Condition: isRunning})
	}
	for _, v := range c.VolumesFrom {
		list = append(list, machine.Dependency{Container: v.Container, Condition: isMade})
	}
	return list
}

func (r *runner) met(d machine.Dependency) bool {
	s := r.state(d.Container)
	switch d.Condition {
	case "START":
		return !s.Started.IsZero()
	case isRunning:
		return s.Status == machine.Running
	case isMade:
		return s.RuntimeID != ""
	case "COMPLETE":
		return s.Status == machine.Stopped && s.ExitCode != nil
	case "SUCCESS":
		return s.Status == machine.Stopped && s.ExitCode != nil && *s.ExitCode == 0
	case "HEALTHY":
		return s.Health == machine.Healthy
	}
	return false
}

// hopeless is why a container waits in vain, empty while it does not. The caller has
// the lock.
func (r *runner) hopeless(c machine.Container, d machine.Dependency) string {
	if r.met(d) {
		return ""
	}
	s := r.state(d.Container)
	if s.Status == machine.Stopped && !r.busy[d.Container] {
		return fmt.Sprintf("Container %s waits for container %s to be %s, which has stopped.", c.Name, d.Container, d.Condition)
	}
	if s.RuntimeID == "" {
		return ""
	}
	since, waited := r.waited[d.Container]
	if !waited {
		r.waited[d.Container], since = r.m.o.Now(), r.m.o.Now()
	}
	limit := r.container(d.Container).StartTimeout
	if limit > 0 && r.m.o.Now().Sub(since) > limit {
		return fmt.Sprintf("Timed out: container %s waits for container %s to be %s for more than %s.", c.Name, d.Container, d.Condition, limit)
	}
	return ""
}

// unwind finds which containers can be stopped: those that no other one that runs
// depends on. The caller has the lock.
func (r *runner) unwind() (jobs []func(context.Context)) {
	left := 0
	for i := range r.k.State.Containers {
		s := &r.k.State.Containers[i]
		if s.Status == machine.Stopped && !r.busy[s.Name] {
			continue
		}
		left++
		if r.busy[s.Name] {
			continue
		}
		if s.RuntimeID == "" {
			s.Status = machine.Stopped
			left--
			continue
		}
		if r.needed(s.Name) {
			continue
		}
		r.busy[s.Name] = true
		name, id, patience := s.Name, s.RuntimeID, r.container(s.Name).StopTimeout
		jobs = append(jobs, func(ctx context.Context) { r.stopContainer(ctx, name, id, patience) })
	}
	if left == 0 && r.k.Pause != "" && !r.busy[pauseName] {
		r.busy[pauseName] = true
		jobs = append(jobs, r.deprovision)
	}
	return jobs
}

// needed reports whether a container that runs depends on this one. The caller has
// the lock.
func (r *runner) needed(name string) bool {
	return slices.ContainsFunc(r.k.Task.Containers, func(c machine.Container) bool {
		if r.state(c.Name).Status != machine.Running || c.Name == name {
			return false
		}
		return slices.ContainsFunc(c.DependsOn, func(d machine.Dependency) bool { return d.Container == name }) ||
			slices.ContainsFunc(c.Links, func(l string) bool { return linked(l) == name })
	})
}

// free notes that nothing is being done to a container any more. The caller has the
// lock.
func (r *runner) free(name string) {
	delete(r.busy, name)
	r.freed++
}

// done ends what was done to a container.
func (r *runner) done(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(name)
	delete(r.again, name)
}

// failed tells why something could not be done for a container, or for the task where
// there is no such container.
func (r *runner) failed(name, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(name)
	delete(r.again, name)
	r.giveUp(name, why)
}

// giveUp ends a container that cannot run, and the task with it unless that goes on
// without it. The caller has the lock.
func (r *runner) giveUp(name, why string) {
	c := r.container(name)
	if c != nil {
		s := r.state(name)
		s.Reason = why
		if !c.Essential {
			s.Status = machine.Stopped
			return
		}
	}
	r.ending(machine.TaskFailedToStart, why)
}

// later ends what was done to a container in vain, for the Engine was away: it is
// looked at again, and what is missing is done.
func (r *runner) later(ctx context.Context, name string) {
	pause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(name)
	r.lostAt[name] = true
}

// stopContainer has a container end: by its stop signal, and when that has not helped
// in time, by force.
func (r *runner) stopContainer(ctx context.Context, name, id string, patience time.Duration) {
	defer r.done(name)
	if err := r.m.halt(ctx, id, patience); err != nil && ctx.Err() == nil {
		r.m.o.Log.WarnContext(ctx, "a container could not be stopped", "task", r.k.Task.ARN, "container", name, "error", err)
		pause(ctx) // look again, but not at once
	}
}
