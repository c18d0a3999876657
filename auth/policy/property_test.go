package policy

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	propertySeed  = flag.Uint64("policy.seed", 1, "seed of the generated cases")
	propertyCases = flag.Int("policy.cases", 6_000, "number of generated cases")
)

// TestTheEngineAgreesWithANaiveEvaluator generates documents and queries from
// small stocks, so that statements match often, and compares the engine's
// decision with one made from the JSON by the definitions. A failure prints its
// case; -policy.seed and -policy.cases look further.
func TestTheEngineAgreesWithANaiveEvaluator(t *testing.T) {
	outcomes := make(map[string]int)
	for i := range *propertyCases {
		g := &generator{rand.New(rand.NewPCG(*propertySeed, uint64(i)))}
		c := g.newCase()
		q := c.query(t)
		c.decide()
		d := Decide(q)
		if d.Allowed != c.allowed || !strings.HasPrefix(outcome(d.Reason), c.why) {
			js, _ := json.MarshalIndent(c.dump(), "", " ")
			t.Fatalf("case %d of seed %d\nengine: allowed %v, %s\nnaive:  allowed %v, %s\n%s",
				i, *propertySeed, d.Allowed, outcome(d.Reason), c.allowed, c.why, js)
		}
		if x := Explain(q); x.Decision != d {
			t.Fatalf("case %d of seed %d is explained as %+v, decided as %+v", i, *propertySeed, x.Decision, d)
		} else {
			agrees(t, x)
		}
		outcomes[outcome(d.Reason)]++
	}
	// The cases are worth little if some outcome hardly occurs.
	for r := ImplicitIdentity; r <= AllowedAsRoot; r++ {
		if n := outcomes[outcome(r)]; n < *propertyCases/1000 {
			t.Errorf("the outcome %q occurred in %d cases only", outcome(r), n)
		}
	}
	t.Log(outcomes)
}

// agrees checks an explanation against itself: what its findings say has to
// give what its layers and its decision say.
func agrees(t *testing.T, x Explanation) {
	t.Helper()
	for _, f := range x.Findings {
		if f.Outcome == Matched && f.Statement.Effect == Deny && !x.Decision.Reason.Explicit() {
			t.Fatalf("a denial matched, but the decision is %+v", x.Decision)
		}
		if f.Match == x.Decision.Deciding && f.Outcome != Matched {
			t.Fatalf("the deciding statement did not match: %s", f.Why)
		}
	}
}

// outcome groups reasons as the naive evaluator does.
func outcome(r Reason) string {
	switch r {
	case ImplicitGuardrail:
		return "implicit guardrail"
	case ImplicitResource, ImplicitTrust:
		return "implicit resource"
	case ImplicitIdentity:
		return "implicit identity"
	case ImplicitBoundary:
		return "implicit boundary"
	case ImplicitSession:
		return "implicit session"
	case ExplicitGuardrail:
		return "explicit guardrail"
	case ExplicitResource, ExplicitTrust:
		return "explicit resource"
	case ExplicitIdentity:
		return "explicit identity"
	case ExplicitBoundary:
		return "explicit boundary"
	case ExplicitSession:
		return "explicit session"
	}
	return "allowed"
}

type generator struct{ *rand.Rand }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// chance is true in n of 100 cases.
func (g *generator) chance(n int) bool { return g.IntN(100) < n }

// oneOrMore picks one text or a list of some.
func (g *generator) oneOrMore(from ...string) any {
	if g.chance(60) {
		return pick(g, from...)
	}
	var list []any
	for range 1 + g.IntN(3) {
		list = append(list, pick(g, from...))
	}
	return list
}

