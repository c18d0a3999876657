package identity

import (
	"context"
	"errors"
	"strings"

	"drydock/internal/arn"
)

// PrincipalExists reports whether there is whom an AWS principal of a policy
// names: a user, a role or a session of it, an account. "*" is everybody.
func (s *Store) PrincipalExists(ctx context.Context, principal string) (bool, error) {
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
		_, err = s.Account(ctx, account)
	case "user", "role":
		var r Resource
		last := name[strings.LastIndexByte(name, '/')+1:]
		if r, err = s.Resource(ctx, account, Entity{Kind: Kind(kind), Name: last}); err == nil && r.ARN != principal {
			return false, nil
		}
	case "assumed-role":
		_, err = s.Role(ctx, account, name)
	default:
		return false, nil
	}
	var missing *NoSuchError
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}
