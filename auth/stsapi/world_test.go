package stsapi

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/oidc"
	"drydock/auth/seal"
	"drydock/auth/sigv4"
	"drydock/auth/throttle"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/storage/meta/sqlite"
)

const (
	home  = "111122223333"
	other = "1234567890"
)

var rootKey = auth.Credential{AccessKeyID: "AKIAROOTROOTROOT", SecretAccessKey: "root secret", Principal: auth.Principal{Account: home}}

// world is the API over a store of identities, with decisions by policy, served
// to the SDK's own client.
type world struct {
	t        *testing.T
	store    *identity.Store
	messages *Messages
	url      string
	// ahead is how far the server's clock is ahead.
	ahead time.Duration
	// asked is what permission was asked for, since it was cleared.
	asked []auth.Request
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

func newWorld(t *testing.T, issuers ...oidc.Issuer) *world {
	t.Helper()
	w := &world{t: t}
	ctx := t.Context()
	db := got[*sqlite.DB](t)(sqlite.Open(ctx, filepath.Join(t.TempDir(), "records.db")))
	t.Cleanup(func() { _ = db.Close() })
	box := got[*seal.Box](t)(seal.New([]byte(strings.Repeat("k", seal.KeySize)), rand.Reader))
	w.messages = got[*Messages](t)(NewMessages(box))
	w.store = got[*identity.Store](t)(identity.New(ctx, identity.Options{DB: db, Seal: box, Managed: got[*managed.Set](t)(managed.Load()),
		Now: w.now, Random: rand.Reader, Roots: []auth.Credential{rootKey}}))
	tokens := got[*oidc.Verifier](t)(oidc.New(oidc.Options{Issuers: issuers, Now: w.now, Client: httpClient()}))
	api := got[*Service](t)(New(Options{Store: w.store, Messages: w.messages, Tokens: tokens}))
	model := got[*constraints.Model](t)(constraints.Load("sts"))
	service := got[*awsapi.Service](t)(awsapi.NewService(model, api.Operations()))
	decide := got[*enforce.Authorizer](t)(enforce.New(enforce.Options{Subjects: w.store, Seal: w.messages.Encode,
		Resources: map[string]enforce.Resources{"iam": enforce.Roles{Trusts: w.store}},
		Watch:     func(_ context.Context, d enforce.Decision) { w.asked = append(w.asked, d.Request) }}))
	verifier := got[*sigv4.Verifier](t)(sigv4.New(w.store, w.now))
	handler := got[*awsapi.Server](t)(awsapi.New(awsapi.Options{Services: []*awsapi.Service{service}, Verifier: verifier, Throttle: held(t), Authorizer: decide,
		Log: slog.New(slog.DiscardHandler), Rand: rand.Reader}))
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// got fails the test when something that was to work did not.
func got[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// client is the SDK's client with a key.
func (w *world) client(id, secret, token string) *sts.Client {
	return sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: &w.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token)})
}

func (w *world) root() *sts.Client {
	return w.client(rootKey.AccessKeyID, rootKey.SecretAccessKey, "")
}

// session is the SDK's client with temporary credentials.
func (w *world) session(c *types.Credentials) *sts.Client {
	return w.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// user makes a user who may do the actions given, and a client that is theirs.
func (w *world) user(name string, actions ...string) *sts.Client {
	w.t.Helper()
	ctx := w.t.Context()
	got[identity.User](w.t)(w.store.CreateUser(ctx, home, identity.NewUser{Name: name}))
	if len(actions) > 0 {
		if err := w.store.PutInline(ctx, home, identity.Entity{Kind: identity.KindUser, Name: name}, "may", allow(actions...)); err != nil {
			w.t.Fatal(err)
		}
	}
	key := got[identity.AccessKey](w.t)(w.store.CreateAccessKey(ctx, home, name))
	return w.client(key.ID, key.Secret, "")
}

func allow(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}}`
}

// trust is a trust policy for a principal, with the actions and the condition
// given.
func trust(principal, condition string, actions ...string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":["` + strings.Join(actions, `","`) + `"]` + condition + `}}`
}

// role makes a role and returns its ARN.
func (w *world) role(name, document string) string {
	w.t.Helper()
	return got[identity.Role](w.t)(w.store.CreateRole(w.t.Context(), home, identity.NewRole{Name: name, Trust: document})).ARN()
}

// refused checks the code of an error and a part of its message.
func refused(t *testing.T, err error, code, sentence string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), sentence) {
		t.Errorf("got %v, want %s: %s", err, code, sentence)
	}
}

// whoami is the ARN that a client has.
func whoami(t *testing.T, c *sts.Client) string {
	t.Helper()
	return aws.ToString(got[*sts.GetCallerIdentityOutput](t)(c.GetCallerIdentity(t.Context(), nil)).Arn)
}

// held holds nobody back.
func held(t testing.TB) *throttle.Door {
	t.Helper()
	th, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	return th.Door("test")
}
