package services

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/launch"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/deploy/rollout"
	"drydock/deploy/schedule"
	"drydock/storage/meta"
)

// wanted is a service as the scheduler sees it.
func wanted(v record.Service, settle time.Duration) schedule.Service {
	d := v.Detail.Shown
	s := schedule.Service{
		Name: v.Name, Group: "service:" + v.Name, Daemon: d.SchedulingStrategy == types.SchedulingStrategyDaemon, Desired: int(d.DesiredCount),
		MinimumHealthy: 100, Maximum: 200, Settle: settle, Draining: v.Status == "DRAINING", Breaker: rollout.Breaker(d.DeploymentConfiguration),
		Rebalance: d.AvailabilityZoneRebalancing == types.AvailabilityZoneRebalancingEnabled,
	}
	if s.Daemon {
		s.MinimumHealthy, s.Maximum = 0, 100
	}
	if c := d.DeploymentConfiguration; c != nil {
		if c.MinimumHealthyPercent != nil {
			s.MinimumHealthy = int(*c.MinimumHealthyPercent)
		}
		if c.MaximumPercent != nil {
			s.Maximum = int(*c.MaximumPercent)
		}
	}
	if g := d.HealthCheckGracePeriodSeconds; g != nil {
		s.Grace = time.Duration(*g) * time.Second
	}
	return s
}

// strategies are those of the service's own; without any, ECS's balance.
func strategies(v record.Service) (all []placement.Strategy, err error) {
	for _, p := range v.Detail.Shown.PlacementStrategy {
		one, err := placement.NewStrategy(string(p.Type), deref(p.Field))
		if err != nil {
			return nil, fmt.Errorf("read its placement strategies: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// parts are what the tasks of a rollout are made of.
func (c *cluster) parts(ctx context.Context, v record.Service, of schedule.Rollout) (*launch.Parts, error) {
	r, err := record.FindServiceRevision(ctx, c.q, v.Scope, v.Cluster, v.Name, of.Revision)
	if err != nil {
		return nil, fmt.Errorf("find its revision %s: %w", of.Revision, err)
	}
	family, number, _ := strings.Cut(last(deref(r.Detail.TaskDefinition)), ":")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read the name of task definition %s: %w", deref(r.Detail.TaskDefinition), err)
	}
	d, err := record.FindTaskDefinition(ctx, c.q, v.Scope, family, revision)
	if err != nil {
		return nil, fmt.Errorf("find task definition %s: %w", deref(r.Detail.TaskDefinition), err)
	}
	kind := r.Detail.LaunchType
	if len(r.Detail.CapacityProviderStrategy) > 0 {
		kind = launch.Type(r.Detail.CapacityProviderStrategy)
	}
	settings, err := record.Settings(ctx, c.q, v.Scope, "")
	if err != nil {
		return nil, fmt.Errorf("list the account's settings: %w", err)
	}
	mode := "non-blocking"
	for _, s := range settings {
		if s.Name == string(types.SettingNameDefaultLogDriverMode) {
			mode = s.Value
		}
	}
	p, err := launch.Prepare(launch.Request{
		Scope: v.Scope, Cluster: v.Cluster, Definition: d.Detail, Group: "service:" + v.Name, Service: v.Name, Deployment: of.ID, StartedBy: of.ID,
		LaunchType: kind, Shares: launch.Shares(r.Detail.CapacityProviderStrategy), PlatformVersion: deref(r.Detail.PlatformVersion), Network: r.Detail.NetworkConfiguration,
		EnableExecuteCommand: v.Detail.Shown.EnableExecuteCommand, LogMode: mode, Repository: c.s.o.Repository,
	})
	if err != nil {
		return nil, fmt.Errorf("make a task of task definition %s: %w", deref(r.Detail.TaskDefinition), err)
	}
	p.Tags, err = c.tags(ctx, v, deref(r.Detail.TaskDefinition))
	return p, err
}

// tags are those that the service's tasks begin with.
func (c *cluster) tags(ctx context.Context, v record.Service, definition string) (map[string]string, error) {
	all := map[string]string{}
	from := ""
	switch v.Detail.Shown.PropagateTags {
	case types.PropagateTagsService:
		from = *v.Detail.Shown.ServiceArn
	case types.PropagateTagsTaskDefinition:
		from = definition
	}
	if from != "" {
		found, err := meta.ResourceTags(ctx, c.q, from)
		if err != nil {
			return nil, fmt.Errorf("read the tags of %s: %w", from, err)
		}
		all = found
	}
	if v.Detail.Shown.EnableECSManagedTags {
		all["aws:ecs:clusterName"], all["aws:ecs:serviceName"] = v.Cluster, v.Name
	}
	return all, nil
}

// request is what a task of the service asks of placement.
func (c *cluster) request(v record.Service, p *launch.Parts) (*placement.Request, error) {
	q, err := p.Placement(1)
	if err != nil {
		return nil, fmt.Errorf("read the placement constraints of its task definition: %w", err)
	}
	for _, x := range v.Detail.Shown.PlacementConstraints {
		one, err := placement.NewConstraint(string(x.Type), deref(x.Expression))
		if err != nil {
			return nil, fmt.Errorf("read its placement constraints: %w", err)
		}
		q.Constraints = append(q.Constraints, one)
	}
	if q.Strategies, err = strategies(v); err != nil {
		return nil, err
	}
	if len(q.Strategies) == 0 {
		q.Strategies = placement.ServiceDefault()
	}
	return q, nil
}

// tell adds events to a service, the latest first.
func tell(v *record.Service, messages []string, random io.Reader, now time.Time) error {
	shown := &v.Detail.Shown
	for _, m := range messages {
		id, err := newID(random)
		if err != nil {
			return err
		}
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		shown.Events = append([]types.ServiceEvent{{Id: &id, CreatedAt: &now, Message: &m}}, shown.Events...)
	}
	shown.Events = shown.Events[:min(len(shown.Events), eventsKept)]
	return nil
}

// newID makes an id as those of tasks.
func newID(random io.Reader) (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return fmt.Sprintf("%x", b), nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
