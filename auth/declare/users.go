package declare

import (
	"context"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/internal/nearest"
)

// user is a declared user.
type user struct {
	record
	grants
	groups      []word
	groupsGiven bool
	boundary    *word
	tags        map[string]string
	keys        []accessKey
}

func (r *reader) readUser(n *yaml.Node) user {
	e, rec := r.record(n, identity.KindUser, "groups", "policies", "inline", "boundary", "tags", "access_keys")
	u := user{record: rec, grants: e.grants(policy.MaxUserInline), boundary: e.boundary(), tags: e.tags(), keys: e.accessKeys()}
	u.groups, u.groupsGiven = e.words("groups")
	if len(u.groups) > identity.GroupsPerUser {
		e.failf("groups", "a user is in at most %d groups", identity.GroupsPerUser)
	}
	return u
}

func (p *planner) user(ctx context.Context, u user) error {
	if err := p.knownAccount(ctx, u.place, u.account); err != nil {
		return err
	}
	boundary, err := p.boundaryARN(ctx, u.record, u.boundary)
	if err != nil {
		return err
	}
	there, err := p.store.User(ctx, u.account, u.name)
	exists := err == nil
	arn := identity.ARN(u.account, identity.KindUser, u.pathOr("/"), u.name)
	switch {
	case missing(err):
		p.step(u.place, "create the user", func(ctx context.Context) error {
			_, err := p.store.CreateUser(ctx, u.account, identity.NewUser{Name: u.name, Path: u.pathOr("/"), Boundary: boundary, Tags: u.tags})
			return err
		})
	case err != nil:
		return u.errorf("%w", err)
	default:
		arn = identity.ARN(u.account, identity.KindUser, u.pathOr(there.Path), u.name)
		if there.ARN() != arn {
			p.step(u.place, "rename the user "+there.ARN(), func(ctx context.Context) error {
				return p.store.UpdateUser(ctx, u.account, there.Name, u.name, u.pathOr(""))
			})
		}
		if u.boundary != nil {
			p.boundary(u.record, there.Boundary, boundary)
		}
		if err := p.tags(ctx, u.place, u.account, u.entity(), u.tags); err != nil {
			return err
		}
	}
	p.named(u.record, arn)
	if err := p.grants(ctx, u.record, exists, u.grants); err != nil {
		return err
	}
	if err := p.memberships(ctx, u, exists); err != nil {
		return err
	}
	return p.keys(ctx, u.place, u.account, u.name, exists, u.keys)
}

// memberships makes the groups of a user those that are declared.
func (p *planner) memberships(ctx context.Context, u user, exists bool) error {
	if !u.groupsGiven {
		return nil
	}
	for _, g := range u.groups {
		if err := p.knownGroup(ctx, g, u.account); err != nil {
			return err
		}
	}
	var current []identity.Group
	if exists {
		var err error
		if current, err = all(func(page identity.Page) ([]identity.Group, string, error) {
			return p.store.GroupsOf(ctx, u.account, u.name, page)
		}); err != nil {
			return u.errorf("%w", err)
		}
	}
	for _, g := range current {
		if !slices.ContainsFunc(u.groups, func(w word) bool { return fold(w.text) == fold(g.Name) }) {
			p.step(u.place, "leave group "+g.Name, func(ctx context.Context) error {
				return p.store.RemoveUserFromGroup(ctx, u.account, g.Name, u.name)
			})
		}
	}
	for _, w := range u.groups {
		if !slices.ContainsFunc(current, func(g identity.Group) bool { return fold(w.text) == fold(g.Name) }) {
			p.step(w.place, "join group "+w.text, func(ctx context.Context) error {
				return p.store.AddUserToGroup(ctx, u.account, w.text, u.name)
			})
		}
	}
	return nil
}

// knownGroup refuses a group that is neither declared nor there.
func (p *planner) knownGroup(ctx context.Context, w word, account string) error {
	var names []string
	for _, g := range p.declared.groups {
		if g.account == account {
			names = append(names, g.name)
		}
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, w.text) }) {
		return nil
	}
	_, err := p.store.Group(ctx, account, w.text)
	switch {
	case missing(err):
		return w.errorf("there is no group %s in account %s%s", w.text, account, nearest.Suggestion(w.text, names, ""))
	case err != nil:
		return w.errorf("%w", err)
	}
	return nil
}
