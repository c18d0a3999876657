//lint:file-ignore SA1019 PackedPolicySize is what older clients read

package stsapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"drydock/auth/identity"
)

func httpClient() *http.Client { return &http.Client{Timeout: 5 * time.Second} }

// tagList makes tags of keys and values.
func tagList(words ...string) (list []types.Tag) {
	for i := 0; i+1 < len(words); i += 2 {
		list = append(list, types.Tag{Key: &words[i], Value: &words[i+1]})
	}
	return list
}

func assume(role string) *sts.AssumeRoleInput {
	return &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("build-7")}
}

const thisAccount = `{"AWS":"111122223333"}`

func TestARoleIsAssumedWhereUserAndTrustPolicyAllowIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob, carol := w.user("bob", "sts:AssumeRole"), w.user("carol")
	named := w.role("named", trust(`{"AWS":"arn:aws:iam::111122223333:user/carol"}`, "", "sts:AssumeRole"))
	open := w.role("open", trust(thisAccount, "", "sts:AssumeRole"))
	closed := w.role("closed", trust(`{"Service":"ecs-tasks.amazonaws.com"}`, "", "sts:AssumeRole"))

	out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, assume(open)))
	want := "arn:aws:sts::111122223333:assumed-role/open/build-7"
	role := got[identity.Role](t)(w.store.RoleByARN(ctx, open))
	if *out.AssumedRoleUser.Arn != want || *out.AssumedRoleUser.AssumedRoleId != role.ID+":build-7" || out.PackedPolicySize != nil || out.SourceIdentity != nil {
		t.Errorf("%s, %s", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId)
	}
	if left := time.Until(*out.Credentials.Expiration); left > time.Hour || left < time.Hour-time.Minute {
		t.Errorf("%v are left", left)
	}
	if arn := whoami(t, w.session(out.Credentials)); arn != want {
		t.Error(arn)
	}
	// Whom the trust policy names needs no policy of their own.
	got[*sts.AssumeRoleOutput](t)(carol.AssumeRole(ctx, assume(named)))
	for name, try := range map[string]struct {
		who  *sts.Client
		role string
	}{"no policy of their own": {carol, open}, "not named": {bob, named}, "for a service": {bob, closed}, "no such role": {bob, open + "2"}} {
		_, err := try.who.AssumeRole(ctx, assume(try.role))
		t.Run(name, func(t *testing.T) { refused(t, err, "AccessDenied", "") })
	}
	// A role that is nowhere reads as one that does not let in who asks.
	_, err := bob.AssumeRole(ctx, assume(open+"2"))
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: sts:AssumeRole on resource: "+open+"2 because no role trust policy allows the sts:AssumeRole action")
	_, err = w.root().AssumeRole(ctx, assume(open))
	refused(t, err, "AccessDenied", "Roles may not be assumed by root accounts.")
	_, err = bob.AssumeRole(ctx, assume("arn:aws:iam::111122223333:user/bob"))
	refused(t, err, "ValidationError", "Request ARN is invalid")
	_, err = bob.AssumeRole(ctx, assume("the-role-called-open"))
	refused(t, err, "ValidationError", "the-role-called-open is invalid")
	_, err = bob.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &open, RoleSessionName: aws.String("x")})
	refused(t, err, "ValidationError", "roleSessionName")
	_, err = bob.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &open, RoleSessionName: aws.String("s1"), SerialNumber: aws.String("GAHT12345678"), TokenCode: aws.String("123456")})
	refused(t, err, "AccessDenied", "MultiFactorAuthentication failed")

	// The role's end is the session's.
	if err := w.store.DeleteRole(ctx, home, "open"); err != nil {
		t.Fatal(err)
	}
	_, err = w.session(out.Credentials).GetCallerIdentity(ctx, nil)
	refused(t, err, "InvalidClientTokenId", "")
}

func TestARoleOfAnotherAccountIsAssumedWhenBothAgree(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.store.CreateAccount(ctx, other, ""); err != nil {
		t.Fatal(err)
	}
	there := got[identity.Role](t)(w.store.CreateRole(ctx, other, identity.NewRole{Name: "guest", Trust: trust(thisAccount, `{"StringEquals":{"sts:ExternalId":"secret-7"}}`, "sts:AssumeRole")}))
	bob := w.user("bob", "sts:AssumeRole")
	in := assume(there.ARN())
	_, err := bob.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1234567890:role/guest")
	in.ExternalId = aws.String("secret-8")
	_, err = bob.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "")
	in.ExternalId = aws.String("secret-7")
	out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, in))
	if arn := whoami(t, w.session(out.Credentials)); arn != "arn:aws:sts::1234567890:assumed-role/guest/build-7" {
		t.Error(arn)
	}
	_, err = w.user("carol").AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "")
}

