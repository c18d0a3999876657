package schedule_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/schedule"
)

var begin = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

// world is a cluster with one service in it, in memory: it does what the scheduler
// says and lets happen to tasks what their fates are.
type world struct {
	t       testing.TB
	r       *rand.Rand
	now     time.Time
	service schedule.Service
	state   schedule.State
	fleet   *placement.Fleet
	// kinds are what the rollouts' tasks need and what becomes of them.
	kinds     map[string]kind
	tasks     map[string]*task
	instances map[string]placement.Instance
	ids       int
	events    []string
	due       time.Time
	asked     int
}

type kind struct {
	request placement.Request
	checked bool
	// failing and sick are the odds, of 100, that a task of it stops before it runs,
	// stops soon after, or turns unhealthy.
	failing, dying, sick int
}

type task struct {
	schedule.Task
	kind    kind
	asked   bool
	startAt time.Time
	healAt  time.Time
	diesAt  time.Time
	sickAt  time.Time
	stopAt  time.Time
	stopped time.Time
}

func newWorld(t testing.TB, r *rand.Rand, s schedule.Service) *world {
	s.Name, s.Group = "web", "service:web"
	return &world{t: t, r: r, now: begin, service: s, fleet: placement.NewFleet(), kinds: map[string]kind{}, tasks: map[string]*task{}, instances: map[string]placement.Instance{}}
}

func (w *world) instance(cpu int64, zone string) {
	w.ids++
	i := placement.Instance{
		ID: fmt.Sprintf("i%03d", w.ids), Status: placement.StatusActive, AgentConnected: true, Registered: placement.Resources{CPU: cpu, Memory: 4096},
		Attributes: map[string]string{placement.ZoneAttribute: zone, "rack": fmt.Sprint(w.ids % 3)},
	}
	w.instances[i.ID] = i
	w.fleet.PutInstance(i)
}

func (w *world) status(id, status string) {
	i := w.instances[id]
	i.Status = status
	w.instances[id] = i
	w.fleet.PutInstance(i)
}

// deploy begins a rollout of a kind of task.
func (w *world) deploy(k kind) string {
	w.ids++
	id := fmt.Sprintf("ecs-svc/%d", w.ids)
	k.request.Group = w.service.Group
	if len(k.request.Strategies) == 0 {
		k.request.Strategies = placement.ServiceDefault()
	}
	w.kinds[id] = k
	w.state.Begin(id, fmt.Sprint(w.ids))
	return id
}

func (w *world) input() schedule.Input {
	in := schedule.Input{Service: w.service, State: w.state, Now: w.now}
	for _, id := range slices.Sorted(maps.Keys(w.tasks)) {
		if t := w.tasks[id]; t.stopped.IsZero() {
			v := t.Task
			v.Zone = w.instances[t.Instance].Attributes[placement.ZoneAttribute]
			v.Leaving = w.instances[t.Instance].Status != placement.StatusActive
			in.Tasks = append(in.Tasks, v)
		}
	}
	for _, id := range w.state.Young() {
		if t := w.tasks[id]; t != nil && !t.stopped.IsZero() {
			e := schedule.Ended{ID: id, Asked: t.asked, Checked: t.Checked}
			if !t.StartedAt.IsZero() {
				e.Ran = t.stopped.Sub(t.StartedAt)
			}
			in.Ended = append(in.Ended, e)
		}
	}
	in.Offers = func(of schedule.Rollout) (schedule.Offers, error) {
		w.asked++
		k := w.kinds[of.ID]
		return schedule.Offers{Fleet: w.fleet, Request: &k.request, Chance: w.r}, nil
	}
	if w.ids%2 == 0 { // what it knows of zones may make no difference
		in.Zones = func() (zones []string, err error) {
			for _, i := range w.instances {
				zones = append(zones, i.Attributes[placement.ZoneAttribute])
			}
			return zones, nil
		}
	}
	return in
}

