package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Move is a step towards balance: start a task in one availability zone and, once
// it runs, stop one in another.
type Move struct {
	// From is the zone with too many tasks, Stop the task in it that goes.
	From, Stop string
	// To is the zone with too few, Start where the new task goes.
	To    string
	Start Placed
}

// Zone is an availability zone and how many tasks of a group run in it.
type Zone struct {
	Name  string
	Tasks int
}

// Zones are the availability zones in which tasks of this kind may run, with
// those in which some do, sorted by name. Instances without a zone are left out,
// and so are those that are not ACTIVE.
func Zones(f *Fleet, req *Request) []Zone {
	b := bind(f, req)
	column := f.columnNamed(ZoneAttribute)
	counts := map[int32]int{}
	for _, n := range f.nodes {
		zone := n.attribute(column)
		if zone == absent || !b.considered(n) {
			continue
		}
		if tasks := b.tasks(n); tasks > 0 || b.attributes(n) && b.member(n) {
			counts[zone] += tasks
		}
	}
	var zones []Zone
	for zone, tasks := range counts {
		zones = append(zones, Zone{Name: f.columns[column].values[zone].text, Tasks: tasks})
	}
	slices.SortFunc(zones, func(a, b Zone) int { return strings.Compare(a.Name, b.Name) })
	return zones
}

// balanced is how far apart the zones of a balanced service may be.
const balanced = 1

// Balanced reports whether no zone has more than one task more than another.
func Balanced(zones []Zone) bool {
	return len(zones) == 0 || slices.MaxFunc(zones, byTasks).Tasks-slices.MinFunc(zones, byTasks).Tasks <= balanced
}

func byTasks(a, b Zone) int { return cmp.Compare(a.Tasks, b.Tasks) }

// Rebalance finds the next move that brings the zones of a service closer to each
// other: from the fullest with a task that may be stopped to the emptiest with
// room for one, where they are two or more tasks apart. ok is false if there is
// none, be it that all is well or that nothing can be done now.
//
// The request says what a task of the service needs, the stop request which tasks
// may go; their counts are not looked at. Tasks that are being started count
// already, so that a move in progress is not made twice.
//
// Errors: ErrNoRandomness.
func Rebalance(f *Fleet, req *Request, stopping *StopRequest, rnd Random) (m Move, ok bool, err error) {
	zones := Zones(f, req)
	if Balanced(zones) {
		return Move{}, false, nil
	}
	one, last := *req, *stopping
	one.Count, last.Count = 1, 1
	empty := slices.SortedStableFunc(slices.Values(zones), byTasks)
	full := slices.SortedStableFunc(slices.Values(zones), func(a, b Zone) int { return byTasks(b, a) })
	for _, to := range empty {
		if full[0].Tasks-to.Tasks <= balanced {
			break
		}
		b := bind(f, &one)
		b.within = f.zone(to.Name)
		r, err := place(b, rnd)
		if err != nil {
			return Move{}, false, err
		}
		if len(r.Placed) == 0 {
			continue
		}
		for _, from := range full {
			if from.Tasks-to.Tasks <= balanced {
				break
			}
			ids, err := stop(f, &last, rnd, f.zone(from.Name))
			if err != nil {
				return Move{}, false, err
			}
			if len(ids) > 0 {
				return Move{From: from.Name, Stop: ids[0], To: to.Name, Start: r.Placed[0]}, true, nil
			}
		}
	}
	return Move{}, false, nil
}

// zone is the requirement to be in a zone.
func (f *Fleet) zone(name string) *requirement {
	r := f.requirement(RequiredAttribute{Name: ZoneAttribute, Value: name})
	return &r
}

// RebalancingStarted is the message of the service event for zones that are not
// balanced.
func RebalancingStarted(service string, zones []Zone) string {
	return "(service " + service + ") is not AZ balanced with " + spoken(zones) + ". AZ Rebalancing in progress."
}

// RebalancingCompleted is the message for zones that are balanced again.
func RebalancingCompleted(service string, zones []Zone) string {
	return "(service " + service + ") is AZ balanced with " + spoken(zones) + "."
}

// spoken writes "2 tasks in a, 1 tasks in b, and 0 tasks in c".
func spoken(zones []Zone) string {
	var b strings.Builder
	for i, z := range zones {
		switch {
		case i == 0:
		case len(zones) == 2:
			b.WriteString(" and ")
		case i == len(zones)-1:
			b.WriteString(", and ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d tasks in %s", z.Tasks, z.Name)
	}
	return b.String()
}
