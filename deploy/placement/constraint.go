package placement

import (
	"fmt"
	"unicode/utf8"

	"drydock/deploy/placement/query"
)

// The types of placement constraints.
const (
	DistinctInstance = "distinctInstance"
	MemberOf         = "memberOf"
)

// maxExpression is the length of a constraint's expression, in characters.
const maxExpression = 2000

// Constraint is a rule that an instance has to keep to take a task.
type Constraint struct {
	// expr is nil for distinctInstance.
	expr *query.Expr
}

// NewConstraint reads a placement constraint. Errors: a *query.SyntaxError for an
// expression that cannot be read, and plain ones for a type that is not known,
// an expression that is too long, and one that is missing or not wanted.
func NewConstraint(kind, expression string) (Constraint, error) {
	switch kind {
	case DistinctInstance:
		if expression != "" {
			return Constraint{}, fmt.Errorf("%s expression should not be specified.", kind)
		}
		return Constraint{}, nil
	case MemberOf:
		if n := utf8.RuneCountInString(expression); n > maxExpression {
			return Constraint{}, fmt.Errorf("the expression of a placement constraint has at most %d characters, this one %d", maxExpression, n)
		}
		e, err := query.Parse(expression)
		if err != nil {
			return Constraint{}, fmt.Errorf("the expression of the placement constraint: %w", err)
		}
		return Constraint{expr: e}, nil
	}
	return Constraint{}, fmt.Errorf("a placement constraint is of type %s or %s, not %q", DistinctInstance, MemberOf, kind)
}
