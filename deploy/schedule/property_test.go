package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/schedule"
)

// check holds a plan against the laws.
func (w *world) check(in schedule.Input, plan schedule.Plan) {
	w.t.Helper()
	s := in.Service
	byID := map[string]schedule.Task{}
	first := plan.State.Rollouts
	healthy, total := 0, len(in.Tasks)
	serves := func(t schedule.Task) bool {
		if t.Stopping || t.Status != machine.Running {
			return false
		}
		if t.Checked {
			return t.Health == machine.Healthy
		}
		return len(first) > 0 && (t.Deployment != first[0].ID || t.Leaving) || !in.Now.Before(t.StartedAt.Add(s.Settle))
	}
	for _, t := range in.Tasks {
		byID[t.ID] = t
		if serves(t) {
			healthy++
		}
	}
	seen := map[string]bool{}
	stopped := 0
	for _, x := range plan.Stop {
		t, is := byID[x.Task]
		if !is || t.Stopping || seen[x.Task] {
			w.t.Fatalf("%s is stopped in vain", x.Task)
		}
		seen[x.Task] = true
		if t.ProtectedUntil.After(in.Now) && !s.Draining && t.Health != machine.Unhealthy {
			w.t.Fatalf("%s is stopped, which is protected", x.Task)
		}
		if serves(t) {
			stopped++
		}
	}
	if s.Draining {
		return
	}
	desired := s.Desired
	if s.Daemon {
		desired = plan.Desired
	}
	minimum := (desired*s.MinimumHealthy + 99) / 100
	misplaced := s.Daemon && stopped > 0 // tasks on instances that want none are no part of the count
	if stopped > 0 && healthy-stopped < minimum && !misplaced {
		w.t.Fatalf("%d of %d healthy tasks are stopped, and there have to be %d", stopped, healthy, minimum)
	}
	if n := len(plan.Start); n > 0 && !s.Daemon && total+n > desired*s.Maximum/100 {
		w.t.Fatalf("%d tasks are started where there are %d, and there may be %d", n, total, desired*s.Maximum/100)
	}
	k := w.kinds[plan.State.Rollouts[0].ID]
	taken := map[string]int{}
	for _, t := range in.Tasks {
		taken[t.Instance]++
	}
	for _, p := range plan.Start {
		i := w.instances[p.Instance]
		if i.Status != placement.StatusActive {
			w.t.Fatalf("a task is started on %s, which is %s", i.ID, i.Status)
		}
		if k.request.Constraints != nil && i.Attributes["rack"] == "2" {
			w.t.Fatalf("a task is started on %s against its constraint", i.ID)
		}
		if taken[p.Instance]++; s.Daemon && taken[p.Instance] > 1 {
			w.t.Fatalf("%d tasks of a daemon are on %s", taken[p.Instance], i.ID)
		}
	}
}

func notRack2(t testing.TB) []placement.Constraint {
	t.Helper()
	c, err := placement.NewConstraint(placement.MemberOf, "attribute:rack != 2")
	if err != nil {
		t.Fatal(err)
	}
	return []placement.Constraint{c}
}

func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("DRYDOCK_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	if os.Getenv("DRYDOCK_LONG") != "" {
		n *= 20
	}
	var list []uint64
	for range n {
		list = append(list, rand.Uint64())
	}
	return list
}

