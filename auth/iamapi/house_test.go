package iamapi

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/seal"
	"drydock/auth/sigv4"
	"drydock/auth/throttle"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/storage/meta/sqlite"
)

const (
	accountID = "123456789012"
	otherID   = "222233334444"
	rootKey   = "AKIAROOTKEYFORTESTS1"
	rootOther = "AKIAROOTKEYFORTESTS2"
	secret    = "the secret of the roots of tests"
)

// house is the API over a database in a folder of the test, behind the front.
type house struct {
	*Service
	store *identity.Store
	url   string

	mu    sync.Mutex
	asked []auth.Request
}

// Authorize allows everything and remembers what it was asked.
func (h *house) Authorize(_ context.Context, r auth.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, r)
	return nil
}

func newHouse(t testing.TB) *house {
	t.Helper()
	db := must(sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "drydock.db")))(t)
	t.Cleanup(func() { _ = db.Close() })
	store := must(identity.New(t.Context(), identity.Options{
		DB: db, Seal: must(seal.New(make([]byte, 32), rand.Reader))(t), Managed: must(managed.Load())(t), Now: time.Now, Random: rand.Reader,
		Roots: []auth.Credential{
			{AccessKeyID: rootKey, SecretAccessKey: secret, Principal: auth.Principal{Account: accountID}},
			{AccessKeyID: rootOther, SecretAccessKey: secret, Principal: auth.Principal{Account: otherID}},
		},
	}))(t)
	h := &house{store: store}
	h.Service = must(New(Options{Store: store}))(t)
	service := must(awsapi.NewService(must(constraints.Load("iam"))(t), h.Operations()))(t)
	front := must(awsapi.New(awsapi.Options{
		Services: []*awsapi.Service{service}, Verifier: must(sigv4.New(store, time.Now))(t), Throttle: held(t), Authorizer: h,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), Rand: rand.Reader,
	}))(t)
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// as is the SDK's client with an access key.
func (h *house) as(id, secret string) *iam.Client {
	return iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: &h.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// root is the SDK's client of the root of the account.
func (h *house) root() *iam.Client { return h.as(rootKey, secret) }

// user makes a user with an access key and returns the SDK's client that has it.
func (h *house) user(t testing.TB, name string) *iam.Client {
	t.Helper()
	must(h.root().CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t)
	k := must(h.root().CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(t).AccessKey
	return h.as(*k.AccessKeyId, *k.SecretAccessKey)
}

// asRoot is the context of a call by the root of the account.
func asRoot(ctx context.Context) context.Context {
	return asPrincipal(ctx, auth.Principal{ARN: auth.RootARN(accountID), Account: accountID, UserID: accountID, AccessKeyID: rootKey})
}

func asPrincipal(ctx context.Context, p auth.Principal) context.Context {
	return awsapi.WithCall(ctx, &awsapi.Call{RequestID: "test", Region: "us-east-1", Principal: p})
}

// must fails the test when something that has to work does not.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused is the code and the sentence of a refusal, "" when there is none.
func refused(_ any, err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &api):
		return "no refusal: " + err.Error()
	}
	return api.ErrorCode() + ": " + api.ErrorMessage()
}

func wantRefusal(t *testing.T, about, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", about, got, want)
	}
}

// decoded is a document as it was before IAM's encoding.
func decoded(t *testing.T, document *string) string {
	t.Helper()
	return must(url.PathUnescape(deref(document)))(t)
}

// Documents of tests.
const (
	pullDocument  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Resource":"*"}]}`
	anyDocument   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trustDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// held holds nobody back.
func held(t testing.TB) *throttle.Door {
	t.Helper()
	th, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	return th.Door("test")
}
