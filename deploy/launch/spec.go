package launch

import (
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/deploy/taskdefinition"
	"drydock/internal/arn"
)

// spec is what the machine is told to run. The id of a container's ARN follows from
// the task's, so that it is the same each time.
func (p *Parts) spec(id string, on record.Instance, now time.Time) machine.Task {
	name := func(kind, rest string) string {
		return arn.ARN{Service: "ecs", Region: p.Scope.Region, Account: p.Scope.Account, Resource: kind + "/" + rest}.String()
	}
	d := &p.Definition
	t := machine.Task{
		ARN: name("task", p.Cluster+"/"+id), ClusterARN: name("cluster", p.Cluster), Cluster: p.Cluster, Family: *d.Family, Revision: d.Revision,
		Group: p.Group, Service: p.Service, LaunchType: string(p.LaunchType), StartedBy: p.StartedBy,
		Account: p.Scope.Account, Region: p.Scope.Region, AvailabilityZone: on.Detail.Described.Attributes["ecs.availability-zone"],
		NetworkMode: string(taskdefinition.NetworkMode(d)), PidMode: string(d.PidMode), IpcMode: string(d.IpcMode),
		RoleARN: role(p.Scope, d.TaskRoleArn), ExecutionRoleARN: role(p.Scope, d.ExecutionRoleArn), CreatedAt: now,
	}
	if d.Cpu != nil {
		t.CPU = p.CPU
	}
	if d.Memory != nil {
		t.Memory = p.Memory
	}
	for _, v := range d.Volumes {
		t.Volumes = append(t.Volumes, volume(v))
	}
	for i, c := range p.Containers {
		s := container(c, p.LogMode)
		if p.Repository != nil {
			s.Repository = p.Repository(s.Image)
		}
		s.ARN = name("container", p.Cluster+"/"+id+"/"+id[:min(8, len(id))]+"-"+hex4(i))
		t.Containers = append(t.Containers, s)
	}
	return t
}

const digits = "0123456789abcdef"

func hex4(i int) string {
	return string([]byte{digits[i>>12&15], digits[i>>8&15], digits[i>>4&15], digits[i&15]})
}

func role(s record.Scope, given *string) string {
	switch g := deref(given); {
	case g == "", len(g) > 4 && g[:4] == "arn:":
		return g
	default:
		return "arn:aws:iam::" + s.Account + ":role/" + g
	}
}

func volume(v types.Volume) machine.Volume {
	m := machine.Volume{Name: deref(v.Name)}
	if v.Host != nil {
		m.HostPath = deref(v.Host.SourcePath)
	}
	if c := v.DockerVolumeConfiguration; c != nil {
		m.Driver, m.DriverOptions, m.Labels = deref(c.Driver), c.DriverOpts, c.Labels
		m.Shared, m.Autoprovision = c.Scope == types.ScopeShared, deref(c.Autoprovision)
	}
	return m
}

// Source of the defaults: Amazon ECS Developer Guide, "Task definition parameters".
const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 30 * time.Second
)

func seconds(n *int32, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}

