package placement

import (
	"slices"

	"drydock/deploy/placement/query"
)

// bound is a request made ready to be asked of every node of one fleet: names are
// numbers, and patterns have been tried on every value that occurs.
type bound struct {
	f   *Fleet
	req *Request

	required []requirement
	distinct bool
	members  []boundExpr

	// group is the request's; nil while it has no tasks.
	group *group
	// there counts the group's tasks on each node, by its place, and placed those
	// that this request has put on it so far.
	there, placed []int32
	// asked is the node that the expressions are about at the moment.
	asked *node

	// within, if set, keeps to the nodes with this value of this column.
	within *requirement
}

// requirement is an attribute that a node has to have.
type requirement struct {
	column int
	// value is its number; absent where no instance has the value.
	value int32
	any   bool
}

func (r *requirement) met(n *node) bool {
	v := n.attribute(r.column)
	return v != absent && (r.any || v == r.value)
}

func bind(f *Fleet, req *Request) *bound {
	b := &bound{f: f, req: req, group: f.groups[req.Group], there: make([]int32, len(f.nodes)), placed: make([]int32, len(f.nodes))}
	if b.group != nil {
		for n, tasks := range b.group.nodes {
			b.there[n.place] = tasks
		}
	}
	for _, a := range req.Attributes {
		b.required = append(b.required, f.requirement(a))
	}
	for _, c := range req.Constraints {
		if c.expr == nil {
			b.distinct = true
		} else {
			b.members = append(b.members, b.expr(c.expr))
		}
	}
	return b
}

func (f *Fleet) requirement(a RequiredAttribute) requirement {
	r := requirement{column: f.columnNamed(a.Name), any: a.AnyValue}
	if r.column >= 0 && !a.AnyValue {
		r.value = f.columns[r.column].byText[a.Value]
	}
	return r
}

// boundExpr is an expression with its comparisons bound. holds answers them for
// the node that is asked about.
type boundExpr struct {
	expr  *query.Expr
	holds func(leaf int) bool
}

// boundLeaf is a comparison with its answers worked out as far as can be.
type boundLeaf struct {
	*query.Leaf
	// answers are by the number of the attribute's value, or of the group.
	answers []bool
	// column is the attribute's.
	column int
	// own is the answer for the request's group.
	own bool
	// connected and disconnected are the answers for the agent.
	connected, disconnected bool
}

func (b *bound) expr(e *query.Expr) boundExpr {
	leaves := make([]boundLeaf, len(e.Leaves()))
	for i, l := range e.Leaves() {
		leaves[i] = b.leaf(l)
	}
	return boundExpr{expr: e, holds: func(leaf int) bool {
		return leaves[leaf].holds(b.asked, int(b.placed[b.asked.place]))
	}}
}

func (b *bound) leaf(l *query.Leaf) boundLeaf {
	x := boundLeaf{Leaf: l}
	switch l.Subject() {
	case query.Attribute:
		x.column = b.f.columnNamed(l.Name())
		x.answers = []bool{l.Text("", false)}
		if x.column >= 0 {
			x.answers = b.f.columns[x.column].answers(l)
		}
	case query.TaskGroup:
		x.answers, x.own = b.f.names.answers(l), l.Text(b.req.Group, true)
	case query.AgentConnected:
		x.connected, x.disconnected = l.Text("true", true), l.Text("false", true)
	}
	return x
}

// answers are what the comparison comes to for each value.
func (c *column) answers(l *query.Leaf) []bool {
	all := make([]bool, len(c.values))
	all[absent] = l.Text("", false)
	for i, v := range c.values[1:] {
		all[i+1] = v.uses > 0 && l.Text(v.text, true)
	}
	return all
}

// holds answers the comparison for a node with so many tasks placed on it.
func (x *boundLeaf) holds(n *node, placed int) bool {
	switch x.Subject() {
	case query.Attribute:
		return x.answers[n.attribute(x.column)]
	case query.TaskGroup:
		if n.running+placed == 0 {
			return x.Absent()
		}
		return placed > 0 && x.own || slices.ContainsFunc(n.groups, func(c groupCount) bool { return x.answers[c.group] })
	case query.RunningTasksCount:
		return x.Number(n.running + placed)
	case query.AgentConnected:
		if n.connected {
			return x.connected
		}
		return x.disconnected
	case query.AgentVersion:
		return x.Version(n.version, n.versioned)
	case query.EC2InstanceID:
		return x.Text(n.EC2InstanceID, n.EC2InstanceID != "")
	}
	return x.Time(n.RegisteredAt)
}

// considered reports whether the node is one of those that the request looks at.
func (b *bound) considered(n *node) bool {
	return n.active &&
		(b.req.CapacityProvider == "" || n.CapacityProvider == b.req.CapacityProvider) &&
		(b.within == nil || b.within.met(n))
}

// tasks counts those of the request's group on the node, the new ones included.
func (b *bound) tasks(n *node) int { return int(b.there[n.place] + b.placed[n.place]) }

// lacks finds what keeps the node from taking one task more: the first obstacle,
// or all of them.
func (b *bound) lacks(n *node, all bool) obstacles {
	var o obstacles
	placed := int64(b.placed[n.place])
	if !n.active {
		o |= notActive
	}
	if !n.connected {
		o |= noAgent
	}
	if !b.attributes(n) {
		o |= noAttribute
	}
	if b.req.CPU > 0 && n.cpu-placed*b.req.CPU < b.req.CPU {
		o |= noCPU
	}
	if b.req.Memory > 0 && n.memory-placed*b.req.Memory < b.req.Memory {
		o |= noMemory
	}
	if len(b.req.Ports) > 0 && (placed > 0 || !n.has(b.req.Ports)) {
		o |= noPort
	}
	if int64(len(n.gpus)) < (placed+1)*int64(b.req.GPUs) {
		o |= noGPU
	}
	if o != 0 && !all {
		return o
	}
	if b.distinct && b.tasks(n) > 0 {
		o |= notDistinct
	}
	if !b.member(n) {
		o |= notMember
	}
	return o
}

func (b *bound) attributes(n *node) bool {
	for i := range b.required {
		if !b.required[i].met(n) {
			return false
		}
	}
	return true
}

func (b *bound) member(n *node) bool {
	b.asked = n
	for i := range b.members {
		if m := &b.members[i]; !m.expr.Eval(m.holds) {
			return false
		}
	}
	return true
}

// has reports whether all the ports are to be had.
func (n *node) has(ports []Port) bool {
	static := n.static
	for i, p := range ports {
		if n.ports[p] > 0 || slices.Contains(ports[:i], p) {
			return false
		}
		if p.Number < firstDynamic {
			static++
		}
	}
	return static <= maxStatic
}