func (g *generator) newCase() *naiveCase {
	c := &naiveCase{account: home, keys: make(map[string][]string)}
	switch c.kind = pick(g, Root, User, User, User, AssumedRole, AssumedRole, AssumedRole, FederatedUser, FederatedUser, WebIdentity, Service, Anonymous); c.kind {
	case Root:
		c.arn = theRoot
	case User:
		c.arn = bob
	case AssumedRole:
		c.arn, c.role = session, role
	case FederatedUser:
		c.arn, c.maker = federated, pick(g, bob, bob, theRoot)
	case WebIdentity:
		c.arn, c.account = pick(g, "accounts.google.com", "arn:aws:iam::111122223333:oidc-provider/gitlab.lab"), ""
	case Service:
		c.arn, c.account = "ecs-tasks.amazonaws.com", ""
	case Anonymous:
		c.account = ""
	}
	c.trust = g.chance(15)
	c.owner = pick(g, home, home, home, elsewhere)
	c.action = pick(g, "ecr:BatchGetImage", "ecr:PutImage", "ECR:batchgetimage", "ecr:GetAuthorizationToken", "ecs:RunTask", "s3:GetObject")
	c.on = "arn:aws:ecr:" + pick(g, "eu-west-1", "us-east-1") + ":" + c.owner + ":repository/" + pick(g, "team-a/x", "team-a/y/z", "team-b/x", "bob", "blue/x", "a*b", "x")
	if c.action == "ecr:GetAuthorizationToken" || g.chance(5) {
		c.on = "*"
	}
	if c.trust {
		c.action, c.on = pick(g, "sts:AssumeRole", "sts:TagSession"), "arn:aws:iam::"+c.owner+":role/team-a/x"
	}
	g.keys(c)

	if c.account != "" {
		for range g.IntN(4) {
			c.identity = append(c.identity, g.document(c, false))
		}
		if c.kind != Root && g.chance(35) {
			c.boundary = g.document(c, false)
		}
		if c.kind == AssumedRole && g.chance(50) || c.kind == FederatedUser && g.chance(85) {
			c.hasSession = true
			for range 1 + g.IntN(2) {
				c.session = append(c.session, g.document(c, false))
			}
		}
	}
	if g.chance(25) {
		for range 1 + g.IntN(2) {
			c.scps = append(c.scps, g.document(c, false))
		}
	}
	if c.trust || g.chance(55) {
		c.resource = g.document(c, true)
	}
	return c
}

func (g *generator) keys(c *naiveCase) {
	some := func(key string, values ...string) {
		switch n := g.IntN(10); {
		case n < 5:
			c.keys[key] = []string{pick(g, values...)}
		case n < 7:
			c.keys[key] = []string{pick(g, values...), pick(g, values...)}
		case n < 8:
			c.keys[key] = []string{}
		}
	}
	some("aws:username", "bob", "Bob", "alice", "", "*")
	some("aws:principaltag/team", "team-a", "blue", "", "team-b:x")
	some("aws:tagkeys", "env", "Env", "cost", "")
	some("aws:sourceip", "10.1.2.3", "192.168.7.1", "2001:db8::5", "::ffff:10.1.2.3", "nowhere")
	some("aws:securetransport", "true", "false", "True")
	some("aws:currenttime", "2026-01-01T00:00:00Z", "2026-06-01T12:00:00+02:00", "2025-12-31T23:59:59Z", "never")
	some("ecr:count", "9", "10", "10.5", "-1", "1e1", "many")
	some("aws:sourcearn", repo, theirs, "arn:aws:ecs:r:1:task/a:b", "no arn")
	some("ecr:blob", "YWJj", "YWJk", "%")
}

func (g *generator) document(c *naiveCase, named bool) object {
	var statements []any
	for range 1 + g.IntN(3) {
		statements = append(statements, g.statement(c, named))
	}
	doc := object{"Version": "2012-10-17", "Statement": statements}
	if named && g.chance(15) {
		doc["Version"] = "2008-10-17"
	}
	if len(statements) == 1 && g.chance(50) {
		doc["Statement"] = statements[0]
	}
	return doc
}

func (g *generator) statement(c *naiveCase, named bool) object {
	st := object{"Effect": "Allow"}
	if g.chance(14) {
		st["Effect"] = "Deny"
	}
	actions := []string{"*", "ecr:*", "ecr:Batch*", "ecr:BatchGetImage", "ecr:PutImage", "ECR:Put?mage", "ecr:*Image", "ecs:*", "*:*", "*:RunTask", "sts:*", "s3:GetObject"}
	if c.trust && named {
		actions = []string{"sts:*", "sts:AssumeRole", "STS:assume*", "sts:TagSession"}
	}
	st[pick(g, "Action", "Action", "Action", "Action", "Action", "NotAction")] = g.oneOrMore(actions...)
	if !named || !c.trust && g.chance(50) {
		st[pick(g, "Resource", "Resource", "Resource", "Resource", "NotResource")] = g.oneOrMore("*", "*", "*",
			"arn:aws:ecr:*:*:repository/*", "arn:aws:ecr:*:*:repository/team-a/*", "arn:aws:ecr:eu-*:111122223333:repository/team-?/x",
			"arn:aws:ecr:*:*:repository/${aws:username}", "arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team, 'blue'}/*",
			"arn:aws:ecr:*:*:repository/a${*}b", "arn:aws:ecr:us-east-1*", "arn:*:iam::*:role/team-a/*", "arn:aws:ecr:*:4444*:*")
	}
	if named {
		st[pick(g, "Principal", "Principal", "Principal", "Principal", "NotPrincipal")] = g.principal(c)
		if c.trust && st["NotPrincipal"] != nil {
			st["Principal"] = st["NotPrincipal"]
			delete(st, "NotPrincipal")
		}
	}
	if g.chance(35) {
		st["Condition"] = g.condition()
	}
	return st
}

