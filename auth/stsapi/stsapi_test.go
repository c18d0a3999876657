//lint:file-ignore SA1019 PackedPolicySize is what older clients read

package stsapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/auth/identity"
)

func TestTheCallerIsToldWhateverTheyMayDo(t *testing.T) {
	w := newWorld(t)
	key := got[identity.User](t)(w.store.CreateUser(t.Context(), home, identity.NewUser{Name: "bob"}))
	made := got[identity.AccessKey](t)(w.store.CreateAccessKey(t.Context(), home, "bob"))
	out := got[*sts.GetCallerIdentityOutput](t)(w.client(made.ID, made.Secret, "").GetCallerIdentity(t.Context(), nil))
	if *out.Account != home || *out.Arn != "arn:aws:iam::111122223333:user/bob" || *out.UserId != key.ID {
		t.Errorf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
	if arn := whoami(t, w.root()); arn != "arn:aws:iam::111122223333:root" {
		t.Error(arn)
	}
	_, err := w.client(made.ID, "wrong", "").GetCallerIdentity(t.Context(), nil)
	refused(t, err, "SignatureDoesNotMatch", "")
	_, err = w.client("AKIANOBODYNOBODYNOBO", "wrong", "").GetCallerIdentity(t.Context(), nil)
	refused(t, err, "InvalidClientTokenId", "")
}

func TestTheCallerIsToldByAPresignedURL(t *testing.T) {
	w := newWorld(t)
	signed := got[string](t)(func() (string, error) {
		r, err := sts.NewPresignClient(w.user("bob")).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", err
		}
		return r.URL, nil
	}())
	for url, want := range map[string]int{signed: 200, strings.Replace(signed, "GetCallerIdentity", "GetSessionToken", 1): 403} {
		answer := got[*http.Response](t)(http.Get(url))
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != want || want == 200 && !strings.Contains(string(body), ":user/bob</Arn>") {
			t.Errorf("%d, want %d:\n%s", answer.StatusCode, want, body)
		}
	}
}

func TestAKeyTellsItsAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, theirs, err := w.store.CreateAccount(ctx, other, "the other")
	if err != nil {
		t.Fatal(err)
	}
	c := w.user("bob", "sts:GetAccessKeyInfo")
	out := got[*sts.GetAccessKeyInfoOutput](t)(c.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &theirs.ID}))
	if *out.Account != other {
		t.Error(*out.Account)
	}
	_, err = c.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIANOBODYNOBODYNOBO")})
	refused(t, err, "ValidationError", "The Access Key with id AKIANOBODYNOBODYNOBO cannot be found.")
	_, err = w.user("carol").GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &theirs.ID})
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/carol is not authorized to perform: sts:GetAccessKeyInfo on resource: * because no identity-based policy allows the sts:GetAccessKeyInfo action")
}

func TestAMessageIsDecodedForThoseWhoMay(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const message = `{"allowed":false}`
	encoded := got[string](t)(w.messages.Encode(message))
	if strings.Contains(encoded, "allowed") {
		t.Error("it is to be read as it is")
	}
	c := w.user("bob", "sts:DecodeAuthorizationMessage")
	out := got[*sts.DecodeAuthorizationMessageOutput](t)(c.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded}))
	if *out.DecodedMessage != message {
		t.Errorf("got %s", *out.DecodedMessage)
	}
	for _, wrong := range []string{"x", "no base64!", encoded[1:], encoded[:len(encoded)-2]} {
		_, err := c.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &wrong})
		refused(t, err, "InvalidAuthorizationMessageException", "")
	}
	_, err := w.user("carol").DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded})
	refused(t, err, "AccessDenied", "sts:DecodeAuthorizationMessage")
	if long := got[string](t)(w.messages.Encode(strings.Repeat("x", maxMessage))); long != "" {
		t.Errorf("a message of %d characters cannot be decoded", len(long))
	}
}

