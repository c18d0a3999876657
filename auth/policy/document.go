// Package policy is the IAM policy engine: it parses policy documents,
// compiles them, decides requests by them and explains the decisions.
//
// It is pure. Nothing here reads a clock, a database or the network, and it
// imports nothing of this module: what a decision depends on comes in through
// a Query. A Document is compiled once, never changes and may be used by any
// number of goroutines.
//
// The rules are those of the IAM User Guide, chapters "IAM JSON policy
// reference" and "Policy evaluation logic"; the places where the guide is
// followed to the letter against expectation are marked where they are coded.
package policy

// Use says what a document is for, which settles the elements it must have and
// may not have.
type Use uint8

const (
	// Identity is a managed or inline policy of a user, group or role, a
	// permissions boundary or a session policy: it has no Principal.
	Identity Use = iota
	// Resource is a policy attached to a resource: every statement names
	// principals and resources.
	Resource
	// Repository is the policy of an ECR repository: a Resource policy whose
	// statements may leave out the resource and then mean the repository itself.
	Repository
	// Trust is the trust policy of a role: it names principals and never a
	// resource, which is the role itself.
	Trust
	// Guardrail is a policy set over accounts, as a service control policy of
	// AWS Organizations: it has no Principal.
	Guardrail
)

// The versions of the policy language.
const (
	Version2012 = "2012-10-17"
	// Version2008 knows no policy variables: ${…} in it is plain text. It is
	// the version of a document that names none.
	Version2008 = "2008-10-17"
)

// Document is a policy document, parsed and compiled. Its fields and those of
// its statements are for reading only.
type Document struct {
	Version string
	ID      string
	Use     Use
	// Statements are in the order of the document.
	Statements []*Statement

	index index
}

// Effect is what a statement does with the requests it matches.
type Effect uint8

// The effects of a statement.
const (
	Deny Effect = iota
	Allow
)

func (e Effect) String() string {
	if e == Allow {
		return "Allow"
	}
	return "Deny"
}

// Position is a place in the text of a document. Line and Column count from 1,
// and columns are counted in bytes.
type Position struct {
	Line, Column int
}

// Statement is one statement of a document.
type Statement struct {
	// Index is the place in Document.Statements, from 0.
	Index  int
	Sid    string
	Effect Effect
	// Begin is where the opening brace stands, End the place just after the
	// closing one.
	Begin, End Position

	body
}

// NamesResource reports whether the statement has a Resource or NotResource. One
// without means the resource that its document is attached to.
func (s *Statement) NamesResource() bool { return !s.ownResource }
