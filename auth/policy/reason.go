package policy

import "strings"

// Decision is the answer to a Query.
type Decision struct {
	Allowed bool
	Reason  Reason
	// Deciding is the statement that allowed or explicitly denied the request.
	// It is zero for an implicit denial and where the root of an account needs
	// no statement.
	Deciding Match
}

// Match is a statement that matched a request, and the policy it stands in.
type Match struct {
	Policy    *Attached
	Statement *Statement
}

// Reason says on which grounds a decision was reached.
type Reason uint8

// The grounds of decisions. The zero Reason is a denial.
const (
	// ImplicitIdentity: no identity-based policy allows the action.
	ImplicitIdentity Reason = iota
	// ImplicitResource: no resource-based policy allows it.
	ImplicitResource
	// ImplicitTrust: the role's trust policy does not allow it.
	ImplicitTrust
	// ImplicitBoundary: the permissions boundary does not allow it.
	ImplicitBoundary
	// ImplicitSession: no session policy allows it.
	ImplicitSession
	// ImplicitGuardrail: no service control policy allows it.
	ImplicitGuardrail
	// ExplicitIdentity: an identity-based policy denies it.
	ExplicitIdentity
	// ExplicitResource: the resource-based policy denies it.
	ExplicitResource
	// ExplicitTrust: the role's trust policy denies it.
	ExplicitTrust
	// ExplicitBoundary: the permissions boundary denies it.
	ExplicitBoundary
	// ExplicitSession: a session policy denies it.
	ExplicitSession
	// ExplicitGuardrail: a service control policy denies it.
	ExplicitGuardrail
	// AllowedByIdentity: an identity-based policy allows it, and, where the
	// resource is another account's, the resource-based policy too.
	AllowedByIdentity
	// AllowedByResource: the resource-based policy alone suffices.
	AllowedByResource
	// AllowedAsRoot: the root of an account acts on what the account owns.
	AllowedAsRoot
)

// String is the reason in a few words, for logs.
func (r Reason) String() string {
	switch r {
	case ImplicitIdentity:
		return "no identity-based policy allows it"
	case ImplicitResource:
		return "no resource-based policy allows it"
	case ImplicitTrust:
		return "the role trust policy does not allow it"
	case ImplicitBoundary:
		return "the permissions boundary does not allow it"
	case ImplicitSession:
		return "no session policy allows it"
	case ImplicitGuardrail:
		return "no service control policy allows it"
	case ExplicitIdentity:
		return "an identity-based policy denies it"
	case ExplicitResource:
		return "the resource-based policy denies it"
	case ExplicitTrust:
		return "the role trust policy denies it"
	case ExplicitBoundary:
		return "the permissions boundary denies it"
	case ExplicitSession:
		return "a session policy denies it"
	case ExplicitGuardrail:
		return "a service control policy denies it"
	case AllowedByIdentity:
		return "an identity-based policy allows it"
	case AllowedByResource:
		return "the resource-based policy allows it"
	case AllowedAsRoot:
		return "the root of the account may do it"
	}
	return "unknown reason"
}

// Explicit reports whether a statement denied the request.
func (r Reason) Explicit() bool { return r >= ExplicitIdentity && r <= ExplicitGuardrail }

// Because completes AWS's sentence "User: … is not authorized to perform: … on
// resource: …": with "because no identity-based policy allows the ecr:PutImage
// action", say, or "with an explicit deny in a service control policy". Where
// the denying policy has an ARN, AWS names it after a colon. It is empty when
// the request is allowed.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages".
func (d Decision) Because(action string) string {
	if d.Allowed {
		return ""
	}
	var policy string
	switch d.Reason {
	case ImplicitIdentity, ExplicitIdentity:
		policy = "identity-based policy"
	case ImplicitResource, ExplicitResource:
		policy = "resource-based policy"
	case ImplicitTrust, ExplicitTrust:
		policy = "role trust policy"
	case ImplicitBoundary, ExplicitBoundary:
		policy = "permissions boundary"
	case ImplicitSession, ExplicitSession:
		policy = "session policy"
	case ImplicitGuardrail, ExplicitGuardrail:
		policy = "service control policy"
	}
	if !d.Reason.Explicit() {
		return "because no " + policy + " allows the " + action + " action"
	}
	article := "a "
	switch d.Reason {
	case ExplicitIdentity:
		article = "an "
	case ExplicitTrust:
		article = "the "
	}
	s := "with an explicit deny in " + article + policy
	if p := d.Deciding.Policy; p != nil && strings.HasPrefix(p.Name, "arn:") {
		s += ": " + p.Name
	}
	return s
}
