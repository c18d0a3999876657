package policy

import (
	"encoding/base64"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// The naive evaluator decides from the JSON itself, by the definitions and with
// no thought of speed. It shares no code with the engine; where the two differ,
// one of them is wrong.

type object = map[string]any

// naiveCase is a query with its documents as JSON values.
type naiveCase struct {
	kind                      SubjectKind
	arn, account, role, maker string
	identity, session, scps   []object
	boundary, resource        object
	hasSession, trust         bool
	action, on, owner         string
	keys                      map[string][]string
	allowed                   bool
	why                       string
}

func (c *naiveCase) decide() {
	type opinion struct{ where, effect, named string }
	var all []opinion
	hear := func(where string, doc object) {
		if doc == nil {
			return
		}
		statements, ok := doc["Statement"].([]any)
		if !ok {
			statements = []any{doc["Statement"]}
		}
		for _, s := range statements {
			st := s.(object)
			if named, ok := c.applies(st, doc["Version"] == "2012-10-17"); ok {
				all = append(all, opinion{where, st["Effect"].(string), named})
			}
		}
	}
	inAccount := c.account != ""
	if inAccount {
		for _, d := range c.scps {
			hear("guardrail", d)
		}
	}
	hear("resource", c.resource)
	for _, d := range c.identity {
		hear("identity", d)
	}
	hear("boundary", c.boundary)
	for _, d := range c.session {
		hear("session", d)
	}

	for _, where := range []string{"guardrail", "resource", "identity", "boundary", "session"} {
		if slices.ContainsFunc(all, func(o opinion) bool { return o.where == where && o.effect == "Deny" }) {
			c.why = "explicit " + where
			return
		}
	}
	says := func(where, named string) bool {
		return slices.ContainsFunc(all, func(o opinion) bool { return o.where == where && o.named == named })
	}
	asRoot := c.kind == Root || c.kind == FederatedUser && c.maker == "arn:aws:iam::"+c.account+":root"
	scp := !inAccount || len(c.scps) == 0 || says("guardrail", "")
	identity := asRoot || says("identity", "")
	boundary := c.boundary == nil || says("boundary", "")
	session := c.kind != FederatedUser && !c.hasSession || says("session", "")
	direct, byRole, byAccount := says("resource", "direct"), says("resource", "role"), says("resource", "account")
	anyhow := direct || byRole || byAccount

	switch {
	case !scp:
		c.why = "implicit guardrail"
	case !inAccount:
		c.allowed, c.why = anyhow, "implicit resource"
	case c.owner == c.account && c.trust:
		c.allowed = direct || (byRole || identity) && boundary && session && anyhow
	case c.owner == c.account:
		c.allowed = direct || (byRole || identity) && boundary && session
	default:
		c.allowed = anyhow && identity && boundary && session
	}
	if c.allowed {
		c.why = ""
	} else if c.why == "" {
		c.why = "implicit"
	}
}

// applies reports whether a statement matches, and how it names the subject.
func (c *naiveCase) applies(st object, variables bool) (named string, ok bool) {
	any := func(element string, test func(string) bool) bool {
		return slices.ContainsFunc(strs(st[element]), test)
	}
	action := func(p string) bool {
		if p == "*" {
			return true
		}
		return glob([]rune(strings.ToLower(p)), []rune(strings.ToLower(c.action)))
	}
	if _, is := st["Action"]; is && !any("Action", action) {
		return "", false
	}
	if _, is := st["NotAction"]; is && any("NotAction", action) {
		return "", false
	}
	resource := func(p string) bool { return p == "*" || c.arnLike(p, c.on, variables) }
	if _, is := st["Resource"]; is && !any("Resource", resource) {
		return "", false
	}
	if _, is := st["NotResource"]; is && any("NotResource", resource) {
		return "", false
	}
	if p, is := st["Principal"]; is {
		if named = c.naming(p); named == "" {
			return "", false
		}
	}
	if p, is := st["NotPrincipal"]; is {
		if c.leftOut(p, st["Effect"] == "Deny") {
			return "", false
		}
		named = "direct"
	}
	conditions, _ := st["Condition"].(object)
	for operator, keys := range conditions {
		for key, want := range keys.(object) {
			if !c.condition(operator, key, strs(want), variables) {
				return "", false
			}
		}
	}
	return named, true
}

// naming is the most direct of the ways in which a principal is named.
func (c *naiveCase) naming(principal any) string {
	best := ""
	better := func(s string) {
		if best == "" || s == "direct" || s == "role" && best == "account" {
			best = s
		}
	}
	if principal == "*" {
		return "direct"
	}
	for kind, names := range principal.(object) {
		for _, n := range strs(names) {
			isAccount := n == c.account || n == "arn:aws:iam::"+c.account+":root"
			switch {
			case kind == "Service" && c.kind == Service && n == c.arn,
				kind == "Federated" && c.kind == WebIdentity && n == c.arn,
				kind == "AWS" && n == "*",
				kind == "AWS" && n == c.arn && (c.kind == User || c.kind == AssumedRole || c.kind == FederatedUser),
				kind == "AWS" && isAccount && c.kind == Root:
				better("direct")
			case kind == "AWS" && c.kind == AssumedRole && n == c.role,
				kind == "AWS" && c.kind == FederatedUser && n == c.maker && !isAccount:
				better("role")
			case kind == "AWS" && isAccount && c.account != "":
				better("account")
			}
		}
	}
	return best
}

// leftOut reports whether NotPrincipal leaves the subject out.
func (c *naiveCase) leftOut(principal any, deny bool) bool {
	listed := func(kind, name string) bool {
		if principal == "*" {
			return kind == "AWS" && name == "*"
		}
		return slices.Contains(strs(principal.(object)[kind]), name)
	}
	if listed("AWS", "*") {
		return true
	}
	kind := "AWS"
	switch c.kind {
	case Service:
		kind = "Service"
	case WebIdentity:
		kind = "Federated"
	}
	account := c.account != "" && (listed("AWS", c.account) || listed("AWS", "arn:aws:iam::"+c.account+":root"))
	itself := listed(kind, c.arn) || c.kind == Root && account
	role := c.kind == AssumedRole && listed("AWS", c.role)
	maker := c.kind == FederatedUser && listed("AWS", c.maker)
	if !deny {
		return itself || account || role || maker
	}
	return itself && (account || c.account == "") && (role || c.kind != AssumedRole)
}

func (c *naiveCase) condition(operator, key string, want []string, variables bool) bool {
	var got []string
	for k, v := range c.keys {
		if strings.EqualFold(k, key) {
			got = v
		}
	}
	all, forAll := strings.CutPrefix(operator, "ForAllValues:")
	anyOf, forAny := strings.CutPrefix(operator, "ForAnyValue:")
	base := operator
	if forAll {
		base = all
	} else if forAny {
		base = anyOf
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	somethingThere := strings.Join(got, "") != ""
	if base == "Null" {
		if somethingThere {
			return slices.Contains(want, "false")
		}
		return slices.Contains(want, "true")
	}
	if ifExists && len(got) == 0 {
		return true
	}
	positive := strings.Replace(base, "Not", "", 1)
	negated := positive != base
	matchesAny := func(g string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return c.compare(positive, w, g, variables) })
	}
	switch {
	case forAll && !somethingThere:
		return true
	case forAll:
		return !slices.ContainsFunc(got, func(g string) bool { return matchesAny(g) == negated })
	case forAny && !somethingThere:
		return false
	case forAny:
		return slices.ContainsFunc(got, func(g string) bool { return matchesAny(g) != negated })
	}
	return slices.ContainsFunc(got, matchesAny) != negated
}

