package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"drydock/auth"
)

const (
	testID     = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var testTime = time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC)

func testCredential() auth.Credential {
	return auth.Credential{
		AccessKeyID: testID, SecretAccessKey: testSecret,
		Principal: auth.Principal{ARN: "arn:aws:iam::123456789012:user/dev", Account: "123456789012", UserID: "AIDAEXAMPLE"},
	}
}

func testVerifier(t testing.TB, creds ...auth.Credential) *Verifier {
	if len(creds) == 0 {
		creds = []auth.Credential{testCredential()}
	}
	return verifierAt(t, testTime.Format(timeFormat), creds...)
}

// signed makes a request and signs it with the SDK, then sends it through the
// wire format so that it looks as a server sees it.
type signed struct {
	method, url, body string
	header            http.Header
	at                time.Time
	region, service   string
	id, secret, token string
	presign           bool
	presignHash       string
	expires           string
	afterSigning      func(*http.Request)
}

func (s signed) request(t testing.TB) (*http.Request, []byte) {
	t.Helper()
	or := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	or(&s.method, "POST")
	or(&s.url, "https://api.ecr.eu-west-1.amazonaws.com/")
	or(&s.region, "eu-west-1")
	or(&s.service, "ecr")
	or(&s.id, testID)
	or(&s.secret, testSecret)
	if s.at.IsZero() {
		s.at = testTime
	}
	r, err := http.NewRequest(s.method, s.url, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range s.header {
		r.Header[k] = v
	}
	if s.expires != "" {
		q := r.URL.Query()
		q.Set("X-Amz-Expires", s.expires)
		r.URL.RawQuery = q.Encode()
	}
	sum := sha256.Sum256([]byte(s.body))
	hash := hex.EncodeToString(sum[:])
	creds := aws.Credentials{AccessKeyID: s.id, SecretAccessKey: s.secret, SessionToken: s.token}
	if s.presign {
		or(&s.presignHash, hash)
		u, h, err := v4.NewSigner().PresignHTTP(context.Background(), creds, r, s.presignHash, s.service, s.region, s.at)
		if err != nil {
			t.Fatal(err)
		}
		r, err = http.NewRequest(s.method, u, strings.NewReader(s.body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range h {
			if k != "Host" {
				r.Header[k] = v
			}
		}
	} else if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hash, s.service, s.region, s.at); err != nil {
		t.Fatal(err)
	}
	if s.afterSigning != nil {
		s.afterSigning(r)
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return receive(t, wire.String())
}

func TestRandomRequestsSignedByTheSDKAreAccepted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const alphabet = "abcXYZ019 -._~!*'();:@&=+$,/?%#[]é\"\\<>"
	text := func(n int) string {
		var b strings.Builder
		runes := []rune(alphabet)
		for range rng.IntN(n) {
			b.WriteRune(runes[rng.IntN(len(runes))])
		}
		return b.String()
	}
	v := testVerifier(t)
	for i := range 2000 {
		s := signed{body: text(200), header: http.Header{}, presign: i%4 == 3}
		u := "https://h" + fmt.Sprint(rng.IntN(9)) + ".example:8443/"
		if i%2 == 1 {
			q := make([]string, 0, 4)
			for range rng.IntN(4) {
				q = append(q, encoded("k"+text(8))+"="+encoded(text(12)))
			}
			u += "?" + strings.Join(q, "&")
		}
		s.url = u
		if i%4 == 0 {
			s.url += "a%20b/" + encoded(text(10))
		}
		for range rng.IntN(3) {
			s.header.Add("X-Test-"+fmt.Sprint(rng.IntN(3)), strings.ReplaceAll(text(20), "é", "e"))
		}
		if s.presign {
			s.method = "GET"
			s.body = ""
			s.header = http.Header{"X-K8s-Aws-Id": {"cluster"}}
		}
		r, body := s.request(t)
		if _, err := v.Verify(context.Background(), r, body); err != nil {
			t.Fatalf("request %d: %v\n%s %s\n%v", i, err, r.Method, r.URL, r.Header)
		}
	}
}

func TestHeadersThatTheSDKLeavesOutMayBeSigned(t *testing.T) {
	// Other SDKs sign User-Agent, Expect or Transfer-Encoding.
	r, body := signed{body: "{}", header: http.Header{"User-Agent": {"Boto3/1.9  x"}, "Expect": {"100-continue"}}}.request(t)
	c, err := parse(r)
	if err != nil {
		t.Fatal(err)
	}
	r.TransferEncoding = []string{"chunked"}
	c.signedHeaders = append(c.signedHeaders, "user-agent", "expect", "transfer-encoding")
	payload, err := c.payload(r, body)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := c.calculate(r, testSecret, payload)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s/%s/%s/%s,SignedHeaders=%s,Signature=%x",
		algorithm, c.accessKeyID, c.date, c.region, c.service, terminator, strings.Join(c.signedHeaders, ";"), sig))
	if _, err := testVerifier(t).Verify(context.Background(), r, body); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "another")
	wantKind(t, testVerifier(t), r, body, Mismatch, "does not match the signature you provided")
}

func wantKind(t *testing.T, v *Verifier, r *http.Request, body []byte, kind Kind, sentence string) {
	t.Helper()
	_, err := v.Verify(context.Background(), r, body)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if e.Kind != kind || !strings.Contains(e.Message, sentence) {
		t.Errorf("got kind %d %q, want kind %d and %q", e.Kind, e.Message, kind, sentence)
	}
}
