package sigv4

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"drydock/auth"
)

// The key, the time and the signatures below are those that AWS publishes with
// its Signature Version 4 test suite and in the IAM User Guide.
const (
	vectorID     = "AKIDEXAMPLE"
	vectorSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	vectorDate   = "20150830T123600Z"
)

func verifierAt(t testing.TB, now string, creds ...auth.Credential) *Verifier {
	t.Helper()
	at, err := time.Parse(timeFormat, now)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewStaticKeys(creds...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(keys, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var vectorCredential = auth.Credential{
	AccessKeyID: vectorID, SecretAccessKey: vectorSecret,
	Principal: auth.Principal{ARN: "arn:aws:iam::123456789012:root", Account: "123456789012", UserID: "123456789012"},
}

// receive reads a request off the wire as a server does.
func receive(t testing.TB, raw string) (*http.Request, []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

func TestPublishedSignaturesAreAccepted(t *testing.T) {
	for _, c := range []struct {
		name, scope, request, signed, signature, token string
	}{
		{name: "IAM ListUsers, the example of the user guide", scope: "us-east-1/iam",
			request: "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nHost: iam.amazonaws.com\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date: " + vectorDate,
			signed:  "content-type;host;x-amz-date", signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		{name: "get-vanilla", request: "GET / HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate,
			signed: "host;x-amz-date", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{name: "post-vanilla", request: "POST / HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate,
			signed: "host;x-amz-date", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{name: "get-vanilla-query-order-key-case", request: "GET /?Param2=value2&Param1=value1 HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate,
			signed: "host;x-amz-date", signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{name: "get-vanilla-empty-query-key", request: "GET /?Param1=value1 HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate,
			signed: "host;x-amz-date", signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{name: "get-vanilla-query-unreserved", request: "GET /?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate,
			signed: "host;x-amz-date", signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{name: "get-header-key-duplicate", request: "GET / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\nX-Amz-Date:" + vectorDate,
			signed: "host;my-header1;x-amz-date", signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{name: "get-header-value-order", request: "GET / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\nX-Amz-Date:" + vectorDate,
			signed: "host;my-header1;x-amz-date", signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{name: "get-header-value-trim", request: "GET / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1: value1\nMy-Header2: \"a   b   c\"\nX-Amz-Date:" + vectorDate,
			signed: "host;my-header1;my-header2;x-amz-date", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{name: "post-header-key-sort", request: "POST / HTTP/1.1\nHost:example.amazonaws.com\nMy-Header1:value1\nX-Amz-Date:" + vectorDate,
			signed: "host;my-header1;x-amz-date", signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{name: "post-sts-header-before", request: "POST / HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate + "\nX-Amz-Security-Token:" + vectorToken,
			signed: "host;x-amz-date;x-amz-security-token", signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead", token: vectorToken},
		{name: "post-x-www-form-urlencoded", request: "POST / HTTP/1.1\nContent-Type:application/x-www-form-urlencoded\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate + "\nContent-Length: 13\n\nParam1=value1",
			signed: "content-type;host;x-amz-date", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{name: "post-x-www-form-urlencoded-parameters", request: "POST / HTTP/1.1\nContent-Type:application/x-www-form-urlencoded; charset=utf8\nHost:example.amazonaws.com\nX-Amz-Date:" + vectorDate + "\nContent-Length: 13\n\nParam1=value1",
			signed: "content-type;host;x-amz-date", signature: "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.scope == "" {
				c.scope = "us-east-1/service"
			}
			head, body, _ := strings.Cut(c.request, "\n\n")
			head += "\nAuthorization: AWS4-HMAC-SHA256 Credential=" + vectorID + "/20150830/" + c.scope + "/aws4_request, SignedHeaders=" + c.signed + ", Signature=" + c.signature
			r, sent := receive(t, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body)
			cred := vectorCredential
			cred.SessionTokenHash = auth.HashSessionToken(c.token)
			id, err := verifierAt(t, vectorDate, cred).Verify(context.Background(), r, sent)
			if err != nil {
				t.Fatal(err)
			}
			if got := id.Region + "/" + id.Service; got != c.scope {
				t.Errorf("scope %s, want %s", got, c.scope)
			}
			if id.Principal.ARN != cred.Principal.ARN || id.Principal.AccessKeyID != vectorID {
				t.Errorf("principal %+v", id.Principal)
			}
		})
	}
}

const vectorToken = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
