package services

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/deploy"
	"drydock/deploy/machine"
	"drydock/deploy/machine/simulated"
	"drydock/deploy/reconcile"
	"drydock/deploy/record"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const account = "123456789012"

var (
	begin = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	scope = record.Scope{Account: account, Region: "eu-west-1"}
)

// lab is a database with the API, machines and the scheduler, whose clock the test
// moves.
type lab struct {
	t        testing.TB
	ctx      context.Context
	db       meta.DB
	api      *deploy.Service
	machines []*simulated.Machine
	clock    atomic.Int64
	ids      atomic.Int64
	// sched is the scheduler that runs.
	sched *Scheduler
}

func newLab(t testing.TB, machines int, fate func(machine.Task) simulated.Fortune) *lab {
	t.Helper()
	l := &lab{t: t, db: testdb.New(t).Open(t)}
	l.clock.Store(begin.UnixNano())
	var err error
	l.api, err = deploy.New(deploy.Options{
		DB: l.db, Now: l.now, Random: cryptorand.Reader, Chance: rand.New(rand.NewPCG(1, 1)), Wake: func() {},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.ctx = awsapi.WithCall(t.Context(), &awsapi.Call{
		Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account}, Region: "eu-west-1",
	})
	for n := range machines {
		d := machine.Description{ID: fmt.Sprintf("m%d", n), CPU: 65536, Memory: 65536, Attributes: map[string]string{
			"ecs.availability-zone": "eu-west-1" + string(rune('a'+n%2)), "ecs.capability.task-eni": "", "ecs.capability.task-cpu-mem-limit": "",
		}}
		l.machines = append(l.machines, simulated.New(d, begin, fate))
	}
	if _, err := l.api.CreateCluster(l.ctx, &ecs.CreateClusterInput{}); err != nil {
		t.Fatal(err)
	}
	l.define("")
	return l
}

func (l *lab) now() time.Time { return time.Unix(0, l.clock.Load()).UTC() }

func (l *lab) advance(d time.Duration) {
	now := time.Unix(0, l.clock.Add(int64(d))).UTC()
	for _, m := range l.machines {
		m.Advance(now)
	}
}

// define registers another revision of the task definition.
func (l *lab) define(image string) {
	l.t.Helper()
	name, memory, family := "app", int32(64), "web"
	if image == "" {
		image = "app:1"
	}
	_, err := l.api.RegisterTaskDefinition(l.ctx, &ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: []types.ContainerDefinition{{
		Name: &name, Image: &image, Memory: &memory, PortMappings: []types.PortMapping{{ContainerPort: to(int32(80))}},
	}}})
	if err != nil {
		l.t.Fatal(err)
	}
}

func to[T any](v T) *T { return &v }

// scheduler is a new one, as after a restart.
func (l *lab) scheduler(settle time.Duration, recorded func()) *Scheduler {
	l.t.Helper()
	s, err := New(Options{
		DB: l.db, Now: l.now, Random: cryptorand.Reader, Chance: rand.New(rand.NewPCG(1, 1)), Settle: settle, Log: slog.New(slog.DiscardHandler), Recorded: recorded,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// start runs the scheduler and a reconciler for each machine, until stop, which is as
// if the server was killed: at any moment.
func (l *lab) start() (stop func()) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all []*reconcile.Reconciler
	s := l.scheduler(time.Second, func() {
		for _, r := range all {
			r.Wake()
		}
	})
	done := make(chan struct{})
	n := 1
	for _, m := range l.machines {
		r, err := reconcile.New(reconcile.Options{
			DB: l.db, Open: func(context.Context) (machine.Machine, error) { return m, nil }, Home: reconcile.Home{Scope: scope, Cluster: "default"}, Now: l.now,
			NewID: func() (string, error) { return fmt.Sprintf("%032x", l.ids.Add(1)), nil }, Log: slog.New(slog.DiscardHandler), Woken: s.Wake,
		})
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, r)
	}
	l.sched = s
	for _, r := range all {
		n++
		go func() { _ = r.Run(ctx); done <- struct{}{} }()
	}
	go func() { _ = s.Run(ctx); done <- struct{}{} }()
	// Else services begin on those that were quicker, and are balanced anew.
	l.eventually("all machines have registered", func() bool {
		list, err := record.Instances(l.t.Context(), l.db.Reader(), scope, "default", "ACTIVE", record.Page{Limit: 1000})
		return err == nil && len(list) >= len(l.machines) && !slices.ContainsFunc(list, func(i record.Instance) bool { return !i.Detail.Shown.AgentConnected })
	})
	return func() {
		cancel()
		for range n {
			<-done
		}
	}
}

func (l *lab) describe(name string) types.Service {
	l.t.Helper()
	out, err := l.api.DescribeServices(l.ctx, &ecs.DescribeServicesInput{Services: []string{name}})
	if err != nil || len(out.Services) != 1 {
		l.t.Fatal(out, err)
	}
	return out.Services[0]
}

// stable is what the waiter services-stable waits for.
func (l *lab) stable(name string) bool {
	v := l.describe(name)
	return len(v.Deployments) == 1 && v.RunningCount == v.DesiredCount
}

func (l *lab) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(deadline) {
			l.t.Fatalf("it does not come to pass that %s", what)
		}
		l.sched.Wake()
		time.Sleep(5 * time.Millisecond)
		l.advance(200 * time.Millisecond)
	}
}

