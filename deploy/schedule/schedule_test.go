package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/schedule"
)

func calm(t *testing.T, s schedule.Service) *world {
	t.Helper()
	if s.Maximum == 0 {
		s.MinimumHealthy, s.Maximum = 100, 200
	}
	s.Settle = 5 * time.Second
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)), s)
	for range 4 {
		w.instance(1000, "a")
	}
	return w
}

var plain = kind{request: placement.Request{CPU: 100, Memory: 64}}

func (w *world) told(part string) int {
	return len(slices.DeleteFunc(slices.Clone(w.events), func(e string) bool { return !strings.Contains(e, part) }))
}

func (w *world) of(rollout string) (n int) {
	for _, t := range w.tasks {
		if t.Deployment == rollout && t.stopped.IsZero() {
			n++
		}
	}
	return n
}

func TestAServiceIsStartedUpdatedScaledAndEnded(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 3})
	first := w.deploy(plain)
	if p := w.decide(); len(p.Start) != 3 {
		t.Fatalf("%+v", p)
	}
	if !w.settle() || w.told("has reached a steady state.") != 1 || w.told("("+"deployment "+first+") deployment completed.") != 1 {
		t.Fatal(w.events)
	}
	second := w.deploy(plain)
	if p := w.decide(); len(p.Start) != 3 || len(p.Stop) != 0 {
		t.Fatalf("%+v", p)
	}
	if !w.settle() || w.of(first) != 0 || w.of(second) != 3 {
		t.Fatal(w.events)
	}
	if n := w.told("has stopped"); n == 0 {
		t.Error(w.events)
	}
	w.service.Desired = 1
	if p := w.decide(); len(p.Stop) != 2 || p.Stop[0].Reason != "Scaling activity initiated by (deployment "+second+")" || p.Stop[0].Code != machine.ServiceSchedulerInitiated {
		t.Fatalf("%+v", p)
	}
	w.settle()
	w.service.Draining = true
	if p := w.decide(); len(p.Stop) != 1 || p.Ended {
		t.Fatalf("%+v", p)
	}
	w.advance(time.Minute)
	if p := w.decide(); !p.Ended {
		t.Fatalf("%+v", p)
	}
}

func TestBoundsAreRoundedAsECSDoes(t *testing.T) {
	// 75 % of 5 rounded up is 4, 125 % rounded down is 6.
	w := calm(t, schedule.Service{Desired: 5, MinimumHealthy: 75, Maximum: 125})
	w.deploy(plain)
	w.settle()
	w.deploy(plain)
	p := w.decide()
	if len(p.Start) != 1 || len(p.Stop) != 1 {
		t.Fatalf("%d start and %d stop", len(p.Start), len(p.Stop))
	}
	if !w.settle() {
		t.Fatal(w.events)
	}
	for _, x := range []struct {
		b       schedule.Breaker
		desired int
		want    int
	}{
		{schedule.Breaker{}, 1, 3}, {schedule.Breaker{}, 25, 13}, {schedule.Breaker{}, 1000, 200},
		{schedule.Breaker{Kind: "COUNT", Value: 7}, 1000, 7}, {schedule.Breaker{Kind: "UNBOUNDED_PERCENT", Value: 10}, 10, 1}, {schedule.Breaker{Kind: "BOUNDED_PERCENT", Value: 10}, 100, 10},
	} {
		if got := x.b.Threshold(x.desired); got != x.want {
			t.Errorf("%+v of %d: %d, not %d", x.b, x.desired, got, x.want)
		}
	}
}