func (g *generator) principal(c *naiveCase) any {
	if !c.trust && g.chance(10) {
		return "*"
	}
	p := object{}
	if g.chance(85) {
		p["AWS"] = g.oneOrMore("*", home, theRoot, bob, role, session, federated, elsewhere, "arn:aws:iam::444455556666:user/bob", "arn:aws:iam::111122223333:role/other")
	}
	if g.chance(25) {
		p["Service"] = g.oneOrMore("ecs-tasks.amazonaws.com", "ec2.amazonaws.com")
	}
	if g.chance(25) || len(p) == 0 {
		p["Federated"] = g.oneOrMore("accounts.google.com", "arn:aws:iam::111122223333:oidc-provider/gitlab.lab")
	}
	return p
}

func (g *generator) condition() object {
	out := object{}
	for range 1 + g.IntN(2) {
		base := pick(g, "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
			"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
			"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
			"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null")
		operator := base
		if base != "Null" {
			operator = pick(g, "", "", "", "ForAllValues:", "ForAnyValue:") + base + pick(g, "", "", "IfExists")
		}
		key, values := g.operands(base)
		keys, _ := out[operator].(object)
		if keys == nil {
			keys = object{}
			out[operator] = keys
		}
		keys[key] = g.oneOrMore(values...)
	}
	return out
}

// operands picks a key and values of the operator's sort.
func (g *generator) operands(base string) (key string, values []string) {
	switch {
	case base == "Null":
		return pick(g, "aws:username", "AWS:TagKeys", "aws:PrincipalTag/team"), []string{"true", "false"}
	case base == "Bool":
		return "aws:SecureTransport", []string{"true", "false", "TRUE"}
	case base == "BinaryEquals":
		return "ecr:Blob", []string{"YWJj", "YWJk"}
	case strings.HasPrefix(base, "Numeric"):
		return "ecr:count", []string{"10", "9.5", "-1"}
	case strings.HasPrefix(base, "Date"):
		return "aws:CurrentTime", []string{"2026-01-01T00:00:00Z", "2026-06-01T10:00:00Z"}
	case strings.HasSuffix(base, "IpAddress"):
		return "aws:SourceIp", []string{"10.0.0.0/8", "192.168.7.1", "2001:db8::/32", "10.1.2.3"}
	case strings.HasPrefix(base, "Arn"):
		return "aws:SourceArn", []string{repo, "arn:aws:ecr:*:*:repository/*", "arn:aws:ecs:*:*:task/*", "arn:aws:ecr:*:${ecr:account, '444455556666'}:*"}
	}
	return pick(g, "aws:username", "aws:PrincipalTag/team", "aws:tagkeys"),
		[]string{"bob", "Env", "env", "team-a", "b*", "?nv", "*", "", "${aws:username}", "${aws:PrincipalTag/team, 'env'}", "${$}${*}"}
}

// query makes the engine's query of a case.
func (c *naiveCase) query(t *testing.T) *Query {
	t.Helper()
	attach := func(kind Kind, use Use, doc object) Attached {
		js, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return Attached{Kind: kind, Name: fmt.Sprintf("%d", kind), Document: mustParse(t, string(js), use)}
	}
	s := &Subject{Kind: c.kind, ARN: c.arn, Account: c.account, RoleARN: c.role, UserARN: c.maker, HasSession: c.hasSession}
	for _, d := range c.identity {
		s.Identity = append(s.Identity, attach(KindIdentity, Identity, d))
	}
	for _, d := range c.session {
		s.Session = append(s.Session, attach(KindSession, Identity, d))
	}
	if c.boundary != nil {
		b := attach(KindBoundary, Identity, c.boundary)
		s.Boundary = &b
	}
	q := &Query{Subject: s, Action: c.action, Resource: c.on, ResourceAccount: c.owner, Keys: MapKeys(c.keys)}
	for _, d := range c.scps {
		q.Guardrails = append(q.Guardrails, attach(KindGuardrail, Guardrail, d))
	}
	if c.resource != nil {
		kind, use := KindResource, Repository
		if c.trust {
			kind, use = KindTrust, Trust
		}
		r := attach(kind, use, c.resource)
		q.ResourcePolicy = &r
	}
	return q
}

// dump is a case for people to read.
func (c *naiveCase) dump() object {
	return object{
		"kind": c.kind, "arn": c.arn, "account": c.account, "role": c.role, "maker": c.maker, "action": c.action, "on": c.on,
		"owner": c.owner, "keys": c.keys, "identity": c.identity, "boundary": c.boundary, "session": c.session, "hasSession": c.hasSession,
		"guardrails": c.scps, "resource": c.resource, "trust": c.trust,
	}
}
