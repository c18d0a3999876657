package deploy

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

var scope = record.Scope{Account: account, Region: "eu-west-1"}

// withInstances gives the default cluster container instances with ids.
func withInstances(t *testing.T, s *Service, ctx context.Context, ids ...string) {
	t.Helper()
	withAbleInstances(t, s, ctx, nil, ids...)
}

// withAbleInstances are such that have further attributes.
func withAbleInstances(t *testing.T, s *Service, ctx context.Context, able []types.Attribute, ids ...string) {
	t.Helper()
	must(s.CreateCluster(ctx, &ecs.CreateClusterInput{}))(t)
	for _, id := range ids {
		i := record.Instance{Scope: scope, Cluster: "default", ID: id, Machine: "m-" + id, Status: "ACTIVE", Detail: record.InstanceDetail{
			Shown: types.ContainerInstance{ContainerInstanceArn: to(instanceARN(scope, "default", id)), AgentConnected: true, RegisteredAt: &now,
				Attributes: append([]types.Attribute{{Name: to("ecs.os-type"), Value: to("linux")}}, able...)},
			Described: machine.Description{ID: "m-" + id, CPU: 1024, Memory: 512, TakenTCP: []int{22}, Attributes: map[string]string{"ecs.os-type": "linux"}},
		}}
		if err := s.write(ctx, func(q meta.Querier) error { return record.AddInstance(ctx, q, i) }); err != nil {
			t.Fatal(err)
		}
	}
}

func registered(t *testing.T, s *Service, ctx context.Context, change func(*ecs.RegisterTaskDefinitionInput)) string {
	t.Helper()
	in := &ecs.RegisterTaskDefinitionInput{Family: to("web"), ContainerDefinitions: []types.ContainerDefinition{{
		Name: to("app"), Image: to("localhost:5000/app:1"), Memory: to(int32(200)), Environment: []types.KeyValuePair{{Name: to("A"), Value: to("1")}},
	}}}
	if change != nil {
		change(in)
	}
	return *must(s.RegisterTaskDefinition(ctx, in))(t).TaskDefinition.TaskDefinitionArn
}

func TestTasksAreSharedOutAmongCapacityProviders(t *testing.T) {
	s, ctx := newService(t)
	able := []types.Attribute{{Name: to("ecs.capability.task-eni")}, {Name: to("ecs.capability.task-cpu-mem-limit")}}
	withAbleInstances(t, s, ctx, able, "a", "b", "c")
	registered(t, s, ctx, func(in *ecs.RegisterTaskDefinitionInput) {
		in.RequiresCompatibilities, in.NetworkMode = []types.Compatibility{"FARGATE"}, "awsvpc"
		in.Cpu, in.Memory = to("256"), to("512")
	})
	strategy := []types.CapacityProviderStrategyItem{
		{CapacityProvider: to("FARGATE"), Base: 1, Weight: 0}, {CapacityProvider: to("FARGATE_SPOT"), Weight: 1},
	}
	must(s.PutClusterCapacityProviders(ctx, &ecs.PutClusterCapacityProvidersInput{
		Cluster: to("default"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}, DefaultCapacityProviderStrategy: strategy,
	}))(t)
	net := &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}
	out := must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), Count: to(int32(3)), NetworkConfiguration: net}))(t)
	fell := map[string]int{}
	for _, v := range out.Tasks {
		fell[*v.CapacityProviderName]++
		if v.LaunchType != "FARGATE" {
			t.Errorf("%+v", v)
		}
	}
	if fell["FARGATE"] != 1 || fell["FARGATE_SPOT"] != 2 || len(out.Failures) != 0 {
		t.Errorf("%v, %s", fell, *out.Failures[0].Reason)
	}
}

