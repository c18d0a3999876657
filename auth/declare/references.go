package declare

import (
	"context"
	"maps"
	"slices"
	"strings"

	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/internal/nearest"
)

// policyARN finds the policy that is meant by an ARN or by the name of a declared
// policy, or else of one that the account has.
func (p *planner) policyARN(ctx context.Context, w word, account string) (string, error) {
	if strings.HasPrefix(w.text, "arn:") {
		for _, arn := range p.policyARNs {
			if arn == w.text && strings.HasPrefix(arn, identity.ARN(account, identity.KindPolicy, "/", "")) {
				return arn, nil
			}
		}
		_, err := p.store.Policy(ctx, account, w.text)
		if missing(err) {
			return "", p.noPolicy(w, account)
		}
		if err != nil {
			return "", w.errorf("%w", err)
		}
		return w.text, nil
	}
	if arn := p.policyARNs[account+" "+fold(w.text)]; arn != "" {
		return arn, nil
	}
	there, err := p.store.PolicyByName(ctx, account, w.text)
	if missing(err) {
		return "", p.noPolicy(w, account)
	}
	if err != nil {
		return "", w.errorf("%w", err)
	}
	return there.ARN(), nil
}

// noPolicy refuses a policy that there is not, with the one that was probably
// meant.
func (p *planner) noPolicy(w word, account string) error {
	name := identity.PolicyName(w.text)
	var names []string
	for _, m := range p.declared.policies {
		if m.account == account {
			names = append(names, m.name)
		}
	}
	hint := nearest.Suggestion(name, names, "")
	if set, err := managed.Load(); err == nil && hint == "" {
		byName := map[string]string{}
		for _, m := range set.All() {
			byName[m.Name] = m.ARN
		}
		if meant := nearest.Name(name, slices.Sorted(maps.Keys(byName))); meant != "" {
			hint = "; did you mean " + byName[meant] + "?"
		}
	}
	return w.errorf("there is no policy %s in account %s%s", w.text, account, hint)
}
