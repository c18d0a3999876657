package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/e2e/harness"
)

// key is somebody's access key.
type key struct{ id, secret, token string }

var rootKey = key{harness.RootKey, harness.RootSecret, ""}

// getToken asks for a registry password, over awsJson, and whoAmI who calls, over
// awsQuery.
const (
	getToken = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	whoAmI   = "Action=GetCallerIdentity&Version=2011-06-15"
)

// callAs calls an API with a key from an address of this machine and returns the
// answer as it is on the wire, but for what differs each time.
func callAs(t *testing.T, s *harness.Server, from string, k key, call string) harness.Answer {
	t.Helper()
	service, body, headers := "sts", call, []string{"Content-Type", "application/x-www-form-urlencoded"}
	if call == getToken {
		service, body, headers = "ecr", "{}", []string{"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", call}
	}
	r, err := http.NewRequest(http.MethodPost, s.URL()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	who := aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret, SessionToken: k.token}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), service, s.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, values := range r.Header {
		headers = append(headers, name, values[0])
	}
	a, err := harness.NewClient(s.URL(), "", "").From(from).Send(http.MethodPost, "/", strings.NewReader(body), headers...)
	if err != nil {
		t.Fatal(err)
	}
	a.Body = bytes.ReplaceAll(a.Body, []byte(a.Header.Get("X-Amzn-Requestid")), []byte("ID"))
	for _, name := range []string{"X-Amzn-Requestid", "X-Request-Id", "Date"} {
		a.Header.Del(name)
	}
	return a
}

// house is a server with its IAM, called by the root.
type house struct {
	*harness.Server
	iam *iam.Client
}

func newHouse(t *testing.T) house {
	s := harness.Start(t, harness.Options{})
	return house{s, iam.New(iam.Options{Region: s.Region, BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(harness.RootKey, harness.RootSecret, "")})}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// user makes a user with a key who may ask for a registry password.
func (h house) user(t *testing.T, name string) key {
	t.Helper()
	_, err := h.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name})
	must(t, err)
	_, err = h.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("login"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"}}`)})
	must(t, err)
	made, err := h.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	must(t, err)
	return key{*made.AccessKey.AccessKeyId, *made.AccessKey.SecretAccessKey, ""}
}

// password asks for a registry password and uses it once.
func (h house) password(t *testing.T, k key) string {
	t.Helper()
	var out struct {
		AuthorizationData []struct{ AuthorizationToken []byte }
	}
	a := callAs(t, h.Server, "127.0.0.1", k, getToken)
	if err := json.Unmarshal(a.Body, &out); err != nil || len(out.AuthorizationData) != 1 {
		t.Fatalf("asking for a password: %v", a)
	}
	_, password, _ := strings.Cut(string(out.AuthorizationData[0].AuthorizationToken), ":")
	if got := statusOf(t, h.Server, password); got != 200 {
		t.Fatalf("a new password: %d", got)
	}
	return password
}

func TestAStrangerDoesNotLearnWhoThereIs(t *testing.T) {
	h := newHouse(t)
	alice, bob, carol := h.user(t, "alice"), h.user(t, "bob"), h.user(t, "carol")
	passwords := map[string]key{"of a deleted user": bob, "of a key that is switched off": carol, "that was revoked": alice}
	wrong := map[string][2]string{
		"that is any word":     {"AWS", "guess"},
		"of another user name": {"alice", "guess"},
	}
	for name, k := range passwords {
		wrong[name] = [2]string{"AWS", h.password(t, k)}
	}
	parts := strings.Split(h.password(t, alice), ".")
	wrong["with a forged signature"] = [2]string{"AWS", hs256(parts[0]+"."+parts[1], []byte("secret"))}

	session, err := sts.New(sts.Options{Region: h.Region, BaseEndpoint: aws.String(h.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(alice.id, alice.secret, "")}).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	must(t, err)
	_, err = h.iam.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("carol"), AccessKeyId: &carol.id, Status: types.StatusTypeInactive})
	must(t, err)
	_, err1 := h.iam.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("bob"), AccessKeyId: &bob.id})
	_, err2 := h.iam.DeleteUserPolicy(t.Context(), &iam.DeleteUserPolicyInput{UserName: aws.String("bob"), PolicyName: aws.String("login")})
	_, err3 := h.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("bob")})
	must(t, err1, err2, err3)

	// AWS itself says of a key that is there, and a wrong secret, something else.
	for call, code := range map[string]string{getToken: "UnrecognizedClientException", whoAmI: "InvalidClientTokenId"} {
		unknown := callAs(t, h.Server, "127.0.0.2", key{"AKIANOBODYNOBODYNOBO", "secret", ""}, call)
		if !strings.Contains(string(unknown.Body), code) {
			t.Errorf("an unknown key: %v", unknown)
		}
		for name, k := range map[string]key{
			"a deleted user's":                     bob,
			"one that is switched off":             carol,
			"one with a token it does not have":    {alice.id, alice.secret, "token"},
			"a temporary one with another token":   {*session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, "token"},
			"a temporary one without its token":    {*session.Credentials.AccessKeyId, *session.Credentials.SecretAccessKey, ""},
			"a deleted user's and a wrong secret":  {bob.id, "secret", ""},
			"one switched off and a wrong secret":  {carol.id, "secret", ""},
			"a temporary one that was never given": {"ASIANOBODYNOBODYNOBO", "secret", "token"},
		} {
			a := callAs(t, h.Server, "127.0.0.2", k, call)
			if a.Status != unknown.Status || !bytes.Equal(a.Body, unknown.Body) || !reflect.DeepEqual(a.Header, unknown.Header) {
				t.Errorf("%s: %v %v\nan unknown key: %v %v", name, a, a.Header, unknown, unknown.Header)
			}
		}
	}

	command(t, h.Server, "token", "revoke", "arn:aws:iam::123456789012:user/alice")
	var first harness.Answer
	for name, p := range wrong {
		a, err := harness.NewClient(h.URL(), p[0], p[1]).From("127.0.0.3").Send("GET", "/v2/", nil)
		want(t, "a password "+name, a, err, 401, "UNAUTHORIZED")
		for _, each := range []string{"X-Amzn-Requestid", "X-Request-Id", "Date"} {
			a.Header.Del(each)
		}
		if first.Status == 0 {
			first = a
		}
		if !bytes.Equal(a.Body, first.Body) || !reflect.DeepEqual(a.Header, first.Header) {
			t.Errorf("a password %s: %v %v\nanother: %v %v", name, a, a.Header, first, first.Header)
		}
	}
}

