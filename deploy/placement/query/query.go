// Package query is the cluster query language of Amazon ECS: the expressions of
// memberOf placement constraints and of ListContainerInstances' filter, such as
//
//	attribute:ecs.instance-type =~ g2.* and not (task:group == database)
//
// Parse reads an expression once; the result is matched against any number of
// container instances. Everything here is a function of its arguments: no I/O,
// no clock.
//
// The language is that of the ECS developer guide, "Cluster query language".
// Where the guide is silent, the choice is told beside the code that makes it.
// Patterns are Java's at AWS and RE2's here: what RE2 lacks, or reads otherwise,
// is refused, never guessed.
package query

import "time"

// Expr is a parsed expression. It is not changed by use, and may be used by many
// goroutines at once.
type Expr struct {
	text   string
	root   node
	leaves []*Leaf
}

// Instance is what an expression may ask of a container instance.
type Instance struct {
	AgentConnected bool
	// AgentVersion is as the agent reported it, such as 1.14.5; empty when it
	// reported none.
	AgentVersion string
	// EC2InstanceID is empty for a machine that is not of EC2 and has no other id.
	EC2InstanceID string
	RegisteredAt  time.Time
	// RunningTasksCount counts the tasks whose desired status is RUNNING, as the
	// field of that name in DescribeContainerInstances does.
	RunningTasksCount int
	// Groups are the groups of those tasks, in any order, repeated or not.
	Groups []string
	// Attributes are by name; one without a value has the empty one.
	Attributes map[string]string
}

// Match reports whether the instance is one of those that the expression selects.
func (e *Expr) Match(i *Instance) bool {
	return e.Eval(func(n int) bool { return e.leaves[n].match(i) })
}

// String is the expression as it was written.
func (e *Expr) String() string { return e.text }

// Leaves are the comparisons of the expression, from left to right. A caller who
// holds many instances works out once what each comparison says of each value
// that occurs, and then combines the answers with Eval.
func (e *Expr) Leaves() []*Leaf { return e.leaves }

// Eval combines the comparisons: holds says what the one of that number in
// Leaves comes to. It is not asked about comparisons that cannot matter.
func (e *Expr) Eval(holds func(leaf int) bool) bool { return e.root.eval(holds) }

// node is a place in the tree of and, or, not and comparisons.
type node interface {
	eval(holds func(leaf int) bool) bool
}

type (
	allOf    []node
	anyOf    []node
	negation struct{ of node }
	leaf     int
)

func (n allOf) eval(holds func(int) bool) bool {
	for _, m := range n {
		if !m.eval(holds) {
			return false
		}
	}
	return true
}

func (n anyOf) eval(holds func(int) bool) bool {
	for _, m := range n {
		if m.eval(holds) {
			return true
		}
	}
	return false
}

func (n negation) eval(holds func(int) bool) bool { return !n.of.eval(holds) }

func (n leaf) eval(holds func(int) bool) bool { return holds(int(n)) }