func TestTasksGoWhereThereIsRoom(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a", "b")
	registered(t, s, ctx, nil)
	out := must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), Count: to(int32(5)), StartedBy: to("me"), Tags: []types.Tag{{Key: to("k"), Value: to("v")}}}))(t)
	if len(out.Tasks) != 4 || len(out.Failures) != 2 || *out.Failures[0].Reason != "RESOURCE:MEMORY" {
		t.Fatalf("%d tasks, failures %+v", len(out.Tasks), out.Failures)
	}
	v := out.Tasks[0]
	if *v.LastStatus != "PENDING" || *v.DesiredStatus != "RUNNING" || *v.Group != "family:web" || *v.Memory != "200" || len(v.Tags) != 1 || *v.Containers[0].Name != "app" {
		t.Errorf("%+v", v)
	}
	left := must(s.DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{ContainerInstances: []string{"a"}}))(t).ContainerInstances[0]
	if left.PendingTasksCount != 2 || left.RemainingResources[1].IntegerValue != 112 || left.RegisteredResources[1].IntegerValue != 512 || left.RemainingResources[2].StringSetValue[0] != "22" {
		t.Errorf("%+v", left)
	}
	if got := must(s.ListTasks(ctx, &ecs.ListTasksInput{ContainerInstance: to("a")}))(t); len(got.TaskArns) != 2 {
		t.Errorf("%+v", got)
	}
	stopped := must(s.StopTask(ctx, &ecs.StopTaskInput{Task: v.TaskArn, Reason: to("enough")}))(t).Task
	if *stopped.DesiredStatus != "STOPPED" || *stopped.StoppedReason != "enough" || stopped.StopCode != "UserInitiated" {
		t.Errorf("%+v", stopped)
	}
	_, err := s.StopTask(ctx, &ecs.StopTaskInput{Task: to("none")})
	refused[*types.InvalidParameterException](t, err, "The referenced task was not found.")
	if got := must(s.ListTasks(ctx, &ecs.ListTasksInput{DesiredStatus: "STOPPED"}))(t); len(got.TaskArns) != 1 {
		t.Errorf("%+v", got)
	}
	_, err = s.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: to("default")})
	refused[*types.ClusterContainsContainerInstancesException](t, err, "Container Instances")
}

func TestARequestRepeatedWithItsTokenRunsNothingMore(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	in := &ecs.RunTaskInput{TaskDefinition: to("web"), ClientToken: to("once")}
	first := must(s.RunTask(ctx, in))(t)
	again := must(s.RunTask(ctx, in))(t)
	if len(again.Tasks) != 1 || *again.Tasks[0].TaskArn != *first.Tasks[0].TaskArn {
		t.Errorf("%+v", again)
	}
	_, err := s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), ClientToken: to("once"), Count: to(int32(2))})
	refused[*types.ConflictException](t, err, "client token")
}

func TestWhatCannotBeRunIsRefused(t *testing.T) {
	s, ctx := newService(t)
	_, err := s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web")})
	refused[*types.ClusterNotFoundException](t, err, "Cluster not found.")
	must(s.CreateCluster(ctx, &ecs.CreateClusterInput{}))(t)
	_, err = s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web")})
	refused[*types.ClientException](t, err, "Unable to describe task definition.")
	one := registered(t, s, ctx, nil)
	_, err = s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web")})
	refused[*types.InvalidParameterException](t, err, "No Container Instances were found in your cluster.")
	withInstances(t, s, ctx, "a")
	run := func(in ecs.RunTaskInput) error {
		in.TaskDefinition = to("web")
		_, err := s.RunTask(ctx, &in)
		return err
	}
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{LaunchType: "FARGATE"}), "does not support launch_type FARGATE")
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{Count: to(int32(11))}), "between 1 and 10")
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{NetworkConfiguration: &types.NetworkConfiguration{}}), "Network Configuration is not valid")
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{Group: to("service:x")}), "Invalid namespace")
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: to("db")}}}}), "is not a container in the TaskDefinition")
	refused[*types.InvalidParameterException](t, run(ecs.RunTaskInput{PlacementConstraints: []types.PlacementConstraint{{Type: "memberOf", Expression: to("attribute:")}}}), "Invalid placement constraint")
	must(s.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &one}))(t)
	_, err = s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: &one})
	refused[*types.ClientException](t, err, "TaskDefinition is inactive")
}

func TestOverridesChangeWhatTheMachineIsTold(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	out := must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), Overrides: &types.TaskOverride{TaskRoleArn: to("worker"), ContainerOverrides: []types.ContainerOverride{
		{Name: to("app"), Command: []string{"serve"}, Environment: []types.KeyValuePair{{Name: to("A"), Value: to("2")}}, Memory: to(int32(100))},
	}}}))(t)
	tasks, err := record.TasksOfMachine(ctx, s.reader(), "m-a")
	if err != nil || len(tasks) != 1 {
		t.Fatal(tasks, err)
	}
	spec := tasks[0].Detail.Spec
	c := spec.Containers[0]
	if spec.RoleARN != "arn:aws:iam::123456789012:role/worker" || !slices.Equal(c.Command, []string{"serve"}) || c.Environment["A"] != "2" || c.Memory != 100 || *out.Tasks[0].Memory != "100" {
		t.Errorf("%+v", spec)
	}
}