func TestGuessedKeysAreHeldBackButNotAKeyThatProvedItself(t *testing.T) {
	h := newHouse(t)
	alice := h.user(t, "alice")
	const office, elsewhere = "127.0.0.9", "127.0.0.10"
	says := func(what, from string, k key, call string, code string) {
		t.Helper()
		if a := callAs(t, h.Server, from, k, call); !strings.Contains(string(a.Body), code) {
			t.Errorf("%s: %v, and not %s", what, a, code)
		}
	}
	// guess guesses until that is refused: from then on for two seconds.
	guess := func() (answered int) {
		for range 100 {
			a := callAs(t, h.Server, office, key{"AKIANOBODYNOBODYNOBO", "secret", ""}, getToken)
			if string(a.Body) == `{"__type":"ThrottlingException","message":"Rate exceeded"}` && a.Status == 400 {
				return answered
			}
			if !strings.Contains(string(a.Body), "UnrecognizedClientException") {
				t.Fatalf("a guess: %v", a)
			}
			answered++
		}
		t.Fatal("guessing goes on for ever")
		return 0
	}
	says("the root, before all", office, rootKey, whoAmI, ":root</Arn>")
	if n := guess(); n < 20 {
		t.Errorf("after %d guesses there were no more", n)
	}
	says("one more, by the query protocol", office, key{"AKIANOBODYNOBODYNOBO", "secret", ""}, whoAmI, "<Code>Throttling</Code><Message>Rate exceeded</Message>")
	guess()
	says("a good key that has not proved itself here", office, alice, whoAmI, "<Code>Throttling</Code>")
	says("the key that has", office, rootKey, getToken, "authorizationToken")
	says("another address", elsewhere, alice, whoAmI, ":user/alice</Arn>")
	guess()
	a, err := harness.NewClient(h.URL(), "AWS", "guess").From(office).Send("GET", "/v2/", nil)
	want(t, "a password from there", a, err, 429, "TOOMANYREQUESTS")
	if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 2 {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	a, err = harness.NewClient(h.URL(), "", "").From(office).Send("GET", "/v2/", nil)
	want(t, "no password from there", a, err, 401, "UNAUTHORIZED")
	_, counted, err := h.Get("/metrics")
	must(t, err)
	for _, surface := range []string{"aws", "registry"} {
		if !strings.Contains(counted, `drydock_throttled_requests_total{surface="`+surface+`"} `) {
			t.Errorf("the refusals by %s were not counted", surface)
		}
	}
	time.Sleep(2100 * time.Millisecond) // in which one try comes back
	says("a good key, later", office, alice, whoAmI, ":user/alice</Arn>")
}

func TestThePasswordsOfAnOlderServerOpenThisOne(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(data, "password-keys.json")
	secret := []byte("01234567890123456789012345678901")
	text, err := json.Marshal([]map[string]any{{"id": "c0ffee", "secret": secret}})
	must(t, err, os.Mkdir(data, 0o700), os.WriteFile(file, text, 0o600))
	now := time.Now().Add(-time.Hour).Unix()
	password := hs256(segment(map[string]any{"alg": "HS256", "typ": "JWT", "kid": "c0ffee"})+"."+segment(map[string]any{
		"iss": "drydock", "sub": "arn:aws:iam::123456789012:root", "aud": []string{"registry"}, "jti": "1",
		"iat": now, "exp": now + 12*3600, "key": harness.RootKey, "account": "123456789012", "region": "us-east-1",
	}), secret)

	s := harness.Start(t, harness.Options{Data: data})
	for range 2 {
		if got := statusOf(t, s, password); got != 200 {
			t.Errorf("its password: %d", got)
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its keys still lie open: %v", err)
		}
		if header := claims(t, strings.Split(s.Password(t), ".")[0]); header["kid"] == "c0ffee" {
			t.Error("a key that lay open signs on")
		}
		must(t, s.Stop(), s.Start())
	}
}
