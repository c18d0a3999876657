package stsapi

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/awsapi"
)

// denyAll shows that the question needs no permission.
type denyAll struct{}

func (denyAll) Authorize(_ context.Context, r auth.Request) error {
	return &auth.DeniedError{Request: r, Because: "because nothing is allowed"}
}

// serve serves the API to the holder of one key, and returns a client of the SDK
// that has it.
func serve(t *testing.T, region string) *sts.Client {
	t.Helper()
	keys, err := auth.NewStaticKeys(auth.Credential{AccessKeyID: "AKIADEV", SecretAccessKey: "secret",
		Principal: auth.Principal{ARN: "arn:aws:iam::1234567890:user/dev", Account: "1234567890", UserID: "AIDADEV"}})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := sigv4.New(keys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	service, err := New()
	if err != nil {
		t.Fatal(err)
	}
	api, err := awsapi.New(awsapi.Options{Services: []*awsapi.Service{service}, Verifier: verifier, Authorizer: denyAll{},
		Log: slog.New(slog.DiscardHandler), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return sts.New(sts.Options{Region: region, BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIADEV", "secret", "")})
}

func TestTheCallerIsTold(t *testing.T) {
	for _, region := range []string{"eu-west-1", "us-gov-west-1"} {
		out, err := serve(t, region).GetCallerIdentity(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := aws.ToString(out.Account) + " " + aws.ToString(out.Arn) + " " + aws.ToString(out.UserId)
		if want := "1234567890 arn:aws:iam::1234567890:user/dev AIDADEV"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTheCallerIsToldByAPresignedURL(t *testing.T) {
	client := serve(t, "eu-west-1")
	signed, err := sts.NewPresignClient(client).PresignGetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{signed.URL: 200, strings.Replace(signed.URL, "GetCallerIdentity", "GetSessionToken", 1): 403} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != want || want == 200 && !strings.Contains(string(body), "<UserId>AIDADEV</UserId>") {
			t.Errorf("%d, want %d:\n%s", answer.StatusCode, want, body)
		}
	}
}