func TestStatesNeverGoBack(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web")}))(t)
	tasks, err := record.TasksOfMachine(ctx, s.reader(), "m-a")
	if err != nil {
		t.Fatal(err)
	}
	task := tasks[0]
	tell := func(status machine.Status, code *int) bool {
		return launch.Apply(&task, machine.State{ARN: task.Detail.Spec.ARN, Status: status, Reason: "because", StopCode: machine.EssentialContainerExited,
			Containers: []machine.ContainerState{{Name: "app", Status: machine.Running, ExitCode: code, Bindings: []machine.Binding{{BindIP: "0.0.0.0", ContainerPort: 80, HostPort: 32768, Protocol: "tcp"}}}}}, now.Add(time.Second))
	}
	if !tell(machine.Running, nil) || tell(machine.Running, nil) || tell(machine.Pending, nil) || task.Status != "RUNNING" {
		t.Errorf("%+v", task)
	}
	if !tell(machine.Stopped, to(3)) || tell(machine.Running, nil) {
		t.Errorf("%+v", task)
	}
	v := task.Detail.Shown
	if task.Desired != "STOPPED" || task.StoppedAt != now.Add(time.Second).UnixMilli() || *v.StoppedReason != "because" || *v.Containers[0].ExitCode != 3 || *v.Containers[0].LastStatus != "STOPPED" {
		t.Errorf("%+v", v)
	}
	if p := launch.Placed(task); len(p.Ports) != 1 || p.Ports[0].Number != 32768 || !p.Stopping {
		t.Errorf("%+v", p)
	}
}

func TestInstancesAreDrainedFilteredAndTakenOut(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a", "b")
	registered(t, s, ctx, nil)
	must(s.PutAttributes(ctx, &ecs.PutAttributesInput{Attributes: []types.Attribute{{Name: to("rack"), Value: to("7"), TargetId: to("b")}}}))(t)
	list := func(in ecs.ListContainerInstancesInput) int {
		return len(must(s.ListContainerInstances(ctx, &in))(t).ContainerInstanceArns)
	}
	if n := list(ecs.ListContainerInstancesInput{Filter: to("attribute:rack == 7")}); n != 1 {
		t.Error(n)
	}
	_, err := s.ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{Filter: to("attribute:rack ==")})
	refused[*types.InvalidParameterException](t, err, "Invalid filter")
	must(s.UpdateContainerInstancesState(ctx, &ecs.UpdateContainerInstancesStateInput{ContainerInstances: []string{"b"}, Status: "DRAINING"}))(t)
	if n := list(ecs.ListContainerInstancesInput{Status: "DRAINING"}); n != 1 {
		t.Error(n)
	}
	out := must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), PlacementConstraints: []types.PlacementConstraint{{Type: "memberOf", Expression: to("attribute:rack == 7")}}}))(t)
	if len(out.Tasks) != 0 {
		t.Error("a task was placed on an instance that is drained")
	}
	must(s.StartTask(ctx, &ecs.StartTaskInput{TaskDefinition: to("web"), ContainerInstances: []string{"a"}}))(t)
	_, err = s.DeregisterContainerInstance(ctx, &ecs.DeregisterContainerInstanceInput{ContainerInstance: to("a")})
	refused[*types.InvalidParameterException](t, err, "Found running tasks")
	must(s.DeregisterContainerInstance(ctx, &ecs.DeregisterContainerInstanceInput{ContainerInstance: to("a"), Force: to(true)}))(t)
	if n := list(ecs.ListContainerInstancesInput{}); n != 1 {
		t.Error(n)
	}
	if got := must(s.ListAttributes(ctx, &ecs.ListAttributesInput{TargetType: "container-instance"}))(t); len(got.Attributes) != 2 {
		t.Errorf("%+v", got.Attributes)
	}
	_, err = s.PutAttributes(ctx, &ecs.PutAttributesInput{Attributes: []types.Attribute{{Name: to("ecs.os-type"), Value: to("x"), TargetId: to("b")}}})
	refused[*types.InvalidParameterException](t, err, "Invalid attribute name")
	_, err = s.PutAttributes(ctx, &ecs.PutAttributesInput{Attributes: []types.Attribute{{Name: to("x"), TargetId: to("zz")}}})
	refused[*types.TargetNotFoundException](t, err, "wasn't found")
}
