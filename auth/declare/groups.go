package declare

import (
	"context"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
	"drydock/auth/policy"
)

// group is a declared group. Its members say so themselves.
type group struct {
	record
	grants
}

func (r *reader) readGroup(n *yaml.Node) group {
	e, rec := r.record(n, identity.KindGroup, "policies", "inline")
	return group{rec, e.grants(policy.MaxGroupInline)}
}

func (p *planner) group(ctx context.Context, g group) error {
	if err := p.knownAccount(ctx, g.place, g.account); err != nil {
		return err
	}
	there, err := p.store.Group(ctx, g.account, g.name)
	switch {
	case missing(err):
		p.step(g.place, "create the group", func(ctx context.Context) error {
			_, err := p.store.CreateGroup(ctx, g.account, g.name, g.pathOr("/"))
			return err
		})
	case err != nil:
		return g.errorf("%w", err)
	case there.Name != g.name || there.Path != g.pathOr(there.Path):
		p.step(g.place, "rename the group "+there.ARN(), func(ctx context.Context) error {
			return p.store.UpdateGroup(ctx, g.account, there.Name, g.name, g.pathOr(""))
		})
	}
	return p.grants(ctx, g.record, err == nil, g.grants)
}
