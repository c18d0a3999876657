package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

func (s *Service) instanceOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("DescribeContainerInstances", s.DescribeContainerInstances, func(ctx context.Context, in *ecs.DescribeContainerInstancesInput) ([]awsapi.Need, error) {
			return needsOnInstances(ctx, "ecs:DescribeContainerInstances", in.Cluster, in.ContainerInstances...)
		}),
		awsapi.Op("ListContainerInstances", s.ListContainerInstances, func(ctx context.Context, in *ecs.ListContainerInstancesInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:ListContainerInstances", in.Cluster)
		}),
		awsapi.Op("DeregisterContainerInstance", s.DeregisterContainerInstance, func(ctx context.Context, in *ecs.DeregisterContainerInstanceInput) ([]awsapi.Need, error) {
			return needsOnCluster(ctx, "ecs:DeregisterContainerInstance", in.Cluster)
		}),
		awsapi.Op("UpdateContainerInstancesState", s.UpdateContainerInstancesState, func(ctx context.Context, in *ecs.UpdateContainerInstancesStateInput) ([]awsapi.Need, error) {
			return needsOnInstances(ctx, "ecs:UpdateContainerInstancesState", in.Cluster, in.ContainerInstances...)
		}),
	}
}

func needsOnInstances(ctx context.Context, action string, cluster *string, given ...string) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var needs []awsapi.Need
	for _, g := range given {
		id, err := within(scope, "container-instance", c, g)
		if err != nil {
			return nil, err
		}
		n := need(ctx, action, instanceARN(scope, c, id))
		n.Keys = map[string][]string{"ecs:cluster": {clusterARN(scope, c)}}
		needs = append(needs, n)
	}
	return needs, nil
}

// DescribeContainerInstances describes container instances by id or ARN. Those that
// do not exist are failures.
func (s *Service) DescribeContainerInstances(ctx context.Context, in *ecs.DescribeContainerInstancesInput) (*ecs.DescribeContainerInstancesOutput, error) {
	if n := len(in.ContainerInstances); n < 1 || n > mostResults {
		return nil, invalidParameter("Between 1 and %d container instances can be described at once.", mostResults)
	}
	out := &ecs.DescribeContainerInstancesOutput{ContainerInstances: []types.ContainerInstance{}, Failures: []types.Failure{}}
	err := s.eachInstance(ctx, s.reader(), in.Cluster, in.ContainerInstances, func(i record.Instance) error {
		v, err := s.showInstance(ctx, s.reader(), i, slices.Contains(in.Include, types.ContainerInstanceFieldTags))
		out.ContainerInstances = append(out.ContainerInstances, v)
		return err
	}, &out.Failures)
	return out, err
}

// eachInstance finds the container instances that a request names; those that do not
// exist become failures.
func (s *Service) eachInstance(ctx context.Context, q meta.Querier, cluster *string, given []string, do func(record.Instance) error, failures *[]types.Failure) error {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, cluster)
	if err != nil {
		return err
	}
	if _, err := activeCluster(ctx, q, scope, c); err != nil {
		return err
	}
	for _, g := range given {
		id, err := within(scope, "container-instance", c, g)
		if err != nil {
			return err
		}
		i, err := record.FindInstance(ctx, q, scope, c, id)
		if errors.Is(err, meta.ErrNotFound) || err == nil && i.Status == "INACTIVE" {
			*failures = append(*failures, types.Failure{Arn: to(instanceARN(scope, c, id)), Reason: to("MISSING")})
			continue
		}
		if err != nil {
			return fmt.Errorf("find container instance %s: %w", id, err)
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// showInstance is a container instance as ECS shows it, with what its tasks leave of
// its resources.
func (s *Service) showInstance(ctx context.Context, q meta.Querier, i record.Instance, tagged bool) (types.ContainerInstance, error) {
	v := i.Detail.Shown
	v.Status, v.Tags = &i.Status, []types.Tag{}
	tasks, err := record.TasksOfInstance(ctx, q, i.Scope, i.Cluster, i.ID)
	if err != nil {
		return v, fmt.Errorf("list the tasks of container instance %s: %w", i.ID, err)
	}
	fleet := placement.NewFleet(launch.Instance(i))
	for _, t := range tasks {
		if err := fleet.PutTask(i.ID, launch.Placed(t)); err != nil {
			return v, err
		}
		switch machine.Status(t.Status) {
		case machine.Running:
			v.RunningTasksCount++
		case machine.Provisioning, machine.Pending, machine.Activating:
			v.PendingTasksCount++
		}
	}
	shown, remaining, _ := fleet.Instance(i.ID)
	v.RegisteredResources, v.RemainingResources = resources(shown.Registered), resources(remaining)
	if tagged {
		v.Tags, err = s.tags(ctx, *v.ContainerInstanceArn)
	}
	return v, err
}

// resources are as ECS lists them: ports are those that are taken.
func resources(r placement.Resources) []types.Resource {
	tcp, udp := []string{}, []string{}
	for _, p := range r.Ports {
		n := strconv.Itoa(int(p.Number))
		if p.Protocol == placement.UDP {
			udp = append(udp, n)
		} else {
			tcp = append(tcp, n)
		}
	}
	number := func(name string, n int64) types.Resource {
		return types.Resource{Name: to(name), Type: to("INTEGER"), IntegerValue: int32(n)}
	}
	set := func(name string, list []string) types.Resource {
		return types.Resource{Name: to(name), Type: to("STRINGSET"), StringSetValue: list}
	}
	list := []types.Resource{number("CPU", r.CPU), number("MEMORY", r.Memory), set("PORTS", tcp), set("PORTS_UDP", udp)}
	if len(r.GPUs) > 0 {
		list = append(list, set("GPU", r.GPUs))
	}
	return list
}

// ListContainerInstances lists the ARNs of container instances, those that an
// expression of the cluster query language holds for.
func (s *Service) ListContainerInstances(ctx context.Context, in *ecs.ListContainerInstancesInput) (*ecs.ListContainerInstancesOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return nil, err
	}
	l := listing{scope, "ListContainerInstances", []string{c, deref(in.Filter), string(in.Status)}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	var ids []string
	if deref(in.Filter) == "" {
		found, err := record.Instances(ctx, s.reader(), scope, c, string(in.Status), p)
		if err != nil {
			return nil, fmt.Errorf("list container instances: %w", err)
		}
		for _, i := range found {
			ids = append(ids, i.ID)
		}
	} else if ids, err = s.filtered(ctx, scope, c, *in.Filter, string(in.Status), p); err != nil {
		return nil, err
	}
	ids, next := cut(l, p, ids, func(id string) string { return id })
	out := &ecs.ListContainerInstancesOutput{ContainerInstanceArns: []string{}, NextToken: next}
	for _, id := range ids {
		out.ContainerInstanceArns = append(out.ContainerInstanceArns, instanceARN(scope, c, id))
	}
	return out, nil
}

// filtered lists the ids of container instances that an expression holds for.
func (s *Service) filtered(ctx context.Context, scope record.Scope, cluster, expression, status string, p record.Page) ([]string, error) {
	rule, err := placement.NewConstraint(placement.MemberOf, expression)
	if err != nil {
		return nil, invalidParameter("Invalid filter: %v", err)
	}
	fleet, byID, err := launch.Fleet(ctx, s.reader(), scope, cluster)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range placement.Members(fleet, rule) {
		if id > p.After && (status == "" || byID[id].Status == status) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), p.Limit)], nil
}

