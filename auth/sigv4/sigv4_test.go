package sigv4

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"drydock/auth"
)

func TestRequestsAreRefused(t *testing.T) {
	temporary := testCredential()
	temporary.AccessKeyID, temporary.SessionTokenHash, temporary.Expires = "ASIATEMPORARY", auth.HashSessionToken("token"), testTime.Add(time.Hour)
	ended := temporary
	ended.AccessKeyID, ended.Expires = "ASIAENDED", testTime
	v := testVerifier(t, testCredential(), temporary, ended)

	edit := func(f func(h http.Header)) func(*http.Request) {
		return func(r *http.Request) { f(r.Header) }
	}
	authorization := func(old, new string) func(*http.Request) {
		return edit(func(h http.Header) { h.Set("Authorization", strings.Replace(h.Get("Authorization"), old, new, 1)) })
	}
	query := func(f func(url.Values)) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			f(q)
			r.URL.RawQuery = q.Encode()
		}
	}
	presigned := func(s signed) signed {
		s.method, s.presign = "GET", true
		return s
	}
	for name, c := range map[string]struct {
		send     signed
		kind     Kind
		sentence string
	}{
		"without a signature": {signed{afterSigning: edit(func(h http.Header) { h.Del("Authorization") })}, MissingToken, "Missing Authentication Token"},
		"with basic authentication": {signed{afterSigning: edit(func(h http.Header) { h.Set("Authorization", "Basic QVdTOng=") })},
			Incomplete, "Unsupported AWS 'algorithm': 'Basic'."},
		"without the parts of a signature": {signed{afterSigning: edit(func(h http.Header) { h.Set("Authorization", algorithm+" Credential=x"); h.Del("X-Amz-Date") })},
			Incomplete, "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of a 'X-Amz-Date' header."},
		"with a part that has no value":   {signed{afterSigning: authorization("SignedHeaders=", "SignedHeaders")}, Incomplete, "(missing equal-sign)"},
		"with two signatures":             {signed{afterSigning: edit(func(h http.Header) { h.Add("Authorization", h.Get("Authorization")) })}, Incomplete, "one signature"},
		"with a signature in both places": {presigned(signed{afterSigning: edit(func(h http.Header) { h.Set("Authorization", "x") })}), Incomplete, "one signature"},
		"with a credential of four parts": {signed{afterSigning: authorization("/aws4_request", "")}, Incomplete, "exactly 5 slash-delimited elements"},
		"with another terminator":         {signed{afterSigning: authorization("/aws4_request", "/aws5")}, Mismatch, "valid terminator: 'aws4_request', not 'aws5'."},
		"with a date that is none":        {signed{afterSigning: edit(func(h http.Header) { h.Set("X-Amz-Date", "yesterday") })}, Incomplete, "ISO-8601 'basic format'. Got 'yesterday'"},
		"with a scope of another day":     {signed{afterSigning: authorization("/20261123/", "/20261122/")}, Mismatch, "'20261122' != '20261123'"},
		"by an unknown key":               {signed{id: "AKIAUNKNOWN"}, UnknownKey, "security token included in the request is invalid"},
		"by a wrong secret":               {signed{secret: "wrong"}, Mismatch, "does not match the signature you provided"},
		"with a tampered signature":       {signed{afterSigning: authorization("Signature=", "Signature=0")}, Mismatch, "does not match"},
		"without the host signed":         {signed{afterSigning: authorization("host;", "")}, Mismatch, "'Host' or ':authority' must be a 'SignedHeader'"},
		"with a target that is not signed": {signed{afterSigning: edit(func(h http.Header) { h.Set("X-Amz-Target", "x.DeleteRepository") })},
			Mismatch, "'x-amz-target' must be a 'SignedHeader'"},
		"with a target changed": {signed{header: http.Header{"X-Amz-Target": {"x.ListImages"}}, afterSigning: edit(func(h http.Header) { h.Set("X-Amz-Target", "x.DeleteRepository") })},
			Mismatch, "does not match"},
		"with a signed header gone":   {signed{header: http.Header{"X-Other": {"1"}}, afterSigning: edit(func(h http.Header) { h.Del("X-Other") })}, Mismatch, "does not match"},
		"to another host":             {signed{afterSigning: func(r *http.Request) { r.Host = "evil.example" }}, Mismatch, "does not match"},
		"with another query":          {signed{afterSigning: query(func(q url.Values) { q.Set("Action", "x") })}, Mismatch, "does not match"},
		"with another method":         {signed{afterSigning: func(r *http.Request) { r.Method = "PUT" }}, Mismatch, "does not match"},
		"with a malformed query":      {signed{afterSigning: func(r *http.Request) { r.URL.RawQuery = "a=%zz" }}, Incomplete, "query string"},
		"with a header twice in list": {signed{afterSigning: authorization("host;", "host;host;")}, Incomplete, "once each"},
		"with capitals in the list":   {signed{afterSigning: authorization("host;", "Host;")}, Incomplete, "lower-case"},
		"with too many headers signed": {signed{afterSigning: authorization("SignedHeaders=", "SignedHeaders="+strings.Repeat("a;", 65))},
			Incomplete, "more than 64"},
		"signed too long ago": {signed{at: testTime.Add(-5*time.Minute - time.Second)}, Mismatch,
			"Signature expired: 20261123T203959Z is now earlier than 20261123T204000Z (20261123T204500Z - 5 min.)"},
		"signed in the future": {signed{at: testTime.Add(5*time.Minute + time.Second)}, Mismatch,
			"Signature not yet current: 20261123T205001Z is still later than 20261123T205000Z (20261123T204500Z + 5 min.)"},
		"with a hash that is not the body's": {signed{body: "{}", header: http.Header{"X-Amz-Content-Sha256": {emptyHash}}}, Mismatch, "'x-amz-content-sha256' header does not match"},
		"with an unsigned payload":           {signed{body: "{}", header: http.Header{"X-Amz-Content-Sha256": {unsignedPayload}}}, Mismatch, "'x-amz-content-sha256' header does not match"},
		"by a temporary key without its token": {signed{id: "ASIATEMPORARY"},
			UnknownKey, "security token"},
		"by a temporary key with another token": {signed{id: "ASIATEMPORARY", token: "other"}, UnknownKey, "security token"},
		"by a lasting key with a token":         {signed{token: "token"}, UnknownKey, "security token"},
		"by credentials that have ended":        {signed{id: "ASIAENDED", token: "token"}, ExpiredToken, "security token included in the request is expired"},
		"by ended credentials, signed wrongly":  {signed{id: "ASIAENDED", token: "token", secret: "wrong"}, Mismatch, "does not match"},

		"presigned, too long ago": {presigned(signed{at: testTime.Add(-61 * time.Second), expires: "60"}), Mismatch,
			"Signature expired: 20261123T204359Z is now earlier than 20261123T204400Z (20261123T204500Z - 1 min.)"},
		"presigned, beyond odd seconds":       {presigned(signed{at: testTime.Add(-time.Minute), expires: "59"}), Mismatch, "(20261123T204500Z - 59 sec.)"},
		"presigned without a term, too late":  {presigned(signed{at: testTime.Add(-15*time.Minute - time.Second)}), Mismatch, "- 15 min.)"},
		"presigned in the future":             {presigned(signed{at: testTime.Add(6 * time.Minute), expires: "604800"}), Mismatch, "Signature not yet current"},
		"presigned for nothing":               {presigned(signed{expires: "0"}), Incomplete, "from 1 to 604800"},
		"presigned for more than a week":      {presigned(signed{expires: "604801"}), Incomplete, "from 1 to 604800"},
		"presigned for a negative time":       {presigned(signed{expires: "-1"}), Incomplete, "from 1 to 604800"},
		"presigned, then the term changed":    {presigned(signed{expires: "60", afterSigning: query(func(q url.Values) { q.Set("X-Amz-Expires", "600") })}), Mismatch, "does not match"},
		"presigned without the signature":     {presigned(signed{afterSigning: query(func(q url.Values) { q.Del("X-Amz-Signature") })}), Incomplete, "must include 'X-Amz-Signature'"},
		"presigned with two signatures":       {presigned(signed{afterSigning: query(func(q url.Values) { q.Add("X-Amz-Signature", "0") })}), Incomplete, "must include 'X-Amz-Signature'"},
		"presigned by another algorithm":      {presigned(signed{afterSigning: query(func(q url.Values) { q.Set("X-Amz-Algorithm", "AWS4-HMAC-MD5") })}), Incomplete, "'AWS4-HMAC-MD5'"},
		"presigned POST, payload not signed":  {signed{presign: true, presignHash: unsignedPayload, body: "{}"}, Mismatch, "does not match"},
		"presigned, with a body it has not":   {presigned(signed{afterSigning: func(r *http.Request) { r.Body = http.NoBody; r.Header.Set("X-Amz-Target", "x") }}), Mismatch, "'SignedHeader'"},
		"presigned, temporary, token changed": {presigned(signed{id: "ASIATEMPORARY", token: "other"}), UnknownKey, "security token"},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := c.send.request(t)
			wantKind(t, v, r, body, c.kind, c.sentence)
		})
	}
	t.Run("with a tampered body", func(t *testing.T) {
		r, _ := signed{body: `{"a":1}`}.request(t)
		wantKind(t, v, r, []byte(`{"a":2}`), Mismatch, "does not match")
	})
}

