package schedule

import (
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
)

// daemon decides for a service of one task on each suitable instance. A new task
// starts on an instance once the old one has stopped there, which is why
// maximumPercent says nothing: of two, none could have the same port.
func (d *decision) daemon() error {
	o, err := d.offer()
	if err != nil {
		return err
	}
	suitable := placement.Suitable(o.Fleet, o.Request)
	d.desired, d.maximum = len(suitable), len(suitable)
	d.minimum = atLeast(d.MinimumHealthy, d.desired)
	d.plan.Desired = d.desired
	on := map[string]*post{}
	for _, id := range suitable {
		on[id] = &post{}
	}
	d.man(on)
	held := d.held()
	if !held {
		d.unfit(d.unhealthy)
	}
	serving := count(d.mine, d.healthy)
	spare := max(serving+count(d.old, d.up)-d.minimum, 0)
	full := false
	for _, id := range suitable {
		p := on[id]
		switch {
		case p.mine || p.busy || held:
		case len(p.old) == 0:
			full = !d.enlist(o, id) || full
		default:
			for _, t := range p.old {
				d.replace(t, &spare)
			}
		}
	}
	if full {
		d.wait()
	} else {
		d.st.Waits = 0
	}
	return d.conclude()
}

// post is what a daemon has on an instance.
type post struct {
	mine, busy bool
	old        []Task
}

// man finds out what is where, and stops what is where it should not be.
func (d *decision) man(on map[string]*post) {
	for _, t := range append(d.stopping[:len(d.stopping):len(d.stopping)], d.unhealthy...) {
		if p := on[t.Instance]; p != nil {
			p.busy = true
		}
	}
	stay := d.mine[:0:0]
	for _, t := range d.mine {
		p := on[t.Instance]
		switch {
		case p != nil && !p.mine:
			p.mine = true
			stay = append(stay, t)
		case d.spared(t):
			d.later(t.ProtectedUntil)
		default:
			d.stop(t, machine.ServiceSchedulerInitiated, d.scaling())
		}
	}
	d.mine = stay
	for _, t := range d.old {
		p := on[t.Instance]
		switch {
		case p != nil && !p.mine:
			p.old = append(p.old, t)
		case d.spared(t):
			d.later(t.ProtectedUntil)
		default:
			d.stop(t, machine.ServiceSchedulerInitiated, d.scaling())
		}
	}
}

// replace stops an old task in whose place a new one is to start.
func (d *decision) replace(t Task, spare *int) {
	switch {
	case d.spared(t):
		d.later(t.ProtectedUntil)
		return
	case !d.up(t):
	case *spare <= 0:
		return
	default:
		*spare--
	}
	d.stop(t, machine.ServiceSchedulerInitiated, d.scaling())
}

// enlist starts a task on an instance, if that has room, and reports whether it has.
func (d *decision) enlist(o *Offers, instance string) bool {
	if len(d.plan.Start) >= startsAtOnce {
		d.plan.Due = d.now.Add(time.Millisecond)
		return true
	}
	at, failure, ok := placement.PlaceOn(o.Fleet, o.Request, instance)
	if !ok {
		r := placement.Result{Failures: []placement.Failure{failure}}
		d.obstacle(r.Event(d.Name))
		return false
	}
	if len(o.Shares) > 0 {
		at.Provider = o.Shares[0].Provider
	}
	d.plan.Start = append(d.plan.Start, at)
	return true
}
