package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/launch"
	"drydock/deploy/record"
	"drydock/deploy/rollout"
	"drydock/deploy/schedule"
	"drydock/storage/meta"
)

func (s *Service) serviceOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateService", s.CreateService, s.needsCreateService),
		awsapi.Op("UpdateService", s.UpdateService, s.needsUpdateService),
		awsapi.Op("DeleteService", s.DeleteService, func(ctx context.Context, in *ecs.DeleteServiceInput) ([]awsapi.Need, error) {
			return needsOnServices(ctx, "ecs:DeleteService", in.Cluster, deref(in.Service))
		}),
	}
}

func serviceARN(s record.Scope, cluster, service string) string {
	return resource(s, "service", cluster+"/"+service)
}

func serviceNotFound() error {
	return &types.ServiceNotFoundException{Message: to("Service not found.")}
}

// serviceOf is where the service is that a request means.
func serviceOf(ctx context.Context, cluster, given *string) (c, name string, err error) {
	if c, err = clusterOf(ctx, cluster); err != nil {
		return "", "", err
	}
	name, err = within(scopeOf(ctx), "service", c, deref(given))
	return c, name, err
}

func needsOnServices(ctx context.Context, action string, cluster *string, services ...string) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	if len(services) == 0 {
		services = []string{"*"}
	}
	var needs []awsapi.Need
	for _, given := range services {
		c, name, err := serviceOf(ctx, cluster, &given)
		if err != nil {
			return nil, err
		}
		n := need(ctx, action, serviceARN(scope, c, name))
		n.Keys = map[string][]string{"ecs:cluster": {clusterARN(scope, c)}}
		needs = append(needs, n)
	}
	return needs, nil
}

func (s *Service) needsCreateService(ctx context.Context, in *ecs.CreateServiceInput) ([]awsapi.Need, error) {
	needs, err := needsOnServices(ctx, "ecs:CreateService", in.Cluster, deref(in.ServiceName))
	if err != nil {
		return nil, err
	}
	for key, values := range tagKeys(in.Tags) {
		needs[0].Keys[key] = values
	}
	needs = append(needs, needsTagging(ctx, needs[0].Resource, in.Tags, "CreateService")...)
	return s.needsDefinition(ctx, needs, in.TaskDefinition)
}

func (s *Service) needsUpdateService(ctx context.Context, in *ecs.UpdateServiceInput) ([]awsapi.Need, error) {
	needs, err := needsOnServices(ctx, "ecs:UpdateService", in.Cluster, deref(in.Service))
	if err != nil || in.TaskDefinition == nil {
		return needs, err
	}
	return s.needsDefinition(ctx, needs, in.TaskDefinition)
}

// needsDefinition adds what it takes to have a service run a task definition: the
// first of the needs tells of it, and its roles are passed on.
func (s *Service) needsDefinition(ctx context.Context, needs []awsapi.Need, definition *string) ([]awsapi.Need, error) {
	run, err := s.needsRunning(ctx, "ecs:RunTask", nil, definition, nil, nil)
	if err != nil {
		return nil, err
	}
	needs[0].Keys["ecs:task-definition"] = []string{run[0].Resource}
	return append(needs, run[1:]...), nil
}

