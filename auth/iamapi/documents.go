package iamapi

import (
	"context"
	"strings"

	"drydock/auth/policy"
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
		switch known, err := s.store.PrincipalExists(ctx, p.Name); {
		case err != nil:
			return err
		case !known:
			return policy.InvalidPrincipal(p)
		}
	}
	return nil
}
