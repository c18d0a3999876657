package declare

import (
	"context"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
	"drydock/auth/policy"
)

// managedPolicy is a declared policy that can be attached.
type managedPolicy struct {
	record
	description *string
	document    document
	tags        map[string]string
}

func (r *reader) readPolicy(n *yaml.Node) managedPolicy {
	e, rec := r.record(n, identity.KindPolicy, "description", "document", "tags")
	p := managedPolicy{record: rec, description: e.description(), tags: e.tags()}
	if !e.has("document") {
		e.failf("document", "it has no document")
		return p
	}
	p.document = r.document(e.place, e.fields["document"], policy.Identity, policy.MaxManaged)
	return p
}

func (p *planner) policy(ctx context.Context, m managedPolicy) error {
	if err := p.knownAccount(ctx, m.place, m.account); err != nil {
		return err
	}
	there, err := p.store.PolicyByName(ctx, m.account, m.name)
	switch {
	case missing(err):
		p.policyARNs[m.account+" "+fold(m.name)] = identity.ARN(m.account, identity.KindPolicy, m.pathOr("/"), m.name)
		p.step(m.place, "create the policy", func(ctx context.Context) error {
			n := identity.NewPolicy{Name: m.name, Path: m.pathOr("/"), Document: m.document.text, Tags: m.tags}
			if m.description != nil {
				n.Description = *m.description
			}
			_, err := p.store.CreatePolicy(ctx, m.account, n)
			return err
		})
		return nil
	case err != nil:
		return m.errorf("%w", err)
	}
	if err := m.settled(there.Name, there.Path, there.ARN()); err != nil {
		return err
	}
	arn := there.ARN()
	p.policyARNs[m.account+" "+fold(m.name)] = arn
	if m.description != nil && *m.description != there.Description {
		p.step(m.place, "describe the policy", func(ctx context.Context) error {
			return p.store.DescribePolicy(ctx, m.account, arn, *m.description)
		})
	}
	if err := p.versions(ctx, m, arn); err != nil {
		return err
	}
	return p.tags(ctx, m.place, m.account, identity.Entity{Kind: identity.KindPolicy, Name: arn}, m.tags)
}

// versions puts the declared document in force, by a version of its own.
func (p *planner) versions(ctx context.Context, m managedPolicy, arn string) error {
	list, _, err := p.store.PolicyVersions(ctx, m.account, arn, identity.Page{Limit: identity.VersionsPerPolicy})
	if err != nil {
		return m.errorf("%w", err)
	}
	oldest := ""
	for _, v := range list { // the latest first
		switch {
		case v.Default && same(v.Document, m.document.text):
			return nil
		case !v.Default:
			oldest = v.ID()
		}
	}
	if len(list) >= identity.VersionsPerPolicy {
		p.step(m.place, "delete version "+oldest+", the oldest that is not in force", func(ctx context.Context) error {
			return p.store.DeletePolicyVersion(ctx, m.account, arn, oldest)
		})
	}
	p.step(m.place, "put the document in force", func(ctx context.Context) error {
		_, err := p.store.CreatePolicyVersion(ctx, m.account, arn, m.document.text, true)
		return err
	})
	return nil
}

// settled refuses another path or spelling for a policy or role that is there:
// its ARN stands in other policies.
func (r record) settled(name, path, arn string) error {
	if r.name != name || r.pathOr(path) != path {
		return r.errorf("there is %s already, and neither the name nor the path of a %s can be changed: declare them so, or delete it first", arn, r.kind)
	}
	return nil
}
