package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/deploy/rollout"
	"drydock/deploy/schedule"
	"drydock/storage/meta"
)

// cluster is what one transaction has read of a cluster.
type cluster struct {
	place
	s   *Scheduler
	q   meta.Querier
	now time.Time
	// fleet and instances are read when they are needed.
	fleet     *placement.Fleet
	instances map[string]record.Instance
	zones     []string
	// recorded is set when tasks have changed.
	recorded bool
}

// see looks at a service: reads, decides, records.
func (c *cluster) see(ctx context.Context, v record.Service) error {
	tasks, err := record.TasksOfService(ctx, c.q, v.Scope, v.Cluster, v.Name)
	if err != nil {
		return fmt.Errorf("list its tasks: %w", err)
	}
	in := schedule.Input{Service: wanted(v, c.s.o.Settle), State: v.Detail.State, Now: c.now}
	if in.Service.Strategies, err = strategies(v); err != nil {
		return err
	}
	byID := make(map[string]record.Task, len(tasks))
	for _, t := range tasks {
		byID[t.ID] = t
		seen, err := c.seen(ctx, t)
		if err != nil {
			return err
		}
		in.Tasks = append(in.Tasks, seen)
	}
	if in.Ended, err = c.ended(ctx, v, byID); err != nil {
		return err
	}
	var parts *launch.Parts
	in.Offers = func(of schedule.Rollout) (o schedule.Offers, err error) {
		if parts, err = c.parts(ctx, v, of); err != nil {
			return o, err
		}
		if o.Request, err = c.request(v, parts); err != nil {
			return o, err
		}
		o.Shares = parts.Shares
		o.Fleet, err = c.places(ctx)
		o.Chance = c.s.o.Chance
		return o, err
	}
	in.Zones = func() ([]string, error) { return c.zoned(ctx) }
	plan, err := schedule.Decide(in)
	if err != nil {
		return err
	}
	return c.carryOut(ctx, v, plan, parts, byID)
}

// places is the cluster's fleet, read once.
func (c *cluster) places(ctx context.Context) (*placement.Fleet, error) {
	if c.fleet != nil {
		return c.fleet, nil
	}
	fleet, byID, err := launch.Fleet(ctx, c.q, c.Scope, c.cluster)
	if err != nil {
		return nil, err
	}
	c.fleet = fleet
	for id, i := range byID {
		c.instances[id] = i
	}
	return fleet, nil
}

// zoned lists the availability zones that have instances, read once.
func (c *cluster) zoned(ctx context.Context) ([]string, error) {
	if c.zones != nil {
		return c.zones, nil
	}
	c.zones = []string{}
	for p := (record.Page{Limit: atOnce}); ; {
		list, err := record.Instances(ctx, c.q, c.Scope, c.cluster, placement.StatusActive, p)
		if err != nil {
			return nil, fmt.Errorf("list container instances: %w", err)
		}
		for _, i := range list {
			c.instances[i.ID] = i
			if z := zone(i); z != "" && !slices.Contains(c.zones, z) {
				c.zones = append(c.zones, z)
			}
		}
		if len(list) < p.Limit {
			return c.zones, nil
		}
		p.After = list[len(list)-1].ID
	}
}

// atOnce is how many container instances are read at once.
const atOnce = 500

// zone is the availability zone of a container instance.
func zone(i record.Instance) string {
	for _, a := range i.Detail.Shown.Attributes {
		if *a.Name == placement.ZoneAttribute {
			return deref(a.Value)
		}
	}
	return ""
}

// seen is a task as the scheduler sees it.
func (c *cluster) seen(ctx context.Context, t record.Task) (schedule.Task, error) {
	v := schedule.Task{
		ID: t.ID, Deployment: t.Detail.Deployment, Instance: t.Instance, Status: machine.Status(t.Status), Stopping: t.Desired == string(machine.Stopped),
		Health: machine.Health(t.Detail.Shown.HealthStatus), Checked: checked(t), Provider: deref(t.Detail.Shown.CapacityProviderName),
	}
	if at := t.Detail.Shown.StartedAt; at != nil {
		v.StartedAt = *at
	}
	if until := t.Detail.ProtectedUntil; until > 0 {
		v.ProtectedUntil = time.UnixMilli(until)
	}
	i, known := c.instances[t.Instance]
	if !known {
		var err error
		i, err = record.FindInstance(ctx, c.q, c.Scope, c.cluster, t.Instance)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return v, fmt.Errorf("find container instance %s: %w", t.Instance, err)
		}
		c.instances[t.Instance] = i
	}
	v.Leaving, v.Zone = i.Status != placement.StatusActive, zone(i)
	return v, nil
}

