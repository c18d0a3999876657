package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"

	"drydock/deploy/machine"
)

const (
	// pauseName is the container that holds a task's namespaces; ECS shows no such
	// container, and none of a task definition can have the name.
	pauseName  = "~internal~ecs~pause"
	pauseImage = "drydock/pause:1"
	// taskNetwork is where tasks have addresses of their own.
	taskNetwork = "drydock-tasks"
)

// holds reports whether a task needs a container that holds its namespaces.
func holds(t *machine.Task) bool {
	return t.NetworkMode == "awsvpc" || t.PidMode == "task" || t.IpcMode == "task"
}

func pauseContainer(t *machine.Task) string { return containerName(t, "internalecspause") }

func (r *runner) pause() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.k.Pause
}

// provision makes the container that holds the task's namespaces, and with it the
// task's own address.
func (r *runner) provision(ctx context.Context) {
	v, err := r.makePause(ctx)
	switch {
	case err == nil:
		s := sightOf(v, &r.k.Task, nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.free(pauseName)
		r.hold(s)
	case ctx.Err() != nil:
	case lost(err):
		r.later(ctx, pauseName)
	default:
		r.failed(pauseName, "ResourceInitializationError: "+err.Error())
	}
}

// hold takes in what was seen of the container that holds the task's namespaces; nil
// is that there is none. Without it nothing of the task can be started any more, and
// so the task ends. The caller has the lock.
func (r *runner) hold(s *sight) {
	switch {
	case s != nil && r.k.Pause == "" && (s.running || r.k.Ending):
		r.k.Pause = s.id
		if e := s.own; e != nil && e.IPAddress != "" {
			st := &r.k.State
			st.Address, st.MAC, st.SubnetGateway = e.IPAddress, e.MacAddress, e.Gateway
			st.Subnet = netip.PrefixFrom(parsed(e.IPAddress), e.IPPrefixLen).Masked().String()
		}
	case r.k.Pause != "" && !r.k.Ending && (s == nil || !s.running):
		r.ending(machine.EssentialContainerExited, "Essential container in task exited: the container that holds its namespaces")
	}
}

func parsed(address string) netip.Addr {
	a, _ := netip.ParseAddr(address) // the Engine's own words
	return a
}

func (r *runner) makePause(ctx context.Context) (v container.InspectResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	t, engine := &r.k.Task, r.m.engine
	cfg := &container.Config{Image: pauseImage, Labels: r.labels(&machine.Container{Name: pauseName})}
	host := &container.HostConfig{NetworkMode: "none", Resources: container.Resources{CgroupParent: r.cgroup()}}
	if t.IpcMode == "task" {
		host.IpcMode = "shareable"
	}
	if t.NetworkMode == "awsvpc" {
		host.NetworkMode = taskNetwork
		if err := r.m.ensureNetwork(ctx); err != nil {
			return v, err
		}
		for _, c := range t.Containers {
			host.DNS, host.DNSSearch = merged(host.DNS, c.DNSServers), merged(host.DNSSearch, c.DNSSearch)
			for n, s := range c.Sysctls {
				if host.Sysctls == nil {
					host.Sysctls = map[string]string{}
				}
				host.Sysctls[n] = s // those of the network are the namespace's
			}
		}
	}
	if err := r.m.ensurePause(ctx); err != nil {
		return v, err
	}
	id, err := r.createNamed(ctx, cfg, host, pauseContainer(t))
	if err != nil {
		return v, err
	}
	if err := engine.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return v, plain(err)
	}
	return engine.ContainerInspect(ctx, id)
}

// merged are the values of both, each once.
func merged(have, more []string) []string {
	for _, v := range more {
		if !slices.Contains(have, v) {
			have = append(have, v)
		}
	}
	return have
}

func (m *Machine) ensureNetwork(ctx context.Context) error {
	m.ensuring.Lock() // the Engine makes two of one name when it is asked twice at once
	defer m.ensuring.Unlock()
	if _, err := m.engine.NetworkInspect(ctx, taskNetwork, network.InspectOptions{}); err == nil || !errdefs.IsNotFound(err) {
		return reach(err)
	}
	_, err := m.engine.NetworkCreate(ctx, taskNetwork, network.CreateOptions{Driver: "bridge", Labels: map[string]string{labelOwner: m.o.Owner}})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("make the network of tasks: %w", plain(err))
	}
	return nil
}

// ensurePause makes the image of the containers that hold namespaces, unless there is
// one that this Engine's processor can run.
func (m *Machine) ensurePause(ctx context.Context) error {
	m.ensuring.Lock()
	defer m.ensuring.Unlock()
	v, err := m.engine.ImageInspect(ctx, pauseImage)
	if err == nil && v.Architecture == m.arch || err != nil && !errdefs.IsNotFound(err) {
		return reach(err)
	}
	files, err := pauseTar(m.arch)
	if err != nil {
		return err
	}
	body, err := m.engine.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(files), SourceName: "-"}, pauseImage,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/pause"]`}, Platform: "linux/" + m.arch})
	if err != nil {
		return fmt.Errorf("make the image that holds namespaces: %w", plain(err))
	}
	_, err = io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}

// deprovision gives the task's namespaces back.
func (r *runner) deprovision(ctx context.Context) {
	if err := r.m.remove(ctx, r.pause()); err != nil {
		if ctx.Err() == nil {
			r.m.o.Log.WarnContext(ctx, "the network of a task could not be given back yet", "task", r.k.Task.ARN, "error", err)
		}
		r.later(ctx, pauseName)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(pauseName)
	r.k.Pause = ""
}
