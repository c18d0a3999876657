package declare

import (
	"cmp"
	"context"
	"slices"

	"drydock/auth/identity"
	"drydock/auth/policy"
)

// grants are the policies that users, groups and roles are given. Where a list
// is given, it is complete.
type grants struct {
	policies                   []word
	inline                     []inlinePolicy
	policiesGiven, inlineGiven bool
}

// inlinePolicy is a policy embedded in a user, group or role.
type inlinePolicy struct {
	name     string
	document document
}

// grants reads policies and inline; most is the quota of all inline policies
// together.
func (e *entry) grants(most int) (g grants) {
	g.policies, g.policiesGiven = e.words("policies")
	if len(g.policies) > identity.PoliciesPerEntity {
		e.failf("policies", "there are %d policies, and IAM attaches %d", len(g.policies), identity.PoliciesPerEntity)
	}
	if g.inlineGiven = e.has("inline"); !g.inlineGiven {
		return g
	}
	size := 0
	for _, kv := range e.r.pairs(e.place, e.fields["inline"]) {
		if err := identity.CheckInlineName(kv.key); err != nil {
			e.r.failed(e.on(kv.line).errorf("%q is no name for an inline policy: %w", kv.key, err))
		}
		at := e.on(kv.line)
		at.entity += ", inline " + kv.key
		d := e.r.document(at, kv.value, policy.Identity, 0)
		size += policy.Size([]byte(d.text))
		g.inline = append(g.inline, inlinePolicy{kv.key, d})
	}
	if size > most {
		e.failf("inline", "the inline policies have together %d characters that are not white space, and IAM takes %d", size, most)
	}
	return g
}

// boundary reads the permissions boundary; an empty one is none.
func (e *entry) boundary() *word {
	if v, given := e.text("boundary"); given {
		return &word{e.at("boundary"), v}
	}
	return nil
}

// boundaryARN finds the policy of a declared boundary, "" for none.
func (p *planner) boundaryARN(ctx context.Context, r record, boundary *word) (string, error) {
	if boundary == nil || boundary.text == "" {
		return "", nil
	}
	return p.policyARN(ctx, *boundary, r.account)
}

// boundary makes the boundary of what is there the one that is declared.
func (p *planner) boundary(r record, current, declared string) {
	if current == declared {
		return
	}
	what := "set the permissions boundary to " + declared
	if declared == "" {
		what = "take the permissions boundary away"
	}
	p.step(r.place, what, func(ctx context.Context) error {
		return p.store.SetBoundary(ctx, r.account, r.entity(), declared)
	})
}

// grants gives a record the policies declared, and takes others away where the
// list is given.
func (p *planner) grants(ctx context.Context, r record, exists bool, g grants) error {
	if err := p.attach(ctx, r, exists, g); err != nil {
		return err
	}
	return p.embed(ctx, r, exists, g)
}

func (p *planner) attach(ctx context.Context, r record, exists bool, g grants) error {
	if !g.policiesGiven {
		return nil
	}
	var current, wanted []string
	if exists {
		var err error
		if current, err = all(func(page identity.Page) ([]string, string, error) {
			return p.store.Attached(ctx, r.account, r.entity(), "/", page)
		}); err != nil {
			return r.errorf("%w", err)
		}
	}
	for _, w := range g.policies {
		arn, err := p.policyARN(ctx, w, r.account)
		if err != nil {
			return err
		}
		if slices.Contains(wanted, arn) {
			return w.errorf("policies names %s twice", arn)
		}
		wanted = append(wanted, arn)
	}
	for _, arn := range current {
		if !slices.Contains(wanted, arn) {
			p.step(r.place, "detach "+arn, func(ctx context.Context) error {
				return p.store.Detach(ctx, r.account, r.entity(), arn)
			})
		}
	}
	for i, arn := range wanted {
		if !slices.Contains(current, arn) {
			p.step(g.policies[i].place, "attach "+arn, func(ctx context.Context) error {
				return p.store.Attach(ctx, r.account, r.entity(), arn)
			})
		}
	}
	return nil
}

func (p *planner) embed(ctx context.Context, r record, exists bool, g grants) error {
	if !g.inlineGiven {
		return nil
	}
	current := map[string]string{}
	if exists {
		names, err := all(func(page identity.Page) ([]string, string, error) {
			return p.store.InlineNames(ctx, r.account, r.entity(), page)
		})
		if err != nil {
			return r.errorf("%w", err)
		}
		for _, name := range names {
			if current[name], err = p.store.Inline(ctx, r.account, r.entity(), name); err != nil {
				return r.errorf("%w", err)
			}
			if !slices.ContainsFunc(g.inline, func(i inlinePolicy) bool { return i.name == name }) {
				p.step(r.place, "remove inline policy "+name, func(ctx context.Context) error {
					return p.store.DeleteInline(ctx, r.account, r.entity(), name)
				})
			}
		}
	}
	// What becomes smaller comes first, so that the quota of all together is not
	// exceeded on the way.
	growth := func(i inlinePolicy) int {
		return policy.Size([]byte(i.document.text)) - policy.Size([]byte(current[i.name]))
	}
	list := slices.Clone(g.inline)
	slices.SortStableFunc(list, func(a, b inlinePolicy) int { return cmp.Compare(growth(a), growth(b)) })
	for _, i := range list {
		if there, ok := current[i.name]; ok && same(there, i.document.text) {
			continue
		}
		p.step(i.document.place, "embed it", func(ctx context.Context) error {
			return p.store.PutInline(ctx, r.account, r.entity(), i.name, i.document.text)
		})
	}
	return nil
}
