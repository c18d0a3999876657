package enforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/policy"
)

const (
	dev  = "arn:aws:iam::123456789012:user/dev"
	demo = "arn:aws:ecr:eu-west-1:123456789012:repository/demo"
)

// world is who and what there is in a test.
type world struct {
	subject *identity.Subject
	access  Access
	err     error
}

func (w *world) Subject(_ context.Context, key string) (*identity.Subject, error) {
	if key != "AKIADEV" {
		return nil, auth.ErrUnknownKey
	}
	return w.subject, w.err
}

func (w *world) SubjectOf(_ context.Context, principal string) (*identity.Subject, error) {
	if strings.Contains(principal, ":oidc-provider/") {
		return &identity.Subject{Subject: policy.Subject{Kind: policy.WebIdentity, ARN: principal}}, nil
	}
	if principal != w.subject.ARN {
		return nil, &identity.NoSuchError{Kind: identity.KindUser, Name: principal}
	}
	return w.subject, nil
}

func (w *world) PrincipalExists(context.Context, string) (bool, error) { return true, nil }

func (w *world) Access(context.Context, auth.Request) (Access, error) { return w.access, nil }

func attached(t *testing.T, kind policy.Kind, use policy.Use, text string) policy.Attached {
	t.Helper()
	d, err := policy.Parse([]byte(text), use)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return policy.Attached{Kind: kind, Name: "policy", Document: d}
}

// user is the user dev with an identity policy of one statement.
func user(t *testing.T, statement string) *identity.Subject {
	t.Helper()
	s := &identity.Subject{Subject: policy.Subject{Kind: policy.User, ARN: dev, Account: "123456789012"}, UserID: "AIDADEV", UserName: "dev"}
	if statement != "" {
		s.Identity = []policy.Attached{attached(t, policy.KindIdentity, policy.Identity, `{"Version":"2012-10-17","Statement":`+statement+`}`)}
	}
	return s
}

