package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"drydock/deploy/machine"
)

const mib = 1 << 20

// linked is the container that a link names.
func linked(link string) string {
	name, _, _ := strings.Cut(link, ":")
	return name
}

// startContainer makes a container, unless there is one, and starts it.
func (r *runner) startContainer(ctx context.Context, name string) {
	t, c := &r.k.Task, r.container(name)
	r.mu.Lock()
	id, from := r.state(name).RuntimeID, r.k.Pulled[name]
	r.mu.Unlock()
	if id == "" {
		var err error
		id, err = r.create(ctx, c, from.Reference)
		switch {
		case ctx.Err() != nil:
			return
		case lost(err):
			r.later(ctx, name)
			return
		case err != nil:
			r.failed(name, cause(err))
			return
		}
		r.made(name, id)
	}
	begun, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	if err := r.m.engine.ContainerStart(begun, id, container.StartOptions{}); err != nil {
		switch {
		case ctx.Err() != nil:
		case lost(err):
			r.later(ctx, name)
		case r.shaken(name):
			r.anew(ctx, name, id)
		default:
			r.m.o.Log.DebugContext(ctx, "a container does not start", "task", t.ARN, "container", name, "error", err)
			r.failed(name, "CannotStartContainerError: "+plain(err).Error())
		}
		return
	}
	r.done(name)
}

// shaken reports whether the Engine was lost while the container was made or started,
// and forgets it. Such a container may be one that can never start: an Engine that is
// killed leaves half of what it needs for it.
func (r *runner) shaken(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.lostAt[name]
	delete(r.lostAt, name)
	return was
}