// CreateService makes a service and has it started. One whose name belonged to a
// service that has ended takes its place.
func (s *Service) CreateService(ctx context.Context, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	if !name.MatchString(deref(in.ServiceName)) {
		return nil, invalidParameter("Service name should match regex ^[a-zA-Z0-9\\-_]{1,255}$.")
	}
	if err := unbuiltService(in); err != nil {
		return nil, err
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	var v record.Service
	err = s.write(ctx, func(q meta.Querier) error {
		made, err := s.newService(ctx, q, in)
		if err != nil {
			return err
		}
		done, err := s.sameService(ctx, q, in, made)
		if err != nil || done.Name != "" {
			v = done
			return err
		}
		first, err := s.revision(ctx, q, &made, revisionChange{
			definition: in.TaskDefinition, launchType: in.LaunchType, capacity: in.CapacityProviderStrategy, network: in.NetworkConfiguration, platform: in.PlatformVersion,
		})
		if err != nil {
			return err
		}
		if err := rollout.Begin(ctx, q, &made, first, s.random, s.now()); err != nil {
			return err
		}
		made.LaunchType = string(made.Detail.Shown.LaunchType)
		if made.LaunchType == "" {
			made.LaunchType = string(launch.Type(made.Detail.Shown.CapacityProviderStrategy))
		}
		made.DueAt = s.millis()
		if err := record.DeleteService(ctx, q, made.Scope, made.Cluster, made.Name); err != nil {
			return fmt.Errorf("forget the service that was called %s: %w", made.Name, err)
		}
		if err := record.AddService(ctx, q, made); err != nil {
			return fmt.Errorf("record service %s: %w", made.Name, err)
		}
		v = made
		return putTags(ctx, q, *made.Detail.Shown.ServiceArn, tags)
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	shown, err := s.showService(ctx, v, true)
	return &ecs.CreateServiceOutput{Service: shown}, err
}

// UpdateService changes a service. What its tasks are made of is changed by a new
// deployment.
func (s *Service) UpdateService(ctx context.Context, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	if err := unbuiltUpdate(in); err != nil {
		return nil, err
	}
	v, err := s.changeService(ctx, in.Cluster, in.Service, func(q meta.Querier, v *record.Service) error {
		if err := s.update(v, in); err != nil {
			return err
		}
		if in.TaskDefinition != nil || in.NetworkConfiguration != nil || in.PlatformVersion != nil || in.CapacityProviderStrategy != nil || in.ForceNewDeployment {
			return s.redeploy(ctx, q, v, in)
		}
		rollout.Show(v, s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showService(ctx, v, true)
	return &ecs.UpdateServiceOutput{Service: shown}, err
}

// redeploy has a service become what a request says, unless it is that already.
func (s *Service) redeploy(ctx context.Context, q meta.Querier, v *record.Service, in *ecs.UpdateServiceInput) error {
	before := v.Detail.Shown
	change := revisionChange{
		definition: in.TaskDefinition, capacity: in.CapacityProviderStrategy, network: in.NetworkConfiguration, platform: in.PlatformVersion, launchType: before.LaunchType,
	}
	if change.definition == nil {
		change.definition = before.TaskDefinition
	}
	if change.capacity == nil {
		change.capacity = before.CapacityProviderStrategy
	} else if change.launchType = ""; len(in.CapacityProviderStrategy) == 0 {
		change.launchType = types.LaunchTypeEc2
	}
	if change.network == nil {
		change.network = before.NetworkConfiguration
	}
	if change.platform == nil {
		change.platform = before.PlatformVersion
	}
	next, err := s.revision(ctx, q, v, change)
	if err != nil {
		return err
	}
	if in.ForceNewDeployment || differs(before, next) {
		return rollout.Begin(ctx, q, v, next, s.random, s.now())
	}
	rollout.Show(v, s.now())
	return nil
}

// DeleteService ends a service whose desired count is 0, or with force any.
func (s *Service) DeleteService(ctx context.Context, in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	v, err := s.changeService(ctx, in.Cluster, in.Service, func(q meta.Querier, v *record.Service) error {
		d := &v.Detail.Shown
		daemon := d.SchedulingStrategy == types.SchedulingStrategyDaemon
		if !deref(in.Force) && !daemon && d.DesiredCount > 0 {
			return invalidParameter("The service cannot be stopped while it is scaled above 0.")
		}
		v.Status, d.DesiredCount = "DRAINING", 0
		rollout.Show(v, s.now())
		return rollout.Supersede(ctx, q, v, "The service was deleted.", s.now())
	})
	if err != nil {
		return nil, err
	}
	shown, err := s.showService(ctx, v, false)
	return &ecs.DeleteServiceOutput{Service: shown}, err
}

// changeService changes an active service in a transaction and has it looked at.
// Errors: ClusterNotFoundException, ServiceNotFoundException,
// ServiceNotActiveException.
func (s *Service) changeService(ctx context.Context, cluster, given *string, change func(meta.Querier, *record.Service) error) (v record.Service, err error) {
	c, name, err := serviceOf(ctx, cluster, given)
	if err != nil {
		return v, err
	}
	err = s.write(ctx, func(q meta.Querier) (err error) {
		if _, err = activeCluster(ctx, q, scopeOf(ctx), c); err != nil {
			return err
		}
		v, err = record.FindService(ctx, q, scopeOf(ctx), c, name)
		if errors.Is(err, meta.ErrNotFound) {
			return serviceNotFound()
		}
		if err != nil {
			return fmt.Errorf("find service %s: %w", name, err)
		}
		if v.Status != "ACTIVE" {
			return &types.ServiceNotActiveException{Message: to("Service was not ACTIVE.")}
		}
		if err := change(q, &v); err != nil {
			return err
		}
		v.DueAt = s.millis()
		return record.UpdateService(ctx, q, v)
	})
	if err == nil {
		s.wake()
	}
	return v, err
}

// showService is a service as ECS shows it, counted anew.
func (s *Service) showService(ctx context.Context, v record.Service, tagged bool) (*types.Service, error) {
	d := v.Detail.Shown
	d.Status, d.Tags = &v.Status, nil
	counts, err := record.CountServiceTasks(ctx, s.reader(), v.Scope, v.Cluster, v.Name)
	if err != nil {
		return nil, fmt.Errorf("count the tasks of service %s: %w", v.Name, err)
	}
	d.Deployments = slices.Clone(d.Deployments)
	d.CurrentServiceRevisions = []types.ServiceCurrentRevisionSummary{}
	sum := tally(counts)
	for _, n := range sum {
		d.RunningCount, d.PendingCount = d.RunningCount+n.running, d.PendingCount+n.pending
	}
	for i := range d.Deployments {
		e := &d.Deployments[i]
		n := sum[*e.Id]
		e.RunningCount, e.PendingCount = n.running, n.pending
		if at := slices.IndexFunc(v.Detail.State.Rollouts, func(r schedule.Rollout) bool { return r.ID == *e.Id }); at >= 0 {
			d.CurrentServiceRevisions = append(d.CurrentServiceRevisions, types.ServiceCurrentRevisionSummary{
				Arn: to(rollout.RevisionARN(v, v.Detail.State.Rollouts[at].Revision)), PendingTaskCount: n.pending, RunningTaskCount: n.running, RequestedTaskCount: e.DesiredCount,
			})
		}
	}
	d.LoadBalancers, d.ServiceRegistries = []types.LoadBalancer{}, []types.ServiceRegistry{}
	if d.Events == nil {
		d.Events = []types.ServiceEvent{}
	}
	if tagged {
		d.Tags, err = s.tags(ctx, *d.ServiceArn)
	}
	return &d, err
}

type taskCounts struct{ running, pending int32 }

// tally counts by rollout.
func tally(counts []record.ServiceTasks) map[string]taskCounts {
	sum := map[string]taskCounts{}
	for _, c := range counts {
		n := sum[c.Rollout]
		switch c.Status {
		case "RUNNING":
			n.running += int32(c.N)
		case "PROVISIONING", "PENDING", "ACTIVATING":
			n.pending += int32(c.N)
		}
		sum[c.Rollout] = n
	}
	return sum
}
