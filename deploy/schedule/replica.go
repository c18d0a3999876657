package schedule

import (
	"slices"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
)

// replica decides for a service of a number of tasks.
//
// New tasks are started before old ones are stopped, as far as maximumPercent and
// the instances have room. Old ones go as new ones become healthy, and before that
// only where there is no room otherwise, never below minimumHealthyPercent. Tasks
// that are stopping count for maximumPercent until they have stopped.
func (d *decision) replica() error {
	d.desired = d.Desired
	d.minimum, d.maximum = atLeast(d.MinimumHealthy, d.desired), atMost(d.Maximum, d.desired)
	need := d.desired - len(d.mine)
	room := d.maximum - len(d.mine) - len(d.unhealthy) - len(d.old) - len(d.stopping)
	held := d.held()
	started := 0
	if n := min(need, room, startsAtOnce); n > 0 && !held {
		var err error
		if started, err = d.start(n); err != nil {
			return err
		}
		if started == n && n < min(need, room) {
			d.plan.Due = d.now.Add(time.Millisecond)
		}
	}
	missing := need - started
	if held {
		missing = 0
	}
	if err := d.makeWay(missing); err != nil {
		return err
	}
	if err := d.scaleIn(); err != nil {
		return err
	}
	d.stuck(need, room, missing)
	return d.conclude()
}

// start finds places for tasks of the first rollout, and reports for how many.
func (d *decision) start(n int) (int, error) {
	o, err := d.offer()
	if err != nil {
		return 0, err
	}
	want := *o.Request
	want.Count = n
	have := map[string]int{}
	for _, t := range d.mine {
		have[t.Provider]++
	}
	got, err := placement.PlaceShares(o.Fleet, &want, o.Shares, have, o.Chance)
	if err != nil {
		return 0, err
	}
	d.plan.Start = append(d.plan.Start, got.Placed...)
	if got.Unplaced > 0 {
		d.obstacle(got.Event(d.Name))
		d.wait()
	} else {
		d.st.Waits = 0
	}
	return len(got.Placed), nil
}

// How long it takes until places are looked for again, which doubles each time. What
// is known to make room wakes the service before.
const (
	firstLook   = time.Second
	longestLook = time.Minute
)

func (d *decision) wait() {
	d.later(d.now.Add(min(firstLook<<min(d.st.Waits, 10), longestLook)))
	d.st.Waits++
}

// makeWay stops tasks that have been replaced, that are good for nothing, or in whose
// stead others are to start. missing is how many of those could not start.
func (d *decision) makeWay(missing int) error {
	serving := count(d.mine, d.healthy)
	up := count(d.old, d.up)
	spare := max(serving+up-d.minimum, 0)
	missing = max(missing-len(d.stopping), 0)
	if serving >= d.desired {
		d.unfit(d.unhealthy)
	} else if n := min(missing, len(d.unhealthy)); n > 0 {
		d.unfit(d.unhealthy[:n])
		missing -= n
	}
	if d.first().Phase == Failed {
		// What is left of before is all that there is, and stays up to the desired
		// count.
		return d.retire(min(max(serving+up-d.desired, 0), up, spare), d.up)
	}
	useless := func(t Task) bool { return !d.up(t) }
	n := count(d.old, useless)
	if err := d.retire(n, useless); err != nil {
		return err
	}
	missing = max(missing-n, 0)
	replaced := max(serving+up-d.desired, 0)
	return d.retire(min(max(replaced, missing), up, spare), d.up)
}

// retire stops old tasks of a kind.
func (d *decision) retire(n int, kind func(Task) bool) error {
	if n <= 0 {
		return nil
	}
	return d.choose(n, d.old, kind)
}

// choose stops n tasks out of some, those that placement would have go first.
func (d *decision) choose(n int, from []Task, kind func(Task) bool) error {
	byID := map[string]Task{}
	for _, t := range from {
		switch {
		case !kind(t):
		case d.spared(t):
			d.later(t.ProtectedUntil)
		default:
			byID[t.ID] = t
		}
	}
	if len(byID) == 0 {
		return nil
	}
	var order []string
	if len(byID) > n {
		o, err := d.offer()
		if err != nil {
			return err
		}
		order, err = placement.StopFirst(o.Fleet, &placement.StopRequest{
			Group: d.Group, Count: n, Strategies: d.Strategies,
			Eligible: func(t *placement.Task) bool { _, is := byID[t.ID]; return is },
		}, o.Chance)
		if err != nil {
			return err
		}
	}
	// Those on instances that are no longer there come last.
	for _, t := range from {
		if _, is := byID[t.ID]; is && !slices.Contains(order, t.ID) {
			order = append(order, t.ID)
		}
	}
	for _, id := range order[:min(n, len(order))] {
		d.stop(byID[id], machine.ServiceSchedulerInitiated, d.scaling())
	}
	return nil
}

