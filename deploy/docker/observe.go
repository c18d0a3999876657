package docker

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"drydock/deploy/machine"
)

// sight is what is seen of a container.
type sight struct {
	id                         string
	running, exited            bool
	code                       int
	reason                     string
	health                     machine.Health
	created, started, finished time.Time
	bindings                   []machine.Binding
	addresses                  []string
	// own is the address in the network of tasks.
	own *network.EndpointSettings
}

// containerName is the name of a task's container: as Amazon's agent has it, with the
// task's id where that has a random number, so that there is one and no second.
func containerName(t *machine.Task, name string) string {
	id := t.ARN[strings.LastIndex(t.ARN, "/")+1:]
	return fmt.Sprintf("ecs-%s-%d-%s-%s", t.Family, t.Revision, name, id)
}

// observe looks at the containers of the task, by id where they have one, for names
// can be changed by anybody. The one that holds its namespaces is among them; those
// that something is being done to are not, for what is seen of them is out of date at
// once.
func (r *runner) observe(ctx context.Context) (map[string]*sight, error) {
	t := &r.k.Task
	at, seen := map[string]string{}, map[string]*sight{}
	r.mu.Lock()
	for _, c := range r.k.State.Containers {
		at[c.Name] = cmp.Or(c.RuntimeID, containerName(t, c.Name))
	}
	if holds(t) {
		at[pauseName] = cmp.Or(r.k.Pause, pauseContainer(t))
	}
	for name := range r.busy {
		delete(at, name)
	}
	r.mu.Unlock()
	for name, id := range at {
		seen[name] = nil
		v, err := r.m.inspect(ctx, id)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at container %s: %w", name, err)
		}
		if v.Config == nil || v.Config.Labels[labelTask] != t.ARN {
			continue // somebody else's
		}
		seen[name] = sightOf(v, t, r.container(name))
	}
	return seen, nil
}

func (m *Machine) inspect(ctx context.Context, id string) (container.InspectResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	return m.engine.ContainerInspect(ctx, id)
}

// sightOf is what is to be known of a container, which is nil for the one that holds
// namespaces.
func sightOf(v container.InspectResponse, t *machine.Task, c *machine.Container) *sight {
	s := &sight{id: v.ID, health: machine.Unknown}
	s.created, _ = time.Parse(time.RFC3339Nano, v.Created) // zero where Docker does not say
	if v.State != nil {
		s.started, s.finished = moment(v.State.StartedAt), moment(v.State.FinishedAt)
		s.running = v.State.Running
		s.exited = !v.State.Running && (v.State.Status == "exited" || v.State.Status == "dead") && !s.started.IsZero()
		s.code = v.State.ExitCode
		switch {
		case v.State.OOMKilled && v.State.ExitCode != 0: // the kernel tells all of a task's, where that has a limit
			s.reason = "OutOfMemoryError: Container killed due to memory usage"
		case v.State.Error != "":
			s.reason = v.State.Error
		}
		if h := v.State.Health; h != nil && c != nil && c.Health != nil { // those of images do not count
			switch h.Status {
			case container.Healthy:
				s.health = machine.Healthy
			case container.Unhealthy:
				s.health = machine.Unhealthy
			}
		}
	}
	if v.NetworkSettings == nil {
		return s
	}
	for port, list := range v.NetworkSettings.Ports {
		for _, b := range list {
			host, err := strconv.Atoi(b.HostPort)
			if err != nil || isIPv6(b.HostIP) {
				continue
			}
			s.bindings = append(s.bindings, machine.Binding{BindIP: b.HostIP, ContainerPort: int32(port.Int()), HostPort: int32(host), Protocol: port.Proto()})
		}
	}
	if t.NetworkMode == "host" || t.NetworkMode == "awsvpc" {
		s.bindings = straight(t, c, s.running)
	}
	if c != nil {
		s.bindings = folded(s.bindings, c)
	}
	slices.SortFunc(s.bindings, func(a, b machine.Binding) int {
		return int(a.ContainerPort-b.ContainerPort)*1<<16 + int(a.HostPort-b.HostPort)
	})
	for _, n := range v.NetworkSettings.Networks {
		if n != nil && n.IPAddress != "" {
			s.addresses = append(s.addresses, n.IPAddress)
		}
	}
	slices.Sort(s.addresses)
	s.own = v.NetworkSettings.Networks[taskNetwork]
	return s
}

// straight are the bindings of a container whose ports are the machine's own.
func straight(t *machine.Task, c *machine.Container, running bool) (list []machine.Binding) {
	if t.NetworkMode != "host" || c == nil || !running {
		return nil
	}
	for _, p := range c.Ports {
		list = append(list, machine.Binding{BindIP: "0.0.0.0", ContainerPort: p.ContainerPort, HostPort: p.ContainerPort, Protocol: p.Protocol})
	}
	return list
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// moment reads Docker's time, whose year is 1 for what has not happened.
func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// halt stops a container and waits until it has.
func (m *Machine) halt(ctx context.Context, id string, patience time.Duration) error {
	seconds := int(patience.Seconds())
	ctx, cancel := context.WithTimeout(ctx, patience+long)
	defer cancel()
	err := m.engine.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// inProgress reports that somebody else is at it.
func inProgress(err error) bool {
	return errdefs.IsConflict(err) && strings.Contains(err.Error(), "in progress")
}

// find returns the id of a task's container. Errors: machine.ErrUnknownTask.
func (m *Machine) find(arn, name string) (string, error) {
	m.mu.Lock()
	r := m.tasks[arn]
	m.mu.Unlock()
	if r != nil {
		for _, c := range r.snapshot().Containers {
			if c.Name == name && c.RuntimeID != "" {
				return c.RuntimeID, nil
			}
		}
	}
	return "", fmt.Errorf("container %s of task %s: %w", name, arn, machine.ErrUnknownTask)
}
