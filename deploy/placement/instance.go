package placement

import "time"

// StatusActive is the status of the container instances that take tasks.
const StatusActive = "ACTIVE"

// ZoneAttribute is the built-in attribute with an instance's availability zone.
const ZoneAttribute = "ecs.availability-zone"

// Instance is a container instance without its tasks.
type Instance struct {
	// ID is what the ARN ends with; it is unique in a fleet and breaks ties.
	ID  string
	ARN string
	// EC2InstanceID is empty where there is none.
	EC2InstanceID string
	// Status is ACTIVE, DRAINING, REGISTERING and so on. Tasks are placed on
	// ACTIVE ones alone.
	Status         string
	AgentConnected bool
	// AgentVersion is such as 1.86.0; empty where unknown.
	AgentVersion     string
	RegisteredAt     time.Time
	CapacityProvider string
	// Attributes are the built-in and the custom ones by name; one without a
	// value has the empty one.
	Attributes map[string]string
	Registered Resources
}

// Resources are what an instance has, or what is left of it.
type Resources struct {
	// CPU is in units of 1/1024 of a core.
	CPU int64
	// Memory is in MiB.
	Memory int64
	// Ports are those that are taken, and not to be had: ECS lists the reserved
	// ones under registered resources, and all that are taken under remaining.
	Ports []Port
	// GPUs are the ids of graphics processors, sorted.
	GPUs []string
}

// Port is a port of the host. The zero protocol is TCP.
type Port struct {
	Number   uint16
	Protocol Protocol
}

// Protocol is tcp or udp.
type Protocol uint8

// The protocols that have ports on a host.
const (
	TCP Protocol = iota
	UDP
)

// Task is a task on a container instance, from the moment it is placed until its
// last status is STOPPED.
type Task struct {
	ID string
	// Group is family:NAME, service:NAME or one of the user's own.
	Group string
	// Family, Service and Deployment are kept for the caller, who finds them
	// with Fleet.Tasks; placement itself goes by the group.
	Family, Service, Deployment string
	// Stopping: the desired status is STOPPED. The task holds its resources
	// still, but counts for no constraint and no strategy: ECS looks at the
	// desired status.
	Stopping bool

	// CPU is in units, Memory in MiB: what the task reserves.
	CPU, Memory int64
	// Ports are those of the host that it was given, static and dynamic.
	Ports []Port
	// GPUs are the ids that it was given.
	GPUs []string
}
