package policy

// SubjectKind is what sort of principal asks.
type SubjectKind uint8

// The sorts of principals.
const (
	// Anonymous is a caller who has shown nothing. Only a statement for
	// everybody ("*") is meant for it.
	Anonymous SubjectKind = iota
	// Root is the root of an account.
	Root
	// User is an IAM user.
	User
	// AssumedRole is a session of a role.
	AssumedRole
	// FederatedUser is a session made by GetFederationToken. Its identity
	// policies are those of the user who made it.
	FederatedUser
	// WebIdentity is a bearer of an identity provider's token who has no role
	// yet: the caller of AssumeRoleWithWebIdentity.
	WebIdentity
	// Service is a service acting on its own account, e.g. ecs-tasks.amazonaws.com.
	Service
)

// Subject is who asks, as evaluation sees it. It may be kept and used by many
// queries at once; nothing here changes it.
type Subject struct {
	Kind SubjectKind
	// ARN is the ARN that GetCallerIdentity shows: of the user, of the role's
	// session (arn:aws:sts::…:assumed-role/ROLE/SESSION), of the federated
	// user, of the account's root. For a WebIdentity it is the ARN of the
	// provider (or its name, for providers without one), for a Service the
	// service's name. Empty for Anonymous.
	ARN string
	// Account is the account the subject belongs to; empty for Anonymous,
	// WebIdentity and Service.
	Account string
	// RoleARN is the role of an AssumedRole, path included.
	RoleARN string
	// UserARN is the user, or root, that made a FederatedUser's session.
	UserARN string
	// Identity are the identity policies: those of the user and its groups, or
	// of the role.
	Identity []Attached
	// Boundary is the permissions boundary of the user or role, or nil.
	Boundary *Attached
	// HasSession tells that the session is limited by session policies. A
	// FederatedUser always is, whether this is set or not.
	HasSession bool
	// Session are the session policies. They limit together: what any of them
	// allows, they allow.
	Session []Attached
}

// limited reports whether session policies have a say.
func (s *Subject) limited() bool { return s.HasSession || s.Kind == FederatedUser }
