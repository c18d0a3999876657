package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/launch"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// What ECS allows of a request to run tasks.
// Source: API reference, RunTask and StartTask.
const (
	mostTasks       = 10
	mostConstraints = 10
	mostStrategies  = 5
	longestStarter  = 128
	// tokensLast is for how long a client token is remembered.
	tokensLast = 24 * time.Hour
)

func (s *Service) runOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("RunTask", s.RunTask, func(ctx context.Context, in *ecs.RunTaskInput) ([]awsapi.Need, error) {
			return s.needsRunning(ctx, "ecs:RunTask", in.Cluster, in.TaskDefinition, in.Overrides, in.Tags)
		}),
		awsapi.Op("StartTask", s.StartTask, func(ctx context.Context, in *ecs.StartTaskInput) ([]awsapi.Need, error) {
			return s.needsRunning(ctx, "ecs:StartTask", in.Cluster, in.TaskDefinition, in.Overrides, in.Tags)
		}),
	}
}

// needsRunning are the permissions that running a task definition takes: also to
// pass on its roles.
func (s *Service) needsRunning(ctx context.Context, action string, cluster, definition *string, o *types.TaskOverride, tags []types.Tag) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, cluster)
	if err != nil {
		return nil, err
	}
	family, revision, err := parseRevision(scope, deref(definition))
	if err != nil {
		return nil, err
	}
	run := need(ctx, action, definitionARN(scope, family, revision))
	var roles []*string
	d, err := findDefinition(ctx, s.reader(), scope, deref(definition))
	var unknown *types.ClientException
	switch {
	case err == nil:
		run.Resource, roles = *d.Detail.TaskDefinitionArn, []*string{d.Detail.TaskRoleArn, d.Detail.ExecutionRoleArn}
	case !errors.As(err, &unknown):
		return nil, err
	}
	if o != nil {
		roles = append(roles, o.TaskRoleArn, o.ExecutionRoleArn)
	}
	run.Keys = tagKeys(tags)
	run.Keys["ecs:cluster"] = []string{clusterARN(scope, c)}
	needs := append([]awsapi.Need{run}, needsTagging(ctx, resource(scope, "task", c+"/*"), tags, strings.TrimPrefix(action, "ecs:"))...)
	return append(needs, needsPassing(ctx, roles...)...), nil
}

// RunTask places tasks and has them run. Those for which there is no place are
// failures.
func (s *Service) RunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	count := 1
	if in.Count != nil {
		count = int(*in.Count)
	}
	if count < 1 || count > mostTasks {
		return nil, invalidParameter("count must be between 1 and %d.", mostTasks)
	}
	if len(in.VolumeConfigurations) > 0 {
		return nil, unsupported("There is no block store here: leave volumeConfigurations out.")
	}
	constraints, err := constraintsOf(in.PlacementConstraints)
	if err != nil {
		return nil, err
	}
	strategies, err := strategiesOf(in.PlacementStrategy)
	if err != nil {
		return nil, err
	}
	r := running{
		cluster: in.Cluster, definition: in.TaskDefinition, overrides: in.Overrides, group: in.Group, startedBy: in.StartedBy, network: in.NetworkConfiguration,
		launchType: in.LaunchType, capacity: in.CapacityProviderStrategy, tags: in.Tags, propagate: in.PropagateTags, managedTags: in.EnableECSManagedTags,
		exec: in.EnableExecuteCommand, placed: len(constraints)+len(strategies) > 0, platform: in.PlatformVersion,
	}
	out := &ecs.RunTaskOutput{}
	out.Tasks, out.Failures, err = s.once(ctx, "RunTask", in.ClientToken, in, func(q meta.Querier) ([]record.Task, []types.Failure, error) {
		p, err := s.prepare(ctx, q, r)
		if err != nil {
			return nil, nil, err
		}
		want, err := p.Placement(count)
		if err != nil {
			return nil, nil, err
		}
		want.Constraints, want.Strategies = append(want.Constraints, constraints...), strategies
		return s.place(ctx, q, p, want)
	})
	return out, err
}

