package policy

import (
	"errors"
	"strings"
)

// template is a text of a document that may hold policy variables.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags".
type template struct {
	// text is the whole, when there are no variables in it.
	text string
	// pieces are the literal texts and variables in order, when there are.
	pieces []piece
}

// piece is a literal text, or a variable when key is not empty.
type piece struct {
	text string
	// name is the variable as the document spells it, key the same lower-cased.
	name, key string
	// fallback is the default value, if there is one.
	fallback    string
	hasFallback bool
}

// dialect says what is special in a text.
type dialect struct {
	variables bool // ${…}
	wildcards bool // * and ?
}

// parseTemplate takes a text of a document apart. It fails for a variable that
// is not closed, has no name or has a default value without its quotes.
func parseTemplate(s string, d dialect) (template, error) {
	literal := func(s string) string {
		if d.wildcards {
			return wildcards(s)
		}
		return s
	}
	var t template
	if !d.variables || !strings.Contains(s, "${") {
		t.text = literal(s)
		return t, nil
	}
	var run strings.Builder // literal text not yet in pieces
	for {
		at := strings.Index(s, "${")
		if at < 0 {
			run.WriteString(literal(s))
			break
		}
		run.WriteString(literal(s[:at]))
		inner, rest, err := cutVariable(s[at+2:])
		if err != nil {
			return template{}, err
		}
		s = rest
		if inner == "*" || inner == "?" || inner == "$" {
			run.WriteString(inner)
			continue
		}
		p, err := parseVariable(inner)
		if err != nil {
			return template{}, err
		}
		if run.Len() > 0 {
			t.pieces = append(t.pieces, piece{text: run.String()})
			run.Reset()
		}
		t.pieces = append(t.pieces, p)
	}
	switch {
	case t.pieces == nil:
		t.text = run.String()
	case run.Len() > 0:
		t.pieces = append(t.pieces, piece{text: run.String()})
	}
	return t, nil
}

// cutVariable splits what follows "${" at its closing brace. A brace within the
// quotes of a default value does not close.
func cutVariable(s string) (inner, rest string, err error) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", errors.New("a policy variable is not closed")
}

// parseVariable reads what stands between the braces: a key, or a key, a comma
// and a default value in single quotes.
func parseVariable(inner string) (piece, error) {
	name, fallback, hasFallback := strings.Cut(inner, ",")
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsAny(name, "${'") {
		return piece{}, errors.New("a policy variable has no proper name: ${" + inner + "}")
	}
	p := piece{name: name, key: strings.ToLower(name)}
	if !hasFallback {
		return p, nil
	}
	fallback = strings.TrimSpace(fallback)
	if len(fallback) < 2 || fallback[0] != '\'' || strings.IndexByte(fallback[1:], '\'') != len(fallback)-2 {
		return piece{}, errors.New("the default value of a policy variable is not in single quotes: ${" + inner + "}")
	}
	p.fallback, p.hasFallback = fallback[1:len(fallback)-1], true
	return p, nil
}

// expand puts the request's values for the variables. It fails when one of them
// has no value and no default: such a text equals nothing and is like nothing.
//
// A key with several values cannot be a variable, and a value that is empty
// counts as none: the guide calls both "no value", and reading it otherwise
// would let repository/${aws:PrincipalTag/team}* mean every repository for
// whoever has an empty tag.
func (t *template) expand(r *request) (string, bool) {
	if t.pieces == nil {
		return t.text, true
	}
	var b strings.Builder
	for i := range t.pieces {
		p := &t.pieces[i]
		if p.key == "" {
			b.WriteString(p.text)
			continue
		}
		values := r.values(p.name, p.key)
		switch {
		case len(values) == 1 && values[0] != "" && !hasWildcardBytes(values[0]):
			b.WriteString(values[0])
		case p.hasFallback:
			b.WriteString(p.fallback)
		default:
			return "", false
		}
	}
	return b.String(), true
}

// names appends the variables of t, as the document spells them.
func (t *template) names(to []string) []string {
	for i := range t.pieces {
		if t.pieces[i].key != "" {
			to = append(to, t.pieces[i].name)
		}
	}
	return to
}
