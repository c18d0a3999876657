package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/deploy/session"
	"drydock/storage/meta"
)

// door notes which sessions are opened.
type door struct {
	opened []session.Request
	err    error
}

func (d *door) Open(_ context.Context, r session.Request) (session.Ticket, error) {
	d.opened = append(d.opened, r)
	return session.Ticket{ID: fmt.Sprintf("ecs-execute-command-%d", len(d.opened)), Token: "secret"}, d.err
}

// withTask is the API over one task of these containers, in which commands can be run
// or not, and which the machine says is in a state.
func withTask(t *testing.T, enabled bool, status machine.Status, containers ...string) (*Service, *door, context.Context, string) {
	t.Helper()
	s, ctx := newService(t)
	d := &door{}
	s.sessions, s.sessionBase = d, func(account, region string) string { return "https://" + account + "." + region + ".lab" }
	withInstances(t, s, ctx, "a")
	registered(t, s, ctx, func(in *ecs.RegisterTaskDefinitionInput) {
		one := in.ContainerDefinitions[0]
		in.ContainerDefinitions = nil
		for _, name := range containers {
			one.Name = to(name)
			in.ContainerDefinitions = append(in.ContainerDefinitions, one)
		}
	})
	arn := *must(s.RunTask(ctx, &ecs.RunTaskInput{TaskDefinition: to("web"), EnableExecuteCommand: enabled}))(t).Tasks[0].TaskArn
	state := machine.State{ARN: arn, Status: status}
	for _, name := range containers {
		state.Containers = append(state.Containers, machine.ContainerState{Name: name, Status: status, Started: now})
	}
	if err := s.write(ctx, func(q meta.Querier) error {
		v, err := record.FindTask(ctx, q, scope, "default", arn[strings.LastIndex(arn, "/")+1:])
		if err != nil || !launch.Apply(&v, state, now.Add(time.Second)) {
			return err
		}
		return record.UpdateTask(ctx, q, v)
	}); err != nil {
		t.Fatal(err)
	}
	return s, d, ctx, arn
}

func TestACommandOpensASessionInItsContainer(t *testing.T) {
	s, d, ctx, arn := withTask(t, true, machine.Running, "app")
	out := must(s.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{Task: &arn, Command: to("sh -c 'ls /'"), Interactive: true}))(t)
	if *out.TaskArn != arn || *out.ClusterArn != "arn:aws:ecs:eu-west-1:123456789012:cluster/default" || *out.ContainerName != "app" || !out.Interactive ||
		!strings.HasPrefix(*out.ContainerArn, "arn:aws:ecs:eu-west-1:123456789012:container/default/") {
		t.Errorf("%+v", out)
	}
	if v := out.Session; *v.SessionId != "ecs-execute-command-1" || *v.TokenValue != "secret" || *v.StreamUrl != "wss://123456789012.eu-west-1.lab/session/ecs-execute-command-1" {
		t.Errorf("%s %s", *v.SessionId, *v.StreamUrl)
	}
	want := session.Request{Task: arn, Container: "app", Command: []string{"sh", "-c", "ls /"}, Principal: "arn:aws:iam::123456789012:root"}
	if got := d.opened[0]; got.Task != want.Task || got.Container != want.Container || got.Principal != want.Principal || !slices.Equal(got.Command, want.Command) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestATaskShowsWhetherCommandsCanBeRunInIt(t *testing.T) {
	for enabled, want := range map[bool]int{true: 1, false: 0} {
		s, _, ctx, arn := withTask(t, enabled, machine.Running, "app")
		agents := must(s.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{arn}}))(t).Tasks[0].Containers[0].ManagedAgents
		if len(agents) != want || want == 1 && (agents[0].Name != "ExecuteCommandAgent" || *agents[0].LastStatus != "RUNNING" || !agents[0].LastStartedAt.Equal(now)) {
			t.Errorf("enabled %t: %+v", enabled, agents)
		}
	}
}

