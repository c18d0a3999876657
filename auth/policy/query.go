package policy

// Kind is the part a policy plays in a decision.
type Kind uint8

// The parts a policy can play.
const (
	KindIdentity Kind = iota
	KindResource
	// KindTrust is the resource policy of a role.
	KindTrust
	KindBoundary
	KindSession
	KindGuardrail
)

func (k Kind) String() string {
	switch k {
	case KindIdentity:
		return "identity-based policy"
	case KindResource:
		return "resource-based policy"
	case KindTrust:
		return "role trust policy"
	case KindBoundary:
		return "permissions boundary"
	case KindSession:
		return "session policy"
	case KindGuardrail:
		return "service control policy"
	}
	return "policy"
}

// Attached is a document in its place. The document must not be nil.
type Attached struct {
	Kind Kind
	// Name tells people which policy it is: the ARN of a managed policy,
	// `inline policy "pull" of user/dev`, and the like.
	Name string
	*Document
}

// Keys are the condition keys of a request.
type Keys interface {
	// Values returns the values of a condition key and whether the request has
	// the key at all. The name is lower-cased: "aws:principaltag/team". A key
	// may be present without values. The engine asks only for the keys
	// of statements that match otherwise, and for variables in the resources
	// of those whose action matches; it does not change or keep the slice.
	Values(key string) (values []string, ok bool)
}

// NoKeys is a request without condition keys.
type NoKeys struct{}

// Values implements Keys.
func (NoKeys) Values(string) ([]string, bool) { return nil, false }

// MapKeys are condition keys in a map by lower-cased name.
type MapKeys map[string][]string

// Values implements Keys.
func (m MapKeys) Values(key string) ([]string, bool) {
	v, ok := m[key]
	return v, ok
}

// Query is the question to decide: may Subject do Action to Resource?
type Query struct {
	Subject *Subject
	// Action is service:Name. Its case does not matter.
	Action string
	// Resource is the ARN acted upon, or "*" for actions that name none.
	Resource string
	// ResourceAccount is the account that owns the resource. Empty means the
	// subject's own.
	ResourceAccount string
	// ResourcePolicy is the policy of the resource, or nil. For sts:AssumeRole
	// and its like it is the role's trust policy (KindTrust).
	ResourcePolicy *Attached
	// RegistryPolicy is the policy of the registry that holds the resource, or
	// nil. It is a resource policy like the other, and either may allow or deny.
	RegistryPolicy *Attached
	// Guardrails are set over the subject's account. With any given, one of
	// them has to allow the request. Principals without an account are not
	// subject to them.
	Guardrails []Attached
	// Keys are the request's condition keys; nil means none.
	Keys Keys
}
