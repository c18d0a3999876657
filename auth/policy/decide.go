package policy

// Decide answers a query as AWS documents it: an explicit denial anywhere wins;
// then guardrails, resource policy, identity policies, permissions boundary and
// session policies are asked in this order for what they allow.
//
// Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access" and "Cross-account policy evaluation logic".
func Decide(q *Query) Decision {
	var r request
	r.prepare(q)
	var s said
	if reason, by, denied := s.listen(q, &r); denied {
		return Decision{Reason: reason, Deciding: by}
	}
	return verdict(q, &s)
}

// said is what the policies of each kind allow.
type said struct {
	guardrail, resource, identity, boundary, session Match
	// grant is how directly the resource policy names the subject.
	grant grant
}

// listen asks all policies of the query. It stops at the first denial.
func (s *said) listen(q *Query, r *request) (Reason, Match, bool) {
	subject := q.Subject
	if subject.guarded() {
		for i := range q.Guardrails {
			if by := q.Guardrails[i].ask(r, &s.guardrail); by.Statement != nil {
				return ExplicitGuardrail, by, true
			}
		}
	}
	for _, p := range [...]*Attached{q.ResourcePolicy, q.RegistryPolicy} {
		if p == nil {
			continue
		}
		if by := p.askNamed(r, &s.resource, &s.grant); by.Statement != nil {
			if p.Kind == KindTrust {
				return ExplicitTrust, by, true
			}
			return ExplicitResource, by, true
		}
	}
	for i := range subject.Identity {
		if by := subject.Identity[i].ask(r, &s.identity); by.Statement != nil {
			return ExplicitIdentity, by, true
		}
	}
	if subject.Boundary != nil {
		if by := subject.Boundary.ask(r, &s.boundary); by.Statement != nil {
			return ExplicitBoundary, by, true
		}
	}
	for i := range subject.Session {
		if by := subject.Session[i].ask(r, &s.session); by.Statement != nil {
			return ExplicitSession, by, true
		}
	}
	return 0, Match{}, false
}

// ask looks for a statement that denies the request, and puts into allow the
// first that allows it, if none is there yet.
func (a *Attached) ask(r *request, allow *Match) (deny Match) {
	candidates := a.index.candidates(r)
	for i := range candidates {
		c := &candidates[i]
		st := c.statement
		if st.Effect == Allow && allow.Statement != nil {
			continue
		}
		if !c.matches(r) || !st.matchesResource(r) || !st.meetsConditions(r) {
			continue
		}
		if st.Effect == Deny {
			return Match{a, st}
		}
		*allow = Match{a, st}
	}
	return Match{}
}

// askNamed is ask for a policy with principals. It looks for the statement that
// names the subject more directly than the best so far.
func (a *Attached) askNamed(r *request, allow *Match, best *grant) (deny Match) {
	candidates := a.index.candidates(r)
	for i := range candidates {
		c := &candidates[i]
		st := c.statement
		if st.Effect == Allow && *best == grantDirect {
			continue
		}
		if !c.matches(r) || !st.matchesResource(r) {
			continue
		}
		g, _ := st.matchesPrincipal(r.subject)
		if g == noGrant || st.Effect == Allow && g <= *best || !st.meetsConditions(r) {
			continue
		}
		if st.Effect == Deny {
			return Match{a, st}
		}
		*allow, *best = Match{a, st}, g
	}
	return Match{}
}

// verdict weighs what the policies allow, none of them denying.
func verdict(q *Query, s *said) Decision {
	subject := q.Subject
	refused := func(why Reason) Decision { return Decision{Reason: why} }

	if len(q.Guardrails) > 0 && subject.guarded() && s.guardrail.Statement == nil {
		return refused(ImplicitGuardrail)
	}
	unnamed := ImplicitResource
	trust := q.ResourcePolicy != nil && q.ResourcePolicy.Kind == KindTrust
	if trust {
		unnamed = ImplicitTrust
	}
	if subject.Account == "" {
		// Nobody but the resource policy can speak for a service, a bearer of
		// a token or an unknown caller.
		if s.grant == noGrant {
			return refused(unnamed)
		}
		return Decision{true, AllowedByResource, s.resource}
	}
	foreign := q.ResourceAccount != "" && q.ResourceAccount != subject.Account

	switch {
	case trust && s.grant == noGrant:
		// A trust policy has to allow what it is asked for even within the
		// account; identity policies alone do not suffice.
		return refused(ImplicitTrust)
	case !foreign && s.grant == grantDirect:
		// Not limited by what other policies merely do not allow.
		return Decision{true, AllowedByResource, s.resource}
	}

	ownSide := subject.unlimited() || s.identity.Statement != nil
	if !foreign && s.grant == grantRole {
		ownSide = true
	}
	switch {
	case !ownSide:
		return refused(ImplicitIdentity)
	case subject.Boundary != nil && s.boundary.Statement == nil:
		return refused(ImplicitBoundary)
	case subject.limited() && s.session.Statement == nil:
		return refused(ImplicitSession)
	case foreign && s.grant == noGrant:
		return refused(unnamed)
	}
	switch {
	case s.identity.Statement != nil:
		return Decision{true, AllowedByIdentity, s.identity}
	case s.grant != noGrant:
		return Decision{true, AllowedByResource, s.resource}
	}
	return Decision{Allowed: true, Reason: AllowedAsRoot}
}

// guarded reports whether guardrails apply to the subject: they do to all
// principals of an account, its root included.
func (s *Subject) guarded() bool { return s.Account != "" }

// unlimited reports whether the subject needs no identity policy: the root of
// the account, and a session that the root made by GetFederationToken.
func (s *Subject) unlimited() bool {
	return s.Kind == Root || s.Kind == FederatedUser && s.UserARN == rootARN(s.Account)
}

// rootARN is the ARN of the root of an account.
func rootARN(account string) string { return "arn:aws:iam::" + account + ":root" }
