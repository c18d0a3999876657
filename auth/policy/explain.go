package policy

import (
	"fmt"
	"sort"
	"strings"
)

// Explain answers a query as Decide does and tells of every statement of every
// policy why it matched or did not. It is for people who ask, not for requests:
// it tests more than a decision needs.
func Explain(q *Query) Explanation {
	var r request
	r.prepare(q)
	missing := make(map[string]string) // lower-cased to spelled
	r.missed = func(name string) {
		if key := strings.ToLower(name); missing[key] == "" {
			missing[key] = name
		}
	}

	x := Explanation{Decision: Decide(q)}
	if q.Subject.guarded() && len(q.Guardrails) > 0 {
		x.layer(&r, KindGuardrail, pointers(q.Guardrails))
	}
	var resource []*Attached
	for _, p := range []*Attached{q.ResourcePolicy, q.RegistryPolicy} {
		if p != nil {
			resource = append(resource, p)
		}
	}
	if len(resource) > 0 {
		kind := KindResource
		if resource[0].Kind == KindTrust {
			kind = KindTrust
		}
		x.layer(&r, kind, resource)
	}
	x.layer(&r, KindIdentity, pointers(q.Subject.Identity))
	if q.Subject.Boundary != nil {
		x.layer(&r, KindBoundary, []*Attached{q.Subject.Boundary})
	}
	if q.Subject.limited() || len(q.Subject.Session) > 0 {
		x.layer(&r, KindSession, pointers(q.Subject.Session))
	}

	for _, name := range missing {
		x.Missing = append(x.Missing, name)
	}
	sort.Strings(x.Missing)
	return x
}

func pointers(list []Attached) []*Attached {
	out := make([]*Attached, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// layer tests all statements of the policies of one kind.
func (x *Explanation) layer(r *request, kind Kind, policies []*Attached) {
	l := Layer{Kind: kind}
	for _, a := range policies {
		for _, st := range a.Statements {
			f := explain(r, a, st)
			if f.Outcome == Matched {
				l.Allowed = l.Allowed || st.Effect == Allow
				l.Denied = l.Denied || st.Effect == Deny
			}
			x.Findings = append(x.Findings, f)
		}
	}
	x.Layers = append(x.Layers, l)
}

// explain tests one statement.
func explain(r *request, a *Attached, st *Statement) Finding {
	f := Finding{Match: Match{a, st}}
	if !st.matchesAction(r) {
		f.Outcome = OtherAction
		f.Why = fmt.Sprintf("%s %s the action", element("Action", st.notAction, actionNames(st)), includes(st.notAction))
		return f
	}
	if !st.matchesResource(r) {
		f.Outcome = OtherResource
		f.Why = fmt.Sprintf("%s %s the resource", element("Resource", st.notResource, resourceNames(st)), includes(st.notResource))
		return f
	}
	g, by := st.matchesPrincipal(r.subject)
	if g == noGrant {
		f.Outcome = OtherPrincipal
		f.Why = fmt.Sprintf("%s %s the principal", element("Principal", st.notPrincipal, principalNames(st)), includes(st.notPrincipal))
		return f
	}
	if by != nil {
		f.Principal = by.String()
	}
	f.Conditions = testConditions(r, st)
	for _, t := range f.Conditions {
		if !t.Met {
			f.Outcome = ConditionUnmet
			f.Why = t.why()
			return f
		}
	}
	f.Why = fmt.Sprintf("it matches: %s", st.Effect)
	if st.Effect == Allow {
		switch g {
		case grantAccount:
			f.Why += ", as far as the account's identity policies allow it too"
		case grantRole:
			f.Why += ", as far as permissions boundary and session policies allow it too"
		}
	}
	if st.notPrincipal && st.Effect == Deny && st.principals.exempts(r.subject, Allow) {
		f.Why += ", since NotPrincipal has to list the principal with its role and its account"
	}
	return f
}

func testConditions(r *request, st *Statement) []Test {
	var out []Test
	for i := range st.conditions {
		c := &st.conditions[i]
		got, present := r.keys.Values(c.key)
		t := Test{
			Operator: c.spelled, Key: c.name, Got: got,
			Present: present && len(got) > 0, Met: c.met(r),
		}
		for _, v := range c.values {
			if s, ok := v.wanted(r); ok {
				t.Wanted = append(t.Wanted, s)
			} else {
				t.Unresolved = append(t.Unresolved, v.variables(nil)...)
			}
		}
		out = append(out, t)
	}
	return out
}

// why is the sentence for a condition that is not met.
func (t *Test) why() string {
	s := fmt.Sprintf("%s of %s wants %s, ", t.Operator, t.Key, quoted(t.Wanted))
	if t.Present {
		s += "the request has " + quoted(t.Got)
	} else {
		s += "the request does not have the key"
	}
	for _, name := range t.Unresolved {
		s += fmt.Sprintf("; ${%s} has no value", name)
	}
	return s
}

// element names an element and what it lists, cut short when it is long.
func element(name string, not bool, list []string) string {
	if not {
		name = "Not" + name
	}
	return name + " (" + quoted(list) + ")"
}

func includes(not bool) string {
	if not {
		return "leaves out"
	}
	return "does not include"
}

// quoted lists up to six texts.
func quoted(list []string) string {
	const most = 6
	if len(list) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for i, s := range list {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(list)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", s)
	}
	return b.String()
}

func actionNames(st *Statement) []string {
	out := make([]string, len(st.actions))
	for i := range st.actions {
		out[i] = st.actions[i].spelled
	}
	return out
}

func resourceNames(st *Statement) []string {
	out := make([]string, len(st.resources))
	for i := range st.resources {
		out[i] = st.resources[i].spelled
	}
	return out
}

func principalNames(st *Statement) []string {
	out := make([]string, len(st.principals.names))
	for i := range st.principals.names {
		out[i] = st.principals.names[i].String()
	}
	return out
}
