// Package launch makes tasks of task definitions: what a machine is told to run,
// what it takes of the machine, the record of it, and how ECS shows it. RunTask and
// the service scheduler both make theirs here.
package launch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/deploy/taskdefinition"
	"drydock/internal/arn"
)

// Request is a task to be made.
type Request struct {
	Scope      record.Scope
	Cluster    string
	Definition types.TaskDefinition
	// Overrides may be nil.
	Overrides *types.TaskOverride
	// Group is "family:NAME" where it is empty.
	Group, Service, Deployment, StartedBy string
	LaunchType                            types.LaunchType
	// Shares are those of the capacity provider strategy; none without one.
	Shares               []placement.Share
	PlatformVersion      string
	EnableExecuteCommand bool
	// Network is what awsvpc tasks were given.
	Network *types.NetworkConfiguration
	// Tags are those of the tasks.
	Tags map[string]string
	// LogMode is the account's, for logs whose definition has none.
	LogMode string
	// Repository tells images of this server's own registry from others, for which
	// it gives nil. Where it is nil itself, there are none.
	Repository func(image string) *machine.RepositoryImage
}

// Parts are what becomes of a request before it is placed: the same for all tasks of
// one request.
type Parts struct {
	Request
	Containers []types.ContainerDefinition
	// CPU is in units, Memory in MiB: what each task takes of a machine.
	CPU, Memory int64
	// Ports are those of the machine that each task needs.
	Ports []placement.Port
	GPUs  int
	// CapacityProvider is the one that a task falls to; empty without a strategy.
	CapacityProvider string
}

// On are the parts of a task that falls to a capacity provider.
func (p *Parts) On(provider string) *Parts {
	one := *p
	one.CapacityProvider = provider
	return &one
}

// OverrideError says what of an override does not fit the task definition.
type OverrideError struct{ message string }

func (e *OverrideError) Error() string { return e.message }

// Prepare applies the overrides. Errors: *OverrideError.
func Prepare(r Request) (*Parts, error) {
	if r.Group == "" {
		r.Group = "family:" + *r.Definition.Family
	}
	p := &Parts{Request: r, Containers: slices.Clone(r.Definition.ContainerDefinitions)}
	if o := r.Overrides; o != nil {
		for _, c := range o.ContainerOverrides {
			i := slices.IndexFunc(p.Containers, func(d types.ContainerDefinition) bool { return *d.Name == deref(c.Name) })
			if i < 0 {
				return nil, &OverrideError{fmt.Sprintf("Override for container named %s is not a container in the TaskDefinition.", deref(c.Name))}
			}
			override(&p.Containers[i], c)
		}
		p.Definition.Cpu, p.Definition.Memory = cmp.Or(o.Cpu, p.Definition.Cpu), cmp.Or(o.Memory, p.Definition.Memory)
		p.Definition.TaskRoleArn = cmp.Or(o.TaskRoleArn, p.Definition.TaskRoleArn)
		p.Definition.ExecutionRoleArn = cmp.Or(o.ExecutionRoleArn, p.Definition.ExecutionRoleArn)
	}
	var err error
	if p.CPU, err = taskdefinition.CPU(deref(p.Definition.Cpu)); err != nil {
		return nil, &OverrideError{err.Error()}
	}
	if p.Memory, err = taskdefinition.Memory(deref(p.Definition.Memory)); err != nil {
		return nil, &OverrideError{err.Error()}
	}
	p.sum()
	if len(p.Shares) > 0 {
		p.CapacityProvider = p.Shares[0].Provider
	}
	return p, nil
}

// override changes a container by an override. Environment variables of both stay,
// the override's before the definition's of the same name.
func override(c *types.ContainerDefinition, o types.ContainerOverride) {
	if o.Command != nil {
		c.Command = o.Command
	}
	if o.Cpu != nil {
		c.Cpu = *o.Cpu
	}
	c.Memory, c.MemoryReservation = cmp.Or(o.Memory, c.Memory), cmp.Or(o.MemoryReservation, c.MemoryReservation)
	c.Environment = append(slices.Clone(c.Environment), o.Environment...)
	c.EnvironmentFiles = append(slices.Clone(c.EnvironmentFiles), o.EnvironmentFiles...)
	if o.ResourceRequirements != nil {
		c.ResourceRequirements = o.ResourceRequirements
	}
}

// sum adds up what the containers take where the task as a whole does not say it.
func (p *Parts) sum() {
	var cpu, memory int64
	mode := taskdefinition.NetworkMode(&p.Definition)
	for _, c := range p.Containers {
		cpu += int64(c.Cpu)
		memory += int64(*cmp.Or(c.MemoryReservation, c.Memory, new(int32)))
		for _, r := range c.ResourceRequirements {
			n, _ := strconv.Atoi(deref(r.Value)) // the definition was checked
			p.GPUs += n
		}
		if mode == types.NetworkModeAwsvpc {
			continue // the task has ports of its own
		}
		for _, m := range c.PortMappings {
			if host := deref(m.HostPort); host != 0 {
				p.Ports = append(p.Ports, port(int(host), string(m.Protocol)))
			}
		}
	}
	if p.CPU == 0 {
		p.CPU = cpu
	}
	if p.Memory == 0 {
		p.Memory = memory
	}
}

