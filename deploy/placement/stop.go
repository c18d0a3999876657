package placement

import (
	"maps"
	"slices"
	"strings"
)

// StopRequest is a number of tasks of a group that are to be stopped.
type StopRequest struct {
	Group string
	Count int
	// Strategies of the service; none stand for ServiceDefault.
	Strategies []Strategy
	// Eligible says which tasks may be stopped: not those that are protected,
	// or only those of one deployment. Nil for all.
	Eligible func(*Task) bool
}

// StopFirst are the ids of the tasks to stop, in the order in which to. Tasks that
// are stopping already are not among them, and fewer than asked for are returned
// where there are no more.
//
// Tasks on instances that are not ACTIVE go first, for they have to go anyway.
// Then, by the strategies in their order: spread stops where the most tasks are,
// which keeps the balance; binpack where the most would be left of the instance
// afterwards; random anywhere. Last, the instance with the most tasks of the group
// counts. What is equal then is decided at random, and without a source of it by
// the task's id.
//
// Errors: ErrNoRandomness.
func StopFirst(f *Fleet, req *StopRequest, rnd Random) ([]string, error) {
	return stop(f, req, rnd, nil)
}

// stop is StopFirst within the nodes that have an attribute, if one is given.
func stop(f *Fleet, req *StopRequest, rnd Random, within *requirement) ([]string, error) {
	g := f.groups[req.Group]
	if g == nil {
		return nil, nil
	}
	var active, others []site
	for n := range g.nodes {
		if within != nil && !within.met(n) {
			continue
		}
		for t := range maps.Values(n.tasks) {
			switch {
			case t.Group != req.Group || t.Stopping || req.Eligible != nil && !req.Eligible(t):
			case n.active:
				active = append(active, site{n, t})
			default:
				others = append(others, site{n, t})
			}
		}
	}
	strategies := req.Strategies
	if len(strategies) == 0 {
		strategies = ServiceDefault()
	}
	var ids []string
	for _, sites := range [][]site{others, active} {
		slices.SortFunc(sites, func(a, b site) int { return strings.Compare(a.task.ID, b.task.ID) })
		ranking, err := newRanking(f, g, sites, strategies, true, rnd)
		if err != nil {
			return nil, err
		}
		open := make([]int32, len(sites))
		for i := range open {
			open[i] = int32(i)
		}
		for len(ids) < req.Count && len(open) > 0 {
			i := ranking.choose(open)
			s := sites[i]
			ids = append(ids, s.task.ID)
			ranking.add(s.node, -1, s.task.CPU, s.task.Memory)
			at, _ := slices.BinarySearch(open, i)
			open = slices.Delete(open, at, at+1)
		}
	}
	return ids, nil
}
