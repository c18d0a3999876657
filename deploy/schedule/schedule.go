// Package schedule decides what a service of Amazon ECS does next: which tasks it
// starts and which it stops, when a deployment has completed or failed, and what is
// told of that. A decision is a function of the service, its tasks and what
// placement offers; it changes nothing, does no I/O and knows no clock. Whoever
// carries it out may be killed at any time: the next decision begins with what there
// is then.
//
// The rules are those of the ECS developer guide: "Service deployment controllers and
// strategies", "How the Amazon ECS deployment circuit breaker detects failures",
// "Amazon ECS service throttle logic" and "Amazon ECS service event messages"; for
// minimumHealthyPercent and maximumPercent, API reference, DeploymentConfiguration.
// Where they are silent, the choice is told beside the code that makes it.
package schedule

import (
	"fmt"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
)

// Service is a service as it is to be.
type Service struct {
	Name string
	// Group is that of its tasks, "service:NAME".
	Group string
	// Daemon asks for one task on each suitable instance, whatever Desired says.
	Daemon  bool
	Desired int
	// MinimumHealthy and Maximum are in percent of the desired count.
	MinimumHealthy, Maximum int
	Breaker                 Breaker
	// Grace is for how long a failing health check of a new task is ignored.
	Grace time.Duration
	// Settle is how long a task without a health check has to run before it counts
	// as healthy.
	Settle time.Duration
	// Rebalance asks for the availability zones to be kept balanced.
	Rebalance  bool
	Strategies []placement.Strategy
	// Draining is set for a service that is to end.
	Draining bool
}

// Task is a task of the service that has not stopped.
type Task struct {
	ID string
	// Deployment is the id of the rollout that it belongs to, Instance the id of the
	// container instance it is on.
	Deployment, Instance string
	// Zone is the availability zone of that, Provider the capacity provider that the
	// task fell to.
	Zone, Provider string
	Status         machine.Status
	// Stopping is set when it is to stop.
	Stopping bool
	// Leaving is set when its instance takes no more tasks.
	Leaving bool
	// Checked is set when it has a health check, which says Health.
	Checked bool
	Health  machine.Health
	// StartedAt is when it began to run; zero before.
	StartedAt time.Time
	// ProtectedUntil is until when scaling in and deployments spare it.
	ProtectedUntil time.Time
}

// Ended is one of State.Young that has stopped.
type Ended struct {
	ID string
	// Asked is set when somebody had asked for it to stop.
	Asked bool
	// Ran is for how long it ran; 0 when it never did.
	Ran time.Duration
	// Checked is set when it had a health check.
	Checked bool
}

// Offers is what placement has for the tasks of a rollout.
type Offers struct {
	Fleet   *placement.Fleet
	Request *placement.Request
	// Shares are those of the capacity provider strategy; none without one.
	Shares []placement.Share
	Chance placement.Random
}

// Input is what a decision is made of.
type Input struct {
	Service Service
	State   State
	Tasks   []Task
	Ended   []Ended
	// Offers is asked when the decision depends on places, for there is a price to
	// reading a whole fleet.
	Offers func(of Rollout) (Offers, error)
	// Zones are the availability zones that have instances. It may be nil where they
	// are not known without asking Offers.
	Zones func() ([]string, error)
	Now   time.Time
}

// Plan is what is to be done.
type Plan struct {
	// Start has a place for each task that is to begin, as one of the first rollout.
	Start []placement.Placed
	Stop  []Stop
	// State is the new state, Desired the desired count of a daemon now.
	State   State
	Desired int
	// Events are told of in this order.
	Events []string
	// Ended is set when the service was to end and has.
	Ended bool
	// Due is when to look again although nothing has changed; zero for never.
	Due time.Time
}

// Stop is a task that is to stop.
type Stop struct {
	Task   string
	Code   machine.StopCode
	Reason string
}

// startsAtOnce is how many tasks are started in one decision; the next follows at
// once.
const startsAtOnce = 100

// Decide decides. The state of the input is not changed. Errors: those of Offers and
// of placement.
func Decide(in Input) (Plan, error) {
	d := &decision{Service: in.Service, now: in.Now, offers: in.Offers, zones: in.Zones, plan: Plan{State: in.State.clone(), Desired: in.Service.Desired}}
	d.st = &d.plan.State
	if d.Draining {
		d.end(in.Tasks)
		return d.plan, nil
	}
	if len(d.st.Rollouts) == 0 {
		return d.plan, fmt.Errorf("service %s has no deployment", d.Name)
	}
	d.st.prune(in.Tasks)
	d.experience(in.Tasks, in.Ended)
	d.trip()
	d.sort(in.Tasks)
	var err error
	if d.Daemon {
		err = d.daemon()
	} else {
		err = d.replica()
	}
	if err != nil {
		return Plan{}, err
	}
	d.tell()
	return d.plan, nil
}

