package policy

// Explanation is a decision with everything that was looked at.
type Explanation struct {
	Decision Decision
	// Layers are the kinds of policies that had a say, in the order in which
	// AWS documents them.
	Layers []Layer
	// Findings are all statements of all policies of the query.
	Findings []Finding
	// Missing are the condition keys, as the documents spell them, that
	// statements asked for and the request does not have. Sorted, without
	// repetitions.
	Missing []string
}

// Layer is what the policies of one kind say about a request, taken together.
type Layer struct {
	Kind Kind
	// Denied: a statement denies the request.
	Denied bool
	// Allowed: a statement allows it. For resource policies it may depend on
	// whom the statement names whether that suffices.
	Allowed bool
}

// Finding is how one statement met a request.
type Finding struct {
	Match
	Outcome Outcome
	// Principal is the principal element's entry that matched, e.g.
	// "AWS: arn:aws:iam::111122223333:root"; empty in policies without one.
	Principal string
	// Conditions are filled when action, resource and principal matched.
	Conditions []Test
	// Why is the outcome in a sentence.
	Why string
}

// Outcome is whether a statement matched, or which of its elements did not. The
// elements are tested in this order, and the first that fails is named.
type Outcome uint8

// The outcomes.
const (
	Matched Outcome = iota
	OtherAction
	OtherResource
	OtherPrincipal
	ConditionUnmet
)

func (o Outcome) String() string {
	switch o {
	case Matched:
		return "matched"
	case OtherAction:
		return "other action"
	case OtherResource:
		return "other resource"
	case OtherPrincipal:
		return "other principal"
	case ConditionUnmet:
		return "condition not met"
	}
	return "unknown outcome"
}

// Test is one key of a Condition element set against a request.
type Test struct {
	// Operator and Key are as the document spells them.
	Operator, Key string
	// Wanted are the values of the document, with policy variables replaced;
	// values whose variables have no value are left out.
	Wanted []string
	// Unresolved are the policy variables that have no value.
	Unresolved []string
	// Got are the request's values.
	Got []string
	// Present tells whether the request has the key.
	Present bool
	Met     bool
}
