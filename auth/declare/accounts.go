package declare

import (
	"context"
	"slices"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
)

// account is a declared account; its keys are those of its root.
type account struct {
	place
	id   string
	name *string
	keys []accessKey
}

func (r *reader) readAccount(n *yaml.Node) account {
	e := r.named(n, "account", "id", "id", "name", "access_keys")
	a := account{place: e.place, name: e.optional("name"), keys: e.accessKeys()}
	a.id, _ = e.text("id")
	if err := identity.CheckAccountID(a.id); err != nil {
		e.failf("id", "%q is not an account id, which has 10 to 12 digits", a.id)
	}
	return a
}

func (p *planner) account(ctx context.Context, a account) error {
	there, err := p.store.Account(ctx, a.id)
	name := there.Name
	if a.name != nil {
		name = *a.name
	}
	put := func(ctx context.Context) error { return p.store.PutAccount(ctx, a.id, name) }
	switch {
	case missing(err):
		p.step(a.place, "create the account", put)
	case err != nil:
		return a.errorf("%w", err)
	case there.Name != name:
		p.step(a.place, "call the account "+name, put)
	}
	return p.keys(ctx, a.place, a.id, "", err == nil, a.keys)
}

// knownAccount refuses an account that is neither declared nor there.
func (p *planner) knownAccount(ctx context.Context, at place, id string) error {
	known, err := p.hasAccount(ctx, id)
	switch {
	case err != nil:
		return at.errorf("%w", err)
	case !known:
		return at.errorf("there is no account %s: declare it under accounts", id)
	}
	return nil
}

// hasAccount reports whether there is, or will be, an account.
func (p *planner) hasAccount(ctx context.Context, id string) (bool, error) {
	if slices.ContainsFunc(p.declared.accounts, func(a account) bool { return a.id == id }) {
		return true, nil
	}
	_, err := p.store.Account(ctx, id)
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}