// decide has the scheduler decide and does what it says.
func (w *world) decide() schedule.Plan {
	w.t.Helper()
	in := w.input()
	plan, err := schedule.Decide(in)
	if err != nil {
		w.t.Fatal(err)
	}
	w.check(in, plan)
	for _, s := range plan.Stop {
		w.end(s.Task, true)
	}
	w.state = plan.State
	for _, at := range plan.Start {
		id := w.start(at.Instance)
		w.state.Rollouts[0].Young = append(w.state.Rollouts[0].Young, id)
	}
	w.events, w.due = append(w.events, plan.Events...), plan.Due
	w.service.Desired = plan.Desired
	return plan
}

func (w *world) start(instance string) string {
	w.ids++
	rollout := w.state.Rollouts[0].ID
	k := w.kinds[rollout]
	t := &task{Task: schedule.Task{
		ID: fmt.Sprintf("t%05d", w.ids), Deployment: rollout, Instance: instance, Status: machine.Pending, Checked: k.checked, Health: machine.Unknown,
	}, kind: k, startAt: w.now.Add(time.Duration(w.r.IntN(5000)) * time.Millisecond)}
	t.healAt = t.startAt.Add(time.Duration(w.r.IntN(5000)) * time.Millisecond)
	odds := w.r.IntN(100)
	switch {
	case odds < k.failing:
		t.diesAt = t.startAt
		t.startAt = t.startAt.Add(time.Hour)
	case odds < k.failing+k.dying:
		t.diesAt = t.startAt.Add(time.Second)
	case odds < k.failing+k.dying+k.sick:
		t.sickAt = t.startAt.Add(time.Duration(w.r.IntN(20)) * time.Second)
	}
	w.tasks[t.ID] = t
	w.put(t)
	return t.ID
}

// put tells the fleet of a task, and checks that there was room for it.
func (w *world) put(t *task) {
	p := placement.Task{
		ID: t.ID, Group: w.service.Group, Stopping: t.Stopping, CPU: t.kind.request.CPU, Memory: t.kind.request.Memory, Ports: t.kind.request.Ports,
	}
	if err := w.fleet.PutTask(t.Instance, p); err != nil {
		w.t.Fatal(err)
	}
	if _, left, _ := w.fleet.Instance(t.Instance); left.CPU < 0 || left.Memory < 0 {
		w.t.Fatalf("instance %s is over-committed: %+v is left", t.Instance, left)
	}
}

// end has a task stop, because it was asked to or by itself.
func (w *world) end(id string, asked bool) {
	t := w.tasks[id]
	if t == nil || !t.stopped.IsZero() || t.Stopping {
		return
	}
	t.Stopping, t.asked = true, asked
	t.stopAt = w.now
	if asked {
		t.stopAt = w.now.Add(time.Duration(w.r.IntN(4000)) * time.Millisecond)
	}
	w.put(t)
}

// advance lets time pass.
func (w *world) advance(d time.Duration) {
	w.now = w.now.Add(d)
	past := func(t time.Time) bool { return !t.IsZero() && !w.now.Before(t) }
	for _, id := range slices.Sorted(maps.Keys(w.tasks)) {
		t := w.tasks[id]
		if !t.stopped.IsZero() {
			continue
		}
		if past(t.startAt) && t.Status == machine.Pending && !t.Stopping {
			t.Status, t.StartedAt = machine.Running, t.startAt
		}
		if past(t.diesAt) {
			w.end(id, false)
		}
		if t.Checked && t.Status == machine.Running {
			if past(t.healAt) {
				t.Health = machine.Healthy
			}
			if past(t.sickAt) {
				t.Health = machine.Unhealthy
			}
		}
		if past(t.stopAt) {
			t.stopped, t.Status = t.stopAt, machine.Stopped
			w.fleet.RemoveTask(id)
		}
	}
}

// running is how many tasks of the service have not stopped, and are not about to.
func (w *world) running() (n int) {
	for _, t := range w.tasks {
		if t.stopped.IsZero() && !t.Stopping {
			n++
		}
	}
	return n
}

// settle decides and lets time pass until the service is steady, or too long.
func (w *world) settle() bool {
	w.t.Helper()
	for range 2000 {
		w.decide()
		if w.state.Steady && w.due.IsZero() {
			return true
		}
		w.advance(time.Second)
	}
	return false
}
