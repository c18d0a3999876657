package placement

// Request is a number of tasks of one kind that want a place.
type Request struct {
	// Group is what spread and distinctInstance count: service:NAME for a
	// service's tasks, and for others their own or family:NAME.
	Group string
	// Count is how many tasks.
	Count int

	// CPU is in units, Memory in MiB: what each task reserves.
	CPU, Memory int64
	// Ports are the static ones that each task needs of the host. Dynamic ones
	// are not asked for: there is always another.
	Ports []Port
	// GPUs is how many each task needs.
	GPUs int
	// Attributes are the task definition's requiresAttributes.
	Attributes []RequiredAttribute

	// Constraints are the task definition's and those given to run it.
	Constraints []Constraint
	// Strategies in their order. Without any, the instance with the fewest tasks
	// of the group is taken; see ServiceDefault for what ECS does for services.
	Strategies []Strategy
	// CapacityProvider, if not empty, is that of the instances that may be used.
	CapacityProvider string
}

// RequiredAttribute is one that an instance has to have.
type RequiredAttribute struct {
	Name string
	// Value is what it has to be, if AnyValue is not set.
	Value    string
	AnyValue bool
}
