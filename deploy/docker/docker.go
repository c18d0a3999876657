// Package docker is a machine on the local Docker Engine, through its API. Each task
// is one goroutine that looks at the task's containers, decides on the next thing to
// do, does it, and looks again; so whatever happens to a container, by whose hand, is
// met the same way.
//
// What a task is to be is kept as a file before anything is done about it, and its
// containers have names that follow from the task, and labels with the owner and the
// task. So after a crash of the server or of Docker everything is found again, and
// nothing is made twice.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"drydock/deploy/machine"
)

// The labels of containers. The first ones are those that Amazon's agent sets.
const (
	labelTask       = "com.amazonaws.ecs.task-arn"
	labelCluster    = "com.amazonaws.ecs.cluster"
	labelFamily     = "com.amazonaws.ecs.task-definition-family"
	labelRevision   = "com.amazonaws.ecs.task-definition-version"
	labelContainer  = "com.amazonaws.ecs.container-name"
	labelOwner      = "drydock.owner"
	retryConnection = time.Second
)

// Options is what a Machine is made of.
type Options struct {
	// Host is where the Engine listens, as in DOCKER_HOST; empty for the usual place.
	Host string
	// Folder is where tasks are kept, and Owner what marks this server's containers.
	Folder, Owner string
	Keeper        machine.Keeper
	Now           func() time.Time
	Log           *slog.Logger
	// Attributes are the machine's beside those that Docker tells of.
	Attributes map[string]string
	// Ports are taken by others, the server itself among them.
	Ports []int
	// Privileged allows privileged containers and devices of the machine.
	Privileged bool
}

// Machine is the local Docker Engine.
type Machine struct {
	o      Options
	engine *client.Client
	store  *store
	// cgroups is the kind in which tasks can be limited.
	cgroups string
	stop    context.CancelFunc
	ctx     context.Context
	all     sync.WaitGroup

	// arch is the Engine's architecture as Go names it.
	arch string
	// ensuring is held while what all tasks share is made.
	ensuring sync.Mutex

	mu       sync.Mutex
	tasks    map[string]*runner
	watchers map[int]chan machine.State
	count    int
	away     bool
	reserved []reservation
}

// Open connects to the Engine and goes on with the tasks that it finds. Errors:
// machine.ErrUnavailable where no Engine answers.
func Open(ctx context.Context, o Options) (*Machine, error) {
	if o.Keeper == nil || o.Now == nil || o.Log == nil || o.Folder == "" || o.Owner == "" {
		return nil, errors.New("a Docker machine needs a folder, an owner, a keeper, a clock and a log")
	}
	set := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.Host != "" {
		set = append(set, client.WithHost(o.Host))
	}
	engine, err := client.NewClientWithOpts(set...)
	if err != nil {
		return nil, fmt.Errorf("find the Docker Engine: %w", err)
	}
	asked, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	info, err := engine.Info(asked)
	if err != nil {
		return nil, errors.Join(unavailable(err), engine.Close())
	}
	s, found, err := openStore(o.Folder)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	m := &Machine{o: o, engine: engine, store: s, cgroups: cgroupsOf(info), arch: archOf(info), tasks: map[string]*runner{}, watchers: map[int]chan machine.State{}}
	m.ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := m.removeStrays(ctx, found); err != nil {
		m.stop()
		return nil, errors.Join(fmt.Errorf("remove containers that no task has: %w", err), engine.Close())
	}
	for _, k := range found {
		m.begin(k)
	}
	m.all.Go(m.listen)
	m.all.Go(m.watchOver)
	return m, nil
}

func unavailable(err error) error {
	return fmt.Errorf("%w: %w", machine.ErrUnavailable, err)
}

// begin lets a task live. The caller has the lock, or is alone.
func (m *Machine) begin(k *kept) {
	r := newRunner(m, k)
	m.tasks[k.Task.ARN] = r
	ctx, cancel := context.WithCancel(m.ctx)
	r.forget = cancel
	m.all.Go(func() { r.run(ctx) })
}

// own lists this owner's containers, of one task when one is given.
func (m *Machine) own(ctx context.Context, task string) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	by := filters.NewArgs(filters.Arg("label", labelOwner+"="+m.o.Owner))
	if task != "" {
		by.Add("label", labelTask+"="+task)
	}
	list, err := m.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", reach(err))
	}
	return list, nil
}

