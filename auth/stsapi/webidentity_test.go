package stsapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/golang-jwt/jwt/v5"

	"drydock/auth/identity"
	"drydock/auth/oidc"
)

// gitlab is an issuer of tokens, whose keys are asked for over HTTP.
type gitlab struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	url string
}

func newGitlab(t *testing.T) *gitlab {
	t.Helper()
	g := &gitlab{t: t, key: got[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	point := got[[]byte](t)(g.key.PublicKey.Bytes())
	word := base64.RawURLEncoding.EncodeToString
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth/keys" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"%s","y":"%s"}]}`, word(point[1:33]), word(point[33:]))
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *gitlab) issuer() oidc.Issuer {
	return oidc.Issuer{URL: g.url, Audiences: []string{"sts.amazonaws.com"}, JWKS: g.url + "/oauth/keys"}
}

func (g *gitlab) token(change jwt.MapClaims) *string {
	now := time.Now()
	m := jwt.MapClaims{"iss": g.url, "sub": "project_path:team/app:ref:main", "aud": "sts.amazonaws.com", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	for k, v := range change {
		m[k] = v
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, m)
	t.Header["kid"] = "k1"
	return aws.String(got[string](g.t)(t.SignedString(g.key)))
}

// trusts is a trust policy for the issuer's tokens of a subject.
func (g *gitlab) trusts(subject string, actions ...string) string {
	name := identity.IssuerName(g.url)
	return trust(`{"Federated":"`+identity.ProviderARN(home, g.url)+`"}`,
		`{"StringLike":{"`+name+`:sub":"`+subject+`"},"StringEquals":{"`+name+`:aud":"sts.amazonaws.com"}}`, append(actions, "sts:AssumeRoleWithWebIdentity")...)
}

// nobody is the SDK's client without any credentials.
func (w *world) nobody() *sts.Client {
	return sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: &w.url, RetryMaxAttempts: 1, Credentials: aws.AnonymousCredentials{}})
}

func TestATokenOfATrustedIssuerIsEnoughForARole(t *testing.T) {
	g := newGitlab(t)
	w := newWorld(t, g.issuer())
	ctx := t.Context()
	role := w.role("ci", g.trusts("project_path:team/*"))
	out := got[*sts.AssumeRoleWithWebIdentityOutput](t)(w.nobody().AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("build-7"), WebIdentityToken: g.token(nil), DurationSeconds: aws.Int32(900)}))
	want := "arn:aws:sts::111122223333:assumed-role/ci/build-7"
	if *out.AssumedRoleUser.Arn != want || *out.Provider != g.url || *out.Audience != "sts.amazonaws.com" || *out.SubjectFromWebIdentityToken != "project_path:team/app:ref:main" {
		t.Errorf("%+v", out)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 15*time.Minute {
		t.Errorf("%v are left", left)
	}
	if arn := whoami(t, w.session(out.Credentials)); arn != want {
		t.Error(arn)
	}
	s := got[*identity.Subject](t)(w.store.Subject(ctx, *out.Credentials.AccessKeyId))
	if s.FederatedProvider != identity.ProviderARN(home, g.url) {
		t.Error(s.FederatedProvider)
	}
	if r := w.asked[0]; r.Action != "sts:AssumeRoleWithWebIdentity" || r.Principal.ARN != identity.ProviderARN(home, g.url) || r.Principal.AccessKeyID != "" || r.ResourceAccount != home {
		t.Errorf("%+v", r)
	}
}

