package query

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDepth bounds parentheses and negations inside each other, so that no text
// makes the parser's stack grow without end.
const maxDepth = 200

// Parse reads an expression. The error is a *SyntaxError.
//
//	or      = and { ("or" | "||") and }
//	and     = unary { ("and" | "&&") unary }
//	unary   = ("not" | "!") unary | "(" or ")" | subject operator [argument]
//
// Words are in lower case. A value that has blanks, parentheses or quotes in it
// is put in single or double quotes.
func Parse(expression string) (*Expr, error) {
	p := &parser{lexer: lexer{text: expression}}
	root, err := p.or(0)
	if err != nil {
		return nil, err
	}
	p.skipBlanks()
	if p.at < len(p.text) {
		return nil, p.fail(p.at, `"and", "or" or the end of the expression`, "")
	}
	return &Expr{text: expression, root: root, leaves: p.leaves}, nil
}

type parser struct {
	lexer
	leaves []*Leaf
}

func (p *parser) or(depth int) (node, *SyntaxError) {
	return p.chain(depth, p.and, func(nodes []node) node { return anyOf(nodes) }, "or", "||")
}

func (p *parser) and(depth int) (node, *SyntaxError) {
	return p.chain(depth, p.unary, func(nodes []node) node { return allOf(nodes) }, "and", "&&")
}

// chain reads operands with one of the words between them.
func (p *parser) chain(depth int, operand func(int) (node, *SyntaxError), join func([]node) node, words ...string) (node, *SyntaxError) {
	first, err := operand(depth)
	if err != nil {
		return nil, err
	}
	nodes := []node{first}
	for p.skipBlanks(); p.word(words...); p.skipBlanks() {
		n, err := operand(depth)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 1 {
		return first, nil
	}
	return join(nodes), nil
}

func (p *parser) unary(depth int) (node, *SyntaxError) {
	p.skipBlanks()
	start := p.at
	if depth == maxDepth {
		return nil, p.fail(start, "no more than "+strconv.Itoa(maxDepth)+" parentheses and negations inside each other", "")
	}
	if p.word("!", "not") {
		n, err := p.unary(depth + 1)
		if err != nil {
			return nil, err
		}
		return negation{n}, nil
	}
	if p.word("(") {
		n, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		p.skipBlanks()
		if !p.word(")") {
			return nil, p.fail(p.at, `"and", "or" or ")"`, "")
		}
		return n, nil
	}
	l, err := p.comparison()
	if err != nil {
		return nil, err
	}
	p.leaves = append(p.leaves, l)
	return leaf(len(p.leaves) - 1), nil
}

func (p *parser) comparison() (*Leaf, *SyntaxError) {
	word := p.subject()
	s, name, ok := subjectOf(word.text)
	if !ok {
		return nil, p.fail(word.at, "a subject ("+strings.Join(spelling[:], ", ")+")", "")
	}
	if s == Attribute {
		if err := p.name(word, name); err != nil {
			return nil, err
		}
	}
	p.skipBlanks()
	sign := p.operator()
	allowed := s.operators()
	op, ok := operatorOf(sign.text)
	if !ok {
		return nil, p.fail(sign.at, "an operator ("+listed(allowed)+")", "")
	}
	l := &Leaf{subject: s, name: name, op: op}
	if !slices.Contains(allowed, op) {
		return nil, p.fail(sign.at, "an operator of "+word.text+" ("+listed(allowed)+")", "")
	}
	if op.takesNothing() {
		return l, nil
	}
	p.skipBlanks()
	if op.takesList() {
		return l, p.list(l)
	}
	return l, p.argument(l, false)
}

// name checks the name of an attribute.
func (p *parser) name(word token, name string) *SyntaxError {
	at := word.at + len(attributePrefix)
	if name == "" {
		return p.fail(at, "the name of an attribute", "")
	}
	for i := range len(name) {
		if !isName(name[i]) {
			return p.fail(at+i, `a letter, a digit or one of -_/\. in the name of an attribute`, "")
		}
	}
	if len(name) > maxName {
		return p.fail(at, "the name of an attribute, of at most "+strconv.Itoa(maxName)+" characters", "")
	}
	return nil
}

// list reads [a, b, …]; it has at least one value.
func (p *parser) list(l *Leaf) *SyntaxError {
	if !p.word("[") {
		return p.fail(p.at, `a list such as [a, b] behind "`+l.op.String()+`"`, "")
	}
	for {
		p.skipBlanks()
		if err := p.argument(l, true); err != nil {
			return err
		}
		p.skipBlanks()
		if p.word("]") {
			return nil
		}
		if !p.word(",") {
			return p.fail(p.at, `"," or "]"`, "")
		}
	}
}

// argument reads one value and gives it to the comparison as what it has to be.
func (p *parser) argument(l *Leaf, inList bool) *SyntaxError {
	v, err := p.value(inList)
	if err != nil {
		return err
	}
	if !v.quoted {
		if err := p.bare(l, v, inList); err != nil {
			return err
		}
	}
	// What a quoted value holds begins behind its quote.
	at := v.at
	if v.quoted {
		at++
	}
	if l.op.takesPattern() {
		if l.pattern, err = p.compile(v, at); err != nil {
			return err
		}
		return nil
	}
	switch l.subject {
	case AgentConnected:
		if v.text != "true" && v.text != "false" {
			return p.fail(at, "true or false", "")
		}
	case AgentVersion:
		version, ok := ParseVersion(v.text)
		if !ok {
			return p.fail(at, "a version such as 1.14.5", "")
		}
		l.version = version
	case RegisteredAt:
		t, ok := parseDate(v.text)
		if !ok {
			return p.fail(at, "a date such as 2018-06-18T22:28:28+00:00, 2018-06-18T22:28:28Z, 2018-06-18T22:28:28 or 2018-06-18", "")
		}
		l.time = t
	case RunningTasksCount:
		n, failed := strconv.Atoi(v.text)
		if failed != nil || n < 0 {
			return p.fail(at, "a whole number", "")
		}
		l.number = n
	}
	l.values = append(l.values, v.text)
	return nil
}

// bare refuses what is more likely a slip than a value: nothing, a list, or the
// word that should have come behind the value.
func (p *parser) bare(l *Leaf, v token, inList bool) *SyntaxError {
	hint := ""
	switch {
	case v.text == "":
		if l.op.takesPattern() && p.next() == '(' {
			hint = "a pattern with parentheses is put in quotes"
		}
	case v.text[0] == '[' && !l.op.takesPattern() && !inList:
		hint = `a list goes with "in" and "not_in"`
	case v.text == "and" || v.text == "or":
		hint = "put it in quotes if it is one"
	default:
		return nil
	}
	return p.fail(v.at, `a value behind "`+l.op.String()+`"`, hint)
}

// dateForms are those of the guide. A time without a zone is taken as UTC, and a
// date as its first moment.
var dateForms = [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02"}

func parseDate(s string) (time.Time, bool) {
	for _, form := range dateForms {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
