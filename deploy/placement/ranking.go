package placement

import "errors"

// ErrNoRandomness: the strategy random needs a source of it, and got none.
var ErrNoRandomness = errors.New("the placement strategy random needs a source of randomness")

// ranking chooses among sites by strategies. A site is a node that could take a
// task or, when stopping, a task that could be stopped. Each level narrows down
// what the one before leaves: to the fewest and the tightest when placing, to the
// most and the emptiest when stopping.
type ranking struct {
	f     *Fleet
	sites []site
	// places are those of the sites' nodes.
	places []int32
	levels []level
	// stopping: the largest is taken, not the smallest.
	stopping bool
	rnd      Random
	spare    []int32
}

// site is a node and, when stopping, the task on it.
type site struct {
	node *node
	task *Task
}

// level is one strategy and what it goes by.
type level struct {
	kind string
	// bucket is, for spread, the bucket of each node by its place, and counts
	// the tasks of the group in each bucket.
	bucket []int32
	counts []int
	// left is, for binpack, what remains of the resource on each node.
	left   []int64
	memory bool
}

// newRanking prepares to choose among the sites for tasks of the group, which is
// nil if it has none. Tasks on instances that are not ACTIVE do not count for
// spread: they are on their way out.
//
// Errors: ErrNoRandomness.
func newRanking(f *Fleet, g *group, sites []site, strategies []Strategy, stopping bool, rnd Random) (*ranking, error) {
	r := &ranking{f: f, sites: sites, places: make([]int32, len(sites)), stopping: stopping, rnd: rnd}
	for i, s := range sites {
		r.places[i] = s.node.place
	}
	for _, s := range strategies {
		switch s.kind {
		case Spread:
			r.spread(g, s.attribute)
		case Binpack:
			r.binpack(s.memory)
		case AtRandom:
			if rnd == nil {
				return nil, ErrNoRandomness
			}
			r.levels = append(r.levels, level{kind: AtRandom})
			return r, nil // it leaves nothing equal
		}
	}
	r.spread(g, "")
	return r, nil
}

// spread adds a level that counts the group's tasks by an attribute, or by node.
//
// A spread behind another looks within what that tells apart: zones, then racks,
// counts the tasks in each rack of each zone. Nodes without the attribute are
// together, as if that were a value of its own.
func (r *ranking) spread(g *group, attribute string) {
	l := level{kind: Spread, bucket: make([]int32, len(r.f.nodes))}
	outer := r.spreadBefore()
	var place func(n *node)
	switch {
	case attribute == "":
		l.counts = make([]int, len(r.f.nodes))
		place = func(n *node) { l.bucket[n.place] = n.place }
	case outer == nil:
		column := r.f.columnNamed(attribute)
		values := 1
		if column >= 0 {
			values = len(r.f.columns[column].values)
		}
		l.counts = make([]int, values)
		place = func(n *node) { l.bucket[n.place] = n.attribute(column) }
	default:
		column := r.f.columnNamed(attribute)
		numbers := map[[2]int32]int32{}
		place = func(n *node) {
			key := [2]int32{outer[n.place], n.attribute(column)}
			number, ok := numbers[key]
			if !ok {
				number = int32(len(l.counts))
				numbers[key] = number
				l.counts = append(l.counts, 0)
			}
			l.bucket[n.place] = number
		}
	}
	for _, s := range r.sites {
		place(s.node)
	}
	if g != nil {
		for n, tasks := range g.nodes {
			if n.active {
				place(n)
				l.counts[l.bucket[n.place]] += int(tasks)
			}
		}
	}
	r.levels = append(r.levels, l)
}

// spreadBefore has the buckets of the last spread so far; nil if there is none.
func (r *ranking) spreadBefore() []int32 {
	for i := len(r.levels) - 1; i >= 0; i-- {
		if r.levels[i].kind == Spread {
			return r.levels[i].bucket
		}
	}
	return nil
}

func (r *ranking) binpack(memory bool) {
	l := level{kind: Binpack, memory: memory, left: make([]int64, len(r.f.nodes))}
	for _, s := range r.sites {
		l.left[s.node.place] = s.node.cpu
		if memory {
			l.left[s.node.place] = s.node.memory
		}
	}
	r.levels = append(r.levels, l)
}

// choose takes one of the sites that are open, by number; there has to be one.
// What the strategies leave equal is decided by the order of the sites or, when
// stopping, at random if there is a source of it.
func (r *ranking) choose(open []int32) int32 {
	for i := range r.levels {
		if len(open) == 1 {
			return open[0]
		}
		l := &r.levels[i]
		if l.kind == AtRandom {
			return open[r.rnd.IntN(len(open))]
		}
		open = r.narrow(l, open)
	}
	if r.stopping && r.rnd != nil {
		return open[r.rnd.IntN(len(open))]
	}
	return open[0]
}

// narrow keeps of the sites those that the level likes best. What it returns
// lies in the spare room, and so may what it is given: it never writes beyond
// where it has read.
func (r *ranking) narrow(l *level, open []int32) []int32 {
	best := r.spare[:0]
	var least int64
	for _, i := range open {
		var key int64
		if l.kind == Spread {
			key = int64(l.counts[l.bucket[r.places[i]]])
		} else if key = l.left[r.places[i]]; r.stopping {
			key += l.size(r.sites[i].task.CPU, r.sites[i].task.Memory)
		}
		if r.stopping {
			key = -key
		}
		if len(best) == 0 || key < least {
			best, least = append(best[:0], i), key
		} else if key == least {
			best = append(best, i)
		}
	}
	r.spare = best
	return best
}

// size is that of a task by the resource that the level goes by.
func (l *level) size(cpu, memory int64) int64 {
	if l.memory {
		return memory
	}
	return cpu
}

// add tells that the node has so many tasks of the group more, or fewer, each of
// that size.
func (r *ranking) add(n *node, tasks int, cpu, memory int64) {
	for i := range r.levels {
		switch l := &r.levels[i]; l.kind {
		case Spread:
			if n.active {
				l.counts[l.bucket[n.place]] += tasks
			}
		case Binpack:
			l.left[n.place] -= int64(tasks) * l.size(cpu, memory)
		}
	}
}
