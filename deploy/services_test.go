package deploy

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/record"
	"drydock/storage/meta"
)

func created(t *testing.T, s *Service, ctx context.Context, name string, change func(*ecs.CreateServiceInput)) *types.Service {
	t.Helper()
	in := &ecs.CreateServiceInput{ServiceName: &name, TaskDefinition: to("web"), DesiredCount: to(int32(2))}
	if change != nil {
		change(in)
	}
	return must(s.CreateService(ctx, in))(t).Service
}

func TestAServiceIsCreatedAsECSShowsIt(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	v := created(t, s, ctx, "shop", func(in *ecs.CreateServiceInput) { in.Tags = []types.Tag{{Key: to("k"), Value: to("v")}} })
	if *v.ServiceArn != "arn:aws:ecs:eu-west-1:123456789012:service/default/shop" || *v.Status != "ACTIVE" || v.DesiredCount != 2 || v.LaunchType != "EC2" ||
		v.SchedulingStrategy != "REPLICA" || v.AvailabilityZoneRebalancing != "ENABLED" || len(v.Tags) != 1 || !strings.HasSuffix(*v.TaskDefinition, "web:1") {
		t.Errorf("%+v", v)
	}
	c := v.DeploymentConfiguration
	if *c.MaximumPercent != 200 || *c.MinimumHealthyPercent != 100 || c.DeploymentCircuitBreaker.Enable {
		t.Errorf("%+v", c)
	}
	if len(v.Deployments) != 1 || *v.Deployments[0].Status != "PRIMARY" || v.Deployments[0].RolloutState != "IN_PROGRESS" || v.Deployments[0].DesiredCount != 2 {
		t.Errorf("%+v", v.Deployments)
	}
	d := must(s.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*v.CurrentServiceDeployment, *v.CurrentServiceDeployment + "x"}}))(t)
	if len(d.ServiceDeployments) != 1 || d.ServiceDeployments[0].Status != "IN_PROGRESS" || len(d.Failures) != 1 {
		t.Fatalf("%+v", d)
	}
	revision := *d.ServiceDeployments[0].TargetServiceRevision.Arn
	r := must(s.DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{revision}}))(t)
	if len(r.ServiceRevisions) != 1 || *r.ServiceRevisions[0].TaskDefinition != *v.TaskDefinition || *r.ServiceRevisions[0].ContainerImages[0].ContainerName != "app" {
		t.Errorf("%+v", r)
	}
	if !strings.HasSuffix(revision, strings.TrimPrefix(*v.Deployments[0].Id, "ecs-svc/")) {
		t.Errorf("%s is the revision of %s", revision, *v.Deployments[0].Id)
	}
}

