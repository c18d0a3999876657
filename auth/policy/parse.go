package policy

import (
	"bytes"
	"errors"
	"fmt"
)

// Parse reads a policy document and compiles it. The error is a *SyntaxError
// with the sentence that AWS has for the fault; of several faults it is the one
// that AWS's own order of checks finds first, as far as that is known.
//
// Source: IAM User Guide, "Grammar of the IAM JSON policy language"; the
// sentences are those that IAM is on record as giving.
func Parse(document []byte, use Use) (*Document, error) {
	if len(document) > MaxDocument {
		return nil, refuse(Position{}, use.sentence(&fault{notJSON: true}),
			"the document has %d bytes, more than %d", len(document), MaxDocument)
	}
	raw, err := read(document)
	if err != nil {
		f := new(fault)
		if !errors.As(err, &f) {
			f = &fault{detail: err.Error()}
		}
		if use.named() && bytes.Equal(bytes.TrimSpace(document), []byte("null")) {
			return nil, refuse(f.at, sayNotAPolicy, "%s", f.detail)
		}
		return nil, refuse(f.at, use.sentence(f), "%s", f.detail)
	}
	if use.named() {
		return parseNamed(raw, use)
	}
	return parseUnnamed(raw, use)
}

// named reports whether documents for u name principals.
func (u Use) named() bool { return u == Resource || u == Repository || u == Trust }

// sentence is AWS's sentence for a text that is not a document.
func (u Use) sentence(f *fault) string {
	switch {
	case !u.named():
		return saySyntax
	case f.notJSON:
		return sayJSON
	}
	return fmt.Sprintf(sayPosition, f.at.Line, f.at.Column)
}

// compile makes the document of a text whose form has been checked.
func compile(raw *rawDocument, use Use) (*Document, *compileError) {
	doc := &Document{Version: Version2008, Use: use}
	if raw.version != nil {
		doc.Version = *raw.version
	}
	if raw.id != nil {
		doc.ID = *raw.id
	}
	d := dialect{variables: doc.Version == Version2012}
	for i, rs := range raw.statements {
		st, err := compileStatement(rs, d)
		if err != nil {
			return nil, err
		}
		st.Index = i
		doc.Statements = append(doc.Statements, st)
	}
	doc.index = buildIndex(doc.Statements)
	return doc, nil
}

// compileError is a fault that only compiling finds.
type compileError struct {
	// inValue: a condition's value is not of the operator's sort. Otherwise a
	// policy variable is malformed.
	inValue bool
	at      Position
	detail  string
}

func compileStatement(raw *rawStatement, d dialect) (*Statement, *compileError) {
	st := &Statement{Begin: raw.begin, End: raw.end}
	if *raw.effect == "Allow" {
		st.Effect = Allow
	}
	if raw.sid != nil {
		st.Sid = *raw.sid
	}
	actions, _ := either(raw.action, raw.notAction)
	st.notAction = raw.notAction != nil
	for _, a := range actions {
		st.actions = append(st.actions, compileAction(a))
	}

	resources, given := either(raw.resource, raw.notResource)
	st.notResource, st.ownResource = raw.notResource != nil, !given
	for _, s := range resources {
		p, err := compileResource(s, d)
		if err != nil {
			return nil, &compileError{at: raw.resourceAt, detail: err.Error()}
		}
		st.resources = append(st.resources, p)
	}

	if p := raw.names(); p != nil {
		st.principals, st.notPrincipal = new(principals), raw.notPrincipal != nil
		for _, name := range p.names {
			n, _ := compilePrincipal(name)
			st.principals.names = append(st.principals.names, n)
		}
	}

	for _, rc := range raw.clauses {
		c, err := compileClause(rc, d)
		if err != nil {
			var v *variableError
			return nil, &compileError{!errors.As(err, &v), rc.at, fmt.Sprintf("%s of %s: %v", rc.operator, rc.key, err)}
		}
		st.conditions = append(st.conditions, c)
	}
	return st, nil
}

// names is the Principal or NotPrincipal element, if there is one.
func (raw *rawStatement) names() *rawPrincipal {
	if raw.notPrincipal != nil {
		return raw.notPrincipal
	}
	return raw.principal
}

// either is the list of whichever of an element and its negation is given.
func either(a, b *[]string) (list []string, given bool) {
	switch {
	case a != nil:
		return *a, true
	case b != nil:
		return *b, true
	}
	return nil, false
}