func TestRequestsAreAccepted(t *testing.T) {
	temporary := testCredential()
	temporary.SessionTokenHash, temporary.Expires = auth.HashSessionToken("token"), testTime.Add(time.Second)
	lasting := testVerifier(t)
	for name, c := range map[string]struct {
		send signed
		by   *Verifier
	}{
		"with clocks five minutes behind":            {signed{at: testTime.Add(-5 * time.Minute)}, lasting},
		"with clocks five minutes ahead":             {signed{at: testTime.Add(5 * time.Minute)}, lasting},
		"with the hash of the body":                  {signed{header: http.Header{"X-Amz-Content-Sha256": {emptyHash}}}, lasting},
		"with temporary credentials":                 {signed{token: "token"}, testVerifier(t, temporary)},
		"presigned with temporary credentials":       {signed{token: "token", method: "GET", presign: true}, testVerifier(t, temporary)},
		"presigned a week ago for a week":            {signed{method: "GET", presign: true, at: testTime.Add(-7 * 24 * time.Hour), expires: "604800"}, lasting},
		"presigned without a term, a while ago":      {signed{method: "GET", presign: true, at: testTime.Add(-14 * time.Minute)}, lasting},
		"presigned GET without its payload signed":   {signed{method: "GET", presign: true, url: "https://sts.amazonaws.com/?X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", presignHash: unsignedPayload}, lasting},
		"presigned POST with its payload signed":     {signed{presign: true, body: "{}"}, lasting},
		"over a query string with blanks and pluses": {signed{url: "https://h/?a=b+c&a=%20&d"}, lasting},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := c.send.request(t)
			if _, err := c.by.Verify(context.Background(), r, body); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhoIsRememberedDoesNotKeepTheHeader(t *testing.T) {
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	v := testVerifier(t)
	before, kept := held(), make([]Identity, 64)
	for i := range kept {
		r, body := signed{afterSigning: func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")+", Padding="+strings.Repeat("x", 60<<10))
		}}.request(t)
		var err error
		if kept[i], err = v.Verify(t.Context(), r, body); err != nil {
			t.Fatal(err)
		}
	}
	if after := held(); after > before+1<<20 {
		t.Errorf("%d KiB are held by a few names", (after-before)>>10)
	}
	runtime.KeepAlive(kept)
}

func TestTheScopeIsChecked(t *testing.T) {
	r, _ := signed{}.request(t)
	c, err := testVerifier(t).Precheck(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if c.Service() != "ecr" {
		t.Fatalf("service %s", c.Service())
	}
	for _, k := range []struct{ service, region, refusal string }{
		{"ecr", "eu-west-1", ""},
		{"sts", "eu-west-1", "Credential should be scoped to correct service: 'sts'. "},
		{"ecr", "us-east-1", "Credential should be scoped to a valid region, not 'eu-west-1'. "},
	} {
		got := ""
		if err := c.Scope(k.service, func(region string) bool { return region == k.region }); err != nil {
			got = err.Error()
		}
		if got != k.refusal {
			t.Errorf("scope %q %q: %q, want %q", k.service, k.region, got, k.refusal)
		}
	}
}

// brokenKeys cannot be asked.
type brokenKeys struct{}

func (brokenKeys) Lookup(context.Context, string) (auth.Credential, error) {
	return auth.Credential{}, errors.New("no database")
}

func TestKeysThatCannotBeAskedAreNotAWrongKey(t *testing.T) {
	v, err := New(brokenKeys{}, func() time.Time { return testTime })
	if err != nil {
		t.Fatal(err)
	}
	r, body := signed{}.request(t)
	_, err = v.Verify(context.Background(), r, body)
	var refusal *Error
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v, want an error that is no refusal", err)
	}
}

// TestARefusalTellsNothingOfWhetherAKeyExists holds the answers to be the same, and
// the work for them: what is allocated on the way stands for that, since times
// differ from one moment to the next.
func TestARefusalTellsNothingOfWhetherAKeyExists(t *testing.T) {
	temporary := testCredential()
	temporary.AccessKeyID, temporary.SessionTokenHash, temporary.Expires = "ASIATEMPORARY", auth.HashSessionToken("token"), testTime.Add(time.Hour)
	v := testVerifier(t, testCredential(), temporary)
	measure := func(s signed) (work float64, refusal error) {
		r, _ := s.request(t)
		work = testing.AllocsPerRun(100, func() { _, refusal = v.Precheck(t.Context(), r) })
		return work, refusal
	}
	work, want := measure(signed{id: "ASIANOBODY", token: "other"})
	for name, s := range map[string]signed{
		"a temporary key with another token": {id: "ASIATEMPORARY", token: "other"},
		"a lasting key with a token":         {token: "other"},
	} {
		n, err := measure(s)
		if err == nil || err != want {
			t.Errorf("%s: %v, and for a key that does not exist %v", name, err, want)
		}
		if n != work {
			t.Errorf("%s: %v allocations, and for a key that does not exist %v", name, n, work)
		}
	}
}

func TestWhoseSignatureARequestClaimsToCarry(t *testing.T) {
	for name, c := range map[string]struct {
		send signed
		id   string
	}{
		"in a header":       {signed{id: "AKIASOMEBODY", secret: "whatever"}, "AKIASOMEBODY"},
		"in a query string": {signed{id: "AKIASOMEBODY", method: "GET", presign: true}, "AKIASOMEBODY"},
		"nowhere":           {signed{afterSigning: func(r *http.Request) { r.Header.Del("Authorization") }}, ""},
		"in another scheme": {signed{afterSigning: func(r *http.Request) { r.SetBasicAuth("AWS", "x") }}, ""},
	} {
		r, _ := c.send.request(t)
		if id, ok := AccessKeyID(r); id != c.id || ok != (c.id != "") {
			t.Errorf("%s: %q, %t", name, id, ok)
		}
	}
}

func TestAVerifierNeedsKeysAndAClock(t *testing.T) {
	if _, err := New(nil, time.Now); err == nil {
		t.Error("made without keys")
	}
	if _, err := New(brokenKeys{}, nil); err == nil {
		t.Error("made without a clock")
	}
}

func FuzzParsing(f *testing.F) {
	r, _ := signed{}.request(f)
	f.Add(r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), "")
	p, _ := signed{method: "GET", presign: true, expires: "60"}.request(f)
	f.Add("", "", p.URL.RawQuery)
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,SignedHeaders=;,Signature=00", "20060102T150405Z", "")
	f.Add("AWS4-HMAC-SHA256 ,=,", "2", "X-Amz-Algorithm&X-Amz-Date=%00")
	// The verifier's secret is not the one that the seeds are signed with:
	// whatever comes in, nothing may be accepted.
	other := testCredential()
	other.SecretAccessKey = "another"
	v := testVerifier(f, other)
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := &http.Request{Method: "POST", Host: "h", URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		_, err := v.Verify(context.Background(), r, nil)
		var e *Error
		if !errors.As(err, &e) || e.Message == "" || len(e.Message) > 2000 {
			t.Fatalf("answered %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := testVerifier(b)
	r, body := signed{body: `{"repositoryName":"demo"}`, header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"}}}.request(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(context.Background(), r, body); err != nil {
			b.Fatal(err)
		}
	}
}