// DeregisterContainerInstance takes a container instance out of its cluster. With
// force its tasks are left to themselves, which on a machine of this server's own
// means that they are stopped.
func (s *Service) DeregisterContainerInstance(ctx context.Context, in *ecs.DeregisterContainerInstanceInput) (*ecs.DeregisterContainerInstanceOutput, error) {
	var i record.Instance
	var v types.ContainerInstance
	err := s.write(ctx, func(q meta.Querier) error {
		var missing []types.Failure
		i = record.Instance{}
		if err := s.eachInstance(ctx, q, in.Cluster, []string{deref(in.ContainerInstance)}, func(found record.Instance) error { i = found; return nil }, &missing); err != nil {
			return err
		}
		if len(missing) > 0 {
			return clientError("Referenced container instance %s not found.", deref(in.ContainerInstance))
		}
		tasks, err := record.TasksOfInstance(ctx, q, i.Scope, i.Cluster, i.ID)
		if err != nil {
			return fmt.Errorf("list the tasks of container instance %s: %w", i.ID, err)
		}
		if len(tasks) > 0 && !deref(in.Force) {
			return invalidParameter("Found running tasks on the instance.")
		}
		for _, t := range tasks {
			if launch.Stop(&t, machine.TerminationNotice, "Host deregistered", s.now()) {
				if err := record.UpdateTask(ctx, q, t); err != nil {
					return fmt.Errorf("stop task %s: %w", t.ID, err)
				}
			}
		}
		i.Status = "INACTIVE"
		if v, err = s.showInstance(ctx, q, i, false); err != nil {
			return err
		}
		if err := meta.DeleteResourceTags(ctx, q, *v.ContainerInstanceArn); err != nil {
			return fmt.Errorf("untag container instance %s: %w", i.ID, err)
		}
		if err := record.UpdateInstance(ctx, q, i); err != nil {
			return err
		}
		return record.WakeAll(ctx, q, i.Scope, i.Cluster, s.millis())
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	return &ecs.DeregisterContainerInstanceOutput{ContainerInstance: &v}, nil
}

// mostUpdated is how many container instances one request can change.
const mostUpdated = 10

// UpdateContainerInstancesState drains container instances, or takes them back.
func (s *Service) UpdateContainerInstancesState(ctx context.Context, in *ecs.UpdateContainerInstancesStateInput) (*ecs.UpdateContainerInstancesStateOutput, error) {
	if n := len(in.ContainerInstances); n < 1 || n > mostUpdated {
		return nil, invalidParameter("Between 1 and %d container instances can be changed at once.", mostUpdated)
	}
	if in.Status != types.ContainerInstanceStatusActive && in.Status != types.ContainerInstanceStatusDraining {
		return nil, invalidParameter("Container instance status should be one of [ACTIVE,DRAINING].")
	}
	var out *ecs.UpdateContainerInstancesStateOutput
	err := s.write(ctx, func(q meta.Querier) error {
		out = &ecs.UpdateContainerInstancesStateOutput{ContainerInstances: []types.ContainerInstance{}, Failures: []types.Failure{}}
		return s.eachInstance(ctx, q, in.Cluster, in.ContainerInstances, func(i record.Instance) error {
			i.Status = string(in.Status)
			if err := record.UpdateInstance(ctx, q, i); err != nil {
				return fmt.Errorf("change container instance %s: %w", i.ID, err)
			}
			if err := record.WakeAll(ctx, q, i.Scope, i.Cluster, s.millis()); err != nil {
				return err
			}
			v, err := s.showInstance(ctx, q, i, false)
			out.ContainerInstances = append(out.ContainerInstances, v)
			return err
		}, &out.Failures)
	})
	s.wake()
	return out, err
}