func TestASessionLastsAsLongAsItsRoleLets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.user("bob", "sts:AssumeRole")
	role := w.role("open", trust(thisAccount, "", "sts:AssumeRole"))
	in := assume(role)
	in.DurationSeconds = aws.Int32(7200)
	_, err := bob.AssumeRole(ctx, in)
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	if err := w.store.UpdateRole(ctx, home, "open", nil, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, in))
	if left := time.Until(*out.Credentials.Expiration); left < 2*time.Hour-time.Minute {
		t.Errorf("%v are left", left)
	}
	in.DurationSeconds = aws.Int32(899)
	_, err = bob.AssumeRole(ctx, in)
	refused(t, err, "ValidationError", "durationSeconds")

	// A session that makes another one does so for an hour at most.
	if err := w.store.PutInline(ctx, home, identity.Entity{Kind: identity.KindRole, Name: "open"}, "may", allow("sts:AssumeRole")); err != nil {
		t.Fatal(err)
	}
	s := w.session(out.Credentials)
	in.DurationSeconds = aws.Int32(3601)
	_, err = s.AssumeRole(ctx, in)
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	in.DurationSeconds = aws.Int32(3600)
	got[*sts.AssumeRoleOutput](t)(s.AssumeRole(ctx, in))
}

func TestASessionPolicyTakesAwayAndAddsNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.user("bob", "sts:AssumeRole")
	role := w.role("open", trust(thisAccount, "", "sts:AssumeRole"))
	if err := w.store.PutInline(ctx, home, identity.Entity{Kind: identity.KindRole, Name: "open"}, "may", allow("sts:GetAccessKeyInfo")); err != nil {
		t.Fatal(err)
	}
	info := func(in *sts.AssumeRoleInput) error {
		out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, in))
		_, err := w.session(out.Credentials).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId})
		return err
	}
	decode := got[identity.Policy](t)(w.store.CreatePolicy(ctx, home, identity.NewPolicy{Name: "decode", Document: allow("sts:Decode*")})).ARN()
	lookUp := got[identity.Policy](t)(w.store.CreatePolicy(ctx, home, identity.NewPolicy{Name: "info", Document: allow("sts:GetAccess*")})).ARN()
	in := assume(role)
	if err := info(in); err != nil {
		t.Errorf("without a session policy: %v", err)
	}
	in.Policy = aws.String(allow("sts:Decode*"))
	refused(t, info(in), "AccessDenied", "because no session policy allows the sts:GetAccessKeyInfo action")
	in.PolicyArns = []types.PolicyDescriptorType{{Arn: &lookUp}}
	if err := info(in); err != nil {
		t.Errorf("with a managed one that allows it: %v", err)
	}
	in.Policy, in.PolicyArns = nil, []types.PolicyDescriptorType{{Arn: &decode}}
	refused(t, info(in), "AccessDenied", "")

	for name, c := range map[string]struct {
		change         func(*sts.AssumeRoleInput)
		code, sentence string
	}{
		"no policy": {func(in *sts.AssumeRoleInput) { in.Policy = aws.String(`{"Statement":[]`) }, "MalformedPolicyDocument", ""},
		"one with a principal": {func(in *sts.AssumeRoleInput) { in.Policy = aws.String(trust(thisAccount, "", "sts:AssumeRole")) },
			"MalformedPolicyDocument", ""},
		"one that is too long": {func(in *sts.AssumeRoleInput) { in.Policy = aws.String(allow("s3:*") + strings.Repeat(" ", 2048)) }, "ValidationError", "less than or equal to 2048"},
		"an unknown managed one": {func(in *sts.AssumeRoleInput) {
			in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String(decode + "2")}}
		}, "ValidationError", "does not exist or is not attachable"},
		"too many managed ones": {func(in *sts.AssumeRoleInput) {
			in.PolicyArns = slices.Repeat([]types.PolicyDescriptorType{{Arn: &decode}}, 11)
		}, "ValidationError", "less than or equal to 10"},
	} {
		t.Run(name, func(t *testing.T) {
			in := assume(role)
			c.change(in)
			_, err := bob.AssumeRole(ctx, in)
			refused(t, err, c.code, c.sentence)
		})
	}
}