func TestTheBreakerRollsBackWhatDoesNotStart(t *testing.T) {
	for name, bad := range map[string]kind{
		"images that cannot be pulled": {failing: 100}, "early exits": {dying: 100}, "failing health checks": {sick: 100, checked: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := calm(t, schedule.Service{Desired: 3, Breaker: schedule.Breaker{Enable: true, Rollback: true}})
			good := w.deploy(plain)
			w.settle()
			bad.request = plain.request
			broken := w.deploy(bad)
			for range 300 {
				w.decide()
				if w.state.Rollouts[0].RollingBack {
					break
				}
				// A sick task is sick before it is healthy.
				for _, x := range w.tasks {
					if !x.sickAt.IsZero() {
						x.sickAt, x.healAt = x.startAt, x.startAt.Add(time.Hour)
					}
				}
				w.advance(time.Second)
			}
			r := w.state.Rollouts
			if r[0].ID != good || !r[0].RollingBack || r[0].Reason != "ECS deployment circuit breaker: rolling back to deploymentId "+good+"." {
				t.Fatalf("%+v", r)
			}
			if len(r) > 1 && (r[1].ID != broken || r[1].Reason != "ECS deployment circuit breaker: tasks failed to start.") {
				t.Fatalf("%+v", r)
			}
			if w.told("(deployment "+broken+") deployment failed: tasks failed to start.") != 1 || w.told("rolling back to deployment "+good+".") != 1 {
				t.Error(w.events)
			}
			if !w.settle() || w.of(good) != 3 || w.of(broken) != 0 || w.state.Rollouts[0].Phase != schedule.Completed {
				t.Fatalf("%+v %v", w.state, w.events)
			}
		})
	}
}

func TestWithoutAWayBackAFailedDeploymentStartsNothingMore(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 3, Breaker: schedule.Breaker{Enable: true, Rollback: true}})
	bad := plain
	bad.failing = 100
	w.deploy(bad)
	for range 60 {
		w.decide()
		w.advance(time.Second)
	}
	if r := w.state.Rollouts[0]; r.Phase != schedule.Failed || w.running() != 0 || !w.due.IsZero() {
		t.Fatalf("%+v, %d tasks", r, w.running())
	}
}

func TestTasksThatKeepFailingAreThrottled(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 2})
	bad := plain
	bad.failing = 100
	w.deploy(bad)
	var starts []time.Time
	for range 3600 {
		if p := w.decide(); len(p.Start) > 0 {
			starts = append(starts, w.now)
		}
		w.advance(time.Second)
	}
	if w.told("is unable to consistently start tasks successfully.") != 1 || len(starts) > 15 {
		t.Errorf("%d starts in an hour: %v", len(starts), w.events[max(0, len(w.events)-3):])
	}
	last := starts[len(starts)-1].Sub(starts[len(starts)-2])
	if last < 5*time.Minute || last > 16*time.Minute {
		t.Errorf("the last start came after %v", last)
	}
}

func TestUnhealthyTasksAreReplaced(t *testing.T) {
	checked := plain
	checked.checked = true
	for name, x := range map[string]struct {
		minimum, maximum int
		before           bool // the replacement starts before the other stops
	}{"where there is room, first started": {100, 200, true}, "where there is none, first stopped": {50, 100, false}} {
		t.Run(name, func(t *testing.T) {
			w := calm(t, schedule.Service{Desired: 2, MinimumHealthy: x.minimum, Maximum: x.maximum})
			w.deploy(checked)
			w.settle()
			var ill string
			for id, v := range w.tasks {
				ill = id
				v.sickAt = w.now
				break
			}
			w.advance(time.Second)
			p := w.decide()
			if x.before != (len(p.Start) == 1) || x.before == (len(p.Stop) == 1) {
				t.Fatalf("%+v", p)
			}
			if !w.settle() || w.tasks[ill].stopped.IsZero() || w.told("(task "+ill+") failed container health checks.") != 1 || w.running() != 2 {
				t.Fatal(w.events)
			}
		})
	}
}

func TestAFailingHealthCheckIsIgnoredForTheGracePeriod(t *testing.T) {
	checked := plain
	checked.checked = true
	w := calm(t, schedule.Service{Desired: 1, Grace: time.Minute})
	w.deploy(checked)
	w.decide()
	for _, v := range w.tasks {
		v.sickAt, v.startAt = w.now, w.now
	}
	w.advance(30 * time.Second)
	if p := w.decide(); len(p.Start)+len(p.Stop) > 0 || !w.due.Equal(begin.Add(time.Minute)) {
		t.Fatalf("%+v", p)
	}
	w.advance(31 * time.Second)
	if p := w.decide(); len(p.Start) != 1 {
		t.Fatalf("%+v", p)
	}
}

func TestProtectedTasksAreSpared(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 3})
	w.deploy(plain)
	w.settle()
	var kept string
	for id, v := range w.tasks {
		kept, v.ProtectedUntil = id, w.now.Add(time.Hour)
		break
	}
	w.service.Desired = 0
	if p := w.decide(); len(p.Stop) != 2 || !w.due.Equal(w.tasks[kept].ProtectedUntil) {
		t.Fatalf("%+v", p)
	}
	w.advance(time.Hour)
	if p := w.decide(); len(p.Stop) != 1 {
		t.Fatalf("%+v", p)
	}
}

