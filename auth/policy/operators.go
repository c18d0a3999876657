package policy

import "strings"

// operator is a condition operator without its set prefix and IfExists.
//
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
type operator struct {
	family family
	// negated operators ask that none of the values matches.
	negated bool
	// relation is how numbers and dates compare.
	relation relation
}

// family is what sort of values an operator compares, and how.
type family uint8

const (
	texts family = iota
	textsFolded
	textsLike
	numbers
	dates
	booleans
	binaries
	addresses
	arns
	nulls
)

// variables reports whether policy variables mean something in the values.
func (f family) variables() bool {
	switch f {
	case texts, textsFolded, textsLike, arns, booleans:
		return true
	}
	return false
}

// relation is a set of outcomes of a comparison: the request's value is less
// than, equal to or greater than the document's.
type relation uint8

const (
	less relation = 1 << iota
	equal
	greater
)

// operatorNamed finds an operator by its name. Names are case-sensitive.
func operatorNamed(name string) (operator, bool) {
	switch name {
	case "StringEquals":
		return operator{family: texts}, true
	case "StringNotEquals":
		return operator{family: texts, negated: true}, true
	case "StringEqualsIgnoreCase":
		return operator{family: textsFolded}, true
	case "StringNotEqualsIgnoreCase":
		return operator{family: textsFolded, negated: true}, true
	case "StringLike":
		return operator{family: textsLike}, true
	case "StringNotLike":
		return operator{family: textsLike, negated: true}, true
	case "ArnEquals", "ArnLike": // they behave alike
		return operator{family: arns}, true
	case "ArnNotEquals", "ArnNotLike":
		return operator{family: arns, negated: true}, true
	case "Bool":
		return operator{family: booleans}, true
	case "BinaryEquals":
		return operator{family: binaries}, true
	case "IpAddress":
		return operator{family: addresses}, true
	case "NotIpAddress":
		return operator{family: addresses, negated: true}, true
	case "Null":
		return operator{family: nulls}, true
	}
	if rest, ok := strings.CutPrefix(name, "Numeric"); ok {
		return ordered(numbers, rest)
	}
	if rest, ok := strings.CutPrefix(name, "Date"); ok {
		return ordered(dates, rest)
	}
	return operator{}, false
}

func ordered(f family, name string) (operator, bool) {
	switch name {
	case "Equals":
		return operator{family: f, relation: equal}, true
	case "NotEquals":
		return operator{family: f, relation: equal, negated: true}, true
	case "LessThan":
		return operator{family: f, relation: less}, true
	case "LessThanEquals":
		return operator{family: f, relation: less | equal}, true
	case "GreaterThan":
		return operator{family: f, relation: greater}, true
	case "GreaterThanEquals":
		return operator{family: f, relation: greater | equal}, true
	}
	return operator{}, false
}

// quantifier is the prefix that tells how many of a key's values must match.
type quantifier uint8

const (
	plain  quantifier = iota
	forAll            // ForAllValues:
	forAny            // ForAnyValue:
)

// operatorSpelled takes an operator's full name apart.
func operatorSpelled(s string) (op operator, q quantifier, ifExists, ok bool) {
	switch {
	case strings.HasPrefix(s, "ForAllValues:"):
		q, s = forAll, strings.TrimPrefix(s, "ForAllValues:")
	case strings.HasPrefix(s, "ForAnyValue:"):
		q, s = forAny, strings.TrimPrefix(s, "ForAnyValue:")
	}
	s, ifExists = strings.CutSuffix(s, "IfExists")
	op, ok = operatorNamed(s)
	if op.family == nulls && (ifExists || q != plain) {
		// Null asks whether there is a key at all: neither has a meaning.
		return op, q, ifExists, false
	}
	return op, q, ifExists, ok
}