// decision is one in the making.
type decision struct {
	Service
	now    time.Time
	st     *State
	plan   Plan
	offers func(Rollout) (Offers, error)
	zones  func() ([]string, error)
	got    *Offers

	// desired is the count that is aimed at, minimum and maximum follow from it.
	desired, minimum, maximum int
	// mine are tasks of the first rollout that stay, unless they are unhealthy; old
	// are those of others and those on instances that take no more; stopping are
	// those of any that are about to stop.
	mine, unhealthy, old, stopping []Task
	// leftovers is how many tasks that are not mine have not stopped.
	leftovers int
}

func (d *decision) first() *Rollout { return &d.st.Rollouts[0] }

// offer asks for places once.
func (d *decision) offer() (*Offers, error) {
	if d.got == nil {
		o, err := d.offers(*d.first())
		if err != nil {
			return nil, err
		}
		d.got = &o
	}
	return d.got, nil
}

// end stops all tasks of a service that is to end.
func (d *decision) end(tasks []Task) {
	for _, t := range tasks {
		if !t.Stopping {
			d.stop(t, machine.ServiceSchedulerInitiated, d.scaling())
		}
	}
	d.plan.Desired, d.plan.Ended = 0, len(tasks) == 0
	d.tell()
}

// sort tells the tasks apart.
func (d *decision) sort(tasks []Task) {
	for _, t := range tasks {
		own := t.Deployment == d.first().ID && !t.Leaving
		if !own {
			d.leftovers++
		}
		switch {
		case t.Stopping:
			d.stopping = append(d.stopping, t)
		case !own:
			d.old = append(d.old, t)
		case d.ill(t):
			d.unhealthy = append(d.unhealthy, t)
		default:
			d.mine = append(d.mine, t)
			d.await(t)
		}
	}
}

// await has a task looked at again when time alone will change what it counts as.
func (d *decision) await(t Task) {
	if t.Status != machine.Running {
		return
	}
	switch {
	case !t.Checked:
		d.later(t.StartedAt.Add(d.Settle))
	case t.Health == machine.Unhealthy:
		d.later(t.StartedAt.Add(d.Grace))
	}
}

// later has the service looked at again at a time, if that is still to come.
func (d *decision) later(at time.Time) {
	if at.After(d.now) && (d.plan.Due.IsZero() || at.Before(d.plan.Due)) {
		d.plan.Due = at
	}
}

// ill reports whether the health checks of a task fail, and count.
func (d *decision) ill(t Task) bool {
	return t.Status == machine.Running && t.Checked && t.Health == machine.Unhealthy && !d.now.Before(t.StartedAt.Add(d.Grace))
}

// healthy reports whether a task counts as healthy.
func (d *decision) healthy(t Task) bool {
	if t.Status != machine.Running || t.Stopping {
		return false
	}
	if t.Checked {
		return t.Health == machine.Healthy
	}
	return !d.now.Before(t.StartedAt.Add(d.Settle))
}

// up reports whether an old task serves: those without a health check are not made to
// wait, for that could only make them go sooner.
func (d *decision) up(t Task) bool {
	return t.Status == machine.Running && (!t.Checked || t.Health == machine.Healthy)
}

func (d *decision) spared(t Task) bool { return t.ProtectedUntil.After(d.now) }

func (d *decision) scaling() string {
	if len(d.st.Rollouts) == 0 {
		return "Scaling activity initiated by the service scheduler"
	}
	return "Scaling activity initiated by (deployment " + d.first().ID + ")"
}

func (d *decision) stop(t Task, code machine.StopCode, reason string) {
	d.plan.Stop = append(d.plan.Stop, Stop{t.ID, code, reason})
	for i := range d.st.Rollouts {
		d.st.Rollouts[i].forget(t.ID)
	}
}

func count(tasks []Task, is func(Task) bool) (n int) {
	for _, t := range tasks {
		if is(t) {
			n++
		}
	}
	return n
}

// atLeast is a percentage of a count rounded up, atMost rounded down.
func atLeast(percent, n int) int { return (n*percent + 99) / 100 }
func atMost(percent, n int) int  { return n * percent / 100 }