func TestOnlyWhatChangesTasksIsADeployment(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	first := created(t, s, ctx, "shop", nil)
	update := func(in ecs.UpdateServiceInput) *types.Service {
		in.Service = to("shop")
		return must(s.UpdateService(ctx, &in))(t).Service
	}
	if v := update(ecs.UpdateServiceInput{DesiredCount: to(int32(5)), TaskDefinition: to("web:1")}); v.DesiredCount != 5 || len(v.Deployments) != 1 || v.Deployments[0].DesiredCount != 5 {
		t.Errorf("%+v", v.Deployments)
	}
	narrow := &types.DeploymentConfiguration{MinimumHealthyPercent: to(int32(50)), MaximumPercent: to(int32(100))}
	if v := update(ecs.UpdateServiceInput{DeploymentConfiguration: narrow}); v.AvailabilityZoneRebalancing != "DISABLED" || len(v.Deployments) != 1 {
		t.Errorf("%+v", v)
	}
	registered(t, s, ctx, nil)
	v := update(ecs.UpdateServiceInput{TaskDefinition: to("web")})
	if len(v.Deployments) != 2 || *v.Deployments[1].Status != "ACTIVE" || *v.Deployments[1].Id != *first.Deployments[0].Id || !strings.HasSuffix(*v.TaskDefinition, "web:2") {
		t.Errorf("%+v", v.Deployments)
	}
	if v = update(ecs.UpdateServiceInput{ForceNewDeployment: true}); len(v.Deployments) != 3 {
		t.Errorf("%+v", v.Deployments)
	}
	list := must(s.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Service: to("shop"), MaxResults: to(int32(2))}))(t)
	rest := must(s.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Service: to("shop"), MaxResults: to(int32(2)), NextToken: list.NextToken}))(t)
	var all []string
	for _, d := range append(list.ServiceDeployments, rest.ServiceDeployments...) {
		all = append(all, string(d.Status))
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"IN_PROGRESS", "STOPPED", "STOPPED"}) || len(list.ServiceDeployments) != 2 || rest.NextToken != nil {
		t.Error(all)
	}
	stopped := must(s.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Service: to("shop"), Status: []types.ServiceDeploymentStatus{"STOPPED"}}))(t)
	if len(stopped.ServiceDeployments) != 2 {
		t.Errorf("%+v", stopped)
	}
	// A definition that is inactive is no reason not to scale.
	must(s.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: to("web:2")}))(t)
	if v = update(ecs.UpdateServiceInput{DesiredCount: to(int32(1))}); v.DesiredCount != 1 {
		t.Errorf("%+v", v)
	}
	_, err := s.StopServiceDeployment(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: v.CurrentServiceDeployment})
	refused[*types.ConflictException](t, err, "no completed deployment")
	_, err = s.StopServiceDeployment(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: first.CurrentServiceDeployment})
	refused[*types.ConflictException](t, err, "not in progress")
	_, err = s.StopServiceDeployment(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: to(*v.CurrentServiceDeployment + "x")})
	refused[*types.ServiceDeploymentNotFoundException](t, err, "not found")
}

func TestADeploymentThatIsStoppedIsRolledBack(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	created(t, s, ctx, "shop", nil)
	if err := s.write(ctx, func(q meta.Querier) error {
		v, err := record.FindService(ctx, q, scope, "default", "shop")
		if err != nil {
			return err
		}
		v.Detail.State.Rollouts[0].Phase, v.Detail.State.Completed = "COMPLETED", v.Detail.State.Rollouts[0].ID
		return record.UpdateService(ctx, q, v)
	}); err != nil {
		t.Fatal(err)
	}
	registered(t, s, ctx, nil)
	v := must(s.UpdateService(ctx, &ecs.UpdateServiceInput{Service: to("shop"), TaskDefinition: to("web:2")}))(t).Service
	must(s.StopServiceDeployment(ctx, &ecs.StopServiceDeploymentInput{ServiceDeploymentArn: v.CurrentServiceDeployment}))(t)
	after := must(s.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"shop"}}))(t).Services[0]
	if !strings.HasSuffix(*after.TaskDefinition, "web:1") || *after.Deployments[0].Id != *v.Deployments[1].Id || after.Deployments[1].RolloutState != "FAILED" {
		t.Errorf("%+v", after.Deployments)
	}
	d := must(s.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*v.CurrentServiceDeployment}}))(t).ServiceDeployments[0]
	if d.Status != "ROLLBACK_IN_PROGRESS" || d.Rollback == nil {
		t.Errorf("%+v", d)
	}
}

