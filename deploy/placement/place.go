package placement

import (
	"math/bits"
	"slices"
)

// Result says where the tasks of a request go, and why some go nowhere.
type Result struct {
	// Placed are the places in the order in which they were chosen, one for
	// each task that has one.
	Placed []Placed
	// Unplaced is how many tasks have none.
	Unplaced int
	// Failures say of each instance that was looked at why it could not take
	// another task, in the order of their ids. Empty if all tasks are placed, or
	// if there was no instance to look at.
	Failures []Failure

	closest    int
	ofProvider bool
}

// Placed is a place for a task.
type Placed struct {
	// Instance is the id of the container instance, ARN its ARN.
	Instance, ARN string
	// GPUs are the ids of those that the task is given.
	GPUs []string
	// Provider is the capacity provider that the task fell to, where a strategy has
	// shared tasks out; see PlaceShares.
	Provider string
}

// Closest is the failure of the instance that came closest to taking a task: the
// one with the fewest obstacles; of several, the one whose first obstacle is
// looked for last, and then the one with the smallest id.
func (r *Result) Closest() (Failure, bool) {
	if len(r.Failures) == 0 {
		return Failure{}, false
	}
	return r.Failures[r.closest], true
}

// Place finds places for the tasks of a request, one after the other, each taking
// into account the ones before. The fleet is not changed: put the tasks into it
// once they are started. A task that finds no place is no error, see Result.
//
// Errors: ErrNoRandomness.
func Place(f *Fleet, req *Request, rnd Random) (*Result, error) {
	return place(bind(f, req), rnd)
}

func place(b *bound, rnd Random) (*Result, error) {
	sites := make([]site, 0, len(b.f.nodes))
	for _, n := range b.f.nodes {
		if b.considered(n) && b.lacks(n, false) == 0 {
			sites = append(sites, site{node: n})
		}
	}
	ranking, err := newRanking(b.f, b.group, sites, b.req.Strategies, false, rnd)
	if err != nil {
		return nil, err
	}
	open := make([]int32, len(sites))
	for i := range open {
		open[i] = int32(i)
	}
	r := &Result{ofProvider: b.req.CapacityProvider != ""}
	for len(r.Placed) < b.req.Count && len(open) > 0 {
		i := ranking.choose(open)
		n := sites[i].node
		r.Placed = append(r.Placed, b.take(n))
		ranking.add(n, 1, b.req.CPU, b.req.Memory)
		// No other node can have changed, nor become one that takes the task.
		if b.lacks(n, false) != 0 {
			at, _ := slices.BinarySearch(open, i)
			open = slices.Delete(open, at, at+1)
		}
	}
	if r.Unplaced = max(b.req.Count-len(r.Placed), 0); r.Unplaced > 0 {
		b.explain(r)
	}
	return r, nil
}

// take puts one task on the node.
func (b *bound) take(n *node) Placed {
	p := Placed{Instance: n.ID, ARN: n.ARN}
	if b.req.GPUs > 0 {
		from := int(b.placed[n.place]) * b.req.GPUs
		p.GPUs = slices.Clone(n.gpus[from : from+b.req.GPUs])
	}
	b.placed[n.place]++
	return p
}

// explain says of each node why it takes no more.
func (b *bound) explain(r *Result) {
	var best obstacles
	r.Failures = make([]Failure, 0, len(b.f.nodes))
	for _, n := range b.f.nodes {
		if !b.considered(n) {
			continue
		}
		o := b.lacks(n, true)
		if len(r.Failures) == 0 || o.closerThan(best) {
			best, r.closest = o, len(r.Failures)
		}
		r.Failures = append(r.Failures, Failure{Instance: n.ID, ARN: n.ARN, Reason: o.first()})
	}
}

// closerThan reports whether less is in the way.
func (o obstacles) closerThan(than obstacles) bool {
	if a, b := bits.OnesCount16(uint16(o)), bits.OnesCount16(uint16(than)); a != b {
		return a < b
	}
	return bits.TrailingZeros16(uint16(o)) > bits.TrailingZeros16(uint16(than))
}

// PlaceOn finds out whether one task of the request can go on that instance, as
// StartTask and a DAEMON service ask. Strategies do not matter, nor does the
// capacity provider. If it cannot, the failure says why; ReasonMissing and
// ReasonInactive are among the reasons.
func PlaceOn(f *Fleet, req *Request, instance string) (Placed, Failure, bool) {
	n, ok := f.byID[instance]
	if !ok {
		return Placed{}, Failure{Instance: instance, Reason: ReasonMissing}, false
	}
	b := bind(f, req)
	if o := b.lacks(n, true); o != 0 {
		return Placed{}, Failure{Instance: n.ID, ARN: n.ARN, Reason: o.first()}, false
	}
	return b.take(n), Failure{}, true
}

// Suitable are the ids of the ACTIVE instances that tasks of this kind are meant
// for, by attributes, memberOf and capacity provider, sorted: those that a DAEMON
// service wants one task on each. Whether there is room, and whether the agent is
// connected, is not asked.
func Suitable(f *Fleet, req *Request) []string {
	b := bind(f, req)
	var ids []string
	for _, n := range f.nodes {
		if b.considered(n) && b.attributes(n) && b.member(n) {
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// Members lists the ids of the instances that keep to a rule, whatever they have room
// for and in whatever state they are.
func Members(f *Fleet, rule Constraint) []string {
	b := bind(f, &Request{Constraints: []Constraint{rule}})
	var ids []string
	for _, n := range f.nodes {
		if b.member(n) {
			ids = append(ids, n.ID)
		}
	}
	return ids
}
