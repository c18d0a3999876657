package placement_test

import (
	"slices"
	"strings"

	"drydock/deploy/placement"
	"drydock/deploy/placement/query"
)

// The rules of placement once more, from plain lists and without any index,
// each time from the beginning: what the package is held against.

type naiveFleet struct {
	instances []placement.Instance
	// tasks by instance id.
	tasks map[string][]placement.Task
}

type rule struct{ kind, expression string }
type wish struct{ kind, field string }

type naiveRequest struct {
	placement.Request
	rules  []rule
	wishes []wish
}

func (f *naiveFleet) fleet() *placement.Fleet {
	fleet := placement.NewFleet(f.instances...)
	for instance, tasks := range f.tasks {
		for _, t := range tasks {
			if err := fleet.PutTask(instance, t); err != nil {
				panic(err)
			}
		}
	}
	return fleet
}

func (f *naiveFleet) sorted() []placement.Instance {
	return slices.SortedFunc(slices.Values(f.instances), func(a, b placement.Instance) int { return strings.Compare(a.ID, b.ID) })
}

func (f *naiveFleet) running(instance, group string) int {
	n := 0
	for _, t := range f.tasks[instance] {
		if !t.Stopping && (group == "*" || t.Group == group) {
			n++
		}
	}
	return n
}

func (f *naiveFleet) left(i placement.Instance) (cpu, memory int64, taken []placement.Port, gpus []string) {
	cpu, memory = i.Registered.CPU, i.Registered.Memory
	taken = append(taken, i.Registered.Ports...)
	gpus = slices.Clone(i.Registered.GPUs)
	for _, t := range f.tasks[i.ID] {
		cpu -= t.CPU
		memory -= t.Memory
		taken = append(taken, t.Ports...)
		gpus = slices.DeleteFunc(gpus, func(g string) bool { return slices.Contains(t.GPUs, g) })
	}
	return cpu, memory, taken, gpus
}

// reasons are all that keep an instance from taking a task.
func (f *naiveFleet) reasons(r *naiveRequest, i placement.Instance) []placement.Reason {
	var reasons []placement.Reason
	no := func(when bool, reason placement.Reason) {
		if when {
			reasons = append(reasons, reason)
		}
	}
	cpu, memory, taken, gpus := f.left(i)
	no(!i.AgentConnected, placement.ReasonAgent)
	no(slices.ContainsFunc(r.Attributes, func(a placement.RequiredAttribute) bool {
		v, ok := i.Attributes[a.Name]
		return !ok || !a.AnyValue && v != a.Value
	}), placement.ReasonAttribute)
	no(r.CPU > 0 && cpu < r.CPU, placement.ReasonCPU)
	no(r.Memory > 0 && memory < r.Memory, placement.ReasonMemory)
	no(slices.ContainsFunc(r.Ports, func(p placement.Port) bool { return slices.Contains(taken, p) }), placement.ReasonPorts)
	no(len(gpus) < r.GPUs, placement.ReasonGPU)
	member, distinct := true, true
	for _, c := range r.rules {
		if c.kind == placement.DistinctInstance {
			distinct = f.running(i.ID, r.Group) == 0
			continue
		}
		e, err := query.Parse(c.expression)
		if err != nil {
			panic(err)
		}
		as := query.Instance{
			AgentConnected: i.AgentConnected, AgentVersion: i.AgentVersion, EC2InstanceID: i.EC2InstanceID,
			RegisteredAt: i.RegisteredAt, Attributes: i.Attributes, RunningTasksCount: f.running(i.ID, "*"),
		}
		for _, t := range f.tasks[i.ID] {
			if !t.Stopping {
				as.Groups = append(as.Groups, t.Group)
			}
		}
		member = member && e.Match(&as)
	}
	no(!distinct, placement.ReasonDistinct)
	no(!member, placement.ReasonMemberOf)
	return reasons
}

func (r *naiveRequest) looksAt(i placement.Instance) bool {
	return i.Status == placement.StatusActive && (r.CapacityProvider == "" || i.CapacityProvider == r.CapacityProvider)
}

// keys are what the strategies count for an instance, the smaller the better.
func (f *naiveFleet) keys(group string, wishes []wish, i placement.Instance) []int64 {
	var keys []int64
	same := func(placement.Instance) bool { return true }
	spread := func(field string) {
		outer := same
		name, byAttribute := strings.CutPrefix(field, "attribute:")
		same = func(o placement.Instance) bool {
			if !byAttribute {
				return o.ID == i.ID
			}
			v, has := o.Attributes[name]
			mine, have := i.Attributes[name]
			return outer(o) && v == mine && has == have
		}
		n := 0
		for _, o := range f.instances {
			if o.Status == placement.StatusActive && same(o) {
				n += f.running(o.ID, group)
			}
		}
		keys = append(keys, int64(n))
	}
	for _, w := range wishes {
		cpu, memory, _, _ := f.left(i)
		switch {
		case w.kind == placement.Spread:
			spread(w.field)
		case w.field == "cpu":
			keys = append(keys, cpu)
		default:
			keys = append(keys, memory)
		}
	}
	spread("instanceId")
	return keys
}

// place puts the tasks of the request on the fleet, and says on which instances.
func (f *naiveFleet) place(r *naiveRequest) (chosen []string) {
	for range r.Count {
		var best string
		var least []int64
		var gpus []string
		for _, i := range f.sorted() {
			if !r.looksAt(i) || len(f.reasons(r, i)) > 0 {
				continue
			}
			if keys := f.keys(r.Group, r.wishes, i); best == "" || slices.Compare(keys, least) < 0 {
				best, least = i.ID, keys
				_, _, _, free := f.left(i)
				gpus = free[:r.GPUs]
			}
		}
		if best == "" {
			break
		}
		chosen = append(chosen, best)
		f.tasks[best] = append(f.tasks[best], placement.Task{
			ID: "new-" + strings.Repeat("x", len(chosen)), Group: r.Group, CPU: r.CPU, Memory: r.Memory, Ports: r.Ports, GPUs: gpus,
		})
	}
	return chosen
}

// stop takes tasks of the group off the fleet, and says which.
func (f *naiveFleet) stop(group string, count int, wishes []wish, eligible func(*placement.Task) bool) (stopped []string) {
	for range count {
		var best, from string
		var most []int64
		for _, i := range f.sorted() {
			for _, t := range f.tasks[i.ID] {
				if t.Stopping || t.Group != group || !eligible(&t) {
					continue
				}
				away := int64(0)
				if i.Status != placement.StatusActive {
					away = 1
				}
				keys := append([]int64{away}, f.keys(group, wishes, i)...)
				for k, w := range wishes {
					switch {
					case w.kind == placement.Binpack && w.field == "cpu":
						keys[k+1] += t.CPU
					case w.kind == placement.Binpack:
						keys[k+1] += t.Memory
					}
				}
				if c := slices.Compare(keys, most); best == "" || c > 0 || c == 0 && t.ID < best {
					best, from, most = t.ID, i.ID, keys
				}
			}
		}
		if best == "" {
			break
		}
		stopped = append(stopped, best)
		f.tasks[from] = slices.DeleteFunc(f.tasks[from], func(t placement.Task) bool { return t.ID == best })
	}
	return stopped
}
