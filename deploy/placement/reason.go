package placement

// Reason is why an instance cannot take a task, in the words of the failures
// that RunTask and StartTask return.
type Reason string

// The reasons, in the order in which they are looked for: where several hold,
// the first is told. ECS does not document its order.
const (
	// ReasonMissing: the fleet has no such instance. StartTask alone tells it.
	ReasonMissing Reason = "MISSING"
	// ReasonInactive: the instance is not ACTIVE. StartTask alone tells it;
	// RunTask does not look at such instances.
	ReasonInactive Reason = "INACTIVE"
	// ReasonAgent: the container agent is disconnected.
	ReasonAgent     Reason = "AGENT"
	ReasonAttribute Reason = "ATTRIBUTE"
	ReasonCPU       Reason = "RESOURCE:CPU"
	ReasonMemory    Reason = "RESOURCE:MEMORY"
	ReasonPorts     Reason = "RESOURCE:PORTS"
	ReasonGPU       Reason = "RESOURCE:GPU"
	ReasonDistinct  Reason = "DistinctInstance placement constraint unsatisfied."
	ReasonMemberOf  Reason = "MemberOf placement constraint unsatisfied."
)

// obstacles is a set of reasons, by their place in the order.
type obstacles uint16

var inOrder = [...]Reason{
	ReasonInactive, ReasonAgent, ReasonAttribute, ReasonCPU, ReasonMemory, ReasonPorts, ReasonGPU, ReasonDistinct, ReasonMemberOf,
}

const (
	notActive obstacles = 1 << iota
	noAgent
	noAttribute
	noCPU
	noMemory
	noPort
	noGPU
	notDistinct
	notMember
)

// first is the reason that is told of those that hold.
func (o obstacles) first() Reason {
	for i, r := range inOrder {
		if o&(1<<i) != 0 {
			return r
		}
	}
	return ""
}

// Failure says of one instance why it cannot take a task.
type Failure struct {
	// Instance is its id, ARN its ARN.
	Instance, ARN string
	Reason        Reason
}

const (
	unable   = "was unable to place a task because no container instance met all of its requirements."
	seeAlso  = "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	noneHere = "Reason: No Container Instances were found in your cluster."
	noneOf   = "Reason: No Container Instances were found in your capacity provider."
)

// Event is the message of the service event for a result that left tasks
// unplaced, in the words that ECS has for it.
func (r *Result) Event(service string) string {
	return "(service " + service + ") " + unable + " " + r.because() + " " + seeAlso
}

func (r *Result) because() string {
	c, ok := r.Closest()
	if !ok {
		if r.ofProvider {
			return noneOf
		}
		return noneHere
	}
	s := "The closest matching (container-instance " + c.Instance + ") "
	switch c.Reason {
	case ReasonCPU:
		return s + "has insufficient CPU units available."
	case ReasonMemory:
		return s + "has insufficient memory available."
	case ReasonPorts:
		return s + "is already using a port required by your task."
	case ReasonAttribute:
		return s + "is missing an attribute required by your task."
	case ReasonAgent:
		return s + "doesn't have the agent connected."
	}
	return s + `encountered error "` + string(c.Reason) + `".`
}