func TestServicesAreFoundListedAndDeleted(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	for _, name := range []string{"c", "a", "b"} {
		created(t, s, ctx, name, nil)
	}
	created(t, s, ctx, "d", func(in *ecs.CreateServiceInput) { in.SchedulingStrategy, in.DesiredCount = "DAEMON", nil })
	names := func(in ecs.ListServicesInput) (all []string) {
		for {
			out := must(s.ListServices(ctx, &in))(t)
			for _, a := range out.ServiceArns {
				all = append(all, a[strings.LastIndex(a, "/")+1:])
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return all
			}
		}
	}
	if got := names(ecs.ListServicesInput{MaxResults: to(int32(1))}); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Error(got)
	}
	if got := names(ecs.ListServicesInput{SchedulingStrategy: "DAEMON"}); !slices.Equal(got, []string{"d"}) {
		t.Error(got)
	}
	if got := names(ecs.ListServicesInput{LaunchType: "FARGATE"}); len(got) != 0 {
		t.Error(got)
	}
	out := must(s.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{"a", "none", "arn:aws:ecs:eu-west-1:123456789012:service/b"}}))(t)
	if len(out.Services) != 2 || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || !strings.HasSuffix(*out.Failures[0].Arn, "service/default/none") {
		t.Errorf("%+v", out)
	}
	_, err := s.DeleteService(ctx, &ecs.DeleteServiceInput{Service: to("a")})
	refused[*types.InvalidParameterException](t, err, "cannot be stopped while it is scaled above 0")
	gone := must(s.DeleteService(ctx, &ecs.DeleteServiceInput{Service: to("a"), Force: to(true)}))(t).Service
	if *gone.Status != "DRAINING" || gone.DesiredCount != 0 {
		t.Errorf("%+v", gone)
	}
	_, err = s.UpdateService(ctx, &ecs.UpdateServiceInput{Service: to("a")})
	refused[*types.ServiceNotActiveException](t, err, "Service was not ACTIVE.")
	_, err = s.UpdateService(ctx, &ecs.UpdateServiceInput{Service: to("none")})
	refused[*types.ServiceNotFoundException](t, err, "Service not found.")
	_, err = s.UpdateService(ctx, &ecs.UpdateServiceInput{Service: to("a"), Cluster: to("none")})
	refused[*types.ClusterNotFoundException](t, err, "Cluster not found.")
	_, err = s.CreateService(ctx, &ecs.CreateServiceInput{ServiceName: to("a"), TaskDefinition: to("web"), DesiredCount: to(int32(1))})
	refused[*types.InvalidParameterException](t, err, "still Draining")
	_, err = s.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: to("default")})
	refused[*types.ClusterContainsContainerInstancesException](t, err, "")
}

func TestAServiceIsCreatedOnceForAToken(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	token := func(in *ecs.CreateServiceInput) { in.ClientToken = to("once") }
	first := created(t, s, ctx, "shop", token)
	again := created(t, s, ctx, "shop", token)
	if *first.Deployments[0].Id != *again.Deployments[0].Id {
		t.Error("it was created twice")
	}
	for _, in := range []ecs.CreateServiceInput{
		{ServiceName: to("shop"), TaskDefinition: to("web"), DesiredCount: to(int32(1)), ClientToken: to("once")},
		{ServiceName: to("shop"), TaskDefinition: to("web"), DesiredCount: to(int32(2))},
	} {
		_, err := s.CreateService(ctx, &in)
		refused[*types.InvalidParameterException](t, err, "Creation of service was not idempotent.")
	}
}