func authorizer(t *testing.T, w *world, more ...func(*Options)) *Authorizer {
	t.Helper()
	o := Options{Subjects: w, Resources: map[string]Resources{"ecr": w}}
	for _, m := range more {
		m(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(action string) auth.Request {
	return auth.Request{
		Principal: auth.Principal{ARN: dev, Account: "123456789012", UserID: "AIDADEV", AccessKeyID: "AKIADEV"},
		Action:    action, Resource: demo, ResourceAccount: "123456789012", Region: "eu-west-1",
	}
}

func TestEveryKeyOfARequestIsKnownToConditions(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	ctx := auth.WithOrigin(t.Context(), &auth.Origin{Source: netip.MustParseAddr("10.1.2.3"), Secure: true, UserAgent: "docker/28", At: at})
	issued := at.Add(-time.Hour)
	for condition, want := range map[string]bool{
		`"StringEquals":{"aws:PrincipalArn":"` + dev + `"}`:                 true,
		`"StringEquals":{"aws:PrincipalAccount":"123456789012"}`:            true,
		`"StringEquals":{"aws:PrincipalType":"User"}`:                       true,
		`"StringEquals":{"aws:userid":"AIDADEV"}`:                           true,
		`"StringEquals":{"aws:username":"dev"}`:                             true,
		`"StringEquals":{"aws:PrincipalTag/Team":"a"}`:                      true,
		`"StringEquals":{"aws:PrincipalTag/team":"b"}`:                      false,
		`"StringEquals":{"aws:ResourceTag/stage":"prod"}`:                   true,
		`"StringEquals":{"ecr:ResourceTag/stage":"prod"}`:                   true,
		`"StringEquals":{"ecs:ResourceTag/stage":"prod"}`:                   false,
		`"StringEquals":{"aws:RequestTag/cost":"7"}`:                        true,
		`"ForAllValues:StringEquals":{"aws:TagKeys":["cost","owner"]}`:      true,
		`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                         true,
		`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                      false,
		`"Bool":{"aws:SecureTransport":"true"}`:                             true,
		`"StringLike":{"aws:UserAgent":"docker/*"}`:                         true,
		`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`:                true,
		`"StringEquals":{"aws:ResourceAccount":"123456789012"}`:             true,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-11-24T07:59:59Z"}`:      true,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-11-24T08:00:01Z"}`:      false,
		`"NumericEquals":{"aws:EpochTime":"1795507200"}`:                    true,
		`"DateLessThan":{"aws:TokenIssueTime":"2026-11-24T07:30:00Z"}`:      true,
		`"StringEquals":{"aws:SourceIdentity":"jane"}`:                      true,
		`"Null":{"aws:MultiFactorAuthPresent":"true"}`:                      true,
		`"Null":{"aws:FederatedProvider":"true"}`:                           true,
		`"Bool":{"aws:ViaAWSService":"false"}`:                              true,
		`"StringEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}`:         true,
		`"StringEquals":{"aws:ResourceTag/stage":"${aws:username}"}`:        false,
		`"StringEquals":{"aws:username":"${aws:username}"}`:                 true,
		`"StringNotEquals":{"aws:PrincipalTag/none":"anything"}`:            true,
		`"StringEqualsIfExists":{"aws:PrincipalTag/none":"anything"}`:       true,
		`"StringEquals":{"aws:ResourceTag/":"prod"}`:                        false,
		`"StringEquals":{"aws:PrincipalIsAWSService":"false"}`:              true,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}`: true,
	} {
		s := user(t, `{"Effect":"Allow","Action":"ecr:*","Resource":"*","Condition":{`+condition+`}}`)
		s.Tags, s.SourceIdentity, s.IssuedAt = map[string]string{"team": "a"}, "jane", issued
		w := &world{subject: s, access: Access{Tags: map[string]string{"Stage": "prod"}}}
		r := request("ecr:TagResource")
		r.Keys = map[string][]string{"aws:requesttag/cost": {"7"}, "aws:tagkeys": {"cost"}}
		err := authorizer(t, w).Authorize(ctx, r)
		if (err == nil) != want {
			t.Errorf("%s: %v, want allowed: %v", condition, err, want)
		}
	}
}

func TestOfTagsThatDifferInCaseOnlyNeitherIsSeen(t *testing.T) {
	s := user(t, `{"Effect":"Allow","Action":"ecr:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"mine"}}}`)
	for range 300 { // a map has no order
		w := &world{subject: s, access: Access{Tags: map[string]string{"team": "theirs", "TEAM": "mine"}}}
		if authorizer(t, w).Authorize(t.Context(), request("ecr:PutImage")) == nil {
			t.Fatal("a tag beside another passes for it")
		}
	}
	w := &world{subject: s, access: Access{Tags: map[string]string{"Team": "mine"}}}
	if err := authorizer(t, w).Authorize(t.Context(), request("ecr:PutImage")); err != nil {
		t.Error(err)
	}
}

func TestASessionOfARoleIsItsRoleToConditions(t *testing.T) {
	s := user(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/ci"},"StringEquals":{"aws:PrincipalType":"AssumedRole"},"Null":{"aws:username":"true"}}}`)
	s.Kind, s.ARN, s.RoleARN, s.UserName = policy.AssumedRole, "arn:aws:sts::123456789012:assumed-role/ci/build", "arn:aws:iam::123456789012:role/ci", ""
	if err := authorizer(t, &world{subject: s}).Authorize(t.Context(), request("ecr:PutImage")); err != nil {
		t.Error(err)
	}
}

func TestARefusalReadsAsIAMs(t *testing.T) {
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"ecr:PutImage"}}`
	resource := attached(t, policy.KindResource, policy.Repository, deny)
	guardrail := attached(t, policy.KindGuardrail, policy.Guardrail, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:Get*","Resource":"*"}}`)
	const start = "User: " + dev + " is not authorized to perform: ecr:PutImage on resource: " + demo + " "
	for name, c := range map[string]struct {
		subject *identity.Subject
		access  Access
		guard   []policy.Attached
		want    string
	}{
		"nothing allows it":       {user(t, ""), Access{}, nil, "because no identity-based policy allows the ecr:PutImage action"},
		"its own policy denies":   {user(t, `{"Effect":"Deny","Action":"*","Resource":"*"}`), Access{}, nil, "with an explicit deny in an identity-based policy"},
		"the repository's denies": {user(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`), Access{Policy: &resource}, nil, "with an explicit deny in a resource-based policy"},
		"a guardrail leaves out":  {user(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`), Access{}, []policy.Attached{guardrail}, "because no service control policy allows the ecr:PutImage action"},
	} {
		err := authorizer(t, &world{subject: c.subject, access: c.access}, func(o *Options) { o.Guardrails = c.guard }).Authorize(t.Context(), request("ecr:PutImage"))
		var denied *auth.DeniedError
		if !errors.As(err, &denied) || denied.Error() != start+c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoWasDeletedMeanwhileIsRefusedAndAFaultIsNotARefusal(t *testing.T) {
	w := &world{subject: user(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)}
	r := request("ecr:PutImage")
	r.Principal.AccessKeyID = "AKIAGONE"
	var denied *auth.DeniedError
	if err := authorizer(t, w).Authorize(t.Context(), r); !errors.As(err, &denied) || !strings.HasSuffix(denied.Error(), "because no identity-based policy allows the ecr:PutImage action") {
		t.Errorf("a deleted user: %v", err)
	}
	w.err = errors.New("the database is gone")
	if err := authorizer(t, w).Authorize(t.Context(), request("ecr:PutImage")); err == nil || errors.As(err, &denied) {
		t.Errorf("no decision could be reached: %v", err)
	}
}

func TestTheBearerOfATokenHasTheTrustPolicyAlone(t *testing.T) {
	const provider, role = "arn:aws:iam::123456789012:oidc-provider/gitlab.example", "arn:aws:iam::123456789012:role/ci"
	trust := attached(t, policy.KindTrust, policy.Trust, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"gitlab.example:sub":"project:a"}}}}`)
	w := &world{subject: user(t, ""), access: Access{Policy: &trust}}
	a := authorizer(t, w, func(o *Options) { o.Resources = map[string]Resources{"iam": w} })
	for sub, want := range map[string]bool{"project:a": true, "project:b": false} {
		err := a.Authorize(t.Context(), auth.Request{
			Principal: auth.Principal{ARN: provider}, Action: "sts:AssumeRoleWithWebIdentity", Resource: role, ResourceAccount: "123456789012",
			Keys: map[string][]string{"gitlab.example:sub": {sub}},
		})
		if (err == nil) != want {
			t.Errorf("%s: %v", sub, err)
		}
	}
}

func TestEveryDecisionIsWatchedAndRefusalsAreSealed(t *testing.T) {
	var seen []Decision
	w := &world{subject: user(t, `{"Sid":"get","Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"}`)}
	a := authorizer(t, w, func(o *Options) {
		o.Watch = func(_ context.Context, d Decision) { seen = append(seen, d) }
		o.Seal = func(m string) (string, error) { return "sealed " + m, nil }
	})
	if err := a.Authorize(t.Context(), request("ecr:GetAuthorizationToken")); err != nil {
		t.Fatal(err)
	}
	var denied *auth.DeniedError
	push := request("ecr:PutImage")
	push.Keys = map[string][]string{"aws:tagkeys": {"cost", "owner"}}
	from := auth.WithOrigin(t.Context(), &auth.Origin{Source: netip.MustParseAddr("10.1.2.3")})
	if err := a.Authorize(from, push); !errors.As(err, &denied) {
		t.Fatal(err)
	}
	if len(seen) != 2 || !seen[0].Allowed || seen[1].Allowed || seen[0].Deciding.Statement.Sid != "get" {
		t.Errorf("watched %+v", seen)
	}
	message, ok := strings.CutPrefix(denied.Message, "sealed ")
	var m struct {
		Allowed bool
		Context struct {
			Action, Resource string
			Conditions       json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(message), &m); !ok || err != nil || m.Allowed || m.Context.Action != "ecr:PutImage" || m.Context.Resource != demo {
		t.Errorf("%q: %v", denied.Message, err)
	}
	const conditions = `{"items":[{"key":"aws:RequestedRegion","values":{"items":[{"value":"eu-west-1"}]}},` +
		`{"key":"aws:SecureTransport","values":{"items":[{"value":"false"}]}},{"key":"aws:SourceIp","values":{"items":[{"value":"10.1.2.3"}]}},` +
		`{"key":"aws:tagkeys","values":{"items":[{"value":"cost"},{"value":"owner"}]}}]}`
	if got := string(m.Context.Conditions); got != conditions {
		t.Errorf("the conditions are %s", got)
	}
}

func TestAPolicyCanBeTriedBeforeItIsSet(t *testing.T) {
	deny := attached(t, policy.KindResource, policy.Repository, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}`)
	a := authorizer(t, &world{subject: user(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`), access: Access{Policy: &deny}})
	for _, c := range []struct {
		under *policy.Document
		want  bool
	}{{deny.Document, false}, {nil, true}} {
		if ok, err := a.AllowedUnder(t.Context(), request("ecr:SetRepositoryPolicy"), c.under); err != nil || ok != c.want {
			t.Errorf("under %v: %v, %v", c.under, ok, err)
		}
	}
}

func TestAnExplanationIsOfWhoeverIsNamed(t *testing.T) {
	a := authorizer(t, &world{subject: user(t, `{"Sid":"pull","Effect":"Allow","Action":"ecr:BatchGetImage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"a"}}}`)})
	r := request("ecr:BatchGetImage")
	r.Principal = auth.Principal{ARN: dev}
	x, err := a.Explain(t.Context(), r)
	if err != nil || x.Decision.Allowed || len(x.Findings) != 1 || x.Findings[0].Outcome != policy.ConditionUnmet || !slices.Equal(x.Missing, []string{"aws:PrincipalTag/team"}) {
		t.Errorf("%+v, %v", x, err)
	}
	r.Principal.ARN = "arn:aws:iam::123456789012:user/nobody"
	var none *identity.NoSuchError
	if _, err := a.Explain(t.Context(), r); !errors.As(err, &none) {
		t.Error(err)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":"arn:aws:ecr:*:*:repository/*"}}`), policy.Identity)
	if err != nil {
		b.Fatal(err)
	}
	w := &world{subject: &identity.Subject{Subject: policy.Subject{Kind: policy.User, ARN: dev, Account: "123456789012",
		Identity: []policy.Attached{{Kind: policy.KindIdentity, Name: "pull", Document: d}}}}}
	a, err := New(Options{Subjects: w, Resources: map[string]Resources{"ecr": w}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, r := b.Context(), request("ecr:BatchGetImage")
	b.ReportAllocs()
	for b.Loop() {
		if err := a.Authorize(ctx, r); err != nil {
			b.Fatal(err)
		}
	}
}
