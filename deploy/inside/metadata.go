package inside

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"drydock/deploy/machine"
	"drydock/storage/meta"
)

// taskShown is a task as its containers see it. What version 3 does not have is left
// out by it.
//
// Source: Amazon ECS Developer Guide, "Amazon ECS task metadata v4 response".
type taskShown struct {
	Cluster            string
	TaskARN            string
	Family             string
	Revision           string
	DesiredStatus      string
	KnownStatus        string
	Limits             *taskLimits       `json:",omitempty"`
	PullStartedAt      *time.Time        `json:",omitempty"`
	PullStoppedAt      *time.Time        `json:",omitempty"`
	ExecutionStoppedAt *time.Time        `json:",omitempty"`
	AvailabilityZone   string            `json:",omitempty"`
	LaunchType         string            `json:",omitempty"`
	TaskTags           map[string]string `json:",omitempty"`
	ServiceName        string            `json:",omitempty"`
	Containers         []containerShown  `json:",omitempty"`
}

// taskLimits are in CPUs and in MiB.
type taskLimits struct {
	CPU    float64 `json:",omitempty"`
	Memory int64   `json:",omitempty"`
}

// containerShown is a container as it and the others of its task see it.
type containerShown struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []portShown       `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        containerLimits
	CreatedAt     *time.Time `json:",omitempty"`
	StartedAt     *time.Time `json:",omitempty"`
	FinishedAt    *time.Time `json:",omitempty"`
	Type          string
	Health        *healthShown      `json:",omitempty"`
	Volumes       []volumeShown     `json:",omitempty"`
	LogDriver     string            `json:",omitempty"`
	LogOptions    map[string]string `json:",omitempty"`
	ContainerARN  string            `json:",omitempty"`
	Networks      []networkShown    `json:",omitempty"`
	RestartCount  *int              `json:",omitempty"`
}

// containerLimits are in CPU shares and in MiB.
type containerLimits struct {
	CPU    int64
	Memory int64 `json:",omitempty"`
}

type portShown struct {
	ContainerPort int32
	Protocol      string
	HostPort      int32  `json:",omitempty"`
	HostIP        string `json:"HostIp,omitempty"`
}

type healthShown struct {
	Status machine.Health `json:"status"`
}

type volumeShown struct {
	Source, Destination string
}

type networkShown struct {
	NetworkMode          string
	IPv4Addresses        []string
	AttachmentIndex      *int     `json:",omitempty"`
	MACAddress           string   `json:",omitempty"`
	DomainNameServers    []string `json:",omitempty"`
	DomainNameSearchList []string `json:",omitempty"`
	SubnetGateway        string   `json:"SubnetGatewayIpv4Address,omitempty"`
}

func (s *Server) containerMetadata(_ context.Context, c *caller) (any, error) {
	return c.showContainer(c.container)
}

func (s *Server) taskMetadata(_ context.Context, c *caller) (any, error) { return c.showTask() }

// taskMetadataWithTags tells the tags too, as they are now.
func (s *Server) taskMetadataWithTags(ctx context.Context, c *caller) (any, error) {
	v, err := c.showTask()
	if err != nil {
		return nil, err
	}
	if v.TaskTags, err = meta.ResourceTags(ctx, s.o.DB.Reader(), c.state.ARN); err != nil {
		return nil, fmt.Errorf("read the tags of a task: %w", err)
	}
	return v, nil
}

func (c *caller) showTask() (*taskShown, error) {
	t, st := &c.task.Detail.Spec, c.state
	v := &taskShown{
		Cluster: t.Cluster, TaskARN: t.ARN, Family: t.Family, Revision: strconv.Itoa(int(t.Revision)), DesiredStatus: c.task.Desired, KnownStatus: string(st.Status),
		PullStartedAt: told(st.PullStarted), PullStoppedAt: told(st.PullStopped), ExecutionStoppedAt: told(st.ExecutionStopped),
		AvailabilityZone: t.AvailabilityZone,
	}
	if t.LaunchType == "FARGATE" {
		v.Cluster = t.ClusterARN
	}
	if t.CPU != 0 || t.Memory != 0 {
		v.Limits = &taskLimits{float64(t.CPU) / 1024, t.Memory}
	}
	if c.version >= 4 {
		v.LaunchType, v.ServiceName = cmp.Or(t.LaunchType, "EC2"), t.Service
	}
	for _, of := range t.Containers {
		one, err := c.showContainer(of.Name)
		if err != nil {
			return nil, err
		}
		v.Containers = append(v.Containers, *one)
	}
	return v, nil
}

func (c *caller) showContainer(name string) (*containerShown, error) {
	spec, st, err := containerOf(c, name)
	if err != nil {
		return nil, err
	}
	t := &c.task.Detail.Spec
	v := &containerShown{
		DockerID: st.RuntimeID, Name: name, DockerName: dockerName(t, name), Image: spec.Image, ImageID: st.ImageDigest, Labels: labels(t, spec),
		DesiredStatus: c.task.Desired, KnownStatus: string(st.Status), ExitCode: st.ExitCode, Limits: containerLimits{spec.CPU, cmp.Or(spec.Memory, spec.MemoryReservation)},
		CreatedAt: told(st.Created), StartedAt: told(st.Started), FinishedAt: told(st.Finished), Type: "NORMAL", Networks: c.networks(spec, st),
	}
	for _, b := range st.Bindings {
		for _, b := range b.Singly() {
			v.Ports = append(v.Ports, portShown{b.ContainerPort, b.Protocol, b.HostPort, b.BindIP})
		}
	}
	if len(v.Ports) == 0 {
		for _, p := range spec.Ports {
			if p.ContainerPort != 0 {
				v.Ports = append(v.Ports, portShown{ContainerPort: p.ContainerPort, Protocol: p.Protocol, HostPort: p.HostPort})
			}
		}
	}
	if spec.Health != nil {
		v.Health = &healthShown{cmp.Or(st.Health, machine.Unknown)}
	}
	for _, m := range spec.Mounts {
		source := m.Volume
		if i := slices.IndexFunc(t.Volumes, func(v machine.Volume) bool { return v.Name == m.Volume }); i >= 0 {
			source = cmp.Or(t.Volumes[i].HostPath, m.Volume)
		}
		v.Volumes = append(v.Volumes, volumeShown{source, m.Path})
	}
	if c.version >= 4 {
		v.ContainerARN = spec.ARN
		if spec.Log != nil {
			v.LogDriver, v.LogOptions = spec.Log.Driver, spec.Log.Options
		}
		if spec.Restart != nil {
			v.RestartCount = &st.Restarts
		}
	}
	return v, nil
}

func (c *caller) networks(spec *machine.Container, st *machine.ContainerState) []networkShown {
	mode := c.task.Detail.Spec.NetworkMode
	n := networkShown{NetworkMode: mode, IPv4Addresses: st.Addresses}
	if c.state.Address != "" {
		n.IPv4Addresses = []string{c.state.Address}
		if c.version >= 4 {
			n.AttachmentIndex, n.MACAddress, n.SubnetGateway = new(int), c.state.MAC, c.state.SubnetGateway
			n.DomainNameServers, n.DomainNameSearchList = spec.DNSServers, spec.DNSSearch
		}
	}
	if len(n.IPv4Addresses) == 0 {
		n.IPv4Addresses = []string{}
	}
	return []networkShown{n}
}

// dockerName is how deploy/docker calls a container.
func dockerName(t *machine.Task, name string) string {
	return fmt.Sprintf("ecs-%s-%d-%s-%s", t.Family, t.Revision, name, t.ARN[strings.LastIndexByte(t.ARN, '/')+1:])
}

// labels are a container's own, and those that ECS gives to all.
func labels(t *machine.Task, c *machine.Container) map[string]string {
	all := map[string]string{}
	maps.Copy(all, c.Labels)
	maps.Copy(all, map[string]string{
		"com.amazonaws.ecs.cluster": t.Cluster, "com.amazonaws.ecs.container-name": c.Name, "com.amazonaws.ecs.task-arn": t.ARN,
		"com.amazonaws.ecs.task-definition-family": t.Family, "com.amazonaws.ecs.task-definition-version": strconv.Itoa(int(t.Revision)),
	})
	return all
}

func told(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}