func TestServicesThatCannotBeAreRefused(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, nil)
	percent := func(least, most int32) func(*ecs.CreateServiceInput) {
		return func(in *ecs.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &least, MaximumPercent: &most}
		}
	}
	daemon := func(in *ecs.CreateServiceInput) { in.SchedulingStrategy = "DAEMON" }
	for says, change := range map[string]func(*ecs.CreateServiceInput){
		"cannot be 100 as this will block": percent(100, 100),
		"maximumPercent must be":           percent(50, 50),
		"minimumHealthyPercent must be":    percent(101, 200),
		"desired count for services":       daemon,
		"placement strategies": func(in *ecs.CreateServiceInput) {
			daemon(in)
			in.DesiredCount, in.PlacementStrategy = nil, []types.PlacementStrategy{{Type: "random"}}
		},
		"requires a desired count": func(in *ecs.CreateServiceInput) { in.DesiredCount = nil },
		"between 0 and 5000":       func(in *ecs.CreateServiceInput) { in.DesiredCount = to(int32(-1)) },
		"Service name":             func(in *ecs.CreateServiceInput) { in.ServiceName = to("a b") },
		"can not be blank":         func(in *ecs.CreateServiceInput) { in.TaskDefinition = nil },
		"launch_type FARGATE":      func(in *ecs.CreateServiceInput) { in.LaunchType = "FARGATE" },
		"Invalid placement constraint": func(in *ecs.CreateServiceInput) {
			in.PlacementConstraints = []types.PlacementConstraint{{Type: "memberOf", Expression: to("==")}}
		},
		"Availability Zone rebalancing": func(in *ecs.CreateServiceInput) {
			percent(50, 100)(in)
			in.AvailabilityZoneRebalancing = "ENABLED"
		},
	} {
		in := &ecs.CreateServiceInput{ServiceName: to("shop"), TaskDefinition: to("web"), DesiredCount: to(int32(2))}
		change(in)
		_, err := s.CreateService(ctx, in)
		refused[*types.InvalidParameterException](t, err, says)
	}
	for says, change := range map[string]func(*ecs.CreateServiceInput){
		"load balancers":    func(in *ecs.CreateServiceInput) { in.LoadBalancers = []types.LoadBalancer{{}} },
		"service discovery": func(in *ecs.CreateServiceInput) { in.ServiceRegistries = []types.ServiceRegistry{{}} },
		"Service Connect": func(in *ecs.CreateServiceInput) {
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true}
		},
		"block store": func(in *ecs.CreateServiceInput) { in.VolumeConfigurations = []types.ServiceVolumeConfiguration{{}} },
		"not EXTERNAL": func(in *ecs.CreateServiceInput) {
			in.DeploymentController = &types.DeploymentController{Type: "EXTERNAL"}
		},
		"not CODE_DEPLOY": func(in *ecs.CreateServiceInput) {
			in.DeploymentController = &types.DeploymentController{Type: "CODE_DEPLOY"}
		},
		"strategy here is": func(in *ecs.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{Strategy: "BLUE_GREEN"}
		},
		"leave alarms out": func(in *ecs.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{Enable: true}}
		},
		"leave role out": func(in *ecs.CreateServiceInput) { in.Role = to("x") },
		"VPC Lattice":    func(in *ecs.CreateServiceInput) { in.VpcLatticeConfigurations = []types.VpcLatticeConfiguration{{}} },
		"no lifecycle hooks": func(in *ecs.CreateServiceInput) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{LifecycleHooks: []types.DeploymentLifecycleHook{{}}}
		},
	} {
		in := &ecs.CreateServiceInput{ServiceName: to("shop"), TaskDefinition: to("web"), DesiredCount: to(int32(2))}
		change(in)
		_, err := s.CreateService(ctx, in)
		refused[*types.UnsupportedFeatureException](t, err, says)
	}
	_, err := s.CreateTaskSet(ctx, &ecs.CreateTaskSetInput{})
	refused[*types.UnsupportedFeatureException](t, err, "no task sets")
	_, err = s.ListServicesByNamespace(ctx, &ecs.ListServicesByNamespaceInput{Namespace: to("x")})
	refused[*types.NamespaceNotFoundException](t, err, "not found")
}

func TestCreatingAServiceTakesToPassItsRoles(t *testing.T) {
	s, ctx := newService(t)
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, func(in *ecs.RegisterTaskDefinitionInput) {
		in.TaskRoleArn, in.ExecutionRoleArn = to("worker"), to("puller")
	})
	needs := must(s.needsCreateService(ctx, &ecs.CreateServiceInput{ServiceName: to("shop"), TaskDefinition: to("web"), Tags: []types.Tag{{Key: to("k"), Value: to("v")}}}))(t)
	var got []string
	for _, n := range needs {
		got = append(got, n.Action+" "+n.Resource)
	}
	want := []string{
		"ecs:CreateService arn:aws:ecs:eu-west-1:123456789012:service/default/shop", "ecs:TagResource arn:aws:ecs:eu-west-1:123456789012:service/default/shop",
		"iam:PassRole arn:aws:iam::123456789012:role/worker", "iam:PassRole arn:aws:iam::123456789012:role/puller",
	}
	if !slices.Equal(got, want) || needs[0].Keys["ecs:task-definition"] == nil || needs[0].Keys["ecs:cluster"] == nil {
		t.Errorf("%q %v", got, needs[0].Keys)
	}
	scale := must(s.needsUpdateService(ctx, &ecs.UpdateServiceInput{Service: to("shop"), DesiredCount: to(int32(1))}))(t)
	if len(scale) != 1 {
		t.Errorf("%+v", scale)
	}
}
