package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/awsapi"
	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/deploy/session"
	"drydock/storage/meta"
)

// Sessions opens sessions in containers. *session.Sessions does. Errors:
// machine.ErrUnavailable, machine.ErrUnknownTask, session.ErrTooMany.
type Sessions interface {
	Open(ctx context.Context, r session.Request) (session.Ticket, error)
}

func (s *Service) execOperations() []awsapi.Operation {
	return []awsapi.Operation{awsapi.Op("ExecuteCommand", s.ExecuteCommand, s.needsExec)}
}

// needsExec are the permissions to run a command in a container: on the task, and on
// its cluster. The condition key is the name of the container also where the request
// leaves it to be found.
// Source: Service Authorization Reference, "Actions, resources, and condition keys
// for Amazon Elastic Container Service"; Developer Guide, "Using ECS Exec".
func (s *Service) needsExec(ctx context.Context, in *ecs.ExecuteCommandInput) ([]awsapi.Need, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := within(scope, "task", c, deref(in.Task))
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{"ecs:cluster": {clusterARN(scope, c)}}
	container := deref(in.Container)
	t, err := record.FindTask(ctx, s.reader(), scope, c, id)
	switch {
	case err == nil && container == "" && len(t.Detail.Shown.Containers) == 1:
		container = deref(t.Detail.Shown.Containers[0].Name)
	case err != nil && !errors.Is(err, meta.ErrNotFound):
		return nil, fmt.Errorf("find task %s: %w", id, err)
	}
	if container != "" {
		keys["ecs:container-name"] = []string{container}
	}
	onTask, onCluster := need(ctx, "ecs:ExecuteCommand", taskARN(scope, c, id)), need(ctx, "ecs:ExecuteCommand", clusterARN(scope, c))
	onTask.Keys, onCluster.Keys = keys, keys
	return []awsapi.Need{onTask, onCluster}, nil
}

// notEnabled is what ECS says of a task in which no command can be run.
const notEnabled = "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again."

// ExecuteCommand opens a session in a container, for a command; or for what the
// container has written, which is asked for as the command session.Logs and takes
// the same permission. How to join it is told by package session: it is a session
// of drydock's, not of AWS Systems Manager, and `drydock exec` joins it.
func (s *Service) ExecuteCommand(ctx context.Context, in *ecs.ExecuteCommandInput) (*ecs.ExecuteCommandOutput, error) {
	scope := scopeOf(ctx)
	c, err := clusterOf(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := within(scope, "task", c, deref(in.Task))
	if err != nil {
		return nil, err
	}
	r, err := execRequest(deref(in.Command))
	if err != nil {
		return nil, err
	}
	if !in.Interactive {
		return nil, invalidParameter("Interactive is the only mode supported currently.")
	}
	if _, err := activeCluster(ctx, s.reader(), scope, c); err != nil {
		return nil, err
	}
	t, err := record.FindTask(ctx, s.reader(), scope, c, id)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, invalidParameter("The referenced task was not found.")
	}
	if err != nil {
		return nil, fmt.Errorf("find task %s: %w", id, err)
	}
	v := &t.Detail.Shown
	container, err := containerOf(v, deref(in.Container))
	if err != nil {
		return nil, err
	}
	if len(r.Command) > 0 {
		if err := takesCommands(t, container); err != nil {
			return nil, err
		}
	}
	r.Task, r.Container, r.Principal = deref(v.TaskArn), deref(container.Name), awsapi.CallFrom(ctx).Principal.ARN
	return s.openSession(ctx, v, container, r)
}

func (s *Service) openSession(ctx context.Context, t *types.Task, c *types.Container, r session.Request) (*ecs.ExecuteCommandOutput, error) {
	if s.sessions == nil {
		return nil, notConnected("No task runs on a machine of this server.")
	}
	ticket, err := s.sessions.Open(ctx, r)
	switch {
	case errors.Is(err, machine.ErrUnavailable), errors.Is(err, machine.ErrUnknownTask):
		return nil, notConnected("The execute command failed because the machine that has the task cannot be reached from here at the moment. Try again later.")
	case errors.Is(err, session.ErrTooMany):
		return nil, clientError("The execute command failed because %v. Try again in a minute.", err)
	case err != nil:
		return nil, fmt.Errorf("open a session: %w", err)
	}
	scope := scopeOf(ctx)
	at, err := url.JoinPath(s.sessionBase(scope.Account, scope.Region), session.Path, ticket.ID)
	if err != nil {
		return nil, fmt.Errorf("tell where a session is: %w", err)
	}
	return &ecs.ExecuteCommandOutput{
		ClusterArn: t.ClusterArn, ContainerArn: c.ContainerArn, ContainerName: c.Name, Interactive: true, TaskArn: t.TaskArn,
		Session: &types.Session{SessionId: to(ticket.ID), StreamUrl: to("ws" + strings.TrimPrefix(at, "http")), TokenValue: to(ticket.Token)},
	}, nil
}

func notConnected(why string) error { return &types.TargetNotConnectedException{Message: to(why)} }

// execRequest is what a command asks for.
func execRequest(command string) (r session.Request, err error) {
	switch command {
	case session.Logs, session.LogsFollowed:
		return session.Request{Follow: command == session.LogsFollowed}, nil
	}
	if r.Command, err = session.Words(command); err != nil {
		return r, invalidParameter("Invalid command: %v.", err)
	}
	if len(r.Command) == 0 {
		return r, invalidParameter("command cannot be empty.")
	}
	return r, nil
}

// containerOf is the container of a task that a request means: the one that it
// names, or the only one.
func containerOf(t *types.Task, name string) (*types.Container, error) {
	if name == "" && len(t.Containers) == 1 {
		return &t.Containers[0], nil
	}
	if name == "" {
		return nil, invalidParameter("Container name must be specified for a task with more than one container.")
	}
	i := slices.IndexFunc(t.Containers, func(c types.Container) bool { return deref(c.Name) == name })
	if i < 0 {
		return nil, invalidParameter("The container %s was not found in the task.", name)
	}
	return &t.Containers[i], nil
}

// takesCommands checks that a command can be run in a container now.
func takesCommands(t record.Task, c *types.Container) error {
	switch running := string(machine.Running); {
	case !t.Detail.Shown.EnableExecuteCommand:
		return invalidParameter(notEnabled)
	case machine.Status(t.Status).Before(machine.Running):
		return notConnected("The execute command failed because the task is not running yet. Wait and try again.")
	case t.Status != running:
		return invalidParameter("The execute command failed because the task is not running: it is %s.", t.Status)
	case deref(c.LastStatus) != running:
		return notConnected(fmt.Sprintf("The execute command failed because the container %s is not running: it is %s.", deref(c.Name), deref(c.LastStatus)))
	}
	return nil
}
