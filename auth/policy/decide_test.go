package policy

import (
	"fmt"
	"strings"
	"testing"
)

const (
	home      = "111122223333"
	elsewhere = "444455556666"
	bob       = "arn:aws:iam::111122223333:user/bob"
	role      = "arn:aws:iam::111122223333:role/builder"
	session   = "arn:aws:sts::111122223333:assumed-role/builder/job7"
	federated = "arn:aws:sts::111122223333:federated-user/guest"
	theRoot   = "arn:aws:iam::111122223333:root"
	repo      = "arn:aws:ecr:eu-west-1:111122223333:repository/team-a/x"
	theirs    = "arn:aws:ecr:eu-west-1:444455556666:repository/team-a/x"
	pullImage = "ecr:BatchGetImage"
)

// rule is a policy in shorthand for tables: what it says about the request.
type rule string

const (
	none   rule = "there is none"
	silent rule = "it says nothing about the request"
	allows rule = "it allows the request"
	denies rule = "it denies the request"
)

// policyOf makes a policy that says as much; nil for none.
func policyOf(t testing.TB, kind Kind, r rule) *Attached {
	t.Helper()
	var elements string
	switch r {
	case none, "":
		return nil
	case silent:
		elements = `"Effect":"Allow","Action":"s3:*","Resource":"*"`
	case allows:
		elements = `"Effect":"Allow","Action":"*","Resource":"*"`
	case denies:
		elements = `"Effect":"Deny","Action":"*","Resource":"*"`
	default:
		t.Fatalf("no such rule: %s", r)
	}
	return &Attached{Kind: kind, Name: string(r), Document: mustParse(t, statement(elements), Identity)}
}

// naming makes a resource policy that allows the request to a principal.
func naming(t testing.TB, principal string) *Attached {
	t.Helper()
	if principal == "" {
		return nil
	}
	return &Attached{Kind: KindResource, Name: "resource", Document: mustParse(t,
		statement(`"Effect":"Allow","Principal":`+principalJSON(principal)+`,"Action":"ecr:*"`), Repository)}
}

func principalJSON(name string) string {
	switch {
	case name == "*":
		return `"*"`
	case strings.HasSuffix(name, ".amazonaws.com"):
		return fmt.Sprintf(`{"Service":%q}`, name)
	case strings.Contains(name, ":oidc-provider/"):
		return fmt.Sprintf(`{"Federated":%q}`, name)
	}
	return fmt.Sprintf(`{"AWS":%q}`, name)
}

func theUser() *Subject { return &Subject{Kind: User, ARN: bob, Account: home} }

func theSession() *Subject {
	return &Subject{Kind: AssumedRole, ARN: session, Account: home, RoleARN: role}
}

func theGuest() *Subject {
	return &Subject{Kind: FederatedUser, ARN: federated, Account: home, UserARN: bob}
}

func theRootUser() *Subject { return &Subject{Kind: Root, ARN: theRoot, Account: home} }

func (s *Subject) with(t testing.TB, identity, boundary, sessionPolicy rule) *Subject {
	t.Helper()
	if p := policyOf(t, KindIdentity, identity); p != nil {
		s.Identity = []Attached{*p}
	}
	s.Boundary = policyOf(t, KindBoundary, boundary)
	if p := policyOf(t, KindSession, sessionPolicy); p != nil {
		s.HasSession, s.Session = true, []Attached{*p}
	}
	return s
}

