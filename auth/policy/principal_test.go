package policy

import (
	"strings"
	"testing"
)

// Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal", with its two
// examples.
func TestNotPrincipalExemptsThosePreciselyListed(t *testing.T) {
	const (
		alice   = "arn:aws:iam::111122223333:user/alice"
		service = "ecs.amazonaws.com"
	)
	user := func(arn string) *Subject { return &Subject{Kind: User, ARN: arn, Account: home} }
	for _, tt := range []struct {
		name    string
		listed  []string
		subject *Subject
		// matchesDeny and matchesAllow: does the statement apply to the subject?
		matchesDeny, matchesAllow bool
	}{
		{"the user and its account are listed", []string{bob, theRoot}, user(bob), false, false},
		{"another user of the account that is listed with Bob", []string{bob, theRoot}, user(alice), true, false},
		{"the user is listed without its account", []string{bob}, user(bob), true, false},
		{"somebody else is listed", []string{alice}, user(bob), true, true},
		{"the account alone is listed", []string{home}, user(bob), true, false},
		{"the account alone is listed, for its root", []string{home}, theRootUser(), false, false},
		{"session, role and account are listed", []string{session, role, theRoot}, theSession(), false, false},
		{"the session is listed without its role", []string{session, theRoot}, theSession(), true, false},
		{"the role is listed without the session", []string{role, theRoot}, theSession(), true, false},
		{"another session of the role that is listed with its session", []string{session, role, theRoot}, &Subject{Kind: AssumedRole, ARN: session + "8", RoleARN: role, Account: home}, true, false},
		{"everyone is listed", []string{"*"}, user(bob), false, false},
		{"a service is listed", []string{service}, &Subject{Kind: Service, ARN: service}, false, false},
		{"a service is listed, for a user", []string{service}, user(bob), true, true},
		{"users are listed, for an unknown caller", []string{bob, theRoot}, &Subject{}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var aws, services []string
			for _, p := range tt.listed {
				if strings.HasSuffix(p, ".amazonaws.com") {
					services = append(services, `"`+p+`"`)
				} else {
					aws = append(aws, `"`+p+`"`)
				}
			}
			list := `{"AWS":[` + strings.Join(aws, ",") + `],"Service":[` + strings.Join(services, ",") + `]}`
			for effect, want := range map[string]bool{"Deny": tt.matchesDeny, "Allow": tt.matchesAllow} {
				p := &Attached{Kind: KindResource, Document: mustParse(t, statement(`"Effect":"`+effect+`","NotPrincipal":`+list+`,"Action":"*"`), Repository)}
				x := Explain(&Query{Subject: tt.subject, Action: pullImage, Resource: repo, ResourcePolicy: p})
				if got := x.Findings[0].Outcome == Matched; got != want {
					t.Errorf("%s applies: %v (%s)", effect, got, x.Findings[0].Why)
				}
				if r := x.Decision.Reason; (r == AllowedByResource || r == ExplicitResource) != want {
					t.Errorf("%s: %s", effect, x.Decision.Reason)
				}
			}
		})
	}
}

func TestADeniedPrincipalIsDeniedHoweverItIsNamed(t *testing.T) {
	for _, names := range []string{"*", home, theRoot, role, session} {
		p := &Attached{Kind: KindResource, Document: mustParse(t, statement(`"Effect":"Deny","Principal":`+principalJSON(names)+`,"Action":"*"`), Repository)}
		decided(t, &Query{Subject: theSession().with(t, allows, none, none), Action: pullImage, Resource: repo, ResourcePolicy: p}, ExplicitResource)
	}
}

func TestAnAccountIDHasTenToTwelveDigits(t *testing.T) {
	for s, want := range map[string]bool{
		"123456789": false, "1234567890": true, "12345678901": true, "123456789012": true,
		"1234567890123": false, "12345678901a": false, "": false, "-123456789012": false,
	} {
		if isAccount(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
	s := &Subject{Kind: User, ARN: "arn:aws:iam::1234567890:user/bob", Account: "1234567890"}
	decided(t, &Query{Subject: s, Action: pullImage, Resource: repo, ResourcePolicy: naming(t, s.ARN)}, AllowedByResource)
}

func TestPrincipalsAreListedInTheOrderOfTheDocument(t *testing.T) {
	doc := mustParse(t, `{"Statement":[
		{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com","AWS":["`+bob+`","*"]},"Action":"sts:AssumeRole"},
		{"Effect":"Deny","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRole"}]}`, Trust)
	var got []string
	for _, p := range doc.Principals() {
		got = append(got, p.String())
	}
	if s := strings.Join(got, ", "); s != "Service: ecs.amazonaws.com, AWS: "+bob+", AWS: *, Federated: accounts.google.com" {
		t.Error(s)
	}
	if got := mustParse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*"`), Identity).Principals(); got != nil {
		t.Errorf("an identity policy names %v", got)
	}
}
