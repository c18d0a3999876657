package policy

import "strings"

// PrincipalType is a key of the Principal element.
type PrincipalType string

// The keys of the Principal element. CanonicalUser, which only S3 knows, is
// refused.
const (
	PrincipalAWS       PrincipalType = "AWS"
	PrincipalService   PrincipalType = "Service"
	PrincipalFederated PrincipalType = "Federated"
)

// Principal is one entry of a Principal or NotPrincipal element.
type Principal struct {
	Type PrincipalType
	// Name is "*", an account id, an ARN, or the name of a service or of a
	// provider.
	Name string
}

func (p Principal) String() string { return string(p.Type) + ": " + p.Name }

// Principals are all entries of the Principal and NotPrincipal elements, in the
// order of the document. That the users and roles among them exist is for
// whoever keeps them to check; see InvalidPrincipal.
func (d *Document) Principals() []Principal {
	var out []Principal
	for _, st := range d.Statements {
		if st.principals == nil {
			continue
		}
		for _, p := range st.principals.names {
			out = append(out, p.Principal)
		}
	}
	return out
}

// InvalidPrincipal is the error for a document that names a principal that does
// not exist.
func InvalidPrincipal(p Principal) *SyntaxError {
	return &SyntaxError{
		Message: `Invalid principal in policy: "` + strings.ToUpper(string(p.Type)) + `":"` + p.Name + `"`,
		Detail:  "there is no such principal: " + p.String(),
	}
}

// principals is a Principal or NotPrincipal element, compiled.
type principals struct {
	names []principalName
}

// principalName is an entry with the sort of principal it names.
type principalName struct {
	Principal
	sort principalSort
	// account is the account id, where sort is ofAccount.
	account string
}

type principalSort uint8

const (
	ofEveryone principalSort = iota
	ofAccount                // an account id or the ARN of its root
	ofUser
	ofRole
	ofSession // of a role, or of a federated user
	ofService
	ofProvider
)

// grant is how directly a statement of a resource policy names the subject. It
// settles which other policies have a say; see verdict.
type grant uint8

const (
	noGrant grant = iota
	// grantAccount names the account: it leaves the matter to the account's
	// own identity policies.
	grantAccount
	// grantRole names the role whose session asks, or the user who made the
	// federated session that asks: it stands in for the identity policies, and
	// permissions boundary and session policies limit it.
	grantRole
	// grantDirect names the very principal that asks, or everyone: within the
	// account nothing but an explicit denial stands against it.
	grantDirect
)

// names reports how directly p names the subject.
func (p *principalName) names(s *Subject) grant {
	switch p.sort {
	case ofEveryone:
		return grantDirect
	case ofAccount:
		switch {
		case s.Account != p.account || s.Account == "":
			return noGrant
		case s.Kind == Root:
			return grantDirect
		}
		return grantAccount
	case ofUser:
		switch {
		case s.Kind == User && s.ARN == p.Name:
			return grantDirect
		case s.Kind == FederatedUser && s.UserARN == p.Name:
			return grantRole
		}
	case ofRole:
		if s.Kind == AssumedRole && s.RoleARN == p.Name {
			return grantRole
		}
	case ofSession:
		if (s.Kind == AssumedRole || s.Kind == FederatedUser) && s.ARN == p.Name {
			return grantDirect
		}
	case ofService:
		if s.Kind == Service && s.ARN == p.Name {
			return grantDirect
		}
	case ofProvider:
		if s.Kind == WebIdentity && s.ARN == p.Name {
			return grantDirect
		}
	}
	return noGrant
}

// grants is the most direct way in which a Principal element names the subject,
// and the entry that does.
func (p *principals) grants(s *Subject) (best grant, by *principalName) {
	for i := range p.names {
		if g := p.names[i].names(s); g > best {
			best, by = g, &p.names[i]
		}
	}
	return best, by
}

