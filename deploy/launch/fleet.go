package launch

import (
	"context"
	"fmt"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// instances is how many container instances are read at once.
const instances = 500

// Fleet reads a cluster's container instances with their tasks, for placement.
func Fleet(ctx context.Context, q meta.Querier, s record.Scope, cluster string) (*placement.Fleet, map[string]record.Instance, error) {
	fleet, byID := placement.NewFleet(), map[string]record.Instance{}
	for p := (record.Page{Limit: instances}); ; {
		list, err := record.Instances(ctx, q, s, cluster, "", p)
		if err != nil {
			return nil, nil, fmt.Errorf("list the container instances of %s: %w", cluster, err)
		}
		for _, i := range list {
			byID[i.ID] = i
			fleet.PutInstance(Instance(i))
			tasks, err := record.TasksOfInstance(ctx, q, s, cluster, i.ID)
			if err != nil {
				return nil, nil, fmt.Errorf("list the tasks of container instance %s: %w", i.ID, err)
			}
			for _, t := range tasks {
				if err := fleet.PutTask(i.ID, Placed(t)); err != nil {
					return nil, nil, err
				}
			}
		}
		if len(list) < p.Limit {
			return fleet, byID, nil
		}
		p.After = list[len(list)-1].ID
	}
}

// Instance is a container instance as placement sees it.
func Instance(i record.Instance) placement.Instance {
	d, v := i.Detail.Described, i.Detail.Shown
	p := placement.Instance{
		ID: i.ID, ARN: deref(v.ContainerInstanceArn), EC2InstanceID: deref(v.Ec2InstanceId), Status: i.Status, AgentConnected: v.AgentConnected,
		AgentVersion: d.AgentVersion, CapacityProvider: deref(v.CapacityProviderName), Attributes: map[string]string{},
		Registered: placement.Resources{CPU: d.CPU, Memory: d.Memory, GPUs: d.GPUs},
	}
	if v.RegisteredAt != nil {
		p.RegisteredAt = *v.RegisteredAt
	}
	for _, a := range v.Attributes {
		p.Attributes[*a.Name] = deref(a.Value)
	}
	for _, n := range d.TakenTCP {
		p.Registered.Ports = append(p.Registered.Ports, port(n, "tcp"))
	}
	for _, n := range d.TakenUDP {
		p.Registered.Ports = append(p.Registered.Ports, port(n, "udp"))
	}
	return p
}

// Placed is a task as placement sees it: what it takes follows from what the machine
// was told, and its dynamic ports from what the machine has told.
func Placed(t record.Task) placement.Task {
	s := &t.Detail.Spec
	p := placement.Task{
		ID: t.ID, Group: s.Group, Family: t.Family, Service: t.Service, Deployment: t.Detail.Deployment, Stopping: t.Desired == string(machine.Stopped),
		CPU: s.CPU, Memory: s.Memory,
	}
	taken := map[placement.Port]bool{}
	take := func(n int, protocol string) {
		if n != 0 && s.NetworkMode != "awsvpc" && !taken[port(n, protocol)] {
			taken[port(n, protocol)] = true
			p.Ports = append(p.Ports, port(n, protocol))
		}
	}
	for _, c := range s.Containers {
		if s.CPU == 0 {
			p.CPU += c.CPU
		}
		if s.Memory == 0 {
			if c.MemoryReservation != 0 {
				p.Memory += c.MemoryReservation
			} else {
				p.Memory += c.Memory
			}
		}
		for _, m := range c.Ports {
			take(int(m.HostPort), m.Protocol)
		}
	}
	for _, c := range t.Detail.Shown.Containers {
		for _, b := range c.NetworkBindings {
			one := machine.Binding{HostPort: deref(b.HostPort), ContainerPortRange: deref(b.ContainerPortRange), HostPortRange: deref(b.HostPortRange)}
			for _, v := range one.Singly() {
				take(int(v.HostPort), string(b.Protocol))
			}
		}
		p.GPUs = append(p.GPUs, c.GpuIds...)
	}
	return p
}