func port(number int, protocol string) placement.Port {
	p := placement.Port{Number: uint16(number)}
	if protocol == "udp" {
		p.Protocol = placement.UDP
	}
	return p
}

// Placement is the request for places that the parts make, without constraints and
// strategies beside those of the task definition. Errors: that an expression of the
// definition cannot be read, which was checked when it was registered.
func (p *Parts) Placement(count int) (*placement.Request, error) {
	q := &placement.Request{
		Group: p.Group, Count: count, CPU: p.CPU, Memory: p.Memory, Ports: p.Ports, GPUs: p.GPUs, CapacityProvider: p.ownProvider(),
	}
	for _, a := range p.Definition.RequiresAttributes {
		q.Attributes = append(q.Attributes, placement.RequiredAttribute{Name: *a.Name, Value: deref(a.Value), AnyValue: a.Value == nil})
	}
	for _, c := range p.Definition.PlacementConstraints {
		constraint, err := placement.NewConstraint(string(c.Type), deref(c.Expression))
		if err != nil {
			return nil, err
		}
		q.Constraints = append(q.Constraints, constraint)
	}
	return q, nil
}

// ownProvider is the capacity provider whose instances may be used; Amazon's stand
// for every machine.
func (p *Parts) ownProvider() string {
	if strings.HasPrefix(p.CapacityProvider, "FARGATE") {
		return ""
	}
	return p.CapacityProvider
}

// Task makes the record of a task with an id, placed on a container instance.
func (p *Parts) Task(id string, on record.Instance, now time.Time) record.Task {
	t := record.Task{
		Scope: p.Scope, Cluster: p.Cluster, ID: id, Instance: on.ID, Machine: on.Machine, Family: *p.Definition.Family, Service: p.Service,
		StartedBy: p.StartedBy, LaunchType: string(p.LaunchType), Desired: "RUNNING", Status: string(p.first()),
	}
	t.Detail.Deployment, t.Detail.Tags = p.Deployment, p.Tags
	t.Detail.Spec = p.spec(id, on, now)
	t.Detail.Shown = p.shown(t, on, now)
	return t
}

// first is the state in which a task begins.
func (p *Parts) first() machine.Status {
	if p.Definition.NetworkMode == types.NetworkModeAwsvpc {
		return machine.Provisioning
	}
	return machine.Pending
}

func (p *Parts) shown(t record.Task, on record.Instance, now time.Time) types.Task {
	in := func(kind, rest string) *string {
		return to(arn.ARN{Service: "ecs", Region: t.Region, Account: t.Account, Resource: kind + "/" + rest}.String())
	}
	v := types.Task{
		TaskArn: &t.Detail.Spec.ARN, ClusterArn: in("cluster", t.Cluster), TaskDefinitionArn: p.Definition.TaskDefinitionArn,
		Group: &p.Group, LaunchType: p.LaunchType, CreatedAt: &now, Version: 1, Attachments: []types.Attachment{}, Attributes: []types.Attribute{},
		Overrides: p.Overrides, EnableExecuteCommand: p.EnableExecuteCommand, Connectivity: types.ConnectivityConnected, ConnectivityAt: &now,
		AvailabilityZone: &t.Detail.Spec.AvailabilityZone, HealthStatus: types.HealthStatusUnknown,
		Cpu: to(strconv.FormatInt(p.CPU, 10)), Memory: to(strconv.FormatInt(p.Memory, 10)),
	}
	if p.StartedBy != "" {
		v.StartedBy = &p.StartedBy
	}
	if p.CapacityProvider != "" {
		v.CapacityProviderName = &p.CapacityProvider
	}
	if p.LaunchType == types.LaunchTypeFargate {
		v.PlatformVersion, v.PlatformFamily = to("1.4.0"), to("Linux")
	} else {
		v.ContainerInstanceArn = in("container-instance", on.Cluster+"/"+on.ID)
	}
	if v.Overrides == nil {
		v.Overrides = &types.TaskOverride{}
	}
	if v.Overrides.ContainerOverrides == nil {
		o := *v.Overrides
		o.ContainerOverrides = []types.ContainerOverride{}
		for _, c := range p.Containers {
			o.ContainerOverrides = append(o.ContainerOverrides, types.ContainerOverride{Name: c.Name})
		}
		v.Overrides = &o
	}
	for i, c := range p.Containers {
		v.Containers = append(v.Containers, types.Container{
			ContainerArn: to(t.Detail.Spec.Containers[i].ARN), Name: c.Name, Image: c.Image, LastStatus: to(string(machine.Pending)), TaskArn: v.TaskArn,
			NetworkInterfaces: []types.NetworkInterface{}, NetworkBindings: []types.NetworkBinding{}, HealthStatus: types.HealthStatusUnknown,
			Cpu: to(strconv.Itoa(int(c.Cpu))), Memory: number(c.Memory), MemoryReservation: number(c.MemoryReservation),
		})
	}
	return v
}

func number(n *int32) *string {
	if n == nil {
		return nil
	}
	return to(strconv.Itoa(int(*n)))
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func to[T any](v T) *T { return &v }