// checked reports whether a task has a health check that counts.
func checked(t record.Task) bool {
	for _, c := range t.Detail.Spec.Containers {
		if c.Essential && c.Health != nil {
			return true
		}
	}
	return false
}

// ended finds out how those tasks ended that the scheduler has to know about.
func (c *cluster) ended(ctx context.Context, v record.Service, running map[string]record.Task) (list []schedule.Ended, err error) {
	for _, id := range v.Detail.State.Young() {
		if _, is := running[id]; is {
			continue
		}
		t, err := record.FindTask(ctx, c.q, v.Scope, v.Cluster, id)
		if errors.Is(err, meta.ErrNotFound) {
			continue // it stopped so long ago that nothing is left of it
		}
		if err != nil {
			return nil, fmt.Errorf("find task %s: %w", id, err)
		}
		e := schedule.Ended{ID: id, Asked: t.Detail.StopCode != "", Checked: checked(t)}
		if at := t.Detail.Shown.StartedAt; at != nil {
			e.Ran = max(time.UnixMilli(t.StoppedAt).Sub(*at), 0)
		}
		list = append(list, e)
	}
	return list, nil
}

// eventsKept is how many events a service shows.
const eventsKept = 100

// carryOut records a plan.
func (c *cluster) carryOut(ctx context.Context, v record.Service, plan schedule.Plan, parts *launch.Parts, byID map[string]record.Task) error {
	for _, s := range plan.Stop {
		t := byID[s.Task]
		if !launch.Stop(&t, s.Code, s.Reason, c.now) {
			continue
		}
		if err := record.UpdateTask(ctx, c.q, t); err != nil {
			return fmt.Errorf("stop task %s: %w", t.ID, err)
		}
		c.recorded = true
		if err := c.moved(t); err != nil {
			return err
		}
	}
	v.Detail.State = plan.State
	events := plan.Events
	if len(plan.Start) > 0 {
		ids, err := c.start(ctx, v, plan, parts)
		if err != nil {
			return err
		}
		events = append(events, schedule.Started(v.Name, ids))
		first := &v.Detail.State.Rollouts[0]
		first.Young = append(first.Young, ids...)
	}
	v.Detail.Shown.DesiredCount = int32(plan.Desired)
	if plan.Ended {
		v.Status = "INACTIVE"
		if err := meta.DeleteResourceTags(ctx, c.q, *v.Detail.Shown.ServiceArn); err != nil {
			return fmt.Errorf("untag: %w", err)
		}
		v.Detail.State = schedule.State{}
	}
	rollout.Show(&v, c.now)
	if err := rollout.Record(ctx, c.q, v, c.now); err != nil {
		return err
	}
	if err := tell(&v, events, c.s.o.Random, c.now); err != nil {
		return err
	}
	due := plan.Due
	if due.IsZero() {
		due = c.now.Add(net)
	}
	v.DueAt = due.UnixMilli()
	return record.UpdateService(ctx, c.q, v)
}

// moved takes a task that has changed into the fleet, if that has been read.
func (c *cluster) moved(t record.Task) error {
	if c.fleet == nil {
		return nil
	}
	err := c.fleet.PutTask(t.Instance, launch.Placed(t))
	if errors.Is(err, placement.ErrNoSuchInstance) {
		return nil // it is no longer there
	}
	return err
}

// start records tasks that are to begin.
func (c *cluster) start(ctx context.Context, v record.Service, plan schedule.Plan, parts *launch.Parts) (ids []string, err error) {
	for _, at := range plan.Start {
		id, err := newID(c.s.o.Random)
		if err != nil {
			return nil, err
		}
		t := parts.On(at.Provider).Task(id, c.instances[at.Instance], c.now)
		if err := record.AddTask(ctx, c.q, t); err != nil {
			return nil, fmt.Errorf("record task %s: %w", id, err)
		}
		for key, value := range t.Detail.Tags {
			if err := meta.SetResourceTag(ctx, c.q, *t.Detail.Shown.TaskArn, key, value); err != nil {
				return nil, fmt.Errorf("tag task %s: %w", id, err)
			}
		}
		if err := c.moved(t); err != nil {
			return nil, err
		}
		c.recorded = true
		ids = append(ids, id)
	}
	return ids, nil
}

// last is what comes after the last slash.
func last(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
