package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAnExplanationSaysOfEachStatementWhyItDidOrDidNotMatch(t *testing.T) {
	s := theSession()
	s.Identity = []Attached{{Kind: KindIdentity, Name: "pull", Document: mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"Push","Effect":"Allow","Action":["ecr:PutImage","ecr:InitiateLayerUpload"],"Resource":"*"},
		{"Sid":"TeamB","Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"arn:aws:ecr:*:*:repository/team-b/*"},
		{"Sid":"Office","Effect":"Allow","Action":"ecr:*","Resource":"*","Condition":{
			"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}},
		{"Sid":"Own","Effect":"Allow","Action":"ecr:*","Resource":"*","Condition":{
			"StringLike":{"ecr:ResourceTag/team":["${aws:PrincipalTag/team}","shared-${aws:PrincipalTag/kind, 'x'}"]}}},
		{"Sid":"Mine","Effect":"Allow","NotAction":"iam:*","Resource":"arn:aws:ecr:*:*:repository/${aws:PrincipalTag/Home}"}]}`, Identity)}}
	s.Boundary = &Attached{Kind: KindBoundary, Name: "limits", Document: mustParse(t, statement(`"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"`), Identity)}
	resource := &Attached{Kind: KindResource, Name: "repository policy", Document: mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"Bob","Effect":"Allow","Principal":{"AWS":"`+bob+`"},"Action":"ecr:*"},
		{"Sid":"Account","Effect":"Allow","Principal":{"AWS":["`+elsewhere+`","`+theRoot+`"]},"Action":"ecr:*"},
		{"Sid":"NotUs","Effect":"Deny","NotPrincipal":{"AWS":["`+session+`","`+role+`","`+home+`"]},"Action":"ecr:*"}]}`, Repository)}
	x := Explain(&Query{Subject: s, Action: pullImage, Resource: repo, ResourceAccount: home, ResourcePolicy: resource,
		Keys: MapKeys{"aws:sourceip": {"8.8.8.8"}, "ecr:resourcetag/team": {"blue"}}})

	var got []string
	for _, f := range x.Findings {
		got = append(got, fmt.Sprintf("%s/%s: %s: %s", f.Policy.Name, f.Statement.Sid, f.Outcome, f.Why))
	}
	want := []string{
		`repository policy/Bob: other principal: Principal ("AWS: arn:aws:iam::111122223333:user/bob") does not include the principal`,
		`repository policy/Account: matched: it matches: Allow, as far as the account's identity policies allow it too`,
		`repository policy/NotUs: other principal: NotPrincipal ("AWS: arn:aws:sts::111122223333:assumed-role/builder/job7", "AWS: arn:aws:iam::111122223333:role/builder", "AWS: 111122223333") leaves out the principal`,
		`pull/Push: other action: Action ("ecr:PutImage", "ecr:InitiateLayerUpload") does not include the action`,
		`pull/TeamB: other resource: Resource ("arn:aws:ecr:*:*:repository/team-b/*") does not include the resource`,
		`pull/Office: condition not met: IpAddress of aws:SourceIp wants "10.0.0.0/8", "192.168.0.0/16", the request has "8.8.8.8"`,
		`pull/Own: condition not met: StringLike of ecr:ResourceTag/team wants "shared-x", the request has "blue"; ${aws:PrincipalTag/team} has no value`,
		`pull/Mine: other resource: Resource ("arn:aws:ecr:*:*:repository/${aws:PrincipalTag/Home}") does not include the resource`,
		`limits/All: matched: it matches: Allow`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if x.Decision.Reason != ImplicitIdentity {
		t.Errorf("decided that %s", x.Decision.Reason)
	}
	layers := fmt.Sprint(x.Layers)
	if layers != "[{resource-based policy false true} {identity-based policy false false} {permissions boundary false true}]" {
		t.Errorf("layers %s", layers)
	}
	if missing := strings.Join(x.Missing, " "); missing != "aws:PrincipalTag/Home aws:PrincipalTag/kind aws:PrincipalTag/team" {
		t.Errorf("missing %s", missing)
	}
	if p := x.Findings[1].Principal; p != "AWS: "+theRoot {
		t.Errorf("the statement of the account matched by %q", p)
	}
}

func TestABoundaryOrGuardrailThatWasNotAskedIsNotAmongTheLayers(t *testing.T) {
	x := Explain(&Query{Subject: theUser().with(t, allows, none, none), Action: pullImage, Resource: repo})
	if len(x.Layers) != 1 || x.Layers[0] != (Layer{Kind: KindIdentity, Allowed: true}) {
		t.Errorf("layers %v", x.Layers)
	}
	x = Explain(&Query{Subject: theGuest(), Action: pullImage, Resource: repo, Guardrails: []Attached{*policyOf(t, KindGuardrail, denies)}})
	if len(x.Layers) != 3 || x.Layers[0] != (Layer{Kind: KindGuardrail, Denied: true}) || x.Layers[2] != (Layer{Kind: KindSession}) {
		t.Errorf("layers %v", x.Layers)
	}
}

// Source: IAM User Guide, "Troubleshoot access denied error messages".
func TestARefusalIsWordedAsAWSDoes(t *testing.T) {
	const arn = "arn:aws:iam::111122223333:policy/NoPush"
	inline := Match{Policy: &Attached{Name: `inline policy "x" of user/bob`}}
	managed := Match{Policy: &Attached{Name: arn}}
	for _, tt := range []struct {
		reason   Reason
		deciding Match
		want     string
	}{
		{ImplicitIdentity, Match{}, "because no identity-based policy allows the ecr:PutImage action"},
		{ImplicitResource, Match{}, "because no resource-based policy allows the ecr:PutImage action"},
		{ImplicitTrust, Match{}, "because no role trust policy allows the ecr:PutImage action"},
		{ImplicitBoundary, Match{}, "because no permissions boundary allows the ecr:PutImage action"},
		{ImplicitSession, Match{}, "because no session policy allows the ecr:PutImage action"},
		{ImplicitGuardrail, Match{}, "because no service control policy allows the ecr:PutImage action"},
		{ExplicitIdentity, inline, "with an explicit deny in an identity-based policy"},
		{ExplicitIdentity, managed, "with an explicit deny in an identity-based policy: " + arn},
		{ExplicitResource, inline, "with an explicit deny in a resource-based policy"},
		{ExplicitTrust, inline, "with an explicit deny in the role trust policy"},
		{ExplicitBoundary, managed, "with an explicit deny in a permissions boundary: " + arn},
		{ExplicitSession, inline, "with an explicit deny in a session policy"},
		{ExplicitGuardrail, inline, "with an explicit deny in a service control policy"},
	} {
		if got := (Decision{Reason: tt.reason, Deciding: tt.deciding}).Because("ecr:PutImage"); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := (Decision{Allowed: true, Reason: AllowedByIdentity}).Because("ecr:PutImage"); got != "" {
		t.Errorf("an allowed request gives %q", got)
	}
}
