// Package deploy is Amazon ECS's API: clusters, task definitions, container
// instances, tasks and services, over the records of deploy/record. What it is told
// it writes down; deploy/reconcile makes it so.
//
// Each operation is a method of Service over the structs of Amazon's own Go SDK,
// and beside it stands the permission it takes. The front (awsapi) has checked
// signature, permission and every constraint of the service model before an
// operation runs. One file a group of operations.
//
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"drydock/awsapi"
	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// Options is what a Service is made of. All are needed but those that say so.
type Options struct {
	DB meta.DB
	// Now tells the time and Random yields random bytes, for ids.
	Now    func() time.Time
	Random io.Reader
	// Chance decides where a placement strategy is random.
	Chance placement.Random
	// Wake has what was written looked at soon.
	Wake func()
	// Sessions are those of ExecuteCommand, served under what SessionBase tells for
	// an account and a region, such as https://host. Both may be left out where no
	// task runs.
	Sessions    Sessions
	SessionBase func(account, region string) string
	// Repository tells images of this server's own registry from others, for which
	// it gives nil. Without it there are none.
	Repository func(image string) *machine.RepositoryImage
}

// Service is the ECS API.
type Service struct {
	db     meta.DB
	now    func() time.Time
	random io.Reader
	chance placement.Random
	wake   func()

	sessions    Sessions
	sessionBase func(account, region string) string
	repository  func(image string) *machine.RepositoryImage
}

// New makes the API. It is an error to leave anything out.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Now == nil || o.Random == nil || o.Chance == nil || o.Wake == nil {
		return nil, errors.New("the ECS API needs a database, a clock, sources of randomness and somebody to wake")
	}
	if (o.Sessions == nil) != (o.SessionBase == nil) {
		return nil, errors.New("the ECS API needs to know where its sessions are served")
	}
	return &Service{
		db: o.DB, now: o.Now, random: o.Random, chance: o.Chance, wake: o.Wake, sessions: o.Sessions, sessionBase: o.SessionBase,
		repository: o.Repository,
	}, nil
}

// Operations are all operations of the API that exist here.
func (s *Service) Operations() []awsapi.Operation {
	var all []awsapi.Operation
	for _, group := range [][]awsapi.Operation{
		s.clusterOperations(), s.definitionOperations(), s.settingOperations(), s.capacityOperations(), s.tagOperations(),
		s.instanceOperations(), s.attributeOperations(), s.runOperations(), s.taskOperations(), s.execOperations(),
		s.serviceOperations(), s.serviceListOperations(), s.deploymentOperations(), s.taskSetOperations(),
	} {
		all = append(all, group...)
	}
	return all
}

// scopeOf is the account and region of a request's signature.
func scopeOf(ctx context.Context) record.Scope {
	call := awsapi.CallFrom(ctx)
	return record.Scope{Account: call.Principal.Account, Region: call.Region}
}

// need is the permission to perform an action on a resource of the caller's account.
func need(ctx context.Context, action, resource string) awsapi.Need {
	return awsapi.Need{Action: action, Resource: resource, ResourceAccount: awsapi.CallFrom(ctx).Principal.Account}
}

// write runs fn in a transaction.
func (s *Service) write(ctx context.Context, fn func(meta.Querier) error) error {
	return s.db.Write(ctx, meta.Durable, fn)
}

func (s *Service) reader() meta.Querier { return s.db.Reader() }

func (s *Service) millis() int64 { return s.now().UnixMilli() }

// newID makes an id as those of tasks and container instances: 32 hexadecimal
// digits.
func (s *Service) newID() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return fmt.Sprintf("%x", b), nil
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// to makes a pointer of a value, as the SDK's structs have them.
func to[T any](v T) *T { return &v }
