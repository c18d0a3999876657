package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

func (s *Service) taskOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("StopTask", s.StopTask, func(ctx context.Context, in *ecs.StopTaskInput) ([]awsapi.Need, error) {
			return needsOnTasks(ctx, "ecs:StopTask", in.Cluster, deref(in.Task))
		}),
		awsapi.Op("DescribeTasks", s.DescribeTasks, func(ctx context.Context, in *ecs.DescribeTasksInput) ([]awsapi.Need, error) {
			return needsOnTasks(ctx, "ecs:DescribeTasks", in.Cluster, in.Tasks...)
		}),
		awsapi.Op("ListTasks", s.ListTasks, needsListTasks),
		awsapi.Op("GetTaskProtection", s.GetTaskProtection, func(ctx context.Context, in *ecs.GetTaskProtectionInput) ([]awsapi.Need, error) {
			return needsOnTasks(ctx, "ecs:GetTaskProtection", in.Cluster, in.Tasks...)
		}),
		awsapi.Op("UpdateTaskProtection", s.UpdateTaskProtection, func(ctx context.Context, in *ecs.UpdateTaskProtectionInput) ([]awsapi.Need, error) {
			return needsOnTasks(ctx, "ecs:UpdateTaskProtection", in.Cluster, in.Tasks...)
		}),
	}
}

func needsOnTasks(ctx context.Context, action string, cluster *string, tasks ...string) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, cluster)
	if err != nil {
		return nil, err
	}
	if len(tasks) == 0 {
		tasks = []string{"*"}
	}
	var needs []awsapi.Need
	for _, given := range tasks {
		id, err := within(scope, "task", c, given)
		if err != nil {
			return nil, err
		}
		n := need(ctx, action, taskARN(scope, c, id))
		n.Keys = map[string][]string{"ecs:cluster": {clusterARN(scope, c)}}
		needs = append(needs, n)
	}
	return needs, nil
}

func needsListTasks(ctx context.Context, in *ecs.ListTasksInput) ([]awsapi.Need, error) {
	c, err := clusterOf(ctx, in.Cluster)
	n := need(ctx, "ecs:ListTasks", resource(scopeOf(ctx), "container-instance", c+"/*"))
	n.Keys = map[string][]string{"ecs:cluster": {clusterARN(scopeOf(ctx), c)}}
	return []awsapi.Need{n}, err
}

// shownTask is a task as ECS shows it.
func shownTask(t record.Task, v types.Task) types.Task {
	v.LastStatus, v.DesiredStatus = to(t.Status), to(t.Desired)
	if v.Tags == nil {
		v.Tags = []types.Tag{}
	}
	return v
}

// tagList is tags by key.
func tagList(tags map[string]string) []types.Tag {
	list := make([]types.Tag, 0, len(tags))
	for key, value := range tags {
		list = append(list, types.Tag{Key: to(key), Value: to(value)})
	}
	slices.SortFunc(list, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return list
}

// longestReason is how much of a reason to stop is kept, in bytes.
const longestReason = 1024

// StopTask has a task stop.
func (s *Service) StopTask(ctx context.Context, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := within(scope, "task", c, deref(in.Task))
	if err != nil {
		return nil, err
	}
	reason := deref(in.Reason)
	if reason == "" {
		reason = "Task stopped by user"
	}
	if len(reason) > longestReason {
		return nil, invalidParameter("reason has at most %d characters.", longestReason)
	}
	var t record.Task
	err = s.write(ctx, func(q meta.Querier) (err error) {
		if _, err = activeCluster(ctx, q, scope, c); err != nil {
			return err
		}
		t, err = record.FindTask(ctx, q, scope, c, id)
		if errors.Is(err, meta.ErrNotFound) {
			return invalidParameter("The referenced task was not found.")
		}
		if err != nil {
			return fmt.Errorf("find task %s: %w", id, err)
		}
		if !launch.Stop(&t, machine.UserInitiated, reason, s.now()) {
			return nil
		}
		return s.putTask(ctx, q, t)
	})
	if err != nil {
		return nil, err
	}
	s.wake()
	v := shownTask(t, t.Detail.Shown)
	return &ecs.StopTaskOutput{Task: &v}, nil
}

// putTask writes a task that has changed, and has the service looked at that it
// belongs to.
func (s *Service) putTask(ctx context.Context, q meta.Querier, t record.Task) error {
	if err := record.UpdateTask(ctx, q, t); err != nil || t.Service == "" {
		return err
	}
	return record.Wake(ctx, q, t.Scope, t.Cluster, t.Service, s.millis())
}

// DescribeTasks describes tasks by id or ARN. Those that do not exist, or stopped
// long ago, are failures.
func (s *Service) DescribeTasks(ctx context.Context, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, invalidParameter("Tasks cannot be empty.")
	}
	if len(in.Tasks) > mostResults {
		return nil, invalidParameter("At most %d tasks can be described at once.", mostResults)
	}
	out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	err := s.eachTask(ctx, in.Cluster, in.Tasks, func(t record.Task) error {
		v := shownTask(t, t.Detail.Shown)
		if slices.Contains(in.Include, types.TaskFieldTags) {
			var err error
			if v.Tags, err = s.tags(ctx, *v.TaskArn); err != nil {
				return err
			}
		}
		out.Tasks = append(out.Tasks, v)
		return nil
	}, &out.Failures)
	return out, err
}

// eachTask finds the tasks that a request names; those that do not exist become
// failures.
func (s *Service) eachTask(ctx context.Context, cluster *string, given []string, do func(record.Task) error, failures *[]types.Failure) error {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, cluster)
	if err != nil {
		return err
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return err
	}
	for _, g := range given {
		id, err := within(scope, "task", c, g)
		if err != nil {
			return err
		}
		t, err := record.FindTask(ctx, s.reader(), scope, c, id)
		if errors.Is(err, meta.ErrNotFound) {
			*failures = append(*failures, types.Failure{Arn: to(taskARN(scope, c, id)), Reason: to("MISSING")})
			continue
		}
		if err != nil {
			return fmt.Errorf("find task %s: %w", id, err)
		}
		if err := do(t); err != nil {
			return err
		}
	}
	return nil
}

// ListTasks lists the ARNs of tasks: of those that are to run, unless others are
// asked for.
func (s *Service) ListTasks(ctx context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return nil, err
	}
	f := record.TaskFilter{
		Cluster: c, Family: deref(in.Family), StartedBy: deref(in.StartedBy), LaunchType: string(in.LaunchType), Desired: string(in.DesiredStatus),
	}
	if f.Desired == "" {
		f.Desired = string(types.DesiredStatusRunning)
	}
	if f.Instance, err = within(scope, "container-instance", c, deref(in.ContainerInstance)); err != nil {
		return nil, err
	}
	if f.Service, err = within(scope, "service", c, deref(in.ServiceName)); err != nil {
		return nil, err
	}
	if f.StartedBy != "" && (f.Family != "" || f.Service != "") {
		return nil, invalidParameter("startedBy cannot be used together with family or serviceName.")
	}
	l := listing{scope, "ListTasks", []string{f.Cluster, f.Family, f.StartedBy, f.LaunchType, f.Desired, f.Instance, f.Service}}
	p, err := l.page(in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	found, err := record.Tasks(ctx, s.reader(), scope, f, p)
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	found, next := cut(l, p, found, func(t record.Task) string { return t.ID })
	out := &ecs.ListTasksOutput{TaskArns: []string{}, NextToken: next}
	for _, t := range found {
		out.TaskArns = append(out.TaskArns, taskARN(scope, c, t.ID))
	}
	return out, nil
}

// Protection lasts so long unless a request says otherwise, and at most, in minutes.
// Source: API reference, UpdateTaskProtection.
const (
	usualProtection = 120
	mostProtection  = 2880
	mostProtected   = 10
)

// GetTaskProtection tells until when tasks are protected from scaling in.
func (s *Service) GetTaskProtection(ctx context.Context, in *ecs.GetTaskProtectionInput) (*ecs.GetTaskProtectionOutput, error) {
	out := &ecs.GetTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
	err := s.eachTask(ctx, in.Cluster, in.Tasks, func(t record.Task) error {
		if failure, ok := s.protectable(t); !ok {
			out.Failures = append(out.Failures, failure)
			return nil
		}
		out.ProtectedTasks = append(out.ProtectedTasks, s.protection(t))
		return nil
	}, &out.Failures)
	return out, err
}

// protectable reports whether a task can be protected: those of services that run.
func (s *Service) protectable(t record.Task) (types.Failure, bool) {
	arn := t.Detail.Shown.TaskArn
	switch {
	case t.Service == "":
		return types.Failure{Arn: arn, Reason: to("TASK_NOT_VALID"), Detail: to("Only the tasks of services can be protected.")}, false
	case t.StoppedAt > 0 || t.Desired == string(machine.Stopped):
		return types.Failure{Arn: arn, Reason: to("TASK_NOT_VALID"), Detail: to("The task is stopping or has stopped.")}, false
	}
	return types.Failure{}, true
}

func (s *Service) protection(t record.Task) types.ProtectedTask {
	v := types.ProtectedTask{TaskArn: t.Detail.Shown.TaskArn}
	if until := t.Detail.ProtectedUntil; until > s.millis() {
		v.ProtectionEnabled, v.ExpirationDate = true, to(time.UnixMilli(until))
	}
	return v
}

// UpdateTaskProtection protects tasks from scaling in for a while, or no longer.
func (s *Service) UpdateTaskProtection(ctx context.Context, in *ecs.UpdateTaskProtectionInput) (*ecs.UpdateTaskProtectionOutput, error) {
	minutes := int32(usualProtection)
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > mostProtection {
		return nil, invalidParameter("expiresInMinutes must be between 1 and %d.", mostProtection)
	}
	if n := len(in.Tasks); n < 1 || n > mostProtected {
		return nil, invalidParameter("Between 1 and %d tasks can be protected at once.", mostProtected)
	}
	out := &ecs.UpdateTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
	err := s.eachTask(ctx, in.Cluster, in.Tasks, func(t record.Task) error {
		var failure types.Failure
		ok := false
		err := s.write(ctx, func(q meta.Querier) (err error) {
			if t, err = record.FindTask(ctx, q, t.Scope, t.Cluster, t.ID); err != nil {
				return fmt.Errorf("find task %s: %w", t.ID, err)
			}
			if failure, ok = s.protectable(t); !ok {
				return nil
			}
			t.Detail.ProtectedUntil = 0
			if in.ProtectionEnabled {
				t.Detail.ProtectedUntil = s.now().Add(time.Duration(minutes) * time.Minute).UnixMilli()
			}
			return s.putTask(ctx, q, t)
		})
		switch {
		case err != nil:
			return err
		case !ok:
			out.Failures = append(out.Failures, failure)
		default:
			out.ProtectedTasks = append(out.ProtectedTasks, s.protection(t))
		}
		return nil
	}, &out.Failures)
	return out, err
}
