package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"unicode/utf8"
)

// rawDocument is a document as it stands in the text: known elements of the
// right types, each at most once, and nothing else. What the elements say is
// not looked at yet.
type rawDocument struct {
	version, id  *string
	statements   []*rawStatement
	hasStatement bool
	end          Position
}

type rawStatement struct {
	begin, end            Position
	sid, effect           *string
	principal             *rawPrincipal
	notPrincipal          *rawPrincipal
	action, notAction     *[]string
	resource, notResource *[]string
	clauses               []*rawClause
	actionAt, resourceAt  Position
	principalAt, effectAt Position
}

// rawPrincipal is a Principal element: names by type, or the string "*".
type rawPrincipal struct {
	isText bool
	names  []Principal
}

// rawClause is one key under one operator of a Condition element.
type rawClause struct {
	operator, key string
	values        []string
	at            Position
}

// fault is why a text is not a document.
type fault struct {
	notJSON bool
	detail  string
	at      Position
}

func (f *fault) Error() string { return f.detail }

// reader reads the text token by token, which shows what decoding into structs
// would hide: elements given twice, elements nobody knows, other types.
type reader struct {
	text  []byte
	dec   *json.Decoder
	lines []int // offsets at which lines begin
}

// read reads a whole document.
func read(text []byte) (*rawDocument, error) {
	r := &reader{text: text, lines: []int{0}}
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, &fault{notJSON: true, detail: "the document is not JSON", at: Position{1, 1}}
	}
	for i, c := range text {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	r.dec = json.NewDecoder(bytes.NewReader(text))
	r.dec.UseNumber()

	doc := new(rawDocument)
	_, end, err := r.object("the document", func(key string) (err error) {
		switch key {
		case "Version":
			doc.version, err = r.text1(key)
		case "Id":
			doc.id, err = r.text1(key)
		case "Statement":
			doc.hasStatement = true
			err = r.statements(doc)
		default:
			err = r.unknown(key)
		}
		return err
	})
	doc.end = end
	return doc, err
}

func (r *reader) statements(doc *rawDocument) error {
	one := func() error {
		st := new(rawStatement)
		var err error
		st.begin, st.end, err = r.object("a statement", func(key string) error { return r.element(st, key) })
		doc.statements = append(doc.statements, st)
		return err
	}
	if r.next() == '[' {
		return r.list(one)
	}
	return one()
}

func (r *reader) element(st *rawStatement, key string) (err error) {
	at := r.position(r.offset())
	switch key {
	case "Sid":
		st.sid, err = r.text1(key)
	case "Effect":
		st.effect, err = r.text1(key)
		st.effectAt = at
	case "Principal":
		st.principal, err = r.principal(key)
		st.principalAt = at
	case "NotPrincipal":
		st.notPrincipal, err = r.principal(key)
		st.principalAt = at
	case "Action":
		st.action, err = r.texts(key)
		st.actionAt = at
	case "NotAction":
		st.notAction, err = r.texts(key)
		st.actionAt = at
	case "Resource":
		st.resource, err = r.texts(key)
		st.resourceAt = at
	case "NotResource":
		st.notResource, err = r.texts(key)
		st.resourceAt = at
	case "Condition":
		err = r.condition(st)
	default:
		return r.unknown(key)
	}
	if err != nil {
		return err
	}
	switch {
	case st.principal != nil && st.notPrincipal != nil:
		return r.failAt(at, "a statement has both Principal and NotPrincipal")
	case st.action != nil && st.notAction != nil:
		return r.failAt(at, "a statement has both Action and NotAction")
	case st.resource != nil && st.notResource != nil:
		return r.failAt(at, "a statement has both Resource and NotResource")
	}
	return nil
}

func (r *reader) principal(element string) (*rawPrincipal, error) {
	p := new(rawPrincipal)
	if r.next() == '"' {
		at := r.position(r.offset())
		s, err := r.text1(element)
		if err != nil {
			return nil, err
		}
		if *s != "*" {
			return nil, r.failAt(at, fmt.Sprintf("%s is a text other than \"*\"", element))
		}
		p.isText, p.names = true, []Principal{{PrincipalAWS, "*"}}
		return p, nil
	}
	_, _, err := r.object(element, func(key string) error {
		switch key {
		case "AWS", "Service", "Federated", "CanonicalUser":
		default:
			return r.unknown(key)
		}
		names, err := r.texts(key)
		if err != nil {
			return err
		}
		for _, n := range *names {
			p.names = append(p.names, Principal{PrincipalType(key), n})
		}
		return nil
	})
	return p, err
}

