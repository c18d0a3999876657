package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

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
	s, err := r.hold(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.failed(pauseName, "ResourceInitializationError: "+err.Error())
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, pauseName)
	r.k.Pause = s.ID
	if n := s.NetworkSettings; n != nil {
		if e := n.Networks[taskNetwork]; e != nil {
			r.k.State.Address, r.k.State.MAC, r.k.State.SubnetGateway = e.IPAddress, e.MacAddress, e.Gateway
		}
	}
}

func (r *runner) hold(ctx context.Context) (v container.InspectResponse, err error) {
	t, engine := &r.k.Task, r.m.engine
	name := pauseContainer(t)
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
			host.DNS, host.DNSSearch = append(host.DNS, c.DNSServers...), append(host.DNSSearch, c.DNSSearch...)
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
	if _, err := engine.ContainerCreate(ctx, cfg, host, nil, nil, name); err != nil && !errdefs.IsConflict(err) {
		return v, plain(err)
	}
	if err := engine.ContainerStart(ctx, name, container.StartOptions{}); err != nil {
		return v, plain(err)
	}
	return engine.ContainerInspect(ctx, name)
}

func (m *Machine) ensureNetwork(ctx context.Context) error {
	if _, err := m.engine.NetworkInspect(ctx, taskNetwork, network.InspectOptions{}); err == nil || !errdefs.IsNotFound(err) {
		return reach(err)
	}
	_, err := m.engine.NetworkCreate(ctx, taskNetwork, network.CreateOptions{Driver: "bridge", Labels: map[string]string{labelOwner: m.o.Owner}})
	if err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("make the network of tasks: %w", plain(err))
	}
	return nil
}

func (m *Machine) ensurePause(ctx context.Context) error {
	if _, err := m.engine.ImageInspect(ctx, pauseImage); err == nil || !errdefs.IsNotFound(err) {
		return reach(err)
	}
	files, err := pauseTar(runtime.GOARCH)
	if err != nil {
		return err
	}
	body, err := m.engine.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(files), SourceName: "-"}, pauseImage,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/pause"]`}})
	if err != nil {
		return fmt.Errorf("make the image that holds namespaces: %w", plain(err))
	}
	_, err = io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}

// deprovision gives the task's namespaces back.
func (r *runner) deprovision(ctx context.Context) {
	err := r.m.remove(ctx, r.pause())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, pauseName)
	if err != nil {
		r.m.o.Log.WarnContext(ctx, "the network of a task could not be given back yet", "task", r.k.Task.ARN, "error", err)
		return
	}
	r.k.Pause = ""
	if s := &r.k.State; s.Status == machine.Deprovisioning {
		s.Status = machine.Stopping // sum goes on from there
	}
}