// exempts reports whether a NotPrincipal element leaves the subject out.
//
// With Deny the guide asks to list the principal itself, and with it the role
// and the account it belongs to, because AWS may look at each of them on its
// own; so here all of them are needed, and the ARN of an account's root exempts
// none of its users. With Allow, naming any of them takes the subject out of
// those to whom it is granted. Both readings err on the side of refusing.
//
// Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal".
func (p *principals) exempts(s *Subject, e Effect) bool {
	var itself, account, role bool
	for i := range p.names {
		n := &p.names[i]
		switch n.names(s) {
		case grantDirect:
			if n.sort == ofEveryone {
				return true
			}
			itself = true
			account = account || n.sort == ofAccount
		case grantRole:
			role = true
		case grantAccount:
			account = true
		}
	}
	if e == Allow {
		return itself || account || role
	}
	return itself && (account || s.Account == "") && (role || s.Kind != AssumedRole)
}

// matchesPrincipal is how directly the statement names the subject; noGrant when
// it does not. Documents without principals are about whoever they are attached
// to.
func (st *Statement) matchesPrincipal(s *Subject) (grant, *principalName) {
	switch {
	case st.principals == nil:
		return grantDirect, nil
	case !st.notPrincipal:
		return st.principals.grants(s)
	case st.principals.exempts(s, st.Effect):
		return noGrant, nil
	}
	return grantDirect, nil
}

// compilePrincipal recognises an entry of a Principal element; ok is false when
// it is none. Wildcards cannot be part of a name.
//
// Source: IAM User Guide, "AWS JSON policy elements: Principal".
func compilePrincipal(p Principal) (n principalName, ok bool) {
	n.Principal = p
	switch p.Type {
	case PrincipalService:
		n.sort = ofService
		return n, isHost(p.Name)
	case PrincipalFederated:
		n.sort = ofProvider
		if isHost(p.Name) {
			return n, true
		}
		a, parts := splitARN(p.Name, false)
		kind, name, _ := strings.Cut(a[5], "/")
		return n, parts == 6 && a[0] == "arn" && a[1] == "aws" && a[2] == "iam" && a[3] == "" && isAccount(a[4]) &&
			(kind == "oidc-provider" || kind == "saml-provider") && isName(name)
	case PrincipalAWS:
		switch {
		case p.Name == "*":
			n.sort = ofEveryone
			return n, true
		case isAccount(p.Name):
			n.sort, n.account = ofAccount, p.Name
			return n, true
		}
		return compilePrincipalARN(n)
	}
	return n, false
}

func compilePrincipalARN(n principalName) (principalName, bool) {
	a, parts := splitARN(n.Name, false)
	if parts != 6 || a[0] != "arn" || a[1] != "aws" || a[3] != "" || !isAccount(a[4]) {
		return n, false
	}
	kind, name, _ := strings.Cut(a[5], "/")
	switch {
	case a[2] == "iam" && a[5] == "root":
		n.sort, n.account = ofAccount, a[4]
		return n, true
	case a[2] == "iam" && kind == "user":
		n.sort = ofUser
	case a[2] == "iam" && kind == "role":
		n.sort = ofRole
	case a[2] == "sts" && kind == "assumed-role":
		n.sort = ofSession
		role, session, _ := strings.Cut(name, "/")
		return n, isName(role) && isName(session) && !strings.Contains(session, "/")
	case a[2] == "sts" && kind == "federated-user":
		n.sort = ofSession
	default:
		return n, false
	}
	return n, isName(name)
}

// isAccount reports whether s is an account id: 10 to 12 digits here.
func isAccount(s string) bool {
	if len(s) < 10 || len(s) > 12 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// isName reports whether s may name a user, role, session or provider, path
// included.
func isName(s string) bool { return s != "" && !strings.ContainsAny(s, "*? \t\r\n\"") }

// isHost reports whether s has the form of a host name with at least one dot.
func isHost(s string) bool {
	if !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" {
			return false
		}
		for _, c := range []byte(label) {
			if !isAlphanumeric(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
