// Package keeper has for a machine what a task needs and no record may hold: the
// digest of its image and a password to pull it with, its secrets, and the addresses
// at which it finds its metadata and credentials. All of it is had on behalf of the
// task's roles, and the same authorizer decides as for every request, so that a
// refusal is AWS's sentence.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/deploy/inside"
	"drydock/deploy/machine"
	"drydock/deploy/role"
	"drydock/deploy/secret"
	"drydock/internal/registryhost"
	"drydock/storage"
)

// Passwords issues what proves a caller to the registry. *token.Issuer does.
type Passwords interface {
	Password(ctx context.Context, p auth.Principal, account, region string) (password string, expiresAt time.Time, err error)
}

// Upstream has images that are missing here fetched from other registries, as
// registry.Upstream does.
type Upstream interface {
	Manifest(ctx context.Context, ref storage.Ref, which storage.Reference, missing error, allow func(action string) error) (storage.Manifest, error)
	Fresh(ctx context.Context, ref storage.Ref, tag string, held storage.Manifest, allow func(action string) error) storage.Manifest
}

// Options is what a Keeper is made of. All but Upstream, MachineRole and LogsEndpoint
// are needed.
type Options struct {
	Engine    *storage.Registry
	Upstream  Upstream
	Passwords Passwords
	Roles     *role.Roles
	Secrets   *secret.Store
	// Door are the names under which this machine's own engine reaches the
	// registry. It takes plain HTTP for localhost, and wants a certificate that it
	// trusts for anything else.
	Door *registryhost.Names
	// Place is where containers find metadata and credentials, and IDs what they
	// ask with.
	Place *inside.Place
	IDs   inside.IDs
	// LogsEndpoint is the URL at which this machine's own engine finds CloudWatch
	// Logs; without one the awslogs driver is refused.
	LogsEndpoint string
	// MachineRole is the ARN of the role that tasks of its account pull with which
	// have no execution role, as those on an EC2 instance do with the role of the
	// instance: one that trusts ec2.amazonaws.com. Without it they pull nothing.
	// It is of no use to tasks of launch type FARGATE.
	MachineRole string
}

// Keeper implements machine.Keeper.
type Keeper struct{ o Options }

var _ machine.Keeper = (*Keeper)(nil)

// New makes a keeper. It is an error to leave out what is needed.
func New(o Options) (*Keeper, error) {
	if o.Engine == nil || o.Passwords == nil || o.Roles == nil || o.Secrets == nil || o.Door == nil || o.Place == nil || o.IDs == (inside.IDs{}) {
		return nil, errors.New("a keeper needs a registry with its names and passwords, roles, secrets, and a place for containers to ask")
	}
	return &Keeper{o}, nil
}

// noExecutionRoleError is the refusal of what takes an execution role.
type noExecutionRoleError struct{ what string }

func (e *noExecutionRoleError) Error() string {
	return "the task has no execution role, without which it cannot " + e.what + ": set executionRoleArn in the task definition to a role that trusts " + role.ForTasks
}

// execution takes on the task's execution role for something that it is to do.
// Errors: *noExecutionRoleError, *role.RefusedError.
func (k *Keeper) execution(ctx context.Context, t *machine.Task, what string) (identity.Credentials, error) {
	if t.ExecutionRoleARN == "" {
		return identity.Credentials{}, &noExecutionRoleError{what}
	}
	return k.o.Roles.Take(ctx, t, t.ExecutionRoleARN, role.ForTasks)
}

// containerOf finds a container of a task.
func containerOf(t *machine.Task, name string) (*machine.Container, error) {
	for i := range t.Containers {
		if t.Containers[i].Name == name {
			return &t.Containers[i], nil
		}
	}
	return nil, fmt.Errorf("task %s has no container %s", t.ARN, name)
}