// removeStrays removes this owner's containers that belong to no task that is kept,
// and tells the others which containers are theirs.
func (m *Machine) removeStrays(ctx context.Context, found []*kept) error {
	list, err := m.own(ctx, "")
	if err != nil {
		return err
	}
	for _, c := range list {
		if i := slices.IndexFunc(found, func(k *kept) bool { return k.Task.ARN == c.Labels[labelTask] }); i >= 0 {
			// The Engine lists containers that it is only making, as a server that died had
			// asked it to, and knows nothing of them when it is asked for one. Such a one is
			// found by its name when it is there.
			switch _, err := m.inspect(ctx, c.ID); {
			case err == nil:
				found[i].recognise(c.Labels[labelContainer], c.ID)
			case !errdefs.IsNotFound(err):
				return fmt.Errorf("look at container %s: %w", c.ID, reach(err))
			}
			continue
		}
		m.o.Log.WarnContext(ctx, "a container belongs to no task and is removed", "container", c.ID, "task", c.Labels[labelTask])
		if err := m.remove(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	err := m.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !inProgress(err) {
		return fmt.Errorf("remove container %s: %w", id, reach(err))
	}
	return nil
}

// listen hears of what happens to containers, until the machine is closed.
func (m *Machine) listen() {
	for m.ctx.Err() == nil {
		told, failed := m.engine.Events(m.ctx, events.ListOptions{Filters: filters.NewArgs(
			filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", labelOwner+"="+m.o.Owner))})
		m.reached()
		err := m.hear(told, failed)
		if m.ctx.Err() != nil {
			return
		}
		m.o.Log.Warn("the Docker Engine is away", "error", err)
		m.left()
		for pause(m.ctx); m.ctx.Err() == nil && !m.answers(); {
			pause(m.ctx)
		}
	}
}

func (m *Machine) hear(told <-chan events.Message, failed <-chan error) error {
	for {
		select {
		case e := <-told:
			m.mu.Lock()
			r := m.tasks[e.Actor.Attributes[labelTask]]
			m.mu.Unlock()
			if r != nil {
				r.kick()
			}
		case err := <-failed:
			return err
		}
	}
}

// reached has every task look at its containers, for events may have been missed.
func (m *Machine) reached() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = false
	for _, r := range m.tasks {
		r.kick()
	}
}

func (m *Machine) left() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = true
	for id, w := range m.watchers {
		close(w)
		delete(m.watchers, id)
	}
}

// Start implements machine.Machine.
func (m *Machine) Start(_ context.Context, t machine.Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.ctx.Err() != nil:
		return m.ctx.Err()
	case m.tasks[t.ARN] != nil:
		return nil
	}
	k := newKept(t)
	if err := m.store.save(k); err != nil {
		return err
	}
	m.begin(k)
	return nil
}

// Stop implements machine.Machine.
func (m *Machine) Stop(_ context.Context, arn string, code machine.StopCode, why string) error {
	m.mu.Lock()
	r := m.tasks[arn]
	m.mu.Unlock()
	if r == nil {
		m.tell(machine.State{ARN: arn, Status: machine.Stopped, StopCode: code, Reason: why, StoppedAt: m.o.Now()})
		return nil
	}
	r.end(code, why)
	return nil
}

// Tasks implements machine.Machine.
func (m *Machine) Tasks(context.Context) ([]machine.State, error) {
	m.mu.Lock()
	runners := slices.Collect(maps.Values(m.tasks))
	m.mu.Unlock()
	var list []machine.State
	for _, r := range runners {
		list = append(list, r.snapshot())
	}
	return list, nil
}

// waiting is how many changes may wait for a watcher; one who lets more wait has to
// begin anew.
const waiting = 1024

// Watch implements machine.Machine.
func (m *Machine) Watch(ctx context.Context, ready func(), changed func(machine.State)) error {
	m.mu.Lock()
	if m.away {
		m.mu.Unlock()
		return machine.ErrUnavailable
	}
	m.count++
	id, w := m.count, make(chan machine.State, waiting)
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

func (m *Machine) tell(s machine.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, w := range m.watchers {
		select {
		case w <- s:
		default:
			close(w)
			delete(m.watchers, id)
		}
	}
}

// Forget implements machine.Machine.
func (m *Machine) Forget(ctx context.Context, arn string) error {
	m.mu.Lock()
	r, away := m.tasks[arn], m.away
	m.mu.Unlock()
	switch {
	case r == nil || r.snapshot().Status != machine.Stopped:
		return nil
	case away:
		return machine.ErrUnavailable
	}
	if err := r.clear(ctx); err != nil {
		return err
	}
	r.forget()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tasks, arn)
	m.reserved = slices.DeleteFunc(m.reserved, func(v reservation) bool { return v.task == arn })
	return m.store.delete(arn)
}

// Close implements machine.Machine.
func (m *Machine) Close() error {
	m.stop()
	m.all.Wait()
	return m.engine.Close()
}

var _ machine.Machine = (*Machine)(nil)