// The rows are those of the table "Resource-based policies and implicit denies
// in other policy types (same account)" of the IAM User Guide, "Policy
// evaluation logic", and the cases that its text adds.
func TestWhomAResourcePolicyNamesSettlesWhatImplicitDenialsWeigh(t *testing.T) {
	for _, tt := range []struct {
		name                        string
		subject                     *Subject
		names                       string
		identity, boundary, session rule
		want                        Reason
	}{
		{"an IAM user is not named and has no policy", theUser(), "", none, none, none, ImplicitIdentity},
		{"an IAM user named by its ARN needs nothing else", theUser(), bob, silent, silent, none, AllowedByResource},
		{"a role session whose role is named is limited by the boundary", theSession(), role, silent, silent, silent, ImplicitBoundary},
		{"a role session whose role is named is limited by the session policy", theSession(), role, silent, allows, silent, ImplicitSession},
		{"a role session whose role is named needs no identity policy", theSession(), role, silent, allows, allows, AllowedByResource},
		{"a role session whose role is named is not limited by what there is not", theSession(), role, none, none, none, AllowedByResource},
		{"a role session named by its ARN needs nothing else", theSession(), session, silent, silent, silent, AllowedByResource},
		{"a federated user whose maker is named is limited by the boundary", theGuest(), bob, silent, silent, allows, ImplicitBoundary},
		{"a federated user whose maker is named is limited by the session policy", theGuest(), bob, silent, allows, silent, ImplicitSession},
		{"a federated user whose maker is named needs a session policy", theGuest(), bob, allows, allows, none, ImplicitSession},
		{"a federated user whose maker is named needs no identity policy", theGuest(), bob, silent, none, allows, AllowedByResource},
		{"a federated user named by its ARN needs nothing else", theGuest(), federated, silent, silent, silent, AllowedByResource},
		{"a federated user named by its ARN needs no session policy", theGuest(), federated, none, none, none, AllowedByResource},
		{"the root is named", theRootUser(), theRoot, none, none, none, AllowedByResource},

		{"everyone is named, which is as good as the user's ARN", theUser(), "*", silent, silent, none, AllowedByResource},
		{"everyone is named, which is as good as the session's ARN", theSession(), "*", silent, silent, silent, AllowedByResource},
		{"the account is named, which leaves it to the identity policies", theUser(), home, silent, none, none, ImplicitIdentity},
		{"the account is named and an identity policy allows", theUser(), theRoot, allows, none, none, AllowedByIdentity},
		{"the account is named and the boundary does not allow", theUser(), theRoot, allows, silent, none, ImplicitBoundary},
		{"another user is named", theUser(), "arn:aws:iam::111122223333:user/alice", silent, none, none, ImplicitIdentity},
		{"a user of the same name in another account is named", theUser(), "arn:aws:iam::444455556666:user/bob", none, none, none, ImplicitIdentity},
		{"a user of the same name in another path is named", theUser(), "arn:aws:iam::111122223333:user/ops/bob", none, none, none, ImplicitIdentity},
		{"another session of the role is named", theSession(), session + "8", silent, none, none, ImplicitIdentity},
		{"another role is named", theSession(), role + "s", silent, none, none, ImplicitIdentity},
		{"a user's ARN does not name a role's session", theSession(), bob, silent, none, none, ImplicitIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			decided(t, &Query{
				Subject: tt.subject.with(t, tt.identity, tt.boundary, tt.session),
				Action:  pullImage, Resource: repo, ResourceAccount: home,
				ResourcePolicy: naming(t, tt.names),
			}, tt.want)
		})
	}
}

// Source: IAM User Guide, "Policy evaluation for requests within a single
// account", flow charts for users and roles; "Evaluating identity-based policies
// with permissions boundaries" and "… with Organizations SCPs"; "Session
// policies".
func TestWithinAnAccountEveryKindOfPolicyThatIsThereHasToAllow(t *testing.T) {
	for _, tt := range []struct {
		name                                   string
		subject                                *Subject
		guardrail, identity, boundary, session rule
		want                                   Reason
	}{
		{"a user without policies", theUser(), none, none, none, none, ImplicitIdentity},
		{"a user with a policy about something else", theUser(), none, silent, none, none, ImplicitIdentity},
		{"a user who is allowed", theUser(), none, allows, none, none, AllowedByIdentity},
		{"a user who is allowed within the boundary", theUser(), allows, allows, allows, none, AllowedByIdentity},
		{"a boundary grants nothing", theUser(), none, none, allows, none, ImplicitIdentity},
		{"a boundary that does not allow", theUser(), none, allows, silent, none, ImplicitBoundary},
		{"a guardrail grants nothing", theUser(), allows, none, none, none, ImplicitIdentity},
		{"a guardrail that does not allow", theUser(), silent, allows, allows, none, ImplicitGuardrail},
		{"a role's session without a session policy", theSession(), none, allows, none, none, AllowedByIdentity},
		{"a session policy that allows", theSession(), none, allows, none, allows, AllowedByIdentity},
		{"a session policy grants nothing", theSession(), none, silent, none, allows, ImplicitIdentity},
		{"a session policy that does not allow", theSession(), none, allows, allows, silent, ImplicitSession},
		{"a federated user without a session policy", theGuest(), none, allows, none, none, ImplicitSession},
		{"a federated user with a session policy", theGuest(), none, allows, none, allows, AllowedByIdentity},
		{"a federated user whose maker may not", theGuest(), none, silent, none, allows, ImplicitIdentity},
		{"the root needs no policy", theRootUser(), none, none, none, none, AllowedAsRoot},
		{"the root within a guardrail", theRootUser(), allows, none, none, none, AllowedAsRoot},
		{"the root is subject to guardrails", theRootUser(), silent, none, none, none, ImplicitGuardrail},
		{"the root is subject to denials of guardrails", theRootUser(), denies, none, none, none, ExplicitGuardrail},

		{"a denial in an identity policy", theUser(), allows, denies, allows, none, ExplicitIdentity},
		{"a denial in the boundary", theUser(), allows, allows, denies, none, ExplicitBoundary},
		{"a denial in a session policy", theSession(), allows, allows, allows, denies, ExplicitSession},
		{"a denial in a guardrail", theUser(), denies, allows, allows, none, ExplicitGuardrail},
		{"an explicit denial counts before an implicit one", theSession(), none, none, none, denies, ExplicitSession},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := &Query{
				Subject: tt.subject.with(t, tt.identity, tt.boundary, tt.session),
				Action:  pullImage, Resource: repo, ResourceAccount: home,
			}
			if p := policyOf(t, KindGuardrail, tt.guardrail); p != nil {
				q.Guardrails = []Attached{*p}
			}
			decided(t, q, tt.want)
		})
	}
}