// place puts tasks on the instances of a cluster, in a transaction.
func (s *Service) place(ctx context.Context, q meta.Querier, p *launch.Parts, want *placement.Request) ([]record.Task, []types.Failure, error) {
	fleet, byID, err := launch.Fleet(ctx, q, p.Scope, p.Cluster)
	if err != nil {
		return nil, nil, err
	}
	if fleet.Len() == 0 {
		return nil, nil, invalidParameter("No Container Instances were found in your cluster.")
	}
	got, err := placement.PlaceShares(fleet, want, p.Shares, nil, s.chance)
	if err != nil {
		return nil, nil, fmt.Errorf("place tasks: %w", err)
	}
	var tasks []record.Task
	for _, at := range got.Placed {
		t, err := s.newTask(p.On(at.Provider), byID[at.Instance])
		if err != nil {
			return nil, nil, err
		}
		tasks = append(tasks, t)
	}
	var failures []types.Failure
	if got.Unplaced > 0 {
		for _, f := range got.Failures {
			failures = append(failures, types.Failure{Arn: to(f.ARN), Reason: to(string(f.Reason))})
		}
	}
	return tasks, failures, nil
}

func (s *Service) newTask(p *launch.Parts, on record.Instance) (record.Task, error) {
	id, err := s.newID()
	if err != nil {
		return record.Task{}, err
	}
	return p.Task(id, on, s.now()), nil
}

// StartTask has a task run on each of the container instances that are named.
func (s *Service) StartTask(ctx context.Context, in *ecs.StartTaskInput) (*ecs.StartTaskOutput, error) {
	if n := len(in.ContainerInstances); n < 1 || n > mostTasks {
		return nil, invalidParameter("Between 1 and %d container instances can be named.", mostTasks)
	}
	if len(in.VolumeConfigurations) > 0 {
		return nil, unsupported("There is no block store here: leave volumeConfigurations out.")
	}
	r := running{
		cluster: in.Cluster, definition: in.TaskDefinition, overrides: in.Overrides, group: in.Group, startedBy: in.StartedBy, network: in.NetworkConfiguration,
		tags: in.Tags, propagate: in.PropagateTags, managedTags: in.EnableECSManagedTags, exec: in.EnableExecuteCommand,
	}
	out := &ecs.StartTaskOutput{}
	var err error
	out.Tasks, out.Failures, err = s.once(ctx, "StartTask", nil, in, func(q meta.Querier) ([]record.Task, []types.Failure, error) {
		p, err := s.prepare(ctx, q, r)
		if err != nil {
			return nil, nil, err
		}
		want, err := p.Placement(1)
		if err != nil {
			return nil, nil, err
		}
		fleet, byID, err := launch.Fleet(ctx, q, p.Scope, p.Cluster)
		if err != nil {
			return nil, nil, err
		}
		var tasks []record.Task
		var failures []types.Failure
		for _, given := range in.ContainerInstances {
			id, err := within(p.Scope, "container-instance", p.Cluster, given)
			if err != nil {
				return nil, nil, err
			}
			if _, failure, ok := placement.PlaceOn(fleet, want, id); !ok {
				failures = append(failures, types.Failure{Arn: to(instanceARN(p.Scope, p.Cluster, id)), Reason: to(string(failure.Reason))})
				continue
			}
			t, err := s.newTask(p, byID[id])
			if err != nil {
				return nil, nil, err
			}
			if err := fleet.PutTask(id, launch.Placed(t)); err != nil {
				return nil, nil, err
			}
			tasks = append(tasks, t)
		}
		return tasks, failures, nil
	})
	return out, err
}

// running is what RunTask and StartTask have in common.
type running struct {
	cluster, definition, group, startedBy, platform *string
	overrides                                       *types.TaskOverride
	network                                         *types.NetworkConfiguration
	launchType                                      types.LaunchType
	capacity                                        []types.CapacityProviderStrategyItem
	tags                                            []types.Tag
	propagate                                       types.PropagateTags
	managedTags, exec, placed                       bool
}