func (c *naiveCase) compare(operator, want, got string, variables bool) bool {
	switch operator {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike", "Bool":
		w, ok := c.tokens(want, variables, operator == "StringLike")
		if !ok {
			return false
		}
		if operator == "StringLike" {
			return globTokens(w, []rune(got))
		}
		if operator == "StringEquals" {
			return text(w) == got
		}
		return strings.EqualFold(text(w), got)
	case "ArnEquals", "ArnLike":
		return c.arnLike(want, got, variables)
	case "IpAddress":
		if !strings.Contains(want, "/") {
			return net.ParseIP(want).Equal(net.ParseIP(got))
		}
		_, block, _ := net.ParseCIDR(want)
		ip := net.ParseIP(got)
		return ip != nil && block.Contains(ip)
	case "BinaryEquals":
		w, _ := base64.StdEncoding.DecodeString(want)
		g, err := base64.StdEncoding.DecodeString(got)
		return err == nil && string(w) == string(g)
	}
	var order int
	if name, ok := strings.CutPrefix(operator, "Numeric"); ok {
		w, _ := new(big.Rat).SetString(want)
		g, ok := new(big.Rat).SetString(got)
		if !ok {
			return false
		}
		order, operator = g.Cmp(w), name
	} else {
		w, _ := time.Parse(time.RFC3339, want)
		g, err := time.Parse(time.RFC3339, got)
		if err != nil {
			return false
		}
		order, operator = g.Compare(w), strings.TrimPrefix(operator, "Date")
	}
	switch operator {
	case "Equals":
		return order == 0
	case "LessThan":
		return order < 0
	case "LessThanEquals":
		return order <= 0
	case "GreaterThan":
		return order > 0
	}
	return order >= 0
}

// strs is a string or a list of scalars as a list of strings.
func strs(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, strs(e)...)
		}
		return out
	}
	return nil
}
