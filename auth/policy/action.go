package policy

import "strings"

// actionPattern is one entry of an Action or NotAction element.
type actionPattern struct {
	spelled string
	// service is lower-cased; "*" stands for any.
	service string
	// name is the compiled pattern of what follows the colon, lower-cased:
	// the case of actions does not matter.
	name string
}

func compileAction(s string) actionPattern {
	service, name, found := strings.Cut(strings.ToLower(s), ":")
	if !found { // "*" alone
		name = service
	}
	return actionPattern{spelled: s, service: service, name: wildcards(name)}
}

// index finds the statements of a document that may match an action, with the
// patterns that decide it. Most statements of most documents are about other
// services, and are never looked at.
type index struct {
	// byService holds the candidates of each service that the document names.
	byService map[string][]candidate
	// others are the candidates for the rest.
	others []candidate
}

// candidate is a statement that may match actions of one service.
type candidate struct {
	statement *Statement
	// names are the statement's patterns for that service.
	names []string
	// unsorted: the document has no index, and all patterns are to be tried.
	unsorted bool
}

// candidates are the statements to be tested for the request, in the order of
// the document.
func (x *index) candidates(r *request) []candidate {
	if c, ok := x.byService[r.service]; ok {
		return c
	}
	return x.others
}

// matches reports whether the action is among those of the statement.
func (c *candidate) matches(r *request) bool {
	if c.unsorted {
		return c.statement.matchesAction(r)
	}
	for _, name := range c.names {
		if match(name, r.name) {
			return !c.statement.notAction
		}
	}
	return c.statement.notAction
}

// matchesAction is the same without an index.
func (st *Statement) matchesAction(r *request) bool {
	for i := range st.actions {
		a := &st.actions[i]
		if (a.service == "*" || a.service == r.service) && match(a.name, r.name) {
			return !st.notAction
		}
	}
	return st.notAction
}

// maxIndex bounds the memory of an index. Since a NotAction belongs to every
// service, it can grow with the square of the document's size.
const maxIndex = 4096

// buildIndex sorts the statements by the services they are about.
func buildIndex(statements []*Statement) index {
	x := index{byService: make(map[string][]candidate)}
	for _, st := range statements {
		for i := range st.actions {
			if s := st.actions[i].service; s != "*" {
				x.byService[s] = nil
			}
		}
	}
	if len(x.byService)*len(statements) > maxIndex {
		x.byService = nil
		for _, st := range statements {
			x.others = append(x.others, candidate{statement: st, unsorted: true})
		}
		return x
	}
	for service := range x.byService {
		x.byService[service] = candidatesOf(statements, service)
	}
	x.others = candidatesOf(statements, "*")
	return x
}

func candidatesOf(statements []*Statement, service string) []candidate {
	var out []candidate
	for _, st := range statements {
		c := candidate{statement: st}
		for i := range st.actions {
			if a := &st.actions[i]; a.service == service || a.service == "*" {
				c.names = append(c.names, a.name)
			}
		}
		if len(c.names) > 0 || st.notAction {
			out = append(out, c)
		}
	}
	return out
}