// prepare finds what a request names and checks that it goes together.
func (s *Service) prepare(ctx context.Context, q meta.Querier, r running) (*launch.Parts, error) {
	scope := scopeOf(ctx)
	name, err := clusterOf(ctx, r.cluster)
	if err != nil {
		return nil, err
	}
	cluster, err := activeCluster(ctx, q, scope, name)
	if err != nil {
		return nil, err
	}
	d, err := findDefinition(ctx, q, scope, deref(r.definition))
	if err != nil {
		return nil, err
	}
	if d.Status != string(types.TaskDefinitionStatusActive) {
		return nil, clientError("TaskDefinition is inactive")
	}
	if g := deref(r.group); strings.HasPrefix(g, "service:") || len(g) > 255 {
		return nil, invalidParameter("Invalid namespace for group.")
	}
	if len(deref(r.startedBy)) > longestStarter {
		return nil, invalidParameter("startedBy has at most %d characters.", longestStarter)
	}
	kind, strategy, err := s.launchType(cluster, r)
	if err != nil {
		return nil, err
	}
	if err := fits(&d.Detail, kind, r); err != nil {
		return nil, err
	}
	settings, err := s.settingsOf(ctx, awsapi.CallFrom(ctx).Principal.ARN, true)
	if err != nil {
		return nil, err
	}
	p, err := launch.Prepare(launch.Request{
		Scope: scope, Cluster: name, Definition: d.Detail, Overrides: r.overrides, Group: deref(r.group), StartedBy: deref(r.startedBy),
		LaunchType: kind, Shares: launch.Shares(strategy), PlatformVersion: deref(r.platform), EnableExecuteCommand: r.exec, Network: r.network,
		LogMode: settings[types.SettingNameDefaultLogDriverMode], Repository: s.repository,
	})
	var wrong *launch.OverrideError
	if errors.As(err, &wrong) {
		return nil, invalidParameter("%s", wrong.Error())
	}
	if err != nil {
		return nil, err
	}
	p.Tags, err = s.taskTags(ctx, q, r, name, *d.Detail.TaskDefinitionArn)
	return p, err
}

