// Package role takes on roles for tasks, as ECS does: in the name of the service
// ecs-tasks.amazonaws.com, which the role's trust policy has to allow, in a session
// that is called after the task. The same authorizer decides as for every request.
//
// Source: Amazon ECS Developer Guide, "Task IAM role", "Task execution IAM role".
package role

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/deploy/machine"
	"drydock/internal/arn"
)

// The services in whose name roles are taken on: for a task, and for the machine
// that it runs on.
const (
	ForTasks   = "ecs-tasks.amazonaws.com"
	ForMachine = "ec2.amazonaws.com"
)

// Credentials last so long, and are made anew when so little is left of them. AWS's
// programs ask for new ones a quarter of an hour before the end.
const (
	lifetime = 6 * time.Hour
	renewal  = time.Hour
)

// kept is for how long it is remembered that a task has ended, so that nobody who was
// about to take on its role still does.
const kept = time.Hour

// ErrEnded is returned for a task that has ended.
var ErrEnded = errors.New("the task has ended, and its role with it")

// RefusedError says that a role cannot be taken on. Its text is ECS's.
type RefusedError struct{ Role string }

func (e *RefusedError) Error() string {
	return "ECS was unable to assume the role '" + e.Role + "' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
}

// Identities are where roles and their sessions are. *identity.Store is.
type Identities interface {
	RoleByARN(ctx context.Context, arn string) (identity.Role, error)
	CreateSession(ctx context.Context, n identity.NewSession) (identity.Credentials, error)
	EndSessions(ctx context.Context, roleARN, name string) error
}

// Options is what Roles are made of. All are needed.
type Options struct {
	Identities Identities
	Authorizer auth.Authorizer
	Now        func() time.Time
}

// Roles are the roles that tasks have taken on.
type Roles struct {
	o Options

	mu    sync.Mutex
	tasks map[string]*sessions
}

// sessions are those of one task, by role.
type sessions struct {
	mu    sync.Mutex
	roles map[taken]identity.Credentials
	ended time.Time
}

type taken struct{ role, service string }

// New makes Roles. It is an error to leave anything out.
func New(o Options) (*Roles, error) {
	if o.Identities == nil || o.Authorizer == nil || o.Now == nil {
		return nil, errors.New("taking on roles needs identities, an authorizer and a clock")
	}
	return &Roles{o: o, tasks: map[string]*sessions{}}, nil
}

// Take returns credentials of a role for a task, in the name of a service. They are
// the same until they are about to end. Errors: *RefusedError, ErrEnded.
func (r *Roles) Take(ctx context.Context, t *machine.Task, roleARN, service string) (identity.Credentials, error) {
	s := r.of(t.ARN)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() {
		return identity.Credentials{}, ErrEnded
	}
	found, err := r.o.Identities.RoleByARN(ctx, roleARN)
	var none *identity.NoSuchError
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &none), errors.As(err, &invalid):
		return identity.Credentials{}, &RefusedError{roleARN}
	case err != nil:
		return identity.Credentials{}, fmt.Errorf("find role %s: %w", roleARN, err)
	case found.Account != t.Account:
		// Whoever may pass on all roles may not therefore pass on those of others.
		return identity.Credentials{}, &RefusedError{roleARN}
	}
	key := taken{roleARN, service}
	// A role of the same name that was made anew is another one.
	if c, ok := s.roles[key]; ok && strings.HasPrefix(c.Principal.UserID, found.ID+":") && r.o.Now().Add(renewal).Before(c.Expires) {
		return c, nil
	}
	c, err := r.enter(ctx, t, found, service)
	if err == nil {
		s.roles[key] = c
	}
	return c, err
}

// enter makes a session, if the role trusts the service.
func (r *Roles) enter(ctx context.Context, t *machine.Task, to identity.Role, service string) (identity.Credentials, error) {
	name := taskID(t)
	err := r.o.Authorizer.Authorize(r.here(ctx), auth.Request{
		Principal: auth.Principal{ARN: service}, Action: "sts:AssumeRole", Resource: to.ARN(), ResourceAccount: to.Account, Region: t.Region,
		Keys: map[string][]string{"sts:rolesessionname": {name}, "aws:sourceaccount": {t.Account}, "aws:sourcearn": {t.ARN}},
	})
	var denied *auth.DeniedError
	switch {
	case errors.As(err, &denied):
		return identity.Credentials{}, &RefusedError{to.ARN()}
	case err != nil:
		return identity.Credentials{}, fmt.Errorf("find out who may take on role %s: %w", to.ARN(), err)
	}
	c, err := r.o.Identities.CreateSession(ctx, identity.NewSession{Role: to.ARN(), Name: name, Lifetime: lifetime})
	if err != nil {
		return identity.Credentials{}, fmt.Errorf("take on role %s: %w", to.ARN(), err)
	}
	return c, nil
}

// Authorize decides what a task does with a role it has taken on. Errors:
// *auth.DeniedError.
func (r *Roles) Authorize(ctx context.Context, t *machine.Task, as identity.Credentials, action, resource string) error {
	account := t.Account
	if a, err := arn.Parse(resource); err == nil && a.Account != "" {
		account = a.Account
	}
	return r.o.Authorizer.Authorize(r.here(ctx), auth.Request{
		Principal: as.Principal, Action: action, Resource: resource, ResourceAccount: account, Region: t.Region,
	})
}

// here is where requests come from that this server makes itself: they cross no
// network.
func (r *Roles) here(ctx context.Context) context.Context {
	return auth.WithOrigin(ctx, &auth.Origin{Secure: true, UserAgent: "ecs.amazonaws.com", At: r.o.Now()})
}

// End ends the sessions of a task's own role, and takes on no role for it any more.
// Those of its execution role, with which the last of its logs may be on their way,
// are left to end by themselves.
func (r *Roles) End(ctx context.Context, t *machine.Task) error {
	s := r.of(t.ARN)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() || t.RoleARN == "" {
		s.ended = r.o.Now()
		return nil
	}
	err := r.o.Identities.EndSessions(ctx, t.RoleARN, taskID(t))
	var none *identity.NoSuchError
	var invalid *identity.InvalidError
	if err != nil && !errors.As(err, &none) && !errors.As(err, &invalid) {
		return fmt.Errorf("end the sessions of %s: %w", t.ARN, err)
	}
	s.ended, s.roles = r.o.Now(), nil
	return nil
}

// of finds the sessions of a task, and forgets those of tasks that ended long ago.
func (r *Roles) of(task string) *sessions {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.tasks[task]
	if s != nil {
		return s
	}
	before := r.o.Now().Add(-kept)
	for t, s := range r.tasks {
		if s.mu.TryLock() {
			if !s.ended.IsZero() && s.ended.Before(before) {
				delete(r.tasks, t)
			}
			s.mu.Unlock()
		}
	}
	s = &sessions{roles: map[taken]identity.Credentials{}}
	r.tasks[task] = s
	return s
}

func taskID(t *machine.Task) string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }
