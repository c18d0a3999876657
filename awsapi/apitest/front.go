// Package apitest holds what the tests of several AWS APIs share: a front that serves
// operations to one caller who may do everything, and the walk over every wrong input
// that a service's model forbids.
package apitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/auth/throttle"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
)

// Who calls, and where.
const (
	Account = "123456789012"
	Region  = "eu-west-1"

	accessKey = "AKIATEST"
	secretKey = "secret"
)

// Front serves the operations of one JSON service to the root of Account.
type Front struct {
	model   *constraints.Model
	handler http.Handler
	signer  *v4.Signer
}

// Credentials are the caller's.
func Credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
	})
}

// Server serves the front until the test ends.
func (f *Front) Server(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(f.handler)
	t.Cleanup(server.Close)
	return server
}

// NewFront is a front for a service, by the name of its constraint table.
func NewFront(t testing.TB, service string, operations []awsapi.Operation) *Front {
	t.Helper()
	model, err := constraints.Load(service)
	if err != nil {
		t.Fatal(err)
	}
	served, err := awsapi.NewService(model, operations)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewStaticKeys(auth.Credential{
		AccessKeyID: accessKey, SecretAccessKey: secretKey,
		Principal: auth.Principal{ARN: auth.RootARN(Account), Account: Account, UserID: Account},
	})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := sigv4.New(keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	held, err := throttle.New(throttle.Options{Now: time.Now, Refused: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := awsapi.New(awsapi.Options{
		Services: []*awsapi.Service{served}, Verifier: verifier, Throttle: held.Door("aws"), Authorizer: auth.RootOnly{},
		Log: slog.New(slog.DiscardHandler), Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Front{model, handler, v4.NewSigner()}
}

// Answer is what the front said.
type Answer struct {
	Status int
	// Code and Message are an error's; empty where there is none.
	Code, Message string
}

// Post sends a body to an operation.
func (f *Front) Post(t testing.TB, operation string, body []byte) Answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://drydock.test/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", f.model.TargetPrefix+"."+operation)
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	if err := f.signer.SignHTTP(context.Background(), credentials, r, hex.EncodeToString(sum[:]), f.model.SigningName, Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	a := Answer{Status: w.Code}
	if w.Code == http.StatusOK {
		return a
	}
	var said map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
		t.Fatalf("%s: an error that is no JSON: %q", operation, w.Body)
	}
	code, _ := said["__type"].(string)
	a.Code = code[strings.LastIndexByte(code, '#')+1:]
	for _, name := range []string{"message", "Message"} {
		if s, ok := said[name].(string); ok {
			a.Message = s
		}
	}
	return a
}
