package declare

import (
	"context"
	"strings"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/internal/arn"
)

// trusted refuses a trust policy that names somebody who is neither declared nor
// there, as IAM does: the role could never be assumed, and nobody would say why.
func (p *planner) trusted(ctx context.Context, r role) error {
	for _, who := range r.trust.parsed.Principals() {
		known := true
		var err error
		switch who.Type {
		case policy.PrincipalAWS:
			known, err = p.knownPrincipal(ctx, who.Name)
		case policy.PrincipalFederated:
			known = p.knownProvider(r.account, who.Name)
		}
		switch {
		case err != nil:
			return r.errorf("%w", err)
		case known:
		case who.Type == policy.PrincipalFederated:
			return r.trust.errorf("the trust policy names %s, which is not the ARN of an identity provider declared under oidc_providers", who.Name)
		default:
			return r.trust.errorf("%s", refusal(policy.InvalidPrincipal(who)))
		}
	}
	return nil
}

func (p *planner) knownProvider(account, name string) bool {
	for _, declared := range p.declared.providers {
		if name == identity.ProviderARN(account, declared.URL) {
			return true
		}
	}
	return false
}

// knownPrincipal reports whether there is, or will be, whom a principal names.
func (p *planner) knownPrincipal(ctx context.Context, name string) (bool, error) {
	account, kind, rest := name, "root", ""
	switch {
	case name == "*":
		return true, nil
	case strings.HasPrefix(name, "arn:"):
		a, err := arn.Parse(name)
		if err != nil {
			return false, nil
		}
		account = a.Account
		kind, rest, _ = strings.Cut(a.Resource, "/")
	}
	switch kind {
	case "root", "federated-user":
		return p.hasAccount(ctx, account)
	case "assumed-role": // the session comes and goes, the role must be there
		role, _, _ := strings.Cut(rest, "/")
		return p.knownRecord(ctx, account, identity.Entity{Kind: identity.KindRole, Name: role}, "")
	}
	return p.knownRecord(ctx, account, identity.Entity{Kind: identity.Kind(kind), Name: rest[strings.LastIndexByte(rest, '/')+1:]}, name)
}

// knownRecord reports whether there is, or will be, a user or role; of an ARN,
// where one is given.
func (p *planner) knownRecord(ctx context.Context, account string, e identity.Entity, arn string) (bool, error) {
	if declared := p.principals[account+" "+string(e.Kind)+" "+fold(e.Name)]; declared != "" {
		return arn == "" || arn == declared, nil
	}
	there, err := p.store.Resource(ctx, account, e)
	if missing(err) {
		return false, nil
	}
	return err == nil && (arn == "" || arn == there.ARN), err
}
