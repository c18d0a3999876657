package docker

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"drydock/deploy/machine"
)

// lookAgain is how often a task looks at its containers although nothing was heard of
// them.
const lookAgain = 10 * time.Second

// runner is a task's life.
type runner struct {
	m     *Machine
	kicks chan struct{}
	// forget ends the looking.
	forget context.CancelFunc

	mu sync.Mutex
	k  *kept
	// busy are containers that something is being done to, by name.
	busy map[string]bool
	// freed counts how often it was ended that something was done to a container.
	freed int
	// lostAt are containers at which the Engine was lost, by name.
	lostAt map[string]bool
	// again are containers that are to be started another time.
	again map[string]bool
	// pulling is set from when images are asked for; pulled when they are there.
	// stopPull ends the asking.
	pulling, pulled bool
	stopPull        context.CancelFunc
	// waited is since when a container is waited for by others, by name.
	waited map[string]time.Time
}

func newRunner(m *Machine, k *kept) *runner {
	return &runner{m: m, k: k, kicks: make(chan struct{}, 1), busy: map[string]bool{}, again: map[string]bool{}, lostAt: map[string]bool{}, waited: map[string]time.Time{}}
}

func (r *runner) kick() {
	select {
	case r.kicks <- struct{}{}:
	default:
	}
}

func (r *runner) snapshot() machine.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return clone(r.k.State)
}

func clone(s machine.State) machine.State {
	s.Containers = slices.Clone(s.Containers)
	return s
}

// run looks and does, until the task is forgotten or the machine is closed. At a task
// that has stopped it looks only when something is heard of its containers: somebody
// may have started one.
func (r *runner) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		r.look(ctx, &work)
		var again <-chan time.Time
		if r.snapshot().Status != machine.Stopped {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.kicks:
		case <-again:
		}
	}
}

// end asks the task to stop.
func (r *runner) end(code machine.StopCode, why string) {
	r.mu.Lock()
	r.ending(code, why)
	r.mu.Unlock()
	r.kick()
}

// ending notes that the task is to stop, and why it was first asked to. The caller
// has the lock.
func (r *runner) ending(code machine.StopCode, why string) {
	if r.k.Ending {
		return
	}
	r.k.Ending = true
	r.k.State.StopCode, r.k.State.Reason, r.k.State.Stopping = code, why, r.m.o.Now()
	if r.stopPull != nil {
		r.stopPull()
	}
}

// look compares the task with its containers and does what is to be done next.
func (r *runner) look(ctx context.Context, work *sync.WaitGroup) {
	r.mu.Lock()
	freed := r.freed
	r.mu.Unlock()
	seen, err := r.observe(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.m.o.Log.WarnContext(ctx, "the containers of a task cannot be looked at", "task", r.k.Task.ARN, "error", err)
		}
		return // the next look is better
	}
	r.mu.Lock()
	if freed != r.freed {
		// What was seen may be from before something was done, which would be done
		// again: a container that was started and has ended would run twice. Who did it
		// asks for another look.
		r.mu.Unlock()
		return
	}
	before := clone(r.k.State)
	wasEnding := r.k.Ending
	for i := range r.k.State.Containers {
		c := &r.k.State.Containers[i]
		if s, looked := seen[c.Name]; looked {
			r.take(c, s)
		}
	}
	if s, looked := seen[pauseName]; looked && r.k.State.Status != machine.Stopped {
		r.hold(s)
	}
	if !r.k.Ending {
		r.judge()
	}
	jobs := r.revenants(seen)
	switch {
	case r.k.State.Status == machine.Stopped:
	case r.k.Ending:
		jobs = append(jobs, r.unwind()...)
	default:
		jobs = append(jobs, r.advance()...)
	}
	r.sum()
	after := clone(r.k.State)
	changed := !same(before, after) || wasEnding != r.k.Ending
	if changed {
		if err := r.m.store.save(r.k); err != nil {
			r.m.o.Log.WarnContext(ctx, "a task could not be kept", "task", r.k.Task.ARN, "error", err)
		}
	}
	r.mu.Unlock()
	if changed {
		r.m.tell(after)
	}
	for _, job := range jobs {
		work.Go(func() { job(ctx); r.kick() })
	}
}

// revenants finds containers that run although they have ended: somebody has started
// them by hand. Nothing would stop them later. The caller has the lock.
func (r *runner) revenants(seen map[string]*sight) (jobs []func(context.Context)) {
	for _, c := range r.k.State.Containers {
		s := seen[c.Name]
		if c.Status != machine.Stopped || s == nil || !s.running {
			continue
		}
		r.m.o.Log.Warn("a container that has ended was started by hand and is stopped", "task", r.k.Task.ARN, "container", c.Name)
		r.busy[c.Name] = true
		name, id, patience := c.Name, s.id, r.container(c.Name).StopTimeout
		jobs = append(jobs, func(ctx context.Context) { r.stopContainer(ctx, name, id, patience) })
	}
	return jobs
}