func TestAUserGoesOnAsItselfForAWhile(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.user("bob", "sts:GetAccessKeyInfo")
	out := got[*sts.GetSessionTokenOutput](t)(c.GetSessionToken(ctx, nil))
	if left := time.Until(*out.Credentials.Expiration); left < 12*time.Hour-time.Minute || left > 12*time.Hour {
		t.Errorf("%v are left", left)
	}
	if n := len(*out.Credentials.SessionToken); n != 256 || *out.SessionTokenSize != 256 || *out.SessionTokenUtilization != 7 {
		t.Errorf("a token of %d bytes, said to be %d, %d %%", n, *out.SessionTokenSize, *out.SessionTokenUtilization)
	}
	longer := got[*sts.GetSessionTokenOutput](t)(c.GetSessionToken(ctx, &sts.GetSessionTokenInput{MinimumSessionTokenSize: aws.Int32(4095)}))
	if n := len(*longer.Credentials.SessionToken); n != 4096 || *longer.SessionTokenUtilization != 100 {
		t.Errorf("a token of %d bytes", n)
	}
	whoami(t, w.session(longer.Credentials))
	_, err := c.GetSessionToken(ctx, &sts.GetSessionTokenInput{MinimumSessionTokenSize: aws.Int32(4097)})
	refused(t, err, "ValidationError", "minimumSessionTokenSize")

	s := w.session(out.Credentials)
	if arn := whoami(t, s); arn != "arn:aws:iam::111122223333:user/bob" {
		t.Error(arn)
	}
	got[*sts.GetAccessKeyInfoOutput](t)(s.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId}))
	_, err = s.GetSessionToken(ctx, nil)
	refused(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = s.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("Dave")})
	refused(t, err, "AccessDenied", "")
	_, err = w.client(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, "").GetCallerIdentity(ctx, nil)
	refused(t, err, "InvalidClientTokenId", "")
	_, err = c.GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: aws.String("arn:aws:iam::111122223333:mfa/bob"), TokenCode: aws.String("123456")})
	refused(t, err, "AccessDenied", "MultiFactorAuthentication failed")
	_, err = c.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(899)})
	refused(t, err, "ValidationError", "durationSeconds")

	asRoot := got[*sts.GetSessionTokenOutput](t)(w.root().GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(129600)}))
	if left := time.Until(*asRoot.Credentials.Expiration); left > time.Hour {
		t.Errorf("the root's lasts %v", left)
	}
	if arn := whoami(t, w.session(asRoot.Credentials)); arn != "arn:aws:iam::111122223333:root" {
		t.Error(arn)
	}
}

func TestAFederatedUserMayWhatBothAllow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	broker := w.user("broker", "sts:GetFederationToken", "sts:TagSession", "sts:GetAccessKeyInfo")
	ask := func(document string, tags ...string) (*sts.GetFederationTokenOutput, error) {
		in := &sts.GetFederationTokenInput{Name: aws.String("Dave"), Tags: tagList(tags...)}
		if document != "" {
			in.Policy = &document
		}
		return broker.GetFederationToken(ctx, in)
	}
	out := got[*sts.GetFederationTokenOutput](t)(ask(allow("sts:GetAccessKeyInfo", "sts:DecodeAuthorizationMessage"), "team", "a"))
	if *out.FederatedUser.Arn != "arn:aws:sts::111122223333:federated-user/Dave" || *out.FederatedUser.FederatedUserId != "111122223333:Dave" || aws.ToInt32(out.PackedPolicySize) == 0 {
		t.Errorf("%+v, %d", *out.FederatedUser.Arn, aws.ToInt32(out.PackedPolicySize))
	}
	s := w.session(out.Credentials)
	if arn := whoami(t, s); arn != *out.FederatedUser.Arn {
		t.Error(arn)
	}
	got[*sts.GetAccessKeyInfoOutput](t)(s.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId}))
	_, err := s.DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
	refused(t, err, "AccessDenied", "User: arn:aws:sts::111122223333:federated-user/Dave is not authorized")
	_, err = s.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/any"), RoleSessionName: aws.String("s1")})
	refused(t, err, "AccessDenied", "")

	// Without a session policy a federated user may do nothing.
	bare := got[*sts.GetFederationTokenOutput](t)(ask(""))
	_, err = w.session(bare.Credentials).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: bare.Credentials.AccessKeyId})
	refused(t, err, "AccessDenied", "because no session policy allows the sts:GetAccessKeyInfo action")
	if bare.PackedPolicySize != nil {
		t.Errorf("a size of nothing: %d", *bare.PackedPolicySize)
	}
	_, err = ask("{}")
	refused(t, err, "MalformedPolicyDocument", "")
	untagged := w.user("untagged", "sts:GetFederationToken")
	_, err = untagged.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("Dave"), Tags: tagList("team", "a")})
	refused(t, err, "AccessDenied", "sts:TagSession on resource: arn:aws:sts::111122223333:federated-user/Dave")
}

func TestASessionEnds(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	out := got[*sts.GetSessionTokenOutput](t)(w.user("bob").GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)}))
	w.ahead = 4 * time.Minute // within the skew that signatures are allowed
	if arn := whoami(t, w.session(out.Credentials)); !strings.HasSuffix(arn, "user/bob") {
		t.Error(arn)
	}
	short := got[identity.Credentials](t)(w.store.CreateSession(ctx, identity.NewSession{As: rootKey.AccessKeyID, Lifetime: time.Second}))
	w.ahead += 2 * time.Second
	_, err := w.client(short.AccessKeyID, short.SecretAccessKey, short.SessionToken).GetCallerIdentity(ctx, nil)
	refused(t, err, "ExpiredToken", "The security token included in the request is expired")
}
