package declare

import (
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"drydock/auth/identity"
)

// record is what users, groups, roles and policies have in common.
type record struct {
	place
	kind          identity.Kind
	account, name string
	// path is nil where none is declared: then an existing record stays where
	// it is.
	path *string
}

func (r record) entity() identity.Entity { return identity.Entity{Kind: r.kind, Name: r.name} }

// pathOr is the declared path, or another one where none is declared.
func (r record) pathOr(other string) string {
	if r.path == nil {
		return other
	}
	return *r.path
}

// policyPath is the form of a policy's path, which has fewer characters to choose
// from than other paths.
// Source: IAM API Reference, CreatePolicy.
var policyPath = regexp.MustCompile(`^(/[A-Za-z0-9.,+@=_-]+)*/$`)

// record reads an entry of a kind with its name, account and path.
func (r *reader) record(n *yaml.Node, kind identity.Kind, known ...string) (*entry, record) {
	e := r.named(n, string(kind), "name", append([]string{"name", "account", "path"}, known...)...)
	rec := record{place: e.place, kind: kind, account: r.account, path: e.optional("path")}
	rec.name, _ = e.text("name")
	if err := identity.CheckName(kind, rec.name); err != nil {
		e.failf("name", "%q is no name for it: %w", rec.name, err)
	}
	if account, given := e.text("account"); given {
		if rec.account = account; identity.CheckAccountID(account) != nil {
			e.failf("account", "%q is not an account id, which has 10 to 12 digits", account)
		}
	}
	if rec.path != nil && (identity.CheckPath(*rec.path) != nil || kind == identity.KindPolicy && !policyPath.MatchString(*rec.path)) {
		e.failf("path", "%q is not a path, which begins and ends with / as in /teams/a/", *rec.path)
	}
	return e, rec
}

// named reads an entry that is known by one of its keys.
func (r *reader) named(n *yaml.Node, noun, key string, known ...string) *entry {
	p := place{file: r.file, line: n.Line, entity: noun}
	if n.Kind == yaml.MappingNode { // found before all else is checked, to name it
		for i := 0; i+1 < len(n.Content); i += 2 {
			if value := target(n.Content[i+1]); n.Content[i].Value == key && isText(value) {
				p.entity = noun + " " + value.Value
			}
		}
	}
	e := r.entry(p, n, known...)
	if v, _ := e.text(key); v == "" {
		r.failed(p.errorf("it has no %s", key))
	}
	return e
}

// description reads what something is said to be for, nil where nothing is said.
func (e *entry) description() *string {
	d := e.optional("description")
	if d != nil && utf8.RuneCountInString(*d) > 1000 {
		e.failf("description", "a description has at most 1000 characters")
	}
	return d
}
