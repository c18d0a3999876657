package policy

import "strings"

// clause is one key under one operator of a Condition element. All clauses of a
// statement have to be met.
type clause struct {
	// spelled is the operator as the document has it.
	spelled    string
	operator   operator
	quantifier quantifier
	ifExists   bool
	// name is the key as the document spells it, key the same lower-cased:
	// the case of condition keys does not matter.
	name, key string
	values    []value
}

// met reports whether the request satisfies the clause.
//
// Source: IAM User Guide, "Conditions with multiple context keys or values" and
// "Single-valued vs. multivalued context keys".
func (c *clause) met(r *request) bool {
	got := r.values(c.name, c.key)
	if c.operator.family == nulls {
		return c.metByAbsence(hasSome(got))
	}
	if len(got) == 0 {
		switch {
		case c.ifExists || c.quantifier == forAll:
			return true
		case c.quantifier == forAny:
			return false
		}
		// A key that is not there equals nothing.
		return c.operator.negated
	}
	switch c.quantifier {
	case forAll:
		// Nothing but empty strings is an empty set, and all of it matches.
		if !hasSome(got) {
			return true
		}
		for _, g := range got {
			if c.matches(r, g) == c.operator.negated {
				return false
			}
		}
		return true
	case forAny:
		if !hasSome(got) {
			return false
		}
		for _, g := range got {
			if c.matches(r, g) != c.operator.negated {
				return true
			}
		}
		return false
	}
	// The guide wants a quantifier for keys with several values and leaves open
	// what happens without: any of them may match, and with a negated operator
	// none may.
	for _, g := range got {
		if c.matches(r, g) {
			return !c.operator.negated
		}
	}
	return c.operator.negated
}

// matches reports whether a value of the request matches any of the clause's.
func (c *clause) matches(r *request, got string) bool {
	for _, v := range c.values {
		if v.matches(r, got) {
			return true
		}
	}
	return false
}

// metByAbsence is the operator Null. An empty value counts as none for it: the
// guide recommends it to keep empty values away from ForAllValues.
func (c *clause) metByAbsence(present bool) bool {
	for _, v := range c.values {
		if absent, ok := v.(nullValue); ok && bool(absent) != present {
			return true
		}
	}
	return false
}

// hasSome reports whether a key has a value other than the empty string.
func hasSome(values []string) bool {
	for _, v := range values {
		if v != "" {
			return true
		}
	}
	return false
}

// meetsConditions reports whether all of the statement's conditions are met.
func (st *Statement) meetsConditions(r *request) bool {
	for i := range st.conditions {
		if !st.conditions[i].met(r) {
			return false
		}
	}
	return true
}

// compileClause makes a clause of a key and its values. It fails for values
// that are not of the operator's sort.
func compileClause(raw *rawClause, d dialect) (clause, error) {
	c := clause{spelled: raw.operator, name: raw.key, key: strings.ToLower(raw.key)}
	c.operator, c.quantifier, c.ifExists, _ = operatorSpelled(raw.operator)
	for _, s := range raw.values {
		v, err := compileValue(c.operator, s, d)
		if err != nil {
			return c, err
		}
		c.values = append(c.values, v)
	}
	return c, nil
}
