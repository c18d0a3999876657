// Package simulated pretends to run tasks, on a clock that a test owns. What becomes
// of a task is decided by a function of the test, so that thousands of machines and
// every kind of misfortune cost nothing.
package simulated

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"drydock/deploy/machine"
)

// Fortune is what becomes of a task.
type Fortune struct {
	// Pull and Start are how long it takes until the images are there, and from
	// then until the containers run; Stop is how long stopping takes.
	Pull, Start, Stop time.Duration
	// PullError, when not empty, is why the images cannot be had.
	PullError string
	// ExitAfter is when the first container exits by itself, with ExitCode, counted
	// from when it runs; 0 is never.
	ExitAfter time.Duration
	ExitCode  int
	// Healthy is when the health checks succeed, counted from when it runs, and
	// Sick when they fail for good; 0 is never. They count only for tasks that have
	// a health check.
	Healthy, Sick time.Duration
}

// Machine is a pretended machine.
type Machine struct {
	describe machine.Description
	fate     func(machine.Task) Fortune

	mu       sync.Mutex
	now      time.Time
	tasks    map[string]*task
	watchers map[int]chan machine.State
	count    int
	port     int32
	away     bool
}

type task struct {
	spec     machine.Task
	fortune  Fortune
	state    machine.State
	accepted time.Time
	stopAt   time.Time
}

// New makes a machine. fate decides what becomes of each task when it is started;
// nil lets them run at once and for ever.
func New(d machine.Description, now time.Time, fate func(machine.Task) Fortune) *Machine {
	if fate == nil {
		fate = func(machine.Task) Fortune { return Fortune{} }
	}
	return &Machine{describe: d, fate: fate, now: now, tasks: map[string]*task{}, watchers: map[int]chan machine.State{}, port: 32768}
}

// Describe implements machine.Machine.
func (m *Machine) Describe(context.Context) (machine.Description, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return machine.Description{}, machine.ErrUnavailable
	}
	return m.describe, nil
}

// Away makes the machine unreachable, or reachable again. What it runs goes on.
func (m *Machine) Away(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
	if away {
		for id, w := range m.watchers {
			close(w)
			delete(m.watchers, id)
		}
	}
}

// Start implements machine.Machine.
func (m *Machine) Start(_ context.Context, t machine.Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return machine.ErrUnavailable
	}
	if m.tasks[t.ARN] != nil {
		return nil
	}
	n := &task{spec: t, fortune: m.fate(t), accepted: m.now, state: machine.State{ARN: t.ARN, Status: machine.Pending, PullStarted: m.now, Health: machine.Unknown}}
	for _, c := range t.Containers {
		n.state.Containers = append(n.state.Containers, machine.ContainerState{Name: c.Name, Status: machine.Pending, Health: machine.Unknown})
	}
	m.tasks[t.ARN] = n
	m.step(n)
	return nil
}

// Stop implements machine.Machine.
func (m *Machine) Stop(_ context.Context, arn string, code machine.StopCode, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return machine.ErrUnavailable
	}
	t := m.tasks[arn]
	if t == nil {
		m.tell(machine.State{ARN: arn, Status: machine.Stopped, StopCode: code, Reason: why, StoppedAt: m.now})
		return nil
	}
	m.end(t, code, why)
	return nil
}

func (m *Machine) end(t *task, code machine.StopCode, why string) {
	if !t.stopAt.IsZero() {
		return
	}
	t.stopAt = m.now.Add(t.fortune.Stop)
	t.state.StopCode, t.state.Reason = code, why
	t.state.Status, t.state.Stopping = machine.Stopping, m.now
	m.tell(t.state)
	m.step(t)
}

// Kill ends a task behind everybody's back, as if its containers had been removed.
func (m *Machine) Kill(arn string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tasks[arn]; t != nil && t.state.Status != machine.Stopped {
		t.fortune.Stop = 0
		m.end(t, machine.EssentialContainerExited, "Essential container in task exited")
	}
}

// Advance moves the machine's clock on and lets happen what then has happened.
func (m *Machine) Advance(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
	for _, arn := range slices.Sorted(maps.Keys(m.tasks)) {
		m.step(m.tasks[arn])
	}
}

// step moves a task to where it is by now.
func (m *Machine) step(t *task) {
	switch {
	case t.state.Status == machine.Stopped:
		return
	case !t.stopAt.IsZero():
		if !m.now.Before(t.stopAt) {
			m.stopped(t)
		}
		return
	}
	pulled := t.accepted.Add(t.fortune.Pull)
	if m.now.Before(pulled) {
		return
	}
	if t.fortune.PullError != "" {
		t.fortune.Stop = 0
		m.end(t, machine.TaskFailedToStart, "CannotPullContainerError: "+t.fortune.PullError)
		return
	}
	if m.now.Before(pulled.Add(t.fortune.Start)) {
		return
	}
	if t.state.Status == machine.Pending {
		m.run(t, pulled)
	}
	m.live(t, m.now.Sub(t.state.Started))
}

