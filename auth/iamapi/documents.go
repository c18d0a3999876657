package iamapi

import (
	"context"
	"errors"
	"strings"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/internal/arn"
)

// encoded is a policy document as IAM answers it: percent-encoded, RFC 3986.
func encoded(document string) *string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(document) * 2)
	for i := range len(document) {
		switch c := document[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return to(b.String())
}

// checkTrust refuses a trust policy that names a user, role or account that does
// not exist. IAM keeps their unique ids, not their names, so it has to know them;
// here the names are kept, and a role that trusts a user who is deleted later
// trusts another of that name.
// Errors: *policy.SyntaxError.
func (s *Service) checkTrust(ctx context.Context, document string) error {
	d, err := policy.Parse([]byte(document), policy.Trust)
	if err != nil {
		return err
	}
	for _, p := range d.Principals() {
		if p.Type != policy.PrincipalAWS {
			continue
		}
		switch known, err := s.exists(ctx, p.Name); {
		case err != nil:
			return err
		case !known:
			return policy.InvalidPrincipal(p)
		}
	}
	return nil
}

// exists reports whether there is whom an AWS principal names. "*" is everybody.
func (s *Service) exists(ctx context.Context, principal string) (bool, error) {
	if principal == "*" {
		return true, nil
	}
	account, kind, name := principal, "root", ""
	if strings.HasPrefix(principal, "arn:") {
		a, err := arn.Parse(principal)
		if err != nil {
			return false, nil
		}
		account = a.Account
		kind, name, _ = strings.Cut(a.Resource, "/")
		if kind == "assumed-role" { // the session comes and goes, the role must be there
			name, _, _ = strings.Cut(name, "/")
		}
	}
	var err error
	switch kind {
	case "root", "federated-user":
		_, err = s.store.Account(ctx, account)
	case "user", "role":
		var r identity.Resource
		last := name[strings.LastIndexByte(name, '/')+1:]
		if r, err = s.store.Resource(ctx, account, identity.Entity{Kind: identity.Kind(kind), Name: last}); err == nil && r.ARN != principal {
			return false, nil
		}
	case "assumed-role":
		_, err = s.store.Role(ctx, account, name)
	default:
		return false, nil
	}
	var missing *identity.NoSuchError
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}