func (l *lab) create(name string, desired int32) {
	l.t.Helper()
	_, err := l.api.CreateService(l.ctx, &ecs.CreateServiceInput{ServiceName: &name, TaskDefinition: to("web"), DesiredCount: &desired, DeploymentConfiguration: &types.DeploymentConfiguration{
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
	}})
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) update(in ecs.UpdateServiceInput) {
	l.t.Helper()
	if _, err := l.api.UpdateService(l.ctx, &in); err != nil {
		l.t.Fatal(err)
	}
}

func said(v types.Service, part string) int {
	return len(slices.DeleteFunc(slices.Clone(v.Events), func(e types.ServiceEvent) bool { return !strings.Contains(*e.Message, part) }))
}

func TestAServiceIsKeptUpdatedRolledBackAndDeleted(t *testing.T) {
	l := newLab(t, 2, func(t machine.Task) simulated.Fortune {
		if t.Containers[0].Image == "app:broken" {
			return simulated.Fortune{PullError: "no such image"}
		}
		return simulated.Fortune{Start: time.Second, Stop: time.Second}
	})
	stop := l.start()
	defer stop()
	l.create("web", 3)
	l.eventually("it is stable", func() bool { return l.stable("web") })
	l.eventually("it is steady", func() bool { return said(l.describe("web"), "(service web) has reached a steady state.") == 1 })
	v := l.describe("web")
	if d := v.Deployments[0]; *d.Status != "PRIMARY" || d.RolloutState != "COMPLETED" || d.DesiredCount != 3 || d.RunningCount != 3 || !strings.HasPrefix(*d.Id, "ecs-svc/") {
		t.Errorf("%+v", d)
	}
	tasks, err := record.TasksOfService(t.Context(), l.db.Reader(), scope, "default", "web")
	if err != nil || len(tasks) != 3 || tasks[0].StartedBy != *v.Deployments[0].Id || *tasks[0].Detail.Shown.Group != "service:web" {
		t.Errorf("%+v %v", tasks, err)
	}

	l.define("app:2")
	l.update(ecs.UpdateServiceInput{Service: to("web"), TaskDefinition: to("web")})
	l.eventually("it is updated", func() bool {
		v = l.describe("web")
		return l.stable("web") && strings.HasSuffix(*v.TaskDefinition, "web:2")
	})

	for _, m := range l.machines {
		states, err := m.Tasks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if s.Status == machine.Running {
				m.Kill(s.ARN)
			}
		}
	}
	l.eventually("what was killed comes back", func() bool {
		v = l.describe("web")
		return v.RunningCount == 3 && v.PendingCount == 0 && said(v, "has started") >= 3
	})

	l.define("app:broken")
	l.update(ecs.UpdateServiceInput{Service: to("web"), TaskDefinition: to("web:3")})
	broken := l.describe("web").CurrentServiceDeployment
	l.eventually("it is rolled back", func() bool {
		v = l.describe("web")
		return said(v, "rolling back to deployment") == 1 && len(v.Deployments) == 1 && v.RunningCount == 3
	})
	if !strings.HasSuffix(*v.TaskDefinition, "web:2") || v.Deployments[0].RolloutState != "COMPLETED" {
		t.Errorf("%+v", v.Deployments)
	}
	d, err := l.api.DescribeServiceDeployments(l.ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*broken}})
	if err != nil || d.ServiceDeployments[0].Status != "ROLLBACK_SUCCESSFUL" || d.ServiceDeployments[0].Rollback == nil || d.ServiceDeployments[0].DeploymentCircuitBreaker.Status != "TRIGGERED" {
		t.Errorf("%+v %v", d.ServiceDeployments, err)
	}

	l.update(ecs.UpdateServiceInput{Service: to("web"), DesiredCount: to(int32(0))})
	l.eventually("it is scaled to nothing", func() bool { return l.describe("web").RunningCount == 0 })
	if _, err := l.api.DeleteService(l.ctx, &ecs.DeleteServiceInput{Service: to("web")}); err != nil {
		t.Fatal(err)
	}
	l.eventually("it has ended", func() bool { return *l.describe("web").Status == "INACTIVE" })
	l.clock.Add(int64(30 * time.Minute))
	if err := l.sched.Sweep(t.Context()); err != nil || *l.describe("web").Status != "INACTIVE" {
		t.Error("it is forgotten too soon", err)
	}
	l.clock.Add(int64(time.Hour))
	if err := l.sched.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if out, err := l.api.DescribeServices(l.ctx, &ecs.DescribeServicesInput{Services: []string{"web"}}); err != nil || len(out.Failures) != 1 {
		t.Errorf("it is not forgotten: %+v %v", out, err)
	}
	l.define("app:4")
	l.create("web", 1)
	l.eventually("another of its name runs", func() bool { return l.stable("web") })
}

