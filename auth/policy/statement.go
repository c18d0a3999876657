package policy

// body is what a statement tests, compiled. The elements are tested in the
// order action, resource, principal, condition: the cheap and most telling ones
// first, so that condition keys are looked up for few statements.
type body struct {
	// actions are those of Action, or of NotAction when notAction is set.
	actions   []actionPattern
	notAction bool

	// resources are those of Resource, or of NotResource when notResource is
	// set.
	resources   []resourcePattern
	notResource bool
	// ownResource: the statement has no such element and means the resource
	// that the policy is attached to.
	ownResource bool

	// principals are nil in documents that have none.
	principals   *principals
	notPrincipal bool

	conditions []clause
}