func TestPercentagesThatLeaveNoRoomAreToldOf(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 1, MinimumHealthy: 100, Maximum: 150})
	w.deploy(plain)
	w.settle()
	w.deploy(plain)
	for range 10 {
		w.decide()
		w.advance(time.Second)
	}
	if w.told("was unable to stop or start tasks during a deployment because of the service deployment configuration.") != 1 {
		t.Error(w.events)
	}
}

func TestWhatFindsNoPlaceIsToldOfAndTriedAgain(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 1})
	large := kind{request: placement.Request{CPU: 3000, Memory: 64}}
	w.deploy(large)
	for range 5 {
		w.decide()
		if w.due.IsZero() {
			t.Fatal("it is not tried again")
		}
		w.advance(time.Minute)
	}
	if w.told("has insufficient CPU units available.") != 1 {
		t.Error(w.events)
	}
	w.instance(4000, "b")
	if !w.settle() {
		t.Error(w.events)
	}
}

func TestADaemonIsOnEachInstanceOnce(t *testing.T) {
	w := calm(t, schedule.Service{Daemon: true, MinimumHealthy: 50, Maximum: 100})
	first := w.deploy(plain)
	if !w.settle() || w.of(first) != 4 || w.service.Desired != 4 {
		t.Fatal(w.events)
	}
	w.instance(1000, "b")
	if !w.settle() || w.of(first) != 5 {
		t.Fatal(w.events)
	}
	second := w.deploy(plain)
	// Half of five rounded up stay.
	if p := w.decide(); len(p.Stop) != 2 || len(p.Start) != 0 {
		t.Fatalf("%+v", p)
	}
	if !w.settle() || w.of(first) != 0 || w.of(second) != 5 {
		t.Fatal(w.events)
	}
	w.status("i001", "DRAINING")
	if !w.settle() || w.of(second) != 4 {
		t.Fatal(w.events)
	}
}

func TestZonesAreBalancedAgain(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 4, Rebalance: true})
	w.deploy(plain)
	w.settle()
	for range 2 {
		w.instance(1000, "b")
	}
	if !w.settle() {
		t.Fatal(w.events)
	}
	zones := map[string]int{}
	for _, v := range w.tasks {
		if v.stopped.IsZero() && !v.Stopping {
			zones[w.instances[v.Instance].Attributes[placement.ZoneAttribute]]++
		}
	}
	if fmt.Sprint(zones) != "map[a:2 b:2]" || w.told("AZ Rebalancing in progress.") != 1 || w.told("is AZ balanced with 2 tasks in a and 2 tasks in b.") != 1 {
		t.Error(zones, w.events)
	}
}

func TestTasksLeaveAnInstanceThatIsDrained(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 4})
	w.deploy(plain)
	w.settle()
	w.status("i001", "DRAINING")
	if p := w.decide(); len(p.Start) != 1 || len(p.Stop) != 0 {
		t.Fatalf("a replacement is to come first: %+v", p)
	}
	if !w.settle() || w.running() != 4 {
		t.Fatal(w.events)
	}
	for _, v := range w.tasks {
		if v.stopped.IsZero() && v.Instance == "i001" {
			t.Errorf("%s has stayed", v.ID)
		}
	}
}

func TestNoMoreOldTasksGoThanThereIsRoomNeeded(t *testing.T) {
	w := calm(t, schedule.Service{Desired: 4, MinimumHealthy: 1, Maximum: 200})
	for _, id := range []string{"i002", "i003", "i004"} {
		w.status(id, "DRAINING")
	}
	w.deploy(kind{request: placement.Request{CPU: 140, Memory: 64}}) // seven have room
	w.settle()
	w.deploy(kind{request: placement.Request{CPU: 140, Memory: 64}})
	if p := w.decide(); len(p.Start) != 3 || len(p.Stop) != 1 {
		t.Fatalf("%+v", p)
	}
	if p := w.decide(); len(p.Stop) != 0 {
		t.Fatalf("another goes while one is going: %+v", p)
	}
	if !w.settle() {
		t.Fatal(w.events)
	}
}
