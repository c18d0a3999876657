package machine

import "time"

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
	// Address is the task's own in awsvpc mode, MAC that of its interface.
	Address, MAC, SubnetGateway string
	Containers                  []ContainerState
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
}
