// Package servicerole lets a service of this server act with a role that it was
// given, as AWS's services do: the role's trust policy has to allow the service,
// and the role's own policies what it does with it.
//
// Source: IAM User Guide, "Create a role to delegate permissions to an AWS service".
package servicerole

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
)

// ForECR is what Amazon ECR is called in trust policies.
const ForECR = "ecr.amazonaws.com"

// lifetime is the shortest that a session can have.
const lifetime = 15 * time.Minute

// Identities are where roles and their sessions are. *identity.Store is.
type Identities interface {
	RoleByARN(ctx context.Context, arn string) (identity.Role, error)
	CreateSession(ctx context.Context, n identity.NewSession) (identity.Credentials, error)
}

// Options is what Roles are made of. All are needed.
type Options struct {
	Identities Identities
	Authorizer auth.Authorizer
	Now        func() time.Time
	// Service is in whose name roles are taken on, such as ForECR.
	Service string
}

// Roles are those that a service is given.
type Roles struct{ o Options }

// New makes Roles.
func New(o Options) (*Roles, error) {
	if o.Identities == nil || o.Authorizer == nil || o.Now == nil || o.Service == "" {
		return nil, errors.New("a service's roles need identities, an authorizer, a clock and a service")
	}
	return &Roles{o}, nil
}

// RefusedError says that a role does not exist, belongs to another account, or does
// not trust the service.
type RefusedError struct{ Role, Service string }

func (e *RefusedError) Error() string {
	return e.Service + " is not able to assume the role " + e.Role
}

// Actor does things with a role.
type Actor struct {
	roles   *Roles
	who     auth.Principal
	account string
	region  string
}

// Take has the service take on a role of an account, in a session of a name.
// Errors: *RefusedError.
func (r *Roles) Take(ctx context.Context, role, account, region, session string) (*Actor, error) {
	refused := &RefusedError{role, r.o.Service}
	found, err := r.o.Identities.RoleByARN(ctx, role)
	var none *identity.NoSuchError
	var invalid *identity.InvalidError
	switch {
	case errors.As(err, &none), errors.As(err, &invalid):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("find role %s: %w", role, err)
	case found.Account != account:
		return nil, refused
	}
	err = r.o.Authorizer.Authorize(r.here(ctx), auth.Request{
		Principal: auth.Principal{ARN: r.o.Service}, Action: "sts:AssumeRole", Resource: found.ARN(), ResourceAccount: found.Account, Region: region,
		Keys: map[string][]string{"sts:rolesessionname": {session}, "aws:sourceaccount": {account}},
	})
	var denied *auth.DeniedError
	switch {
	case errors.As(err, &denied):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("find out who may take on role %s: %w", role, err)
	}
	c, err := r.o.Identities.CreateSession(ctx, identity.NewSession{Role: found.ARN(), Name: session, Lifetime: lifetime})
	if err != nil {
		return nil, fmt.Errorf("take on role %s: %w", role, err)
	}
	return &Actor{roles: r, who: c.Principal, account: account, region: region}, nil
}

// May decides whether the role allows something on a resource of its account.
// Errors: *auth.DeniedError.
func (a *Actor) May(ctx context.Context, action, resource string) error {
	return a.roles.o.Authorizer.Authorize(a.roles.here(ctx), auth.Request{
		Principal: a.who, Action: action, Resource: resource, ResourceAccount: a.account, Region: a.region,
	})
}

// here is where requests come from that the server makes itself: they cross no
// network.
func (r *Roles) here(ctx context.Context) context.Context {
	return auth.WithOrigin(ctx, &auth.Origin{Secure: true, UserAgent: r.o.Service, At: r.o.Now()})
}