// anew removes a container that never ran, for another to be made.
func (r *runner) anew(ctx context.Context, name, id string) {
	err := r.m.remove(ctx, id)
	if err != nil {
		r.later(ctx, name)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free(name)
	if r.state(name).Started.IsZero() {
		r.state(name).RuntimeID, r.pulled, r.pulling = "", false, false
	}
}

// made notes the container that was made, which from now on is the one.
func (r *runner) made(name, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state(name).RuntimeID = id
}

// cause is why a container could not be made, in ECS's words: what the keeper says
// has its own.
func cause(err error) string {
	why := err.Error()
	if strings.HasPrefix(why, "ResourceInitializationError: ") || strings.HasPrefix(why, "ECS was unable to assume") {
		return why
	}
	return "CannotCreateContainerError: " + why
}

// create makes a container of the task.
func (r *runner) create(ctx context.Context, c *machine.Container, from string) (id string, err error) {
	cfg, host, err := r.configure(ctx, c, from)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	return r.createNamed(ctx, cfg, host, containerName(&r.k.Task, c.Name))
}

// createNamed makes a container that has a name of the task's. One that has it already
// is the task's own, from before a crash.
func (r *runner) createNamed(ctx context.Context, cfg *container.Config, host *container.HostConfig, name string) (id string, err error) {
	for {
		made, err := r.m.engine.ContainerCreate(ctx, cfg, host, nil, nil, name)
		if err == nil {
			return made.ID, nil
		}
		if !errdefs.IsConflict(err) {
			return "", plain(err)
		}
		v, err := r.m.inspect(ctx, name)
		switch {
		case errdefs.IsNotFound(err) && ctx.Err() == nil:
			// The Engine has given the name to a container that it is making, as one that
			// died had asked it to, or that it is taking away.
			pause(ctx)
		case err != nil:
			return "", plain(err)
		case v.Config.Labels[labelTask] == r.k.Task.ARN && v.Config.Labels[labelOwner] == r.m.o.Owner:
			return v.ID, nil
		default:
			return "", fmt.Errorf("the name %s is taken by another container", name)
		}
	}
}

// configure says in Docker's terms what a container is to be.
func (r *runner) configure(ctx context.Context, c *machine.Container, from string) (*container.Config, *container.HostConfig, error) {
	t := &r.k.Task
	env, err := r.m.o.Keeper.Environment(ctx, *t, c.Name)
	if err != nil {
		return nil, nil, err
	}
	secret, secretLogs, err := r.m.o.Keeper.Secrets(ctx, *t, c.Name)
	if err != nil {
		return nil, nil, err
	}
	if what := r.privilege(c); what != "" && !r.m.o.Privileged {
		return nil, nil, fmt.Errorf("%s are not allowed on this machine: its owner has to allow them with --allow-privileged-tasks", what)
	}
	if c.GPUs > 0 {
		return nil, nil, errors.New("there are no GPUs on this machine")
	}
	all := map[string]string{}
	maps.Copy(all, secret)
	maps.Copy(all, c.Environment)
	maps.Copy(all, env)
	cfg := &container.Config{
		Image: from, Hostname: c.Hostname, User: c.User, WorkingDir: c.WorkingDirectory, Entrypoint: strslice.StrSlice(c.EntryPoint), Cmd: strslice.StrSlice(c.Command),
		Env: pairs(all), Tty: c.Terminal, OpenStdin: c.Interactive, Labels: r.labels(c), NetworkDisabled: c.DisableNetworking, ExposedPorts: nat.PortSet{},
	}
	if h := c.Health; h != nil {
		cfg.Healthcheck = &container.HealthConfig{Test: h.Command, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	}
	if c.NoHealth {
		cfg.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	host := &container.HostConfig{
		Binds: r.binds(c), Privileged: c.Privileged, ReadonlyRootfs: c.ReadOnlyRoot, DNS: c.DNSServers, DNSSearch: c.DNSSearch, SecurityOpt: c.DockerSecurityOptions,
		Sysctls: c.Sysctls, CapAdd: c.Linux.AddCapabilities, CapDrop: c.Linux.DropCapabilities, ShmSize: c.Linux.SharedMemory * mib, PortBindings: nat.PortMap{},
	}
	if c.Linux.Init {
		host.Init = &c.Linux.Init
	}
	r.resources(c, host)
	if err := r.network(c, cfg, host); err != nil {
		return nil, nil, err
	}
	for _, v := range c.VolumesFrom {
		mode := ":rw"
		if v.ReadOnly {
			mode = ":ro"
		}
		host.VolumesFrom = append(host.VolumesFrom, containerName(t, v.Container)+mode)
	}
	for n, a := range c.ExtraHosts {
		host.ExtraHosts = append(host.ExtraHosts, n+":"+a)
	}
	slices.Sort(host.ExtraHosts)
	for _, f := range c.Linux.Tmpfs {
		if host.Tmpfs == nil {
			host.Tmpfs = map[string]string{}
		}
		host.Tmpfs[f.Path] = strings.Join(append([]string{fmt.Sprintf("size=%dm", f.Size)}, f.Options...), ",")
	}
	if c.Log != nil {
		if host.LogConfig, err = r.logs(ctx, c, secretLogs); err != nil {
			return nil, nil, err
		}
	}
	return cfg, host, nil
}

// privilege is what a container wants that would give it power over the machine.
func (r *runner) privilege(c *machine.Container) string {
	t := &r.k.Task
	switch {
	case c.Privileged:
		return "privileged containers"
	case len(c.Linux.Devices) > 0:
		return "devices of the machine"
	case len(c.DockerSecurityOptions) > 0:
		return "Docker's security options"
	case t.PidMode == "host" || t.IpcMode == "host":
		return "processes beside those of the machine"
	case slices.ContainsFunc(c.Linux.AddCapabilities, func(s string) bool { return s != "SYS_PTRACE" && s != "NET_BIND_SERVICE" }):
		return "further capabilities"
	}
	for _, m := range c.Mounts {
		if slices.ContainsFunc(t.Volumes, func(v machine.Volume) bool { return v.Name == m.Volume && v.HostPath != "" }) {
			return "folders of the machine"
		}
	}
	return ""
}

func pairs(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, n := range slices.Sorted(maps.Keys(env)) {
		list = append(list, n+"="+env[n])
	}
	return list
}

// labels are the container's own with those by which it is found again.
func (r *runner) labels(c *machine.Container) map[string]string {
	t := &r.k.Task
	l := map[string]string{}
	maps.Copy(l, c.Labels)
	maps.Copy(l, map[string]string{
		labelTask: t.ARN, labelCluster: t.Cluster, labelFamily: t.Family, labelRevision: strconv.Itoa(int(t.Revision)), labelContainer: c.Name, labelOwner: r.m.o.Owner,
	})
	return l
}

func (r *runner) resources(c *machine.Container, h *container.HostConfig) {
	const leastShares = 2 // fewer the kernel does not know
	h.CPUShares = max(c.CPU, leastShares)
	h.Memory, h.MemoryReservation = c.Memory*mib, c.MemoryReservation*mib
	if c.Memory == 0 && r.k.Task.Memory != 0 {
		h.Memory = r.k.Task.Memory * mib
	}
	// Without maxSwap, swappiness does not count.
	// Source: Amazon ECS Developer Guide, "Managing container swap memory space".
	if s := c.Linux.MaxSwap; s != nil && h.Memory > 0 {
		h.MemorySwap, h.MemorySwappiness = h.Memory+*s*mib, c.Linux.Swappiness
	}
	for _, u := range c.Ulimits {
		h.Ulimits = append(h.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, d := range c.Linux.Devices {
		to, mode := d.Container, "rwm"
		if to == "" {
			to = d.Host
		}
		if len(d.Permissions) > 0 {
			mode = ""
			for _, p := range d.Permissions {
				mode += p[:1]
			}
		}
		h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: d.Host, PathInContainer: to, CgroupPermissions: mode})
	}
	h.CgroupParent = r.cgroup()
}

// network joins the container to the task's network and asks for its ports.
func (r *runner) network(c *machine.Container, cfg *container.Config, h *container.HostConfig) error {
	t := &r.k.Task
	switch {
	case t.NetworkMode == "awsvpc":
		// The name and the resolvers are those of the container that holds the network.
		h.NetworkMode, cfg.Hostname, h.DNS, h.DNSSearch = container.NetworkMode("container:"+r.pause()), "", nil, nil
	case t.NetworkMode == "host":
		h.NetworkMode = "host"
	case t.NetworkMode == "none" || c.DisableNetworking:
		h.NetworkMode = "none"
	default:
		h.NetworkMode = "bridge"
		for _, l := range c.Links {
			name, alias, given := strings.Cut(l, ":")
			if !given {
				alias = name
			}
			h.Links = append(h.Links, containerName(t, name)+":"+alias)
		}
		for _, p := range c.Ports {
			if err := r.expose(p, cfg, h); err != nil {
				return err
			}
		}
	}
	switch t.PidMode {
	case "host":
		h.PidMode = "host"
	case "task":
		if p := r.pause(); p != "" {
			h.PidMode = container.PidMode("container:" + p)
		}
	}
	switch t.IpcMode {
	case "host", "none":
		h.IpcMode = container.IpcMode(t.IpcMode)
	case "task":
		if p := r.pause(); p != "" {
			h.IpcMode = container.IpcMode("container:" + p)
		}
	}
	return nil
}

// logs are the driver and its options, with what only the server knows.
func (r *runner) logs(ctx context.Context, c *machine.Container, secret map[string]string) (container.LogConfig, error) {
	o := map[string]string{}
	maps.Copy(o, c.Log.Options)
	maps.Copy(o, secret)
	if c.Log.Driver == "awslogs" {
		more, err := r.m.o.Keeper.LogOptions(ctx, r.k.Task, c.Name)
		if err != nil {
			return container.LogConfig{}, err
		}
		prefix := o["awslogs-stream-prefix"]
		delete(o, "awslogs-stream-prefix") // the agent's own; Docker does not know it
		if prefix != "" {
			id := r.k.Task.ARN[strings.LastIndex(r.k.Task.ARN, "/")+1:]
			o["awslogs-stream"] = prefix + "/" + c.Name + "/" + id
		}
		maps.Copy(o, more)
	}
	return container.LogConfig{Type: c.Log.Driver, Config: o}, nil
}
