package declare

import (
	"context"
	"errors"

	"drydock/auth/identity"
)

// Plan is what has to be done for the records to be as they are declared.
type Plan struct{ steps []step }

// step is one change to the records. Each is whole in itself, and what it did is
// not done again: a plan that was stopped half-way is made and applied anew.
type step struct {
	place
	what string
	do   func(context.Context) error
}

// Plan compares the declaration with the records and checks all that it refers
// to. It writes nothing. The error is one sentence that names the file, the line
// and the entity.
func (d *Declaration) Plan(ctx context.Context, store *identity.Store) (*Plan, error) {
	p := &planner{store: store, declared: d, plan: new(Plan), policyARNs: map[string]string{}, principals: map[string]string{}}
	// What is referred to comes before what refers to it.
	for _, look := range []func() error{
		func() error { return forEach(ctx, d.accounts, p.account) },
		func() error { return forEach(ctx, d.policies, p.policy) },
		func() error { return forEach(ctx, d.groups, p.group) },
		func() error { return forEach(ctx, d.users, p.user) },
		func() error { return forEach(ctx, d.roles, p.role) },
		func() error { return forEach(ctx, d.roles, p.trusted) },
	} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	return p.plan, nil
}

// Changes says what will be done, one sentence for each step; nothing when the
// records are as declared.
func (p *Plan) Changes() []string {
	var list []string
	for _, s := range p.steps {
		list = append(list, s.String())
	}
	return list
}

func (s step) String() string { return s.entity + ": " + s.what }

// Apply does it, step by step, and tells of each step that is done. After an
// error, what was done stays done, and the rest is still to do.
func (p *Plan) Apply(ctx context.Context, done func(change string)) error {
	for _, s := range p.steps {
		if err := s.do(ctx); err != nil {
			return s.errorf("%s: %w", s.what, err)
		}
		done(s.String())
	}
	return nil
}

// planner makes a plan.
type planner struct {
	store    *identity.Store
	declared *Declaration
	plan     *Plan
	// policyARNs are the declared policies, by account and folded name.
	policyARNs map[string]string
	// principals are the ARNs of the declared users and roles, by account, kind
	// and folded name.
	principals map[string]string
}

func (p *planner) step(at place, what string, do func(context.Context) error) {
	p.plan.steps = append(p.plan.steps, step{at, what, do})
}

// named remembers what the ARN of a declared user or role is, or will be.
func (p *planner) named(r record, arn string) {
	p.principals[r.account+" "+string(r.kind)+" "+fold(r.name)] = arn
}

func forEach[T any](ctx context.Context, list []T, do func(context.Context, T) error) error {
	for _, v := range list {
		if err := do(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// missing reports whether an error says that there is no such record.
func missing(err error) bool {
	var none *identity.NoSuchError
	return errors.As(err, &none)
}

// all reads a list to its end.
func all[T any](list func(identity.Page) (part []T, next string, err error)) ([]T, error) {
	var whole []T
	page := identity.Page{Limit: 100}
	for {
		part, next, err := list(page)
		if err != nil {
			return nil, err
		}
		whole = append(whole, part...)
		if next == "" {
			return whole, nil
		}
		page.After = next
	}
}