func TestLogsAreAskedForInTasksThatTakeNoCommands(t *testing.T) {
	s, d, ctx, arn := withTask(t, false, machine.Stopped, "app")
	for command, follow := range map[string]bool{session.Logs: false, session.LogsFollowed: true} {
		d.opened = nil
		must(s.ExecuteCommand(ctx, &ecs.ExecuteCommandInput{Task: &arn, Command: &command, Interactive: true}))(t)
		if r := d.opened[0]; r.Command != nil || r.Follow != follow {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

func TestCommandsThatCannotBeRunAreRefused(t *testing.T) {
	ask := func(change func(*ecs.ExecuteCommandInput)) func(*Service, context.Context, string) error {
		return func(s *Service, ctx context.Context, arn string) error {
			in := &ecs.ExecuteCommandInput{Task: &arn, Command: to("ls"), Interactive: true}
			if change != nil {
				change(in)
			}
			_, err := s.ExecuteCommand(ctx, in)
			return err
		}
	}
	t.Run("by the request", func(t *testing.T) {
		s, d, ctx, arn := withTask(t, true, machine.Running, "app", "side")
		refused[*types.InvalidParameterException](t, ask(nil)(s, ctx, arn), "Container name must be specified")
		refused[*types.InvalidParameterException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Container = to("none") })(s, ctx, arn), "The container none was not found")
		refused[*types.InvalidParameterException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Interactive = false })(s, ctx, arn), "Interactive is the only mode")
		refused[*types.InvalidParameterException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Command = to("'") })(s, ctx, arn), "quotation")
		refused[*types.InvalidParameterException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Command = to(" ") })(s, ctx, arn), "empty")
		refused[*types.InvalidParameterException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Task = to("none") })(s, ctx, arn), "The referenced task was not found.")
		refused[*types.ClusterNotFoundException](t, ask(func(in *ecs.ExecuteCommandInput) { in.Cluster, in.Task = to("none"), to("x") })(s, ctx, arn), "Cluster not found.")
		if len(d.opened) != 0 {
			t.Errorf("%+v", d.opened)
		}
		d.err = fmt.Errorf("ask: %w", machine.ErrUnknownTask)
		named := ask(func(in *ecs.ExecuteCommandInput) { in.Container = to("side") })
		refused[*types.TargetNotConnectedException](t, named(s, ctx, arn), "cannot be reached from here")
		d.err = session.ErrTooMany
		refused[*types.ClientException](t, named(s, ctx, arn), "too many sessions")
		s.sessions = nil
		refused[*types.TargetNotConnectedException](t, named(s, ctx, arn), "No task runs on a machine of this server.")
	})
	t.Run("where commands are not enabled", func(t *testing.T) {
		s, _, ctx, arn := withTask(t, false, machine.Running, "app")
		refused[*types.InvalidParameterException](t, ask(nil)(s, ctx, arn), "execute command was not enabled when the task was run")
	})
	t.Run("before the task runs", func(t *testing.T) {
		s, _, ctx, arn := withTask(t, true, machine.Pending, "app")
		refused[*types.TargetNotConnectedException](t, ask(nil)(s, ctx, arn), "not running yet")
	})
	t.Run("after the task ran", func(t *testing.T) {
		s, _, ctx, arn := withTask(t, true, machine.Stopped, "app")
		refused[*types.InvalidParameterException](t, ask(nil)(s, ctx, arn), "it is STOPPED")
	})
}

func TestACommandTakesPermissionOnTaskAndCluster(t *testing.T) {
	s, _, ctx, arn := withTask(t, true, machine.Running, "app")
	for name, container := range map[string]*string{"named": to("app"), "found": nil} {
		needs := must(s.needsExec(ctx, &ecs.ExecuteCommandInput{Task: &arn, Command: to("ls"), Container: container}))(t)
		if len(needs) != 2 || needs[0].Resource != arn || needs[1].Resource != "arn:aws:ecs:eu-west-1:123456789012:cluster/default" {
			t.Fatalf("%s: %+v", name, needs)
		}
		for _, n := range needs {
			if n.Action != "ecs:ExecuteCommand" || !slices.Equal(n.Keys["ecs:container-name"], []string{"app"}) || len(n.Keys["ecs:cluster"]) != 1 {
				t.Errorf("%s: %+v", name, n)
			}
		}
	}
	if needs := must(s.needsExec(ctx, &ecs.ExecuteCommandInput{Task: to("none"), Command: to("ls")}))(t); len(needs) != 2 || needs[0].Keys["ecs:container-name"] != nil {
		t.Errorf("of no task: %+v", needs)
	}
}
