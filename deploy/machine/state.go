package machine

import (
	"strconv"
	"strings"
	"time"
)

// Status is the state of a task or a container. Those of a task come in the order
// in which they stand here, and never go back.
type Status string

// The values of Status. Containers have PENDING, RUNNING and STOPPED only.
const (
	Provisioning   Status = "PROVISIONING"
	Pending        Status = "PENDING"
	Activating     Status = "ACTIVATING"
	Running        Status = "RUNNING"
	Deactivating   Status = "DEACTIVATING"
	Stopping       Status = "STOPPING"
	Deprovisioning Status = "DEPROVISIONING"
	Stopped        Status = "STOPPED"
)

var order = map[Status]int{Provisioning: 1, Pending: 2, Activating: 3, Running: 4, Deactivating: 5, Stopping: 6, Deprovisioning: 7, Stopped: 8}

// Before reports whether a task is in this state before it is in the other.
func (s Status) Before(other Status) bool { return order[s] < order[other] }

// StopCode says why a task stopped, in ECS's words.
type StopCode string

// The values of StopCode.
const (
	TaskFailedToStart         StopCode = "TaskFailedToStart"
	EssentialContainerExited  StopCode = "EssentialContainerExited"
	UserInitiated             StopCode = "UserInitiated"
	ServiceSchedulerInitiated StopCode = "ServiceSchedulerInitiated"
	TerminationNotice         StopCode = "TerminationNotice"
)

// Health is what health checks say, of a container or of a task as a whole.
type Health string

// The values of Health.
const (
	Healthy   Health = "HEALTHY"
	Unhealthy Health = "UNHEALTHY"
	Unknown   Health = "UNKNOWN"
)

// State is what has become of a task. Times are zero for what has not happened.
type State struct {
	ARN    string
	Status Status
	Health Health
	// StopCode and Reason say why it stopped or is about to.
	StopCode StopCode
	Reason   string

	PullStarted, PullStopped, Started, Stopping, ExecutionStopped, StoppedAt time.Time
	// Address is the task's own in awsvpc mode, MAC that of its interface, and Subnet
	// where it is, such as 172.18.0.0/16.
	Address, MAC, SubnetGateway, Subnet string
	Containers                          []ContainerState
}

// ContainerState is what has become of a container.
type ContainerState struct {
	Name string
	// RuntimeID is Docker's id, empty before there is one.
	RuntimeID   string
	ImageDigest string
	Status      Status
	Health      Health
	// ExitCode is nil while it runs, and where it never did.
	ExitCode *int
	Reason   string
	Bindings []Binding
	// Addresses are the container's own on Docker's networks.
	Addresses                  []string
	Created, Started, Finished time.Time
	Restarts                   int
}

// Binding is a port of the machine that leads to one of a container.
type Binding struct {
	BindIP                  string
	ContainerPort, HostPort int32
	Protocol                string
	// ContainerPortRange and HostPortRange, such as "8000-8010", stand in for the
	// ports where a range was asked for.
	ContainerPortRange, HostPortRange string
}

// Singly are the ports of a binding one by one.
func (b Binding) Singly() []Binding {
	first, last, ok := span(b.ContainerPortRange)
	host, _, also := span(b.HostPortRange)
	if !ok || !also {
		return []Binding{b}
	}
	var list []Binding
	for n := first; n <= last; n++ {
		list = append(list, Binding{BindIP: b.BindIP, ContainerPort: n, HostPort: host + n - first, Protocol: b.Protocol})
	}
	return list
}

func span(s string) (first, last int32, ok bool) {
	a, b, both := strings.Cut(s, "-")
	from, err1 := strconv.ParseUint(a, 10, 16)
	until, err2 := strconv.ParseUint(b, 10, 16)
	return int32(from), int32(until), both && err1 == nil && err2 == nil
}