func (m *Machine) run(t *task, pulled time.Time) {
	t.state.Status, t.state.PullStopped, t.state.Started = machine.Running, pulled, pulled.Add(t.fortune.Start)
	for i, c := range t.spec.Containers {
		s := &t.state.Containers[i]
		s.Status, s.RuntimeID, s.Started = machine.Running, fmt.Sprintf("%s-%s", t.spec.ARN[max(0, len(t.spec.ARN)-12):], c.Name), t.state.Started
		for _, p := range c.Ports {
			host := p.HostPort
			if host == 0 {
				host = m.port
				if m.port++; m.port > 60999 {
					m.port = 32768
				}
			}
			s.Bindings = append(s.Bindings, machine.Binding{BindIP: "0.0.0.0", ContainerPort: p.ContainerPort, HostPort: host, Protocol: p.Protocol})
		}
	}
	m.tell(t.state)
}

// live lets happen what happens to a task that has run for a while.
func (m *Machine) live(t *task, lived time.Duration) {
	f := t.fortune
	if f.ExitAfter > 0 && lived >= f.ExitAfter {
		t.state.Containers[0].ExitCode = &f.ExitCode
		t.fortune.Stop = 0
		m.end(t, machine.EssentialContainerExited, "Essential container in task exited")
		return
	}
	if !slices.ContainsFunc(t.spec.Containers, func(c machine.Container) bool { return c.Health != nil }) {
		return
	}
	health := machine.Unknown
	switch {
	case f.Sick > 0 && lived >= f.Sick:
		health = machine.Unhealthy
	case f.Healthy > 0 && lived >= f.Healthy:
		health = machine.Healthy
	}
	if health != t.state.Health {
		t.state.Health = health
		m.tell(t.state)
	}
}

func (m *Machine) stopped(t *task) {
	t.state.Status, t.state.ExecutionStopped, t.state.StoppedAt = machine.Stopped, t.stopAt, t.stopAt
	for i := range t.state.Containers {
		c := &t.state.Containers[i]
		c.Status = machine.Stopped
		if c.ExitCode == nil && !t.state.Started.IsZero() {
			code := 137
			c.ExitCode = &code
		}
	}
	m.tell(t.state)
}

func (m *Machine) tell(s machine.State) {
	s.Containers = slices.Clone(s.Containers)
	for _, w := range m.watchers {
		w <- s
	}
}

// Tasks implements machine.Machine.
func (m *Machine) Tasks(context.Context) ([]machine.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, machine.ErrUnavailable
	}
	var list []machine.State
	for _, arn := range slices.Sorted(maps.Keys(m.tasks)) {
		s := m.tasks[arn].state
		s.Containers = slices.Clone(s.Containers)
		list = append(list, s)
	}
	return list, nil
}

// watched is how many changes may wait to be taken in.
const watched = 1 << 12

// Watch implements machine.Machine.
func (m *Machine) Watch(ctx context.Context, ready func(), changed func(machine.State)) error {
	m.mu.Lock()
	if m.away {
		m.mu.Unlock()
		return machine.ErrUnavailable
	}
	m.count++
	id, w := m.count, make(chan machine.State, watched)
	m.watchers[id] = w
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, id)
	}()
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-w:
			if !ok {
				return machine.ErrUnavailable
			}
			changed(s)
		}
	}
}

// Forget implements machine.Machine.
func (m *Machine) Forget(_ context.Context, arn string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tasks[arn]; t != nil && t.state.Status == machine.Stopped {
		delete(m.tasks, arn)
	}
	return nil
}

// find is the state of a container. Errors: machine.ErrUnknownTask, and
// machine.ErrUnavailable.
func (m *Machine) find(arn, container string) (machine.ContainerState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return machine.ContainerState{}, machine.ErrUnavailable
	}
	if t := m.tasks[arn]; t != nil {
		for _, c := range t.state.Containers {
			if c.Name == container && c.RuntimeID != "" {
				return c, nil
			}
		}
	}
	return machine.ContainerState{}, fmt.Errorf("container %s of task %s: %w", container, arn, machine.ErrUnknownTask)
}

// Exec implements machine.Machine: every command succeeds at once and writes nothing.
func (m *Machine) Exec(_ context.Context, arn, container string, _ machine.Exec) (int, error) {
	c, err := m.find(arn, container)
	if err == nil && c.Status != machine.Running {
		err = fmt.Errorf("container %s of task %s does not run", container, arn)
	}
	return 0, err
}

// Logs implements machine.Machine: nothing is written.
func (m *Machine) Logs(_ context.Context, arn, container string, _ bool, _ io.Writer) error {
	_, err := m.find(arn, container)
	return err
}

// Stats implements machine.Machine: nothing is used.
func (m *Machine) Stats(_ context.Context, arn, container string) (json.RawMessage, error) {
	if _, err := m.find(arn, container); err != nil {
		return nil, err
	}
	return json.RawMessage("{}"), nil
}

// Close implements machine.Machine.
func (m *Machine) Close() error { return nil }

var _ machine.Machine = (*Machine)(nil)
