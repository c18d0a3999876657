package placement

import (
	"slices"
	"strings"

	"drydock/deploy/placement/query"
)

// node is an instance with what its tasks leave of it. What every decision looks
// at stands first, so that it is close together in memory.
type node struct {
	// place is its place in Fleet.nodes.
	place int32
	// active: its status is ACTIVE.
	active bool
	// connected: its agent is.
	connected bool
	// versioned: the agent's version could be read.
	versioned bool
	// cpu and memory are what remains; below 0 if an instance has shrunk under
	// its tasks.
	cpu, memory int64
	// attributes are value numbers by column; a short slice ends in absent ones.
	attributes []int32
	// groups are those of the tasks whose desired status is RUNNING.
	groups []groupCount
	// running counts these tasks.
	running int
	// gpus are those that are free, sorted.
	gpus []string
	// ports counts the holders of each taken port.
	ports map[Port]int
	// static counts the taken ones that are not of the dynamic range.
	static int

	version query.Version
	Instance
	tasks map[string]*Task
}

type groupCount struct {
	// group is the group's number.
	group int32
	tasks int32
}

// group is a task group and where its tasks are, those that are to stop left out.
type group struct {
	// number is what Fleet.names has for its name.
	number int32
	nodes  map[*node]int32
}

// attribute is the number of the instance's value in a column.
func (n *node) attribute(column int) int32 {
	if column < 0 || column >= len(n.attributes) {
		return absent
	}
	return n.attributes[column]
}

// hold takes a task's resources, or with sign -1 gives them back.
func (n *node) hold(t *Task, sign int) {
	n.cpu -= int64(sign) * t.CPU
	n.memory -= int64(sign) * t.Memory
	n.reserve(t.Ports, sign)
	for _, gpu := range t.GPUs {
		i, free := slices.BinarySearch(n.gpus, gpu)
		switch {
		case sign > 0 && free:
			n.gpus = slices.Delete(n.gpus, i, i+1)
		case sign < 0 && !free && slices.Contains(n.Registered.GPUs, gpu):
			n.gpus = slices.Insert(n.gpus, i, gpu)
		}
	}
}

func (n *node) reserve(ports []Port, sign int) {
	for _, p := range ports {
		before := n.ports[p]
		if n.ports[p] = before + sign; n.ports[p] <= 0 {
			delete(n.ports, p)
		}
		if p.Number < firstDynamic && min(before, before+sign) == 0 {
			n.static += sign
		}
	}
}

const (
	// firstDynamic is where the ports begin that are given to tasks which ask
	// for any.
	firstDynamic = 32768
	// maxStatic is how many ports below that an instance may have taken at a
	// time, those that ECS reserves included. PortMapping.hostPort in the ECS
	// API reference.
	maxStatic = 100
)

// count adds a running task of the group, or with sign -1 takes one away.
func (n *node) count(g *group, sign int32) {
	n.running += int(sign)
	i := slices.IndexFunc(n.groups, func(c groupCount) bool { return c.group == g.number })
	if i < 0 {
		n.groups = append(n.groups, groupCount{group: g.number})
		i = len(n.groups) - 1
	}
	n.groups[i].tasks += sign
	g.nodes[n] = n.groups[i].tasks
	if n.groups[i].tasks == 0 {
		n.groups = slices.Delete(n.groups, i, i+1)
		delete(g.nodes, n)
	}
}

// remaining is what is left, in ECS's terms.
func (n *node) remaining() Resources {
	r := Resources{CPU: n.cpu, Memory: n.memory, GPUs: slices.Clone(n.gpus)}
	for p := range n.ports {
		r.Ports = append(r.Ports, p)
	}
	slices.SortFunc(r.Ports, comparePorts)
	return r
}

func comparePorts(a, b Port) int {
	if a.Protocol != b.Protocol {
		return int(a.Protocol) - int(b.Protocol)
	}
	return int(a.Number) - int(b.Number)
}

func compareIDs(n *node, id string) int { return strings.Compare(n.ID, id) }