// scaleIn stops what is too much of the first rollout, beginning with what does not
// yet serve. While zones are balanced, the task that is one too many is waited for.
func (d *decision) scaleIn() error {
	over := len(d.mine) - d.desired
	if over <= 0 {
		return nil
	}
	serving := count(d.mine, d.healthy)
	if d.st.Balancing && over == 1 && serving < len(d.mine) {
		return nil
	}
	idle := func(t Task) bool { return !d.healthy(t) }
	n := min(over, len(d.mine)-serving)
	before := len(d.plan.Stop)
	if err := d.choose(n, d.mine, idle); err != nil {
		return err
	}
	over -= len(d.plan.Stop) - before
	return d.choose(min(over, max(serving-d.desired, 0)), d.mine, d.healthy)
}

// stuck tells of percentages that leave nothing to be done.
func (d *decision) stuck(need, room, missing int) {
	waiting := len(d.stopping) > 0 || len(d.plan.Stop) > 0 || count(d.mine, d.healthy) < len(d.mine)
	if need > 0 && room <= 0 && missing > 0 && !waiting && !slices.ContainsFunc(d.old, d.spared) {
		d.trouble("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
	}
}

// conclude finds out whether a deployment has completed, and whether all is as it
// should be.
func (d *decision) conclude() error {
	serving := count(d.mine, d.healthy)
	there := len(d.mine) == d.desired && serving == d.desired && len(d.unhealthy) == 0 && d.leftovers == 0 && len(d.plan.Start) == 0
	r := d.first()
	if there && r.Phase == InProgress {
		r.Phase, r.Reason = Completed, "ECS deployment "+r.ID+" completed."
		d.st.Completed = r.ID
		d.st.Rollouts = d.st.Rollouts[:1]
		d.event("(deployment " + r.ID + ") deployment completed.")
	}
	steady := there && d.first().Phase == Completed && len(d.stopping) == 0 && len(d.plan.Stop) == 0
	if steady && !d.st.Steady {
		d.event("has reached a steady state.")
		d.st.Trouble, d.st.Waits = "", 0
	}
	d.st.Steady = steady
	if steady && d.Rebalance && !d.Daemon && d.desired > 0 {
		return d.rebalance()
	}
	return nil
}

// rebalance starts a task where there are too few; once it is healthy, scaling in
// takes one away where there are too many.
func (d *decision) rebalance() error {
	if !placement.SpreadsZonesFirst(d.Strategies) || d.held() {
		return nil
	}
	if even, err := d.even(); err != nil || even && !d.st.Balancing {
		return err
	}
	o, err := d.offer()
	if err != nil {
		return err
	}
	if len(o.Shares) > 1 {
		return nil // a move could take a task from one provider to another
	}
	zones := placement.Zones(o.Fleet, o.Request)
	if placement.Balanced(zones) {
		if d.st.Balancing {
			d.st.Balancing = false
			d.plan.Events = append(d.plan.Events, placement.RebalancingCompleted(d.Name, zones))
		}
		return nil
	}
	may := map[string]bool{}
	for _, t := range d.mine {
		may[t.ID] = !d.spared(t)
	}
	move, ok, err := placement.Rebalance(o.Fleet, o.Request, &placement.StopRequest{
		Group: d.Group, Strategies: d.Strategies, Eligible: func(t *placement.Task) bool { return may[t.ID] },
	}, o.Chance)
	if err != nil {
		return err
	}
	if !ok || d.maximum <= d.desired {
		d.later(d.now.Add(longestLook))
		return nil
	}
	if !d.st.Balancing {
		d.st.Balancing = true
		d.plan.Events = append(d.plan.Events, placement.RebalancingStarted(d.Name, zones))
	}
	if len(o.Shares) > 0 {
		move.Start.Provider = o.Shares[0].Provider
	}
	d.plan.Start = append(d.plan.Start, move.Start)
	d.st.Steady = false
	return nil
}

// even reports whether the service's tasks are in balance over all zones there are:
// then there is no need to ask which of them it may use.
func (d *decision) even() (bool, error) {
	if d.zones == nil {
		return false, nil
	}
	names, err := d.zones()
	if err != nil {
		return false, err
	}
	tasks := map[string]int{}
	for _, name := range names {
		tasks[name] = 0
	}
	for _, t := range d.mine {
		tasks[t.Zone]++
	}
	zones := make([]placement.Zone, 0, len(tasks))
	for name, n := range tasks {
		zones = append(zones, placement.Zone{Name: name, Tasks: n})
	}
	return placement.Balanced(zones), nil
}
