package query

import "strings"

// Operator is how a comparison compares.
type Operator int

// The operators of the language.
const (
	Equals Operator = iota
	NotEquals
	Greater
	GreaterEqual
	Less
	LessEqual
	Exists
	NotExists
	In
	NotIn
	Matches
	NotMatches
)

// operatorSpelling has the sign and the word of each operator, in the order of
// the constants.
var operatorSpelling = [...]struct{ sign, word string }{
	{"==", "equals"},
	{"!=", "not_equals"},
	{">", "greater_than"},
	{">=", "greater_than_equal"},
	{"<", "less_than"},
	{"<=", "less_than_equal"},
	{"exists", "exists"},
	{"!exists", "not_exists"},
	{"in", "in"},
	{"!in", "not_in"},
	{"=~", "matches"},
	{"!~", "not_matches"},
}

// String is the sign of the operator, or its word where it has no sign.
func (o Operator) String() string { return operatorSpelling[o].sign }

// operatorOf finds the operator that is spelt so.
func operatorOf(token string) (Operator, bool) {
	for i, s := range operatorSpelling {
		if token == s.sign || token == s.word {
			return Operator(i), true
		}
	}
	return 0, false
}

// listed writes operators for a message: "==, != or in".
func listed(all []Operator) string {
	var b strings.Builder
	for i, o := range all {
		switch {
		case i == 0:
		case i == len(all)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(o.String())
	}
	return b.String()
}

// takesList reports whether the argument is a list in brackets.
func (o Operator) takesList() bool { return o == In || o == NotIn }

// takesNothing reports whether there is no argument.
func (o Operator) takesNothing() bool { return o == Exists || o == NotExists }

// takesPattern reports whether the argument is a regular expression.
func (o Operator) takesPattern() bool { return o == Matches || o == NotMatches }

// ordered answers the operators of order and equality for a comparison that came
// to less than, equal to or more than zero.
func (o Operator) ordered(comparison int) bool {
	switch o {
	case Equals:
		return comparison == 0
	case NotEquals:
		return comparison != 0
	case Greater:
		return comparison > 0
	case GreaterEqual:
		return comparison >= 0
	case Less:
		return comparison < 0
	case LessEqual:
		return comparison <= 0
	}
	return false
}
