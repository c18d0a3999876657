package placement

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"drydock/deploy/placement/query"
)

// ErrNoSuchInstance: the fleet has no container instance of that id.
var ErrNoSuchInstance = errors.New("no such container instance")

// Fleet is the container instances of one cluster and the tasks on them. It may
// be read by many goroutines at once, and changed by one while nobody reads.
type Fleet struct {
	// nodes are sorted by id.
	nodes  []*node
	byID   map[string]*node
	onNode map[string]*node // by task id
	groups map[string]*group
	// names has the numbers of the groups.
	names *column
	// columns are the attributes by number, columnOf the numbers by name.
	columns  []*column
	columnOf map[string]int
}

// NewFleet makes a fleet of these instances, without tasks. Of two with the same
// id the latter counts.
func NewFleet(instances ...Instance) *Fleet {
	f := &Fleet{
		byID: map[string]*node{}, onNode: map[string]*node{}, groups: map[string]*group{}, names: newColumn(),
		columnOf: map[string]int{},
	}
	for _, i := range instances {
		f.put(i)
	}
	f.nodes = slices.SortedFunc(maps.Values(f.byID), func(a, b *node) int { return compareIDs(a, b.ID) })
	f.number(0)
	return f
}

// Len is the number of container instances, whatever their status.
func (f *Fleet) Len() int { return len(f.nodes) }

// PutInstance adds an instance, or replaces what is known of it; its tasks stay.
func (f *Fleet) PutInstance(i Instance) {
	if n, isNew := f.put(i); isNew {
		at, _ := slices.BinarySearchFunc(f.nodes, n.ID, compareIDs)
		f.nodes = slices.Insert(f.nodes, at, n)
		f.number(at)
	}
}

// put makes the node; placing a new one among the others is left to the caller.
func (f *Fleet) put(i Instance) (n *node, isNew bool) {
	n, known := f.byID[i.ID]
	if !known {
		n = &node{tasks: map[string]*Task{}}
		f.byID[i.ID] = n
	}
	f.releaseAttributes(n)
	i.Attributes = maps.Clone(i.Attributes)
	i.Registered.Ports = slices.Clone(i.Registered.Ports)
	i.Registered.GPUs = slices.Sorted(slices.Values(i.Registered.GPUs))
	n.Instance, n.active, n.connected = i, i.Status == StatusActive, i.AgentConnected
	n.version, n.versioned = query.ParseVersion(i.AgentVersion)
	for name, text := range i.Attributes {
		c := f.column(name)
		for len(n.attributes) <= c {
			n.attributes = append(n.attributes, absent)
		}
		n.attributes[c] = f.columns[c].take(text)
	}
	n.cpu, n.memory = i.Registered.CPU, i.Registered.Memory
	n.gpus = slices.Clone(i.Registered.GPUs)
	n.ports, n.static = map[Port]int{}, 0
	n.reserve(i.Registered.Ports, 1)
	for _, t := range n.tasks {
		n.hold(t, 1)
	}
	return n, !known
}

// column is the number of an attribute, which has one from now on.
func (f *Fleet) column(name string) int {
	c, ok := f.columnOf[name]
	if !ok {
		c = len(f.columns)
		f.columnOf[name] = c
		f.columns = append(f.columns, newColumn())
	}
	return c
}

// columnNamed is the number of an attribute; -1 if no instance ever had it.
func (f *Fleet) columnNamed(name string) int {
	if c, ok := f.columnOf[name]; ok {
		return c
	}
	return -1
}

func (f *Fleet) releaseAttributes(n *node) {
	for c, v := range n.attributes {
		f.columns[c].release(v)
	}
	n.attributes = n.attributes[:0]
}

// number tells the nodes from that place on where they stand.
func (f *Fleet) number(from int) {
	for i := from; i < len(f.nodes); i++ {
		f.nodes[i].place = int32(i)
	}
}

// RemoveInstance forgets an instance and its tasks, and reports whether it was
// there.
func (f *Fleet) RemoveInstance(id string) bool {
	n, ok := f.byID[id]
	if !ok {
		return false
	}
	for task := range n.tasks {
		f.RemoveTask(task)
	}
	f.releaseAttributes(n)
	delete(f.byID, id)
	at := int(n.place)
	f.nodes = slices.Delete(f.nodes, at, at+1)
	f.number(at)
	return true
}

// PutTask adds a task to an instance, or replaces what is known of the task of
// that id, wherever it was. The resources are taken even where there are none
// left: what runs is a fact. Errors: ErrNoSuchInstance.
func (f *Fleet) PutTask(instance string, t Task) error {
	n, ok := f.byID[instance]
	if !ok {
		return fmt.Errorf("put task %s on %s: %w", t.ID, instance, ErrNoSuchInstance)
	}
	f.RemoveTask(t.ID)
	t.Ports, t.GPUs = slices.Clone(t.Ports), slices.Clone(t.GPUs)
	n.tasks[t.ID] = &t
	f.onNode[t.ID] = n
	n.hold(&t, 1)
	if !t.Stopping {
		g := f.groups[t.Group]
		if g == nil {
			g = &group{number: f.names.take(t.Group), nodes: map[*node]int32{}}
			f.groups[t.Group] = g
		}
		n.count(g, 1)
	}
	return nil
}

// RemoveTask forgets a task, and reports whether it was there.
func (f *Fleet) RemoveTask(id string) bool {
	n, ok := f.onNode[id]
	if !ok {
		return false
	}
	t := n.tasks[id]
	delete(n.tasks, id)
	delete(f.onNode, id)
	n.hold(t, -1)
	if !t.Stopping {
		g := f.groups[t.Group]
		n.count(g, -1)
		if len(g.nodes) == 0 {
			f.names.release(g.number)
			delete(f.groups, t.Group)
		}
	}
	return true
}

// Instance is what is known of an instance, and what its tasks leave of it.
func (f *Fleet) Instance(id string) (i Instance, remaining Resources, ok bool) {
	n, ok := f.byID[id]
	if !ok {
		return Instance{}, Resources{}, false
	}
	return n.Instance, n.remaining(), true
}

// Instances are all instances in the order of their ids.
func (f *Fleet) Instances() iter.Seq[Instance] {
	return func(yield func(Instance) bool) {
		for _, n := range f.nodes {
			if !yield(n.Instance) {
				return
			}
		}
	}
}

// Tasks are the tasks of an instance in the order of their ids.
func (f *Fleet) Tasks(instance string) []Task {
	n, ok := f.byID[instance]
	if !ok {
		return nil
	}
	tasks := make([]Task, 0, len(n.tasks))
	for _, id := range slices.Sorted(maps.Keys(n.tasks)) {
		tasks = append(tasks, *n.tasks[id])
	}
	return tasks
}