func TestTagsComeWithPermissionAndAreHandedOn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.user("bob", "sts:AssumeRole", "sts:TagSession")
	first := w.role("first", trust(thisAccount, `{"StringEqualsIfExists":{"aws:RequestTag/team":"a"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["team"]}}`, "sts:AssumeRole", "sts:TagSession"))
	second := w.role("second", trust(thisAccount, `{"StringEquals":{"aws:PrincipalTag/team":"a"}}`, "sts:AssumeRole", "sts:TagSession"))
	untagged := w.role("untagged", trust(thisAccount, "", "sts:AssumeRole"))
	for _, r := range []string{"first", "second"} {
		if err := w.store.PutInline(ctx, home, identity.Entity{Kind: identity.KindRole, Name: r}, "may", allow("sts:AssumeRole", "sts:TagSession")); err != nil {
			t.Fatal(err)
		}
	}
	in := assume(first)
	in.Tags, in.TransitiveTagKeys = tagList("team", "a", "run", "7"), []string{"Team"}
	out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, in))
	if size := aws.ToInt32(out.PackedPolicySize); size < 1 || size > 10 {
		t.Errorf("packed: %d %%", size)
	}
	in.Tags = tagList("team", "b")
	_, err := bob.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "sts:AssumeRole")
	in = assume(untagged)
	in.Tags = tagList("team", "a")
	_, err = bob.AssumeRole(ctx, in)
	refused(t, err, "AccessDenied", "sts:TagSession")

	chain := w.session(out.Credentials)
	next := got[*sts.AssumeRoleOutput](t)(chain.AssumeRole(ctx, assume(second)))
	s := got[*identity.Subject](t)(w.store.Subject(ctx, *next.Credentials.AccessKeyId))
	if len(s.Tags) != 1 || s.Tags["team"] != "a" || len(s.Transitive) != 1 {
		t.Errorf("handed on: %v, %v", s.Tags, s.Transitive)
	}
	// What is handed on takes permission too.
	_, err = chain.AssumeRole(ctx, assume(untagged))
	refused(t, err, "AccessDenied", "sts:TagSession")
	again := assume(second)
	again.Tags = tagList("TEAM", "b")
	_, err = chain.AssumeRole(ctx, again)
	refused(t, err, "InvalidParameterValue", "conflicts with a transitive tag key from the calling session")

	for name, c := range map[string]struct {
		tags       []types.Tag
		transitive []string
		code       string
	}{
		"the same key twice":        {tagList("a", "1", "A", "2"), nil, "InvalidParameterValue"},
		"a key that is AWS's":       {tagList("aws:x", "1"), nil, "InvalidParameterValue"},
		"a transitive key not sent": {tagList("a", "1"), []string{"b"}, "InvalidParameterValue"},
		"more than fits":            {tagList("a", strings.Repeat("x", 256), "b", strings.Repeat("x", 256)), nil, "PackedPolicyTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			in := assume(first)
			in.Tags, in.TransitiveTagKeys = c.tags, c.transitive
			_, err := bob.AssumeRole(ctx, in)
			refused(t, err, c.code, "")
		})
	}
}

func TestASourceIdentityStaysWithTheChain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.user("bob", "sts:AssumeRole", "sts:SetSourceIdentity")
	first := w.role("first", trust(thisAccount, "", "sts:AssumeRole", "sts:SetSourceIdentity"))
	second := w.role("second", trust(thisAccount, `{"StringEquals":{"sts:SourceIdentity":"bob"}}`, "sts:AssumeRole", "sts:SetSourceIdentity"))
	plain := w.role("plain", trust(thisAccount, "", "sts:AssumeRole"))
	if err := w.store.PutInline(ctx, home, identity.Entity{Kind: identity.KindRole, Name: "first"}, "may", allow("sts:*")); err != nil {
		t.Fatal(err)
	}
	in := assume(first)
	in.SourceIdentity = aws.String("bob")
	out := got[*sts.AssumeRoleOutput](t)(bob.AssumeRole(ctx, in))
	if aws.ToString(out.SourceIdentity) != "bob" {
		t.Errorf("%v", out.SourceIdentity)
	}
	chain := w.session(out.Credentials)
	next := got[*sts.AssumeRoleOutput](t)(chain.AssumeRole(ctx, assume(second)))
	if aws.ToString(next.SourceIdentity) != "bob" {
		t.Errorf("handed on: %v", next.SourceIdentity)
	}
	changed := assume(second)
	changed.SourceIdentity = aws.String("eve")
	_, err := chain.AssumeRole(ctx, changed)
	refused(t, err, "AccessDenied", "cannot be changed")
	_, err = chain.AssumeRole(ctx, assume(plain))
	refused(t, err, "AccessDenied", "sts:SetSourceIdentity")
}
