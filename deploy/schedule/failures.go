package schedule

import (
	"slices"
	"time"

	"drydock/deploy/machine"
)

// Breaker is a deployment circuit breaker.
type Breaker struct {
	Enable, Rollback bool
	// Accumulate keeps the count of failed tasks when one becomes healthy.
	Accumulate bool
	// Kind is BOUNDED_PERCENT, which is what an empty one means, UNBOUNDED_PERCENT
	// or COUNT; Value is what it says, 50 when Kind is empty.
	Kind  string
	Value int
}

// The bounds of a threshold that is a bounded percentage.
const (
	leastFailures = 3
	mostFailures  = 200
	usualPercent  = 50
)

// Threshold is how many tasks have to fail, of a service with that desired count.
func (b Breaker) Threshold(desired int) int {
	switch b.Kind {
	case "COUNT":
		return max(b.Value, 1)
	case "UNBOUNDED_PERCENT":
		return max(atLeast(b.Value, desired), 1)
	case "":
		b.Value = usualPercent
	}
	return min(max(atLeast(b.Value, desired), leastFailures), mostFailures)
}

// When tasks fail one after the other, the service waits before it starts others:
// after so many, for so long, and twice that each time again, up to so long. ECS tells
// of its longest wait only.
// Source: Amazon ECS Developer Guide, "Amazon ECS service throttle logic".
const (
	patience    = 3
	firstWait   = 10 * time.Second
	longestWait = 15 * time.Minute
)

// experience learns from what has become of the tasks that had not yet been healthy.
// A task has failed that has stopped without being asked to, or whose health checks
// fail, before it was ever healthy. ECS itself does not count those that ran for a
// moment; here they count.
func (d *decision) experience(tasks []Task, ended []Ended) {
	r := d.first()
	failures := 0
	proven := false
	for _, id := range slices.Clone(r.Young) {
		i := slices.IndexFunc(tasks, func(t Task) bool { return t.ID == id })
		if i < 0 {
			e := slices.IndexFunc(ended, func(e Ended) bool { return e.ID == id })
			if e >= 0 && !ended[e].Asked {
				if lasted := ended[e].Ran >= d.Settle && d.Settle > 0; lasted && !ended[e].Checked {
					proven = true
				} else {
					failures++
				}
			}
			r.forget(id)
			continue
		}
		switch t := tasks[i]; {
		case d.healthy(t):
			proven = true
			r.forget(id)
		case !t.Stopping && d.ill(t):
			failures++
			r.forget(id)
		}
	}
	if proven {
		r.Streak, r.Step, r.RetryAt = 0, 0, 0
		if r.Phase == InProgress && !d.Breaker.Accumulate {
			r.Failed = 0
		}
	}
	r.Failed += failures
	r.Streak += failures
	if failures > 0 && r.Streak >= patience && d.now.UnixMilli() >= r.RetryAt {
		wait := min(firstWait<<min(r.Step, 10), longestWait)
		r.Step, r.RetryAt = r.Step+1, d.now.Add(wait).UnixMilli()
	}
}

// trip has the circuit breaker fail the deployment if too many tasks have failed. A
// rollout that is gone back to is not failed again: there would be nothing left.
func (d *decision) trip() {
	r := d.first()
	desired := d.Desired
	if !d.Breaker.Enable || r.Phase != InProgress || r.RollingBack || r.Failed < d.Breaker.Threshold(desired) {
		if r.Phase != Failed && r.RetryAt > d.now.UnixMilli() {
			d.trouble("is unable to consistently start tasks successfully. " + seeAlso)
		}
		return
	}
	const failed = "ECS deployment circuit breaker: tasks failed to start."
	d.event("(deployment " + r.ID + ") deployment failed: tasks failed to start.")
	if d.Breaker.Rollback && d.st.RollBack(failed, "ECS deployment circuit breaker: rolling back to deploymentId ") == nil {
		d.event("rolling back to deployment " + d.first().ID + ".")
		return
	}
	r.Phase, r.Reason = Failed, failed
}

// held reports whether no task is to be started now.
func (d *decision) held() bool {
	r := d.first()
	if r.Phase == Failed {
		return true
	}
	at := time.UnixMilli(r.RetryAt)
	d.later(at)
	return at.After(d.now)
}

// unfit stops unhealthy tasks.
func (d *decision) unfit(tasks []Task) {
	for _, t := range tasks {
		d.event("(task " + t.ID + ") failed container health checks.")
		d.stop(t, machine.ServiceSchedulerInitiated, "Task failed container health checks")
	}
}