func (r *reader) condition(st *rawStatement) error {
	_, _, err := r.object("Condition", func(operator string) error {
		at := r.position(r.offset())
		_, _, _, ok := operatorSpelled(operator)
		_, _, err := r.object(operator, func(key string) error {
			// IAM lets unknown operators pass that have no keys.
			if !ok {
				return r.failAt(at, fmt.Sprintf("there is no condition operator %q", operator))
			}
			c := &rawClause{operator: operator, key: key, at: r.position(r.offset())}
			st.clauses = append(st.clauses, c)
			return r.scalars(key, func(s string) { c.values = append(c.values, s) })
		})
		return err
	})
	return err
}

// object reads an object; each is called after every key and has to read its
// value.
func (r *reader) object(what string, each func(key string) error) (begin, end Position, err error) {
	begin = r.position(r.offset())
	if r.next() != '{' {
		return begin, begin, r.failAt(begin, what+" is not an object")
	}
	if _, err := r.token(); err != nil {
		return begin, begin, err
	}
	seen := make(map[string]bool)
	for r.next() != '}' {
		at := r.position(r.offset())
		t, err := r.token()
		if err != nil {
			return begin, at, err
		}
		key, _ := t.(string)
		if seen[key] {
			return begin, at, r.failAt(at, fmt.Sprintf("%q is given twice", key))
		}
		seen[key] = true
		if err := each(key); err != nil {
			return begin, at, err
		}
	}
	_, err = r.token()
	return begin, r.position(int(r.dec.InputOffset())), err
}

// list reads an array; each has to read an element.
func (r *reader) list(each func() error) error {
	if _, err := r.token(); err != nil {
		return err
	}
	for r.next() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// text1 reads a string.
func (r *reader) text1(what string) (*string, error) {
	at := r.position(r.offset())
	t, err := r.token()
	if err != nil {
		return nil, err
	}
	s, ok := t.(string)
	if !ok {
		return nil, r.failAt(at, what+" is not a text")
	}
	return &s, nil
}

// texts reads a string or a list of strings.
func (r *reader) texts(what string) (*[]string, error) {
	out := []string{}
	one := func() error {
		s, err := r.text1(what)
		if err == nil {
			out = append(out, *s)
		}
		return err
	}
	if r.next() == '[' {
		return &out, r.list(one)
	}
	return &out, one()
}

// scalars reads a string, number or boolean, or a list of them.
func (r *reader) scalars(what string, each func(string)) error {
	one := func() error {
		at := r.position(r.offset())
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case string:
			each(t)
		case json.Number:
			each(t.String())
		case bool:
			each(fmt.Sprint(t))
		default:
			return r.failAt(at, what+" is neither a text nor a number nor a boolean")
		}
		return nil
	}
	if r.next() == '[' {
		return r.list(one)
	}
	return one()
}

// offset is where the next token begins.
func (r *reader) offset() int {
	i := int(r.dec.InputOffset())
	for i < len(r.text) {
		switch r.text[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
			continue
		}
		return i
	}
	return i
}

// next is the first byte of the next token; 0 at the end of the text.
func (r *reader) next() byte {
	if i := r.offset(); i < len(r.text) {
		return r.text[i]
	}
	return 0
}

func (r *reader) token() (json.Token, error) {
	t, err := r.dec.Token()
	if err != nil {
		return nil, &fault{notJSON: true, detail: err.Error(), at: r.position(r.offset())}
	}
	return t, nil
}

func (r *reader) position(offset int) Position {
	line := sort.SearchInts(r.lines, offset+1)
	return Position{Line: line, Column: offset - r.lines[line-1] + 1}
}

func (r *reader) unknown(key string) error {
	return r.failAt(r.position(r.offset()), fmt.Sprintf("there is no element %q here", key))
}

func (r *reader) failAt(at Position, detail string) error {
	return &fault{detail: detail, at: at}
}
