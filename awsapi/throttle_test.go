package awsapi

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drydock/auth/throttle"
)

func TestTooManyWrongTokensOfOthersAreHeldBack(t *testing.T) {
	refused := 0
	th, err := throttle.New(throttle.Options{Burst: 2, Every: time.Hour, Now: time.Now, Refused: func(string) { refused++ }})
	if err != nil {
		t.Fatal(err)
	}
	h := newOpenHouse(t)
	h.throttle = th.Door("aws")
	for _, step := range []struct{ form, says string }{
		{"eve's", "AccessDenied"}, {"eve's", "AccessDenied"}, // no forgeries
		{"forged", "InvalidIdentityToken"}, {"forged", "InvalidIdentityToken"},
		{"forged", "<Code>Throttling</Code><Message>Rate exceeded</Message>"}, {"good", "<Code>Throttling</Code>"},
	} {
		if w := h.post("localhost", openForm+step.form); w.Code < 400 || !strings.Contains(w.Body.String(), step.says) {
			t.Errorf("%s: %d %s, want %s", step.form, w.Code, w.Body, step.says)
		}
	}
	if refused != 2 {
		t.Errorf("%d refusals were counted", refused)
	}
	// A signature that is not there needs no check.
	if w := h.post("localhost", "Action=GetSessionToken&Version=2011-06-15"); !strings.Contains(w.Body.String(), "MissingAuthenticationToken") {
		t.Errorf("without anything: %d %s", w.Code, w.Body)
	}
}

func TestTooManyWrongSignaturesAreHeldBackAndProvedKeysAreNot(t *testing.T) {
	refused := 0
	th, err := throttle.New(throttle.Options{Burst: 2, Every: time.Hour, Now: time.Now, Refused: func(string) { refused++ }})
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(o *Options) { o.Throttle = th.Door("aws") })
	for _, step := range []struct {
		what   string
		call   call
		status int
		says   string
	}{
		{"a key that proves good", call{body: "{}"}, 200, "repositories"},
		{"no signature is no failure", call{body: "{}", unsigned: true}, 400, "MissingAuthenticationTokenException"},
		{"a wrong signature", call{body: "{}", secret: "another"}, 400, "InvalidSignatureException"},
		{"an unknown key", call{body: "{}", id: "AKIASTRANGER"}, 400, "UnrecognizedClientException"},
		{"an unknown key, held back", call{body: "{}", id: "AKIASTRANGER"}, 400, "ThrottlingException"},
		{"the same of a query service", call{query: true, body: "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=" + devID, id: "AKIASTRANGER"}, 400, "<Code>Throttling</Code>"},
		{"the key that proved good", call{body: "{}"}, 200, "repositories"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, step.call.request(t))
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.says) {
			t.Errorf("%s: %d %s", step.what, w.Code, w.Body)
		}
	}
	if refused != 2 {
		t.Errorf("%d refusals were counted", refused)
	}
}