func container(c types.ContainerDefinition, logMode string) machine.Container {
	m := machine.Container{
		Name: *c.Name, Image: *c.Image, Essential: c.Essential == nil || *c.Essential,
		CPU: int64(c.Cpu), Memory: int64(deref(c.Memory)), MemoryReservation: int64(deref(c.MemoryReservation)),
		EntryPoint: c.EntryPoint, Command: c.Command, WorkingDirectory: deref(c.WorkingDirectory), User: deref(c.User), Hostname: deref(c.Hostname),
		Links: c.Links, StartTimeout: seconds(c.StartTimeout, startTimeout), StopTimeout: seconds(c.StopTimeout, stopTimeout),
		Privileged: deref(c.Privileged), ReadOnlyRoot: deref(c.ReadonlyRootFilesystem), Interactive: deref(c.Interactive), Terminal: deref(c.PseudoTerminal),
		DisableNetworking: deref(c.DisableNetworking), DNSServers: c.DnsServers, DNSSearch: c.DnsSearchDomains, DockerSecurityOptions: c.DockerSecurityOptions,
		Labels: maps.Clone(c.DockerLabels), Environment: map[string]string{},
	}
	for _, e := range c.Environment {
		m.Environment[deref(e.Name)] = deref(e.Value)
	}
	for _, f := range c.EnvironmentFiles {
		m.EnvironmentFiles = append(m.EnvironmentFiles, deref(f.Value))
	}
	m.Secrets = secrets(c.Secrets)
	for _, p := range c.PortMappings {
		m.Ports = append(m.Ports, machine.Port{
			ContainerPort: deref(p.ContainerPort), HostPort: deref(p.HostPort), ContainerPortRange: deref(p.ContainerPortRange),
			Protocol: string(p.Protocol), Name: deref(p.Name),
		})
	}
	for _, v := range c.MountPoints {
		m.Mounts = append(m.Mounts, machine.Mount{Volume: deref(v.SourceVolume), Path: deref(v.ContainerPath), ReadOnly: deref(v.ReadOnly)})
	}
	for _, v := range c.VolumesFrom {
		m.VolumesFrom = append(m.VolumesFrom, machine.VolumesFrom{Container: deref(v.SourceContainer), ReadOnly: deref(v.ReadOnly)})
	}
	for _, d := range c.DependsOn {
		m.DependsOn = append(m.DependsOn, machine.Dependency{Container: deref(d.ContainerName), Condition: string(d.Condition)})
	}
	if h := c.HealthCheck; h != nil && h.Command[0] == "NONE" {
		m.NoHealth = true
	} else if h != nil {
		m.Health = &machine.HealthCheck{
			Command: h.Command, Interval: seconds(h.Interval, 30*time.Second), Timeout: seconds(h.Timeout, 5*time.Second),
			StartPeriod: seconds(h.StartPeriod, 0), Retries: int(deref(h.Retries)),
		}
	}
	if r := c.RestartPolicy; r != nil && deref(r.Enabled) {
		m.Restart = &machine.RestartPolicy{IgnoredExitCodes: r.IgnoredExitCodes, Period: seconds(r.RestartAttemptPeriod, 5*time.Minute)}
	}
	if l := c.LogConfiguration; l != nil {
		m.Log = &machine.Log{Driver: string(l.LogDriver), Options: maps.Clone(l.Options), SecretOptions: secrets(l.SecretOptions)}
		if m.Log.Options["mode"] == "" && logMode != "" && l.LogDriver == types.LogDriverAwslogs {
			if m.Log.Options == nil {
				m.Log.Options = map[string]string{}
			}
			m.Log.Options["mode"] = logMode
		}
	}
	for _, u := range c.Ulimits {
		m.Ulimits = append(m.Ulimits, machine.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	for _, v := range c.SystemControls {
		if m.Sysctls == nil {
			m.Sysctls = map[string]string{}
		}
		m.Sysctls[deref(v.Namespace)] = deref(v.Value)
	}
	for _, h := range c.ExtraHosts {
		if m.ExtraHosts == nil {
			m.ExtraHosts = map[string]string{}
		}
		m.ExtraHosts[deref(h.Hostname)] = deref(h.IpAddress)
	}
	for _, r := range c.ResourceRequirements {
		var n int
		for _, d := range deref(r.Value) {
			n = n*10 + int(d-'0')
		}
		m.GPUs += n
	}
	if l := c.LinuxParameters; l != nil {
		m.Linux = linux(l)
	}
	return m
}

func secrets(list []types.Secret) map[string]string {
	var m map[string]string
	for _, s := range list {
		if m == nil {
			m = map[string]string{}
		}
		m[deref(s.Name)] = deref(s.ValueFrom)
	}
	return m
}

func linux(l *types.LinuxParameters) machine.Linux {
	m := machine.Linux{Init: deref(l.InitProcessEnabled), SharedMemory: int64(deref(l.SharedMemorySize))}
	if c := l.Capabilities; c != nil {
		m.AddCapabilities, m.DropCapabilities = c.Add, c.Drop
	}
	for _, d := range l.Devices {
		v := machine.Device{Host: deref(d.HostPath), Container: deref(d.ContainerPath)}
		for _, p := range d.Permissions {
			v.Permissions = append(v.Permissions, string(p))
		}
		m.Devices = append(m.Devices, v)
	}
	for _, t := range l.Tmpfs {
		m.Tmpfs = append(m.Tmpfs, machine.Tmpfs{Path: deref(t.ContainerPath), Size: int64(t.Size), Options: t.MountOptions})
	}
	if l.MaxSwap != nil {
		m.MaxSwap = to(int64(*l.MaxSwap))
	}
	if l.Swappiness != nil {
		m.Swappiness = to(int64(*l.Swappiness))
	}
	return m
}