// container is the container of a name, nil when the task definition has none.
func (r *runner) container(name string) *machine.Container {
	i := slices.IndexFunc(r.k.Task.Containers, func(c machine.Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &r.k.Task.Containers[i]
}

func (r *runner) state(name string) *machine.ContainerState {
	i := slices.IndexFunc(r.k.State.Containers, func(c machine.ContainerState) bool { return c.Name == name })
	return &r.k.State.Containers[i]
}

// take takes in what was seen of a container; nil is that there is none. The caller
// has the lock.
func (r *runner) take(c *machine.ContainerState, s *sight) {
	if s == nil {
		if c.RuntimeID != "" && c.Status != machine.Stopped {
			// Somebody has removed it.
			c.Status, c.Finished, c.Reason = machine.Stopped, r.m.o.Now(), "The container was removed."
		}
		return
	}
	if c.Status == machine.Stopped {
		return
	}
	c.RuntimeID, c.Bindings, c.Addresses, c.Created = s.id, s.bindings, s.addresses, s.created
	c.Health = s.health
	switch {
	case s.running:
		c.Status, c.Started = machine.Running, s.started
	case s.exited:
		if r.restart(c, s) {
			return
		}
		code := s.code
		c.Status, c.Started, c.Finished, c.ExitCode, c.Reason = machine.Stopped, s.started, s.finished, &code, s.reason
	case r.k.Ending:
		c.Status = machine.Stopped // it was made and never began
	}
}

// restart has a container run again where its restart policy says so. The caller has
// the lock.
func (r *runner) restart(c *machine.ContainerState, s *sight) bool {
	p := r.container(c.Name).Restart
	switch {
	case r.again[c.Name]:
		return true
	case p == nil || r.k.Ending || slices.Contains(p.IgnoredExitCodes, int32(s.code)) || s.finished.Sub(s.started) < p.Period:
		return false
	}
	c.Restarts++
	r.again[c.Name] = true
	return true
}

// judge finds out whether the task has to end. The caller has the lock.
func (r *runner) judge() {
	for _, c := range r.k.Task.Containers {
		s := r.state(c.Name)
		if s.Status == machine.Stopped && c.Essential && !r.busy[c.Name] {
			code := machine.EssentialContainerExited
			if s.Started.IsZero() {
				code = machine.TaskFailedToStart
			}
			r.ending(code, "Essential container in task exited")
			return
		}
		if s.Status != machine.Pending || r.busy[c.Name] {
			continue
		}
		for _, d := range waitsFor(&c) {
			if why := r.hopeless(c, d); why != "" {
				r.giveUp(c.Name, why)
				break
			}
		}
	}
}

// sum finds the state of the task as a whole. The caller has the lock.
func (r *runner) sum() {
	s := &r.k.State
	if r.k.Ending {
		if s.Status.Before(machine.Stopping) {
			s.Status = machine.Stopping
		}
		for _, c := range s.Containers {
			if c.Status != machine.Stopped || r.busy[c.Name] {
				return
			}
		}
		if s.Status == machine.Stopped {
			return
		}
		now := r.m.o.Now()
		if s.ExecutionStopped.IsZero() {
			s.ExecutionStopped = now
		}
		if r.k.Pause != "" || r.busy[pauseName] { // until its network is gone
			if r.k.Task.NetworkMode == "awsvpc" {
				s.Status = machine.Deprovisioning
			}
			return
		}
		s.Status, s.StoppedAt = machine.Stopped, now
		return
	}
	started, health := true, machine.Healthy
	checked := false
	for _, c := range r.k.Task.Containers {
		v := r.state(c.Name)
		if v.Started.IsZero() && v.Status != machine.Stopped {
			started = false
		}
		if c.Health != nil && c.Essential {
			checked = true
			health = worse(health, v.Health)
		}
	}
	if checked {
		s.Health = health
	}
	if s.Status == machine.Provisioning && (r.k.Pause != "" || r.k.Task.NetworkMode != "awsvpc") {
		s.Status = machine.Pending
	}
	if started && s.Status.Before(machine.Running) {
		s.Status, s.Started = machine.Running, r.m.o.Now()
	}
}

// worse is the worse of two healths: one that is not known yet is worse than good.
func worse(a, b machine.Health) machine.Health {
	for _, h := range []machine.Health{machine.Unhealthy, machine.Unknown} {
		if a == h || b == h {
			return h
		}
	}
	return machine.Healthy
}

func same(a, b machine.State) bool {
	return reflect.DeepEqual(a, b)
}
