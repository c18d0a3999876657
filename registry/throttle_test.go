package registry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"drydock/auth"
)

// counting is a throttle that holds back who failed twice.
type counting struct {
	failed  map[netip.Addr]int
	refused int
}

func (c *counting) Wait(source netip.Addr) time.Duration {
	if c.failed[source] >= 2 {
		return 1500 * time.Millisecond
	}
	return 0
}
func (c *counting) Failed(source netip.Addr) { c.failed[source]++ }
func (c *counting) Refused()                 { c.refused++ }

// knowing knows the password of the first account.
type knowing struct{ passwords }

func (knowing) Known(password string) bool {
	return password == "123456789012" || password == "revoked"
}

func TestTooManyWrongPasswordsAreHeldBackAndKnownOnesAreNot(t *testing.T) {
	h, _ := newHandler(t)
	c := &counting{failed: map[netip.Addr]int{}}
	h.throttle, h.tokens = c, knowing{}
	ask := func(from, password string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(auth.WithOrigin(context.Background(), &auth.Origin{Source: netip.MustParseAddr(from)}), http.MethodGet, "/v2/", nil)
		if password != "" {
			r.SetBasicAuth("AWS", password)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, step := range []struct {
		what, from, password string
		want                 int
	}{
		{"no password is no failure", "10.0.0.1", "", 401},
		{"no password is no failure", "10.0.0.1", "", 401},
		{"one that was good once is no guess", "10.0.0.1", "revoked", 401},
		{"an old one is no guess", "10.0.0.1", "old", 403},
		{"a wrong one", "10.0.0.1", "guess", 401},
		{"another wrong one", "10.0.0.1", "guess", 401},
		{"held back", "10.0.0.1", "guess", 429},
		{"a good one that nobody has shown yet waits too", "10.0.0.1", "222233334444", 429},
		{"a known one does not", "10.0.0.1", "123456789012", 200},
		{"who has none is asked for one", "10.0.0.1", "", 401},
		{"another source is not held back", "10.0.0.2", "222233334444", 200},
	} {
		w := ask(step.from, step.password)
		if w.Code != step.want {
			t.Errorf("%s: %d %s", step.what, w.Code, w.Body)
		}
		if w.Code == 429 && w.Header().Get("Retry-After") != "2" {
			t.Errorf("%s: Retry-After %q", step.what, w.Header().Get("Retry-After"))
		}
	}
	if c.refused != 2 {
		t.Errorf("%d refusals were counted", c.refused)
	}
}
