package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// segment is a part of a JWT.
func segment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// claims reads a part of a JWT without any key.
func claims(t *testing.T, part string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func hs256(signed string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestOnlyAPasswordThatTheServerMadeOpensTheRegistry(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	other := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "secret/one")
	password := s.Password(t)
	parts := strings.Split(password, ".")
	if len(parts) != 3 {
		t.Fatalf("the password has %d parts, and is no JWT", len(parts))
	}
	header, body := claims(t, parts[0]), claims(t, parts[1])
	t.Logf("header %v, claims %v", header, body)
	if life := body["exp"].(float64) - float64(time.Now().Unix()); life < 11.9*3600 || life > 12.1*3600 {
		t.Errorf("the password lives %v hours, and not 12", life/3600)
	}

	altered := make(map[string]any, len(body))
	for k, v := range body {
		altered[k] = v
	}
	altered["exp"] = body["exp"].(float64) + 365*24*3600
	none := map[string]any{"alg": "none", "typ": "JWT"}
	weak := map[string]any{"alg": "HS256", "typ": "JWT"}
	if kid, ok := header["kid"]; ok {
		none["kid"], weak["kid"] = kid, kid
	}
	flipped := []byte(password)
	if flipped[len(flipped)-10]++; flipped[len(flipped)-10] > 'y' {
		flipped[len(flipped)-10] = 'A'
	}

	address := 1
	for name, p := range map[string]struct{ user, password string }{
		"no password":                               {"AWS", ""},
		"any word":                                  {"AWS", "password"},
		"the right one for another user":            {"root", password},
		"the right one without its signature":       {"AWS", parts[0] + "." + parts[1] + "."},
		"the right one with a letter changed":       {"AWS", string(flipped)},
		"a longer life with the old signature":      {"AWS", parts[0] + "." + segment(altered) + "." + parts[2]},
		"the same claims, signed with alg none":     {"AWS", segment(none) + "." + parts[1] + "."},
		"the same claims, alg None and a signature": {"AWS", segment(map[string]any{"alg": "None", "typ": "JWT"}) + "." + parts[1] + "." + parts[2]},
		"the same claims under an empty key":        {"AWS", hs256(segment(weak)+"."+parts[1], nil)},
		"the same claims under a guessable key":     {"AWS", hs256(segment(weak)+"."+parts[1], []byte("secret"))},
		"the same claims under the root secret":     {"AWS", hs256(segment(weak)+"."+parts[1], []byte(harness.RootSecret))},
		"the password of another server":            {"AWS", other.Password(t)},
		"a very long one":                           {"AWS", strings.Repeat("a", 5_000)},
	} {
		// Each from an address of its own: too many from one would be held back.
		address++
		c := harness.NewClient(s.URL(), p.user, p.password).From(fmt.Sprintf("127.0.0.%d", address))
		for _, path := range []string{"/v2/", "/v2/secret/one/tags/list", "/v2/nothing/there/tags/list", "/v2/_catalog"} {
			a, err := c.Send("GET", path, nil)
			want(t, name+", "+path, a, err, 401, "UNAUTHORIZED")
			challenge := a.Header.Get("WWW-Authenticate")
			if !strings.HasPrefix(challenge, "Basic realm=") || !strings.Contains(challenge, `service="ecr.amazonaws.com"`) {
				t.Errorf("%s, %s: the challenge is %q", name, path, challenge)
			}
			if v := a.Header.Get("Docker-Distribution-Api-Version"); v != "registry/2.0" {
				t.Errorf("%s, %s: the API's version is %q", name, path, v)
			}
		}
	}
	a, err := harness.NewClient(s.URL(), "AWS", password).Send("GET", "/v2/", nil)
	if err != nil || a.Status != 200 {
		t.Errorf("the right password answers %v, %v", a, err)
	}
}

func TestAPasswordOutlivesARestart(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	c := s.Client(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	a, err := c.Send("GET", "/v2/", nil)
	if err != nil || a.Status != 200 {
		t.Errorf("after a restart the password answers %v, %v", a, err)
	}
}