func TestATokenThatIsNotEnoughIsRefusedInSTSsWords(t *testing.T) {
	g, stranger := newGitlab(t), newGitlab(t)
	w := newWorld(t, g.issuer())
	ctx := t.Context()
	ours := w.role("ci", g.trusts("project_path:team/*"))
	theirs := w.role("theirs", g.trusts("project_path:other/*"))
	users := w.role("users", trust(thisAccount, "", "sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"))
	forged := *g.token(nil)
	forged = forged[:strings.LastIndexByte(forged, '.')+1] + strings.Repeat("A", 86)
	for name, c := range map[string]struct {
		role           string
		token          *string
		code, sentence string
	}{
		"another project's role":  {theirs, g.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"a role for users":        {users, g.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"a role that is not":      {ours + "2", g.token(nil), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"an ARN of a bucket":      {"arn:aws:s3:::a-bucket-of-mine", g.token(nil), "ValidationError", "Request ARN is invalid"},
		"an account that is not":  {"arn:aws:iam::999999999999:role/ci", g.token(nil), "AccessDenied", "Not authorized"},
		"no token":                {ours, aws.String("token"), "InvalidIdentityToken", "not a valid JWT"},
		"a forged one":            {ours, &forged, "InvalidIdentityToken", "not signed"},
		"a stranger's":            {ours, stranger.token(nil), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + stranger.url},
		"a stranger's, as ours":   {ours, stranger.token(jwt.MapClaims{"iss": g.url}), "InvalidIdentityToken", "not signed"},
		"one for somebody else":   {ours, g.token(jwt.MapClaims{"aud": "vault"}), "InvalidIdentityToken", "Incorrect token audience"},
		"one that has ended":      {ours, g.token(jwt.MapClaims{"exp": time.Now().Unix() - 1}), "ExpiredTokenException", "Token expired"},
		"one with tags in words":  {ours, g.token(jwt.MapClaims{"https://aws.amazon.com/tags": "a"}), "IDPRejectedClaim", ""},
		"one with a tag too long": {ours, g.token(withTags("a", strings.Repeat("x", 257))), "IDPRejectedClaim", ""},
		"one with a bad source":   {ours, g.token(jwt.MapClaims{"https://aws.amazon.com/source_identity": "a b"}), "IDPRejectedClaim", ""},
		"tags without permission": {ours, g.token(withTags("a", "b")), "AccessDenied", "Not authorized to perform sts:TagSession"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.nobody().AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &c.role, RoleSessionName: aws.String("s1"), WebIdentityToken: c.token})
			refused(t, err, c.code, c.sentence)
		})
	}
	_, err := w.nobody().AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &ours, RoleSessionName: aws.String("s1"), WebIdentityToken: g.token(nil), ProviderId: aws.String("www.amazon.com")})
	refused(t, err, "InvalidIdentityToken", "www.amazon.com")
	_, err = w.nobody().AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &ours, RoleSessionName: aws.String("s1"), WebIdentityToken: g.token(nil), DurationSeconds: aws.Int32(3601)})
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
}

func withTags(key, value string) jwt.MapClaims {
	return jwt.MapClaims{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{key: []string{value}}, "transitive_tag_keys": []string{key}}}
}

func TestATokensTagsAndSourceGoIntoTheSession(t *testing.T) {
	g := newGitlab(t)
	w := newWorld(t, g.issuer())
	ctx := t.Context()
	role := w.role("ci", g.trusts("*", "sts:TagSession", "sts:SetSourceIdentity"))
	claims := withTags("team", "a")
	claims["https://aws.amazon.com/source_identity"] = "dev@example.org"
	out := got[*sts.AssumeRoleWithWebIdentityOutput](t)(w.nobody().AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("build-7"), WebIdentityToken: g.token(claims)}))
	s := got[*identity.Subject](t)(w.store.Subject(ctx, *out.Credentials.AccessKeyId))
	if aws.ToString(out.SourceIdentity) != "dev@example.org" || s.SourceIdentity != "dev@example.org" || s.Tags["team"] != "a" || s.Transitive["team"] != "a" {
		t.Errorf("%+v", s)
	}
}

func TestAnIssuerThatCannotBeAskedIsTheIssuersFault(t *testing.T) {
	g := newGitlab(t)
	i := g.issuer()
	i.JWKS = g.url + "/nothing/here"
	w := newWorld(t, i)
	role := w.role("ci", g.trusts("*"))
	_, err := w.nobody().AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("s1"), WebIdentityToken: g.token(nil)})
	refused(t, err, "IDPCommunicationError", "")
	if strings.Contains(err.Error(), "/nothing/here") {
		t.Errorf("a stranger learns too much: %v", err)
	}
}