func TestAServiceSharesItsTasksOutAmongCapacityProviders(t *testing.T) {
	l := newLab(t, 2, func(machine.Task) simulated.Fortune { return simulated.Fortune{Start: time.Second, Stop: time.Second} })
	defer l.start()()
	if _, err := l.api.PutClusterCapacityProviders(l.ctx, &ecs.PutClusterCapacityProvidersInput{
		Cluster: to("default"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"}, DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.api.RegisterTaskDefinition(l.ctx, &ecs.RegisterTaskDefinitionInput{
		Family: to("small"), RequiresCompatibilities: []types.Compatibility{"FARGATE"}, NetworkMode: "awsvpc", Cpu: to("256"), Memory: to("512"),
		ContainerDefinitions: []types.ContainerDefinition{{Name: to("app"), Image: to("app:1")}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.api.CreateService(l.ctx, &ecs.CreateServiceInput{
		ServiceName: to("shared"), TaskDefinition: to("small"), DesiredCount: to(int32(5)),
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
		CapacityProviderStrategy: []types.CapacityProviderStrategyItem{
			{CapacityProvider: to("FARGATE"), Base: 1, Weight: 1}, {CapacityProvider: to("FARGATE_SPOT"), Weight: 3},
		},
	}); err != nil {
		t.Fatal(err)
	}
	fell := func() map[string]int {
		tasks, err := record.TasksOfService(t.Context(), l.db.Reader(), scope, "default", "shared")
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, v := range tasks {
			if v.Status == string(machine.Running) {
				n[*v.Detail.Shown.CapacityProviderName]++
			}
		}
		return n
	}
	l.eventually("it is stable", func() bool { return l.stable("shared") })
	if n := fell(); n["FARGATE"] != 2 || n["FARGATE_SPOT"] != 3 {
		t.Errorf("%v", n)
	}
	l.update(ecs.UpdateServiceInput{Service: to("shared"), DesiredCount: to(int32(9))})
	l.eventually("it has grown", func() bool { return l.stable("shared") && l.describe("shared").RunningCount == 9 })
	if n := fell(); n["FARGATE"] != 3 || n["FARGATE_SPOT"] != 6 {
		t.Errorf("%v", n)
	}
}

func TestWhatIsOldOrDeletedIsForgottenUnlessItIsUsed(t *testing.T) {
	l := newLab(t, 1, func(machine.Task) simulated.Fortune { return simulated.Fortune{Start: time.Second, Stop: time.Second} })
	defer l.start()()
	l.create("web", 1)
	l.eventually("it is stable", func() bool { return l.stable("web") })
	first := *l.describe("web").CurrentServiceDeployment
	l.define("app:2")
	for _, revision := range []string{"web:1", "web:2"} {
		if _, err := l.api.DeregisterTaskDefinition(l.ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &revision}); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := l.api.DeleteTaskDefinitions(l.ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"web:1", "web:2"}}); err != nil || len(out.TaskDefinitions) != 2 {
		t.Fatal(out, err)
	}
	there := func(revision string) bool {
		_, err := l.api.DescribeTaskDefinition(l.ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &revision})
		return err == nil
	}
	sweep := func() {
		t.Helper()
		if err := l.sched.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if !there("web:1") || there("web:2") {
		t.Errorf("of what was deleted, the one in use is there: %t, the other: %t", there("web:1"), there("web:2"))
	}

	// Those that are as old, but of which tasks still are, are kept.
	l.clock.Add(int64(100 * 24 * time.Hour))
	l.define("app:3")
	l.update(ecs.UpdateServiceInput{Service: to("web"), TaskDefinition: to("web:3")})
	old := func() (deployments, revisions int) {
		d, err := l.api.DescribeServiceDeployments(l.ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{first}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.db.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM ecs_service_revision`).Scan(&revisions); err != nil {
			t.Fatal(err)
		}
		return len(d.ServiceDeployments), revisions
	}
	if d, r := old(); d != 0 || r != 2 {
		t.Errorf("%d old deployments, %d revisions", d, r)
	}
	l.eventually("it is updated", func() bool { return l.stable("web") })
	l.clock.Add(int64(100 * 24 * time.Hour))
	l.update(ecs.UpdateServiceInput{Service: to("web"), ForceNewDeployment: true})
	if d, r := old(); d != 0 || r != 2 {
		t.Errorf("%d old deployments, %d revisions", d, r)
	}
	l.eventually("nothing has the deleted one", func() bool { sweep(); return !there("web:1") })
}

// TestAnUpdateSurvivesTheServersDeaths ends the server at 30 random moments of rolling
// updates.
func TestAnUpdateSurvivesTheServersDeaths(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	l := newLab(t, 3, func(machine.Task) simulated.Fortune {
		return simulated.Fortune{Pull: time.Second, Start: time.Second, Stop: 2 * time.Second}
	})
	stop := l.start()
	l.create("web", 6)
	l.eventually("it is stable", func() bool { return l.stable("web") })
	for n := range 30 {
		if n%6 == 0 {
			l.update(ecs.UpdateServiceInput{Service: to("web"), ForceNewDeployment: true, DesiredCount: to(int32(4 + r.IntN(4)))})
		}
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
		l.advance(time.Duration(r.IntN(2000)) * time.Millisecond)
		l.sched.Wake()
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
		stop()
		stop = l.start()
	}
	defer func() { stop() }()
	l.eventually("it is stable again, and no orphan runs", func() bool {
		if !l.stable("web") {
			return false
		}
		return l.orphans() == 0
	})
	l.eventually("the deployment completes", func() bool { return l.describe("web").Deployments[0].RolloutState == "COMPLETED" })
}

// orphans is how many tasks run on machines and are not wanted, or the other way.
func (l *lab) orphans() (n int) {
	l.t.Helper()
	wanted := map[string]bool{}
	tasks, err := record.Tasks(l.t.Context(), l.db.Reader(), scope, record.TaskFilter{Cluster: "default", Desired: "RUNNING"}, record.Page{Limit: 1000})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, t := range tasks {
		wanted[t.Detail.Spec.ARN] = true
	}
	for _, m := range l.machines {
		states, err := m.Tasks(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, s := range states {
			if s.Status != machine.Stopped && !wanted[s.ARN] {
				n++
			}
			if s.Status == machine.Running {
				delete(wanted, s.ARN)
			}
		}
	}
	return n + len(wanted)
}
