package identity

import (
	"context"
	"strings"

	"drydock/internal/arn"
)

func assumedRoleARN(account, role, session string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session
}

// FederatedUserARN is the ARN of a federated user.
func FederatedUserARN(account, name string) string {
	return "arn:aws:sts::" + account + ":federated-user/" + name
}

// ProviderARN is the ARN of an OpenID Connect provider in an account: its issuer's
// URL without the scheme.
func ProviderARN(account, issuer string) string {
	return "arn:aws:iam::" + account + ":" + providerKind + "/" + IssuerName(issuer)
}

// IssuerName is an issuer's URL without the scheme, as ARNs and condition keys
// have it.
func IssuerName(issuer string) string {
	_, name, ok := strings.Cut(issuer, "://")
	if !ok {
		return issuer
	}
	return name
}

const providerKind = "oidc-provider"

// isProvider reports whether an ARN is that of an OpenID Connect provider.
func isProvider(s string) bool {
	a, err := arn.Parse(s)
	return err == nil && a.Service == "iam" && strings.HasPrefix(a.Resource, providerKind+"/")
}

// isService reports whether a principal is a service of Amazon's, which has a name
// and no ARN.
func isService(s string) bool {
	return strings.HasSuffix(s, ".amazonaws.com") && !strings.ContainsAny(s, ":/")
}

// place is a principal's ARN taken apart.
type place struct {
	account string
	kind    Kind
	// name is without the path.
	name string
	// session is the name of a role's session, where the ARN is one's.
	session string
	root    bool
}

// parsePrincipal takes the ARN of a root, user, group, role or role session
// apart. Errors: *InvalidError.
func parsePrincipal(s string) (place, error) {
	wrong := invalid("%q is not the ARN of a user, group, role, role session or root", s)
	a, err := arn.Parse(s)
	if err != nil || a.Region != "" || checkAccountID(a.Account) != nil {
		return place{}, wrong
	}
	p := place{account: a.Account}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service == "iam" && a.Resource == "root":
		p.root, p.kind = true, KindAccount
		return p, nil
	case a.Service == "iam" && (kind == string(KindUser) || kind == string(KindGroup) || kind == string(KindRole)):
		p.kind, p.name = Kind(kind), rest[strings.LastIndexByte(rest, '/')+1:]
	case a.Service == "sts" && kind == "assumed-role":
		p.kind = KindRole
		p.name, p.session, _ = strings.Cut(rest, "/")
	default:
		return place{}, wrong
	}
	if p.name == "" {
		return place{}, wrong
	}
	return p, nil
}

// RoleByARN finds a role by its ARN, which has to be spelled as the role's own
// is. Errors: *NoSuchError, *InvalidError.
func (s *Store) RoleByARN(ctx context.Context, roleARN string) (Role, error) {
	p, err := parsePrincipal(roleARN)
	switch {
	case err != nil:
		return Role{}, err
	case p.kind != KindRole || p.session != "":
		return Role{}, invalid("%s is invalid", roleARN)
	}
	r, err := s.Role(ctx, p.account, p.name)
	if err == nil && r.ARN() != roleARN {
		return Role{}, noSuch(KindRole, p.name)
	}
	return r, err
}