// Source: IAM User Guide, "Cross-account policy evaluation logic".
func TestAcrossAccountsBothSidesHaveToAllow(t *testing.T) {
	guestOfRoot := func() *Subject {
		return &Subject{Kind: FederatedUser, ARN: federated, Account: home, UserARN: theRoot}
	}
	for _, tt := range []struct {
		name                        string
		subject                     *Subject
		names                       string
		identity, boundary, session rule
		want                        Reason
	}{
		{"neither side", theUser(), "", none, none, none, ImplicitIdentity},
		{"the identity policy alone", theUser(), "", allows, none, none, ImplicitResource},
		{"the resource policy names somebody else", theUser(), elsewhere, allows, none, none, ImplicitResource},
		{"the resource policy alone, naming the user", theUser(), bob, silent, none, none, ImplicitIdentity},
		{"the resource policy alone, naming everyone", theUser(), "*", silent, none, none, ImplicitIdentity},
		{"both, naming the account", theUser(), home, allows, none, none, AllowedByIdentity},
		{"both, naming the account's root", theUser(), theRoot, allows, none, none, AllowedByIdentity},
		{"both, naming the user", theUser(), bob, allows, none, none, AllowedByIdentity},
		{"both, naming everyone", theUser(), "*", allows, none, none, AllowedByIdentity},
		{"both, but not the boundary", theUser(), bob, allows, silent, none, ImplicitBoundary},
		{"naming the session does not make up for the session policy", theSession(), session, allows, none, silent, ImplicitSession},
		{"naming the session does not make up for the identity policy", theSession(), session, silent, none, allows, ImplicitIdentity},
		{"naming the role does not make up for the identity policy", theSession(), role, silent, none, none, ImplicitIdentity},
		{"both, naming the role", theSession(), role, allows, allows, allows, AllowedByIdentity},
		{"the root is no more than its account", theRootUser(), "", none, none, none, ImplicitResource},
		{"the root of an account that is named", theRootUser(), home, none, none, none, AllowedByResource},
		{"a federated session of the root", guestOfRoot(), home, none, none, allows, AllowedByResource},
		{"a federated session of the root without a session policy", guestOfRoot(), home, none, none, none, ImplicitSession},
	} {
		t.Run(tt.name, func(t *testing.T) {
			decided(t, &Query{
				Subject: tt.subject.with(t, tt.identity, tt.boundary, tt.session),
				Action:  pullImage, Resource: theirs, ResourceAccount: elsewhere,
				ResourcePolicy: naming(t, tt.names),
			}, tt.want)
		})
	}
}

// Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access": trust policies are an exception, they have to allow
// explicitly even within the account.
func TestATrustPolicyHasToAllowWhoeverAssumesTheRole(t *testing.T) {
	const provider = "arn:aws:iam::111122223333:oidc-provider/gitlab.lab"
	stranger := &Subject{Kind: User, ARN: "arn:aws:iam::444455556666:user/eve", Account: elsewhere}
	for _, tt := range []struct {
		name               string
		subject            *Subject
		names              string
		identity, boundary rule
		want               Reason
	}{
		{"an identity policy alone does not suffice", theUser(), "arn:aws:iam::111122223333:user/alice", allows, none, ImplicitTrust},
		{"naming the user suffices", theUser(), bob, none, none, AllowedByResource},
		{"naming the user suffices against the boundary", theUser(), bob, none, silent, AllowedByResource},
		{"naming the account needs an identity policy", theUser(), home, none, none, ImplicitIdentity},
		{"naming the account, with an identity policy", theUser(), theRoot, allows, none, AllowedByIdentity},
		{"naming the account, with a denial", theUser(), theRoot, denies, none, ExplicitIdentity},
		{"chaining from a role that is named", theSession(), role, none, none, AllowedByResource},
		{"chaining from a role that is named, beyond its boundary", theSession(), role, none, silent, ImplicitBoundary},
		{"another account's user who is named needs an identity policy", stranger, stranger.ARN, none, none, ImplicitIdentity},
		{"another account's user who is named and allowed", stranger, elsewhere, allows, none, AllowedByIdentity},
		{"another account's user who is not named", stranger, home, allows, none, ImplicitTrust},
		{"a service that is named", &Subject{Kind: Service, ARN: "ecs-tasks.amazonaws.com"}, "ecs-tasks.amazonaws.com", none, none, AllowedByResource},
		{"a service that is not named", &Subject{Kind: Service, ARN: "ec2.amazonaws.com"}, "ecs-tasks.amazonaws.com", none, none, ImplicitTrust},
		{"a provider that is named", &Subject{Kind: WebIdentity, ARN: provider}, provider, none, none, AllowedByResource},
		{"a provider that is not named", &Subject{Kind: WebIdentity, ARN: provider + "/other"}, provider, none, none, ImplicitTrust},
		{"naming the provider's account names no provider", &Subject{Kind: WebIdentity, ARN: provider}, home, none, none, ImplicitTrust},
		{"an unknown caller", &Subject{}, home, none, none, ImplicitTrust},
	} {
		t.Run(tt.name, func(t *testing.T) {
			principal := principalJSON(tt.names)
			decided(t, &Query{
				Subject: tt.subject.with(t, tt.identity, tt.boundary, none),
				Action:  "sts:AssumeRole", Resource: role, ResourceAccount: home,
				ResourcePolicy: &Attached{Kind: KindTrust, Name: "trust", Document: mustParse(t,
					statement(`"Effect":"Allow","Principal":`+principal+`,"Action":"sts:*"`), Trust)},
			}, tt.want)
		})
	}
}

func TestCallersWithoutAnAccountDependOnTheResourcePolicyAlone(t *testing.T) {
	guardrail := []Attached{*policyOf(t, KindGuardrail, denies)}
	for _, tt := range []struct {
		subject *Subject
		names   string
		want    Reason
	}{
		{&Subject{Kind: Anonymous}, "*", AllowedByResource},
		{&Subject{Kind: Anonymous}, home, ImplicitResource},
		{&Subject{Kind: Anonymous}, "", ImplicitResource},
		{&Subject{Kind: Service, ARN: "ecs.amazonaws.com"}, "ecs.amazonaws.com", AllowedByResource},
		{&Subject{Kind: Service, ARN: "ecs.amazonaws.com"}, "", ImplicitResource},
	} {
		decided(t, &Query{Subject: tt.subject, Action: pullImage, Resource: repo, ResourceAccount: home,
			ResourcePolicy: naming(t, tt.names), Guardrails: guardrail}, tt.want)
	}
}

func TestGuardrailsAreOneLevelOfWhichOneHasToAllow(t *testing.T) {
	for _, tt := range []struct {
		rules []rule
		want  Reason
	}{
		{nil, AllowedByIdentity},
		{[]rule{silent, allows}, AllowedByIdentity},
		{[]rule{silent, silent}, ImplicitGuardrail},
		{[]rule{allows, denies}, ExplicitGuardrail},
	} {
		q := &Query{Subject: theUser().with(t, allows, none, none), Action: pullImage, Resource: repo}
		for _, r := range tt.rules {
			q.Guardrails = append(q.Guardrails, *policyOf(t, KindGuardrail, r))
		}
		decided(t, q, tt.want)
	}
}