// TestServicesConvergeAndKeepTheLawsOnTheWay lets services live through random
// updates, failures, kills, drained instances and lost decisions, and then in peace.
// DRYDOCK_SEED repeats one such life.
func TestServicesConvergeAndKeepTheLawsOnTheWay(t *testing.T) {
	for _, seed := range seeds(t, 400) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { live(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func live(t *testing.T, r *rand.Rand) {
	percents := [][2]int{{100, 200}, {0, 100}, {50, 100}, {50, 200}, {100, 150}, {0, 200}, {75, 125}, {90, 110}}
	p := percents[r.IntN(len(percents))]
	s := schedule.Service{
		Desired: r.IntN(12), MinimumHealthy: p[0], Maximum: p[1], Settle: time.Duration(r.IntN(2)*5) * time.Second, Grace: time.Duration(r.IntN(2)*10) * time.Second,
		Daemon: r.IntN(4) == 0, Rebalance: p[1] > 100 && r.IntN(2) == 0,
		Breaker: schedule.Breaker{Enable: r.IntN(2) == 0, Rollback: r.IntN(3) > 0},
	}
	if s.Daemon {
		s.MinimumHealthy, s.Maximum, s.Rebalance = r.IntN(2)*50, 100, false
	}
	w := newWorld(t, r, s)
	for range 3 + r.IntN(4) {
		w.instance(int64(500+r.IntN(1500)), []string{"a", "b"}[r.IntN(2)])
	}
	w.deploy(w.anyKind(0))
	for range 150 {
		w.misfortune()
		if r.IntN(8) > 0 {
			w.decide()
		} else if _, err := schedule.Decide(w.input()); err != nil { // it dies before it has recorded anything
			t.Fatal(err)
		}
		w.advance(time.Duration(r.IntN(3000)) * time.Millisecond)
	}
	w.peace()
	if blocked(w.service) {
		return
	}
	if !w.settle() && w.state.Rollouts[0].Phase == schedule.Failed {
		// What went wrong before has tripped the breaker after all.
		w.deploy(w.anyKind(0))
	}
	if !w.settle() {
		t.Fatalf("not steady: %+v, %d tasks of %d, %v", w.state, w.running(), w.service.Desired, w.events[max(0, len(w.events)-5):])
	}
	if n := w.running(); n != w.service.Desired {
		t.Fatalf("%d tasks of %d", n, w.service.Desired)
	}
	if len(w.state.Rollouts) != 1 || w.state.Rollouts[0].Phase != schedule.Completed {
		t.Fatalf("%+v", w.state.Rollouts)
	}
	// What is steady costs nothing: it says and does no more, whatever the time.
	w.advance(24 * time.Hour)
	if again := w.decide(); len(again.Start)+len(again.Stop)+len(again.Events) > 0 || !again.Due.IsZero() {
		t.Fatalf("%+v", again)
	}
}

// blocked reports whether the percentages leave no room, which ECS only tells of.
func blocked(s schedule.Service) bool {
	return !s.Daemon && s.Desired > 0 && s.Desired*s.Maximum/100 <= (s.Desired*s.MinimumHealthy+99)/100
}

func (w *world) anyKind(trouble int) kind {
	k := kind{request: placement.Request{CPU: int64(100 + w.r.IntN(200)), Memory: 64}, checked: w.r.IntN(2) == 0}
	if w.r.IntN(3) == 0 {
		k.request.Constraints = notRack2(w.t)
	}
	if w.r.IntN(4) == 0 {
		k.request.Ports = []placement.Port{{Number: 80}}
	}
	if w.r.IntN(100) < trouble {
		k.failing, k.dying, k.sick = w.r.IntN(60), w.r.IntN(40), w.r.IntN(30)
	}
	return k
}

// misfortune is what happens to a service.
func (w *world) misfortune() {
	var ids []string
	for id, t := range w.tasks {
		if t.stopped.IsZero() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	some := func() *task { return w.tasks[ids[w.r.IntN(len(ids))]] }
	var instances []string
	for i := range w.fleet.Instances() {
		instances = append(instances, i.ID)
	}
	switch w.r.IntN(24) {
	case 0:
		w.deploy(w.anyKind(50))
	case 1:
		if !w.service.Daemon {
			w.service.Desired = w.r.IntN(12)
		}
	case 2, 3:
		if len(ids) > 0 {
			w.end(some().ID, w.r.IntN(2) == 0)
		}
	case 4:
		if len(ids) > 0 {
			some().sickAt = w.now
		}
	case 5:
		w.status(instances[w.r.IntN(len(instances))], "DRAINING")
	case 6, 7:
		w.status(instances[w.r.IntN(len(instances))], placement.StatusActive)
	case 8:
		if len(w.instances) < 12 {
			w.instance(int64(500+w.r.IntN(1500)), []string{"a", "b", "c"}[w.r.IntN(3)])
		}
	case 9:
		if len(ids) > 0 {
			some().ProtectedUntil = w.now.Add(time.Duration(w.r.IntN(60)) * time.Second)
		}
	case 10:
		if err := w.state.RollBack("stopped", "back to "); err != nil && err != schedule.ErrNoWayBack {
			w.t.Fatal(err)
		}
	}
}

// peace ends all misfortune: what is deployed works, and there is room.
func (w *world) peace() {
	for id := range w.instances {
		w.status(id, placement.StatusActive)
	}
	for _, zone := range []string{"a", "b", "c"} {
		for range 12 {
			w.instance(4000, zone)
		}
	}
	for id, k := range w.kinds {
		k.failing, k.dying, k.sick = 0, 0, 0
		w.kinds[id] = k
	}
	for _, t := range w.tasks {
		t.sickAt, t.diesAt = time.Time{}, time.Time{}
		if t.startAt.Sub(w.now) > time.Minute {
			t.startAt = w.now
		}
	}
	if w.state.Rollouts[0].Phase == schedule.Failed {
		w.deploy(w.anyKind(0))
	}
}