// launchType decides between launch type and capacity provider strategy.
func (s *Service) launchType(c record.Cluster, r running) (types.LaunchType, []types.CapacityProviderStrategyItem, error) {
	strategy := r.capacity
	switch {
	case r.launchType != "" && len(strategy) > 0:
		return "", nil, invalidParameter("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case r.launchType == "" && len(strategy) == 0:
		strategy = c.Detail.DefaultCapacityProviderStrategy
	}
	if err := checkStrategy(strategy, append(slices.Clone(amazonProviders), c.Detail.CapacityProviders...)); err != nil {
		return "", nil, err
	}
	if len(strategy) > 0 {
		return launch.Type(strategy), strategy, nil
	}
	switch r.launchType {
	case "":
		return types.LaunchTypeEc2, nil, nil
	case types.LaunchTypeManagedInstances:
		return "", nil, unsupported("There are no managed instances here.")
	}
	return r.launchType, nil, nil
}

// fits checks that a task definition can be run as it is asked for.
func fits(d *types.TaskDefinition, kind types.LaunchType, r running) error {
	if !slices.Contains(d.Compatibilities, types.Compatibility(kind)) {
		return invalidParameter("Task definition does not support launch_type %s.", kind)
	}
	awsvpc := d.NetworkMode == types.NetworkModeAwsvpc
	switch {
	case awsvpc && (r.network == nil || r.network.AwsvpcConfiguration == nil):
		return invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case !awsvpc && r.network != nil:
		return invalidParameter("Network Configuration is not valid for the given networkMode of this task definition.")
	case kind == types.LaunchTypeFargate && r.placed:
		return invalidParameter("Placement constraints and strategies are not supported with FARGATE launch type.")
	}
	return nil
}

// taskTags are the tags that tasks begin with.
func (s *Service) taskTags(ctx context.Context, q meta.Querier, r running, cluster, definition string) (map[string]string, error) {
	all := map[string]string{}
	if r.propagate == types.PropagateTagsTaskDefinition {
		found, err := meta.ResourceTags(ctx, q, definition)
		if err != nil {
			return nil, fmt.Errorf("read the tags of %s: %w", definition, err)
		}
		all = found
	}
	own, err := checkTags(r.tags)
	for k, v := range own {
		all[k] = v
	}
	if r.managedTags {
		all["aws:ecs:clusterName"] = cluster
	}
	return all, err
}

func constraintsOf(list []types.PlacementConstraint) (all []placement.Constraint, err error) {
	if len(list) > mostConstraints {
		return nil, invalidParameter("At most %d placement constraints are supported.", mostConstraints)
	}
	for _, c := range list {
		one, err := placement.NewConstraint(string(c.Type), deref(c.Expression))
		if err != nil {
			return nil, invalidParameter("Invalid placement constraint: %v", err)
		}
		all = append(all, one)
	}
	return all, nil
}

func strategiesOf(list []types.PlacementStrategy) (all []placement.Strategy, err error) {
	if len(list) > mostStrategies {
		return nil, invalidParameter("At most %d placement strategies are supported.", mostStrategies)
	}
	for _, c := range list {
		one, err := placement.NewStrategy(string(c.Type), deref(c.Field))
		if err != nil {
			return nil, invalidParameter("Invalid placement strategy: %v", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// once carries a request out, unless one with the same client token was: then it
// answers what became of that.
func (s *Service) once(ctx context.Context, operation string, token *string, in any, run func(meta.Querier) ([]record.Task, []types.Failure, error)) ([]types.Task, []types.Failure, error) {
	scope := scopeOf(ctx)
	body, err := json.Marshal(in)
	if err != nil {
		return nil, nil, fmt.Errorf("tell requests apart: %w", err)
	}
	print := fmt.Sprintf("%x", sha256.Sum256(body))
	tasks, failures := []types.Task{}, []types.Failure{}
	err = s.write(ctx, func(q meta.Querier) error {
		tasks, failures = tasks[:0], failures[:0]
		if deref(token) != "" {
			found, err := record.FindClientToken(ctx, q, scope, operation, *token, s.millis())
			if err == nil && found.Fingerprint != print {
				return &types.ConflictException{Message: to("The client token was used for another request."), ResourceIds: strings.Fields(found.Result)}
			}
			if err == nil {
				tasks, err = s.repeated(ctx, q, scope, found)
				return err
			}
			if !errors.Is(err, meta.ErrNotFound) {
				return fmt.Errorf("find a client token: %w", err)
			}
		}
		made, failed, err := run(q)
		if err != nil {
			return err
		}
		failures = append(failures, failed...)
		var arns []string
		for _, t := range made {
			if err := record.AddTask(ctx, q, t); err != nil {
				return fmt.Errorf("record task %s: %w", t.ID, err)
			}
			arn := *t.Detail.Shown.TaskArn
			if err := putTags(ctx, q, arn, t.Detail.Tags); err != nil {
				return err
			}
			shown := t.Detail.Shown
			shown.Tags = tagList(t.Detail.Tags)
			tasks, arns = append(tasks, shownTask(t, shown)), append(arns, arn)
		}
		if deref(token) == "" {
			return nil
		}
		return record.AddClientToken(ctx, q, record.ClientToken{
			Scope: scope, Operation: operation, Token: *token, Fingerprint: print, Result: strings.Join(arns, " "), ExpiresAt: s.now().Add(tokensLast).UnixMilli(),
		}, s.millis())
	})
	if err != nil {
		return nil, nil, err
	}
	s.wake()
	return tasks, failures, nil
}

// repeated are the tasks that an earlier request has made, as they are now.
func (s *Service) repeated(ctx context.Context, q meta.Querier, scope record.Scope, token record.ClientToken) ([]types.Task, error) {
	tasks := []types.Task{}
	for _, arn := range strings.Fields(token.Result) {
		p := strings.Split(arn, "/")
		t, err := record.FindTask(ctx, q, scope, p[1], p[2])
		if errors.Is(err, meta.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find task %s: %w", arn, err)
		}
		tasks = append(tasks, shownTask(t, t.Detail.Shown))
	}
	return tasks, nil
}
