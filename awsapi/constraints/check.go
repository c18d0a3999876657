package constraints

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations bounds the work on an input that is wrong in every element.
const maxViolations = 100

// Checker checks the inputs of one operation. It may be used by several
// goroutines.
type Checker struct{ root *node }

// node is a shape bound to the Go type that holds its values.
type node struct {
	shape    string
	kind     reflect.Kind // of the value behind a pointer
	blob     bool
	min, max *float64
	pattern  string
	re       *regexp.Regexp
	enum     []string
	hidden   bool
	fields   []field // of a structure
	elem     *node   // of a list or a map
	key      *node   // of a map
}

type field struct {
	name     string
	index    int
	required bool
	node     *node // nil where only its presence is checked
}

// Checker binds the constraints of an operation to the type of its input, one of
// the SDK's structs. Errors: the operation is not in the model, or the struct has
// not the members that the model says, so that table and SDK do not belong
// together.
func (m *Model) Checker(operation string, input reflect.Type) (*Checker, error) {
	shape, ok := m.Operations[operation]
	if !ok {
		return nil, fmt.Errorf("the model has no operation %s", operation)
	}
	b := binder{m: m, done: map[string]*node{}}
	root, err := b.bind(shape, input)
	if err != nil {
		return nil, fmt.Errorf("input of %s: %w", operation, err)
	}
	return &Checker{root}, nil
}

type binder struct {
	m    *Model
	done map[string]*node
}

func (b binder) bind(name string, t reflect.Type) (*node, error) {
	if name == "" {
		return nil, nil
	}
	if n, ok := b.done[name]; ok {
		return n, nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := b.m.Shapes[name]
	n := &node{shape: name, kind: t.Kind(), min: s.Min, max: s.Max, pattern: s.Pattern, enum: s.Enum, hidden: s.Sensitive}
	n.blob = n.kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	b.done[name] = n
	var err error
	switch {
	case s.Type == "structure" && n.kind == reflect.Struct:
		err = b.bindFields(n, s, t)
	case s.Type == "list" && n.kind == reflect.Slice:
		n.elem, err = b.bind(s.Member, t.Elem())
	case s.Type == "map" && n.kind == reflect.Map:
		if n.key, err = b.bind(s.Key, t.Key()); err == nil {
			n.elem, err = b.bind(s.Value, t.Elem())
		}
	case s.Type == "string" && n.kind == reflect.String:
		if s.Pattern != "" {
			text := s.Pattern
			if s.Compiled != "" {
				text = s.Compiled
			}
			n.re, err = regexp.Compile("^(?:" + text + ")$")
		}
	case (s.Type == "integer" || s.Type == "long") && (n.kind == reflect.Int32 || n.kind == reflect.Int64),
		(s.Type == "double" || s.Type == "float") && (n.kind == reflect.Float64 || n.kind == reflect.Float32),
		s.Type == "blob" && n.blob:
	default:
		err = fmt.Errorf("a %s cannot be a Go %s", s.Type, t)
	}
	if err != nil {
		return nil, fmt.Errorf("shape %s: %w", name, err)
	}
	return n, nil
}

func (b binder) bindFields(n *node, s Shape, t reflect.Type) error {
	for _, m := range s.Members {
		goName := strings.ToUpper(m.Name[:1]) + m.Name[1:]
		f, ok := t.FieldByName(goName)
		if !ok {
			return fmt.Errorf("%s has no field %s", t, goName)
		}
		bound, err := b.bind(m.Shape, f.Type)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, field{lowerFirst(m.Name), f.Index[0], m.Required, bound})
	}
	return nil
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// Check returns what is wrong with an input, a pointer to the struct that the
// checker was made for, in the order of the model; nothing when nothing is.
func (c *Checker) Check(input any) []Violation {
	if c.root == nil {
		return nil
	}
	var w walk
	w.value(c.root, reflect.ValueOf(input).Elem(), nil)
	return w.found
}

// MaxBlob is the most bytes that the blobs among an input's members may have
// together, in bytes before their encoding; 0 where there are none.
func (c *Checker) MaxBlob() int64 {
	if c.root == nil {
		return 0
	}
	var sum int64
	for _, f := range c.root.fields {
		if f.node != nil && f.node.blob && f.node.max != nil {
			sum += int64(*f.node.max)
		}
	}
	return sum
}

// walk goes through an input. It stops looking into lists when it has found
// enough.
type walk struct{ found []Violation }

func (w *walk) add(v Violation) { w.found = append(w.found, v) }

func (w *walk) full() bool { return len(w.found) >= maxViolations }

// place is where in the input a value stands, kept as a chain so that a valid
// input costs no strings.
type place struct {
	up    *place
	name  string
	index int // of a list's element, from 1
}

func (p *place) String() string {
	s := p.name
	if p.index > 0 {
		s = strconv.Itoa(p.index) + ".member"
	}
	if p.up == nil {
		return s
	}
	return p.up.String() + "." + s
}

func (w *walk) value(n *node, v reflect.Value, at *place) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch n.kind {
	case reflect.Struct:
		w.members(n, v, at)
	case reflect.Slice, reflect.Map:
		w.collection(n, v, at)
	default:
		for _, c := range n.broken(v) {
			w.add(Violation{at: at.String(), shape: n.shape, inList: at.index > 0, value: n.show(v), constraint: c})
		}
	}
}