func TestSessionPoliciesLimitTogether(t *testing.T) {
	s := theSession().with(t, allows, none, silent)
	s.Session = append(s.Session, *policyOf(t, KindSession, allows))
	decided(t, &Query{Subject: s, Action: pullImage, Resource: repo}, AllowedByIdentity)

	s = theSession().with(t, allows, none, none)
	s.HasSession = true
	decided(t, &Query{Subject: s, Action: pullImage, Resource: repo}, ImplicitSession)
}

func TestTheStatementNamingThePrincipalMostDirectlyDecides(t *testing.T) {
	p := &Attached{Kind: KindResource, Document: mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"`+home+`"},"Action":"ecr:*"},
		{"Sid":"Role","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"ecr:*"},
		{"Sid":"Session","Effect":"Allow","Principal":{"AWS":["`+home+`","`+session+`"]},"Action":"ecr:*"},
		{"Sid":"Everyone","Effect":"Allow","Principal":"*","Action":"ecr:*"}]}`, Repository)}
	d := Decide(&Query{Subject: theSession().with(t, silent, silent, silent), Action: pullImage, Resource: repo, ResourcePolicy: p})
	if !d.Allowed || d.Deciding.Statement.Sid != "Session" {
		t.Errorf("got %+v", d)
	}
}

func TestOfStatementsThatNameThePrincipalAlikeTheFirstDecides(t *testing.T) {
	p := &Attached{Kind: KindResource, Document: mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"First","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"ecr:*"},
		{"Sid":"Second","Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"ecr:*"}]}`, Repository)}
	d := Decide(&Query{Subject: theSession(), Action: pullImage, Resource: repo, ResourcePolicy: p})
	if !d.Allowed || d.Deciding.Statement.Sid != "First" {
		t.Errorf("got %+v", d)
	}
}

func decided(t *testing.T, q *Query, want Reason) {
	t.Helper()
	d := Decide(q)
	if d.Reason != want {
		t.Errorf("the reason is that %s; it should be that %s", d.Reason, want)
	}
	if allowed := want >= AllowedByIdentity; d.Allowed != allowed {
		t.Errorf("allowed: %v", d.Allowed)
	}
	if explains := d.Deciding.Statement != nil; explains != (want.Explicit() || want == AllowedByIdentity || want == AllowedByResource) {
		t.Errorf("a deciding statement is named: %v, for %s", explains, want)
	}
	x := Explain(q)
	if x.Decision != d {
		t.Errorf("explained as %+v, decided as %+v", x.Decision, d)
	}
	for _, f := range x.Findings {
		if f.Match == d.Deciding && f.Outcome != Matched {
			t.Errorf("the deciding statement is said not to match: %s", f.Why)
		}
		if f.Why == "" {
			t.Errorf("a statement is not explained: %+v", f)
		}
	}
}

func TestARegistryPolicySpeaksBesideTheRepositorys(t *testing.T) {
	allow := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"222233334444"},"Action":"ecr:*","Resource":"*"}}`
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"ecr:PutImage","Resource":"*"}}`
	attached := func(text string) *Attached {
		if text == "" {
			return nil
		}
		d, err := Parse([]byte(text), Resource)
		if err != nil {
			t.Fatal(err)
		}
		return &Attached{Kind: KindResource, Name: "policy", Document: d}
	}
	for name, c := range map[string]struct {
		repository, registry string
		allowed              bool
	}{
		"neither allows":                        {"", "", false},
		"the repository's allows":               {allow, "", true},
		"the registry's allows":                 {"", allow, true},
		"both allow":                            {allow, allow, true},
		"the registry's denies what one grants": {allow, deny, false},
		"the repository's denies":               {deny, allow, false},
	} {
		q := &Query{
			Subject: &Subject{Kind: Root, ARN: "arn:aws:iam::222233334444:root", Account: "222233334444"},
			Action:  "ecr:PutImage", Resource: "arn:aws:ecr:eu-west-1:123456789012:repository/demo", ResourceAccount: "123456789012",
			ResourcePolicy: attached(c.repository), RegistryPolicy: attached(c.registry),
		}
		if d := Decide(q); d.Allowed != c.allowed {
			t.Errorf("%s: %+v", name, d)
		}
		if x := Explain(q); x.Decision.Allowed != c.allowed {
			t.Errorf("%s, explained: %+v", name, x.Decision)
		}
	}
}
