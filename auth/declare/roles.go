package declare

import (
	"context"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
	"drydock/auth/policy"
)

// role is a declared role.
type role struct {
	record
	grants
	description *string
	trust       document
	maxSession  time.Duration // 0 where none is declared
	boundary    *word
	tags        map[string]string
}

// roleDescription has the characters of ISO 8859-1.
// Source: IAM API Reference, CreateRole.
var roleDescription = regexp.MustCompile(`^[\t\n\r\x{20}-\x{7E}\x{A1}-\x{FF}]*$`)

func (r *reader) readRole(n *yaml.Node) role {
	e, rec := r.record(n, identity.KindRole, "description", "trust", "max_session", "policies", "inline", "boundary", "tags")
	ro := role{record: rec, grants: e.grants(policy.MaxRoleInline), description: e.description(), boundary: e.boundary(), tags: e.tags()}
	if ro.description != nil && !roleDescription.MatchString(*ro.description) {
		e.failf("description", "the description of a role has Latin characters only")
	}
	if text, given := e.text("max_session"); given {
		d, err := time.ParseDuration(text)
		if ro.maxSession = d; err != nil || d%time.Second != 0 || identity.CheckMaxSession(d) != nil {
			e.failf("max_session", "%q is not a duration from 1h to 12h, such as 90m", text)
		}
	}
	if !e.has("trust") {
		e.failf("trust", "it has no trust, the policy that says who may assume it")
		return ro
	}
	ro.trust = r.document(e.place, e.fields["trust"], policy.Trust, policy.MaxTrust)
	return ro
}

func (p *planner) role(ctx context.Context, r role) error {
	if err := p.knownAccount(ctx, r.place, r.account); err != nil {
		return err
	}
	boundary, err := p.boundaryARN(ctx, r.record, r.boundary)
	if err != nil {
		return err
	}
	there, err := p.store.Role(ctx, r.account, r.name)
	exists := err == nil
	arn := identity.ARN(r.account, identity.KindRole, r.pathOr("/"), r.name)
	switch {
	case missing(err):
		p.step(r.place, "create the role", func(ctx context.Context) error {
			n := identity.NewRole{Name: r.name, Path: r.pathOr("/"), Trust: r.trust.text, Boundary: boundary, MaxSession: r.maxSession, Tags: r.tags}
			if r.description != nil {
				n.Description = *r.description
			}
			_, err := p.store.CreateRole(ctx, r.account, n)
			return err
		})
	case err != nil:
		return r.errorf("%w", err)
	default:
		arn = there.ARN()
		if err := p.change(ctx, r, there, boundary); err != nil {
			return err
		}
	}
	p.named(r.record, arn)
	return p.grants(ctx, r.record, exists, r.grants)
}

// change makes a role that is there as it is declared.
func (p *planner) change(ctx context.Context, r role, there identity.Role, boundary string) error {
	if err := r.settled(there.Name, there.Path, there.ARN()); err != nil {
		return err
	}
	if r.description != nil && *r.description != there.Description {
		p.step(r.place, "describe the role", func(ctx context.Context) error {
			return p.store.UpdateRole(ctx, r.account, r.name, r.description, 0)
		})
	}
	if r.maxSession != 0 && r.maxSession != there.MaxSession {
		p.step(r.place, "limit its sessions to "+r.maxSession.String(), func(ctx context.Context) error {
			return p.store.UpdateRole(ctx, r.account, r.name, nil, r.maxSession)
		})
	}
	if !same(there.Trust, r.trust.text) {
		p.step(r.trust.place, "set who may assume it", func(ctx context.Context) error {
			return p.store.UpdateTrust(ctx, r.account, r.name, r.trust.text)
		})
	}
	if r.boundary != nil {
		p.boundary(r.record, there.Boundary, boundary)
	}
	return p.tags(ctx, r.place, r.account, r.entity(), r.tags)
}