func (w *walk) members(n *node, v reflect.Value, at *place) {
	for _, f := range n.fields {
		member, here := v.Field(f.index), &place{up: at, name: f.name}
		switch {
		case !absent(member):
			if f.node != nil {
				w.value(f.node, member, here)
			}
		case f.required && !plain(member):
			shape := ""
			if f.node != nil {
				shape = f.node.shape
			}
			w.add(Violation{at: here.String(), shape: shape, value: " null", constraint: notNull})
		}
	}
}

// absent reports whether a member was not given. The SDK has no pointer for
// enums, nor in places for numbers and booleans: their zero stands for absence.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// plain reports whether absence and zero cannot be told apart although zero is a
// good value.
func plain(v reflect.Value) bool {
	k := v.Kind()
	return k == reflect.Bool || k == reflect.Int32 || k == reflect.Int64 || k == reflect.Float64
}

func (w *walk) collection(n *node, v reflect.Value, at *place) {
	for _, c := range n.brokenLength(v.Len()) {
		w.add(Violation{at: at.String(), shape: n.shape, value: n.show(v), constraint: c})
	}
	switch {
	case n.kind == reflect.Map:
		w.entries(n, v, at)
	case n.elem == nil:
	case nested(n.elem):
		for i := 0; i < v.Len() && !w.full(); i++ {
			w.value(n.elem, v.Index(i), &place{up: at, index: i + 1})
		}
	default:
		// The first bad element speaks for the list.
		for i := range v.Len() {
			if broken := n.elem.broken(v.Index(i)); broken != nil {
				w.add(Violation{at: at.String(), shape: n.elem.shape, inList: true, value: n.show(v), element: broken[0],
					constraint: "Member must satisfy constraint: [" + strings.Join(n.elem.all(), ", ") + "]"})
				return
			}
		}
	}
}

func (w *walk) entries(n *node, v reflect.Value, at *place) {
	for it := v.MapRange(); it.Next() && !w.full(); {
		if n.key != nil && n.key.broken(it.Key()) != nil {
			w.add(Violation{at: at.String(), shape: n.shape, constraint: "Map keys must satisfy constraint: [" + strings.Join(n.key.all(), ", ") + "]"})
		}
		switch {
		case n.elem == nil:
		case nested(n.elem):
			w.value(n.elem, it.Value(), &place{up: at, name: it.Key().String()})
		case n.elem.broken(it.Value()) != nil:
			w.add(Violation{at: at.String(), shape: n.shape, constraint: "Map value must satisfy constraint: [" + strings.Join(n.elem.all(), ", ") + "]"})
		}
	}
}

// nested reports whether what is wrong with an element is reported at the
// element, not at the list.
func nested(n *node) bool {
	return n.kind == reflect.Struct || n.kind == reflect.Slice || n.kind == reflect.Map
}

// broken lists the constraints that a string or number does not satisfy.
func (n *node) broken(v reflect.Value) (out []string) {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		out = n.brokenLength(utf8.RuneCountInString(s))
		if n.re != nil && !n.re.MatchString(s) {
			out = append(out, mustMatch+n.pattern)
		}
		if n.enum != nil && !slices.Contains(n.enum, s) {
			out = append(out, n.mustBeOneOf())
		}
	case reflect.Int32, reflect.Int64:
		out = n.brokenBounds(float64(v.Int()), mustValue)
	case reflect.Float32, reflect.Float64:
		out = n.brokenBounds(v.Float(), mustValue)
	}
	return out
}

func (n *node) brokenLength(length int) []string { return n.brokenBounds(float64(length), mustLength) }

func (n *node) brokenBounds(v float64, what string) (out []string) {
	if n.max != nil && v > *n.max {
		out = append(out, what+atMost+number(*n.max))
	}
	if n.min != nil && v < *n.min {
		out = append(out, what+atLeast+number(*n.min))
	}
	return out
}
