// Package enforce decides requests by policy. It brings together what the pure
// engine (auth/policy) needs to know of one request: the caller with its
// policies (auth/identity), the policy and tags of the resource, the guardrails
// of the server, and the condition keys.
package enforce

import (
	"context"
	"errors"
	"fmt"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/internal/arn"
)

// Subjects finds who asks, with the policies that hold at this moment.
// *identity.Store does.
type Subjects interface {
	// Subject finds the holder of an access key. Errors: auth.ErrUnknownKey.
	Subject(ctx context.Context, accessKeyID string) (*identity.Subject, error)
	// SubjectOf finds who would ask if a principal did. Errors:
	// *identity.InvalidError, *identity.NoSuchError.
	SubjectOf(ctx context.Context, principalARN string) (*identity.Subject, error)
	// PrincipalExists reports whether there is whom an AWS principal names.
	PrincipalExists(ctx context.Context, principal string) (bool, error)
}

// Access is what a resource has to say about who may use it.
type Access struct {
	// Policy is the resource's own, or nil, and Registry that of the registry
	// which holds it.
	Policy, Registry *policy.Attached
	// Tags are the resource's: aws:ResourceTag.
	Tags map[string]string
}

// Resources knows the resources of one service.
type Resources interface {
	// Access tells what a resource says. A resource that does not exist says
	// nothing and is no error.
	Access(ctx context.Context, r auth.Request) (Access, error)
}

// Options is what an Authorizer is made of. Subjects is needed.
type Options struct {
	Subjects Subjects
	// Resources are by the service that stands in their ARNs: "ecr", "iam".
	Resources map[string]Resources
	// Guardrails limit all accounts, as service control policies do.
	Guardrails []policy.Attached
	// Watch is told of every decision that was reached. It must not block.
	Watch func(context.Context, Decision)
	// Seal makes the message of a refusal for sts:DecodeAuthorizationMessage.
	Seal func(message string) (string, error)
}

// Decision is what was decided about a request.
type Decision struct {
	Request auth.Request
	Origin  *auth.Origin
	policy.Decision
}

// Authorizer implements auth.Authorizer by policy.
type Authorizer struct {
	o Options
}

var _ auth.Authorizer = (*Authorizer)(nil)

// New makes an authorizer.
func New(o Options) (*Authorizer, error) {
	if o.Subjects == nil {
		return nil, errors.New("an authorizer needs to know the callers")
	}
	return &Authorizer{o}, nil
}

// Authorize implements auth.Authorizer.
func (a *Authorizer) Authorize(ctx context.Context, r auth.Request) error {
	d := Decision{Request: r, Origin: auth.OriginFrom(ctx)}
	q, err := a.query(ctx, r)
	switch {
	case err == nil:
		d.Decision = policy.Decide(&q.Query)
	case !errors.Is(err, auth.ErrUnknownKey):
		return err
	}
	// Who was deleted after their signature was checked has no policies: the
	// decision is the zero one, a denial.
	if a.o.Watch != nil {
		a.o.Watch(ctx, d)
	}
	if d.Allowed {
		return nil
	}
	return a.refusal(d)
}

// AllowedUnder reports whether a request would be allowed if the resource had
// this policy instead of its own. nil stands for none.
func (a *Authorizer) AllowedUnder(ctx context.Context, r auth.Request, resourcePolicy *policy.Document) (bool, error) {
	q, err := a.query(ctx, r)
	if err != nil {
		return false, err
	}
	q.ResourcePolicy = nil
	if resourcePolicy != nil {
		q.ResourcePolicy = &policy.Attached{Kind: policy.KindResource, Document: resourcePolicy}
	}
	return policy.Decide(&q.Query).Allowed, nil
}

// PrincipalExists reports whether there is whom an AWS principal of a policy
// names.
func (a *Authorizer) PrincipalExists(ctx context.Context, principal string) (bool, error) {
	return a.o.Subjects.PrincipalExists(ctx, principal)
}

// Explain tells how a request of a principal would be decided and what every
// statement has to do with it. Errors: *identity.InvalidError,
// *identity.NoSuchError.
func (a *Authorizer) Explain(ctx context.Context, r auth.Request) (policy.Explanation, error) {
	s, err := a.o.Subjects.SubjectOf(ctx, r.Principal.ARN)
	if err != nil {
		return policy.Explanation{}, err
	}
	r.Principal = auth.Principal{ARN: s.ARN, Account: s.Account, UserID: s.UserID}
	q, err := a.queryOf(ctx, r, s)
	if err != nil {
		return policy.Explanation{}, err
	}
	return policy.Explain(&q.Query), nil
}

// question is a query together with the keys that it is asked with: one
// allocation for both.
type question struct {
	policy.Query
	keys keys
}

func (a *Authorizer) query(ctx context.Context, r auth.Request) (*question, error) {
	var s *identity.Subject
	var err error
	if key := r.Principal.AccessKeyID; key != "" {
		s, err = a.o.Subjects.Subject(ctx, key)
	} else {
		// The bearer of an identity provider's token has no key.
		s, err = a.o.Subjects.SubjectOf(ctx, r.Principal.ARN)
	}
	if err != nil {
		return nil, fmt.Errorf("find the policies of %s: %w", r.Principal.ARN, err)
	}
	return a.queryOf(ctx, r, s)
}

func (a *Authorizer) queryOf(ctx context.Context, r auth.Request, s *identity.Subject) (*question, error) {
	var access Access
	if res := a.o.Resources[arn.Service(r.Resource)]; res != nil {
		var err error
		if access, err = res.Access(ctx, r); err != nil {
			return nil, fmt.Errorf("find what %s says about access: %w", r.Resource, err)
		}
	}
	q := &question{Query: policy.Query{
		Subject: &s.Subject, Action: r.Action, Resource: r.Resource, ResourceAccount: r.ResourceAccount,
		ResourcePolicy: access.Policy, RegistryPolicy: access.Registry, Guardrails: a.o.Guardrails,
	}, keys: keys{request: r, subject: s, origin: auth.OriginFrom(ctx), tags: access.Tags}}
	q.Keys = &q.keys
	return q, nil
}

func (a *Authorizer) refusal(d Decision) error {
	e := &auth.DeniedError{Request: d.Request, Because: d.Because(d.Request.Action)}
	if a.o.Seal != nil {
		message, err := a.o.Seal(message(d))
		if err != nil {
			return fmt.Errorf("seal the message of a refusal: %w", err)
		}
		e.Message = message
	}
	return e
}
