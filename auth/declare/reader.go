package declare

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"drydock/internal/nearest"
)

// reader reads a file. What it finds wrong first is its error; it then goes on
// with empty values, which nobody gets to see.
type reader struct {
	file, folder string
	account      string
	lookupEnv    func(string) (string, bool)
	err          error
}

func (r *reader) failed(err error) {
	if r.err == nil {
		r.err = err
	}
}

// entry is a mapping of the file: its keys, each with a value.
type entry struct {
	place
	r      *reader
	fields map[string]*yaml.Node
}

// entry reads a mapping, whose keys must be among those known.
func (r *reader) entry(p place, n *yaml.Node, known ...string) *entry {
	e := &entry{place: p, r: r, fields: map[string]*yaml.Node{}}
	for _, kv := range r.pairs(p, n) {
		if !slices.Contains(known, kv.key) {
			hint := nearest.Suggestion(kv.key, known, "")
			if hint == "" {
				hint = "; the keys here are " + strings.Join(known, ", ")
			}
			r.failed(p.on(kv.line).errorf("there is no key %q%s", kv.key, hint))
		}
		e.fields[kv.key] = kv.value
	}
	return e
}

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// pairs reads a mapping of any keys.
func (r *reader) pairs(p place, n *yaml.Node) []pair {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		r.failed(p.on(n.Line).errorf("here belong keys, each with a value, as in key: value"))
		return nil
	}
	var list []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := target(n.Content[i])
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == nullTag:
			r.failed(p.on(key.Line).errorf("a key is a plain word"))
			return nil
		case slices.ContainsFunc(list, func(kv pair) bool { return kv.key == key.Value }):
			r.failed(p.on(key.Line).errorf("the key %q is there twice", key.Value))
		}
		list = append(list, pair{key.Value, key.Line, target(n.Content[i+1])})
	}
	return list
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// has reports whether a key is given.
func (e *entry) has(key string) bool { return e.fields[key] != nil }

// at is the place of a key's value, or of the entry where the key is not given.
func (e *entry) at(key string) place {
	if n := e.fields[key]; n != nil {
		return e.on(n.Line)
	}
	return e.place
}

func (e *entry) failf(key, format string, args ...any) {
	e.r.failed(e.at(key).errorf(format, args...))
}

// text is the value of a key as it is spelt, so that an account id such as
// 0123456789 stays what it is; given is false without the key.
func (e *entry) text(key string) (value string, given bool) {
	n := e.fields[key]
	if n == nil {
		return "", false
	}
	if !isText(n) {
		e.failf(key, "%s is one value", key)
	}
	return n.Value, true
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag != nullTag }

// optional is the value of a key, nil without it.
func (e *entry) optional(key string) *string {
	if v, given := e.text(key); given {
		return &v
	}
	return nil
}

// list is the elements of a key's list, which may be empty; given is false
// without the key.
func (e *entry) list(key string) (elements []*yaml.Node, given bool) {
	n := e.fields[key]
	if n == nil {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		e.failf(key, "%s is a list; an empty one is []", key)
		return nil, true
	}
	for _, element := range n.Content {
		elements = append(elements, target(element))
	}
	return elements, true
}

// word is an element of a list of names.
type word struct {
	place
	text string
}

// words is a key's list of names, none of them twice.
func (e *entry) words(key string) (list []word, given bool) {
	elements, given := e.list(key)
	for _, n := range elements {
		if !isText(n) || n.Value == "" {
			e.r.failed(e.on(n.Line).errorf("%s is a list of names", key))
		}
		if slices.ContainsFunc(list, func(w word) bool { return w.text == n.Value }) {
			e.r.failed(e.on(n.Line).errorf("%s names %s twice", key, n.Value))
		}
		list = append(list, word{e.on(n.Line), n.Value})
	}
	return list, given
}
