package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const issuerURL = "https://gitlab.example/path"

// lab is an issuer with a key of each kind, whose keys are fetched over HTTP.
type lab struct {
	t       *testing.T
	mu      sync.Mutex
	keys    map[string]crypto.Signer // by kid
	down    bool
	fetches int
	now     time.Time
	server  *httptest.Server
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, now: time.Unix(1_800_000_000, 0), keys: map[string]crypto.Signer{}}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	l.must(err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	l.must(err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	l.must(err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	l.must(err)
	l.keys["rsa"], l.keys["p256"], l.keys["p384"], l.keys["ed"] = weak, p256, p384, ed
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fetches++
		if l.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(l.jwks())
	}))
	t.Cleanup(l.server.Close)
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// jwks writes the keys down as RFC 7517 does, with one among them that is none of
// ours to use.
func (l *lab) jwks() []byte {
	word := base64.RawURLEncoding.EncodeToString
	list := []map[string]any{{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, {"kty": "RSA", "use": "enc", "kid": "enc", "n": word(make([]byte, 256)), "e": "AQAB"}}
	for id, k := range l.keys {
		j := map[string]any{"kid": id, "use": "sig"}
		switch p := k.Public().(type) {
		case *rsa.PublicKey:
			j["kty"], j["n"], j["e"] = "RSA", word(p.N.Bytes()), word(big.NewInt(int64(p.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := p.Bytes()
			l.must(err)
			half := len(point) / 2
			j["kty"], j["crv"], j["x"], j["y"] = "EC", p.Curve.Params().Name, word(point[1:1+half]), word(point[1+half:])
		case ed25519.PublicKey:
			j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", word(p)
		}
		list = append(list, j)
	}
	b, err := json.Marshal(map[string]any{"keys": list})
	l.must(err)
	return b
}

func (l *lab) verifier(audiences ...string) *Verifier {
	l.t.Helper()
	if audiences == nil {
		audiences = []string{"sts.amazonaws.com"}
	}
	v, err := New(Options{Issuers: []Issuer{{URL: issuerURL, Audiences: audiences, JWKS: l.server.URL}},
		Now: func() time.Time { return l.now }, Client: l.server.Client()})
	l.must(err)
	return v
}

// claims are those of a good token, with changes; nil takes one away.
func (l *lab) claims(change map[string]any) jwt.MapClaims {
	m := jwt.MapClaims{"iss": issuerURL, "sub": "project:7", "aud": "sts.amazonaws.com", "iat": l.now.Unix(), "exp": l.now.Add(time.Hour).Unix()}
	for k, v := range change {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	return m
}

func (l *lab) token(method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	l.t.Helper()
	t := jwt.NewWithClaims(method, claims)
	if kid != "" {
		t.Header["kid"] = kid
	}
	s, err := t.SignedString(key)
	l.must(err)
	return s
}

func (l *lab) good(change map[string]any) string {
	return l.token(jwt.SigningMethodRS256, "rsa", l.keys["rsa"], l.claims(change))
}

func refused(t *testing.T, err error, kind Kind, sentence string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Message, sentence) {
		t.Errorf("got %v, want kind %d, %q", err, kind, sentence)
	}
}

func TestATokenIsBelievedInEveryAlgorithmThatNobodyElseCanSignIn(t *testing.T) {
	l := newLab(t)
	v := l.verifier()
	for kid, methods := range map[string][]jwt.SigningMethod{
		"rsa":  {jwt.SigningMethodRS256, jwt.SigningMethodRS384, jwt.SigningMethodRS512},
		"p256": {jwt.SigningMethodES256}, "p384": {jwt.SigningMethodES384}, "ed": {jwt.SigningMethodEdDSA},
	} {
		for _, m := range methods {
			c, err := v.Verify(t.Context(), l.token(m, kid, l.keys[kid], l.claims(nil)))
			if err != nil || c.Subject != "project:7" || c.Issuer != issuerURL || !slices.Equal(c.Party, []string{"sts.amazonaws.com"}) {
				t.Errorf("%s: %+v, %v", m.Alg(), c, err)
			}
		}
	}
	// A single key of the kind needs no name.
	if _, err := v.Verify(t.Context(), l.token(jwt.SigningMethodES384, "", l.keys["p384"], l.claims(nil))); err != nil {
		t.Error(err)
	}
}

func TestAForgedTokenIsNotBelieved(t *testing.T) {
	l := newLab(t)
	v := l.verifier()
	good := l.good(nil)
	parts := strings.Split(good, ".")
	public, err := json.Marshal(l.keys["rsa"].Public())
	l.must(err)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	l.must(err)
	changed := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + issuerURL + `","sub":"admin","aud":"sts.amazonaws.com","iat":1,"exp":9999999999}`))
	critical := jwt.NewWithClaims(jwt.SigningMethodRS256, l.claims(nil))
	critical.Header["kid"], critical.Header["crit"] = "rsa", []string{"b64"}
	withCritical, err := critical.SignedString(l.keys["rsa"])
	l.must(err)
	for name, c := range map[string]struct{ token, sentence string }{
		"nothing":                        {"", "not a valid JWT"},
		"a word":                         {"token", "not a valid JWT"},
		"two parts":                      {parts[0] + "." + parts[1], "not a valid JWT"},
		"five parts":                     {"a.b.c.d.e", "not a valid JWT"},
		"no signature":                   {parts[0] + "." + parts[1] + ".", "not signed"},
		"other claims":                   {parts[0] + "." + changed + "." + parts[2], "not signed"},
		"alg none":                       {l.token(jwt.SigningMethodNone, "rsa", jwt.UnsafeAllowNoneSignatureType, l.claims(nil)), "not signed"},
		"the public key as a secret":     {l.token(jwt.SigningMethodHS256, "rsa", public, l.claims(nil)), "not signed"},
		"a stranger's key":               {l.token(jwt.SigningMethodRS256, "rsa", stranger, l.claims(nil)), "not signed"},
		"an algorithm that is not taken": {l.token(jwt.SigningMethodPS256, "rsa", l.keys["rsa"], l.claims(nil)), "not signed"},
		"an unknown key":                 {l.token(jwt.SigningMethodRS256, "new", stranger, l.claims(nil)), "Couldn't retrieve verification key"},
		"a key of another kind":          {l.token(jwt.SigningMethodRS256, "p256", l.keys["rsa"], l.claims(nil)), "Couldn't retrieve verification key"},
		"a key for encryption":           {l.token(jwt.SigningMethodRS256, "enc", stranger, l.claims(nil)), "Couldn't retrieve verification key"},
		"another issuer":                 {l.good(map[string]any{"iss": "https://evil.example"}), "No OpenIDConnect provider found in your account for https://evil.example"},
		"an issuer with a slash more":    {l.good(map[string]any{"iss": issuerURL + "/"}), "No OpenIDConnect provider found"},
		"no issuer":                      {l.good(map[string]any{"iss": nil}), "No OpenIDConnect provider found"},
		"a critical header":              {withCritical, "critical header"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), c.token)
			refused(t, err, Invalid, c.sentence)
		})
	}
	// So that the table above means something.
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestATokenIsGoodInItsTimeAndForItsAudience(t *testing.T) {
	l := newLab(t)
	for name, c := range map[string]struct {
		change    map[string]any
		audiences []string
		kind      Kind // 0 when it is good
		sentence  string
		party     string
	}{
		"at its last second":           {map[string]any{"exp": l.now.Unix() + 1}, nil, 0, "", "sts.amazonaws.com"},
		"at its end":                   {map[string]any{"exp": l.now.Unix()}, nil, Expired, "Token expired: current date/time 1800000000 must be before the expiration date/time 1800000000", ""},
		"without an end":               {map[string]any{"exp": nil}, nil, Invalid, "exp", ""},
		"with a word for an end":       {map[string]any{"exp": "tomorrow"}, nil, Invalid, "exp", ""},
		"made in a moment":             {map[string]any{"iat": l.now.Add(skew).Unix()}, nil, 0, "", "sts.amazonaws.com"},
		"made in the future":           {map[string]any{"iat": l.now.Add(skew + time.Second).Unix()}, nil, Invalid, "not yet valid", ""},
		"valid from tomorrow":          {map[string]any{"nbf": l.now.Add(24 * time.Hour).Unix()}, nil, Invalid, "not yet valid", ""},
		"without a birth":              {map[string]any{"iat": nil}, nil, Invalid, "iat", ""},
		"without a subject":            {map[string]any{"sub": nil}, nil, Invalid, "Missing a required claim: sub", ""},
		"with an empty subject":        {map[string]any{"sub": ""}, nil, Invalid, "sub", ""},
		"with a number for a subject":  {map[string]any{"sub": 7}, nil, Invalid, "sub", ""},
		"without an audience":          {map[string]any{"aud": nil}, nil, Invalid, "aud", ""},
		"for somebody else":            {map[string]any{"aud": "other"}, nil, Invalid, "Incorrect token audience", ""},
		"for many, us too":             {map[string]any{"aud": []string{"other", "sts.amazonaws.com"}}, nil, 0, "", "sts.amazonaws.com"},
		"for two of ours":              {map[string]any{"aud": []string{"b", "x", "a"}}, []string{"a", "b"}, 0, "", "b a"},
		"given to ours":                {map[string]any{"aud": "account", "azp": "ci"}, []string{"ci"}, 0, "", "ci"},
		"given to another, for us":     {map[string]any{"azp": "other"}, nil, Invalid, "Incorrect token audience", ""},
		"given to nobody in words":     {map[string]any{"azp": 5}, nil, Invalid, "Incorrect token audience", ""},
		"with methods that are none":   {map[string]any{"amr": 5}, nil, Rejected, "amr", ""},
		"with tags that are a word":    {map[string]any{tagsClaim: "team"}, nil, Rejected, tagsClaim, ""},
		"with tags of many values":     {map[string]any{tagsClaim: map[string]any{"principal_tags": map[string]any{"a": []string{"b", "c"}}}}, nil, Rejected, tagsClaim, ""},
		"with a source that is a list": {map[string]any{sourceIdentityClaim: []string{"a"}}, nil, Rejected, sourceIdentityClaim, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := l.verifier(c.audiences...).Verify(t.Context(), l.good(c.change))
			switch {
			case c.kind != 0:
				refused(t, err, c.kind, c.sentence)
			case err != nil:
				t.Error(err)
			case strings.Join(got.Party, " ") != c.party:
				t.Errorf("given to %v, want %s", got.Party, c.party)
			}
		})
	}
}

func TestATokenBringsTagsAndSource(t *testing.T) {
	l := newLab(t)
	c, err := l.verifier().Verify(t.Context(), l.good(map[string]any{
		"email": "dev@example.org", "amr": []string{"pwd", "otp"}, sourceIdentityClaim: "dev",
		tagsClaim: map[string]any{"principal_tags": map[string]any{"team": []string{"a"}, "stage": "prod"}, "transitive_tag_keys": []string{"team"}},
	}))
	l.must(err)
	if c.Email != "dev@example.org" || strings.Join(c.Methods, " ") != "pwd otp" || c.SourceIdentity != "dev" ||
		len(c.Tags) != 2 || c.Tags["team"] != "a" || c.Tags["stage"] != "prod" || !slices.Equal(c.Transitive, []string{"team"}) {
		t.Errorf("%+v", c)
	}
}

func TestNewKeysAreFoundAndStrangersDoNotMakeThemReadOften(t *testing.T) {
	l := newLab(t)
	v := l.verifier()
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	l.must(err)
	try := func(kid string, key crypto.Signer) error {
		_, err := v.Verify(context.Background(), l.token(jwt.SigningMethodES256, kid, key, l.claims(nil)))
		return err
	}
	for range 20 {
		l.must(try("p256", l.keys["p256"]))
		if err := try("unknown", stranger); err == nil {
			t.Fatal("a stranger was believed")
		}
	}
	if l.fetches != 1 {
		t.Errorf("the keys were read %d times", l.fetches)
	}
	// The issuer turns to a new key.
	l.mu.Lock()
	l.keys["next"] = stranger
	delete(l.keys, "p256")
	l.mu.Unlock()
	l.now = l.now.Add(patience)
	l.must(try("next", stranger))
	if l.fetches != 2 {
		t.Errorf("the keys were read %d times", l.fetches)
	}
}

func TestAKeyThatIsGivenUpIsNotBelievedForEver(t *testing.T) {
	l := newLab(t)
	v := l.verifier()
	key := l.keys["p256"]
	try := func() error {
		_, err := v.Verify(context.Background(), l.token(jwt.SigningMethodES256, "p256", key, l.claims(nil)))
		return err
	}
	l.must(try())
	l.mu.Lock()
	delete(l.keys, "p256")
	l.mu.Unlock()
	l.now = l.now.Add(stale)
	refused(t, try(), Invalid, "Couldn't retrieve verification key")
}

func TestAnIssuerThatIsDownIsBelievedForADay(t *testing.T) {
	l := newLab(t)
	v := l.verifier()
	try := func() error {
		_, err := v.Verify(context.Background(), l.good(nil))
		return err
	}
	l.down = true
	refused(t, try(), Unreachable, "cannot be had")
	fetches := l.fetches
	refused(t, try(), Unreachable, "cannot be had")
	if l.fetches != fetches {
		t.Error("it was asked again at once")
	}
	l.down = false
	l.now = l.now.Add(retry)
	l.must(try())
	l.down = true
	l.now = l.now.Add(dead - time.Second)
	l.must(try())
	l.now = l.now.Add(retry)
	refused(t, try(), Unreachable, "cannot be had")
}

func TestKeysMayBeInAFile(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "jwks.json")
	l.must(os.WriteFile(path, l.jwks(), 0o600))
	o := Options{Issuers: []Issuer{{URL: issuerURL, Audiences: []string{"sts.amazonaws.com"}, JWKS: path}},
		Now: func() time.Time { return l.now }, Client: http.DefaultClient}
	v, err := New(o)
	l.must(err)
	if _, err := v.Verify(t.Context(), l.good(nil)); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"words": "keys", "an empty set": `{"keys":[]}`, "no set": `{}`,
		"a short key": `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, "a point off the curve": `{"keys":[{"kty":"EC","crv":"P-256","x":"` +
			strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}]}`} {
		l.must(os.WriteFile(path, []byte(text), 0o600))
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.Issuers[0].JWKS = path + ".none"
	if _, err := New(o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAnIssuerThatIsNotDescribedIsRefused(t *testing.T) {
	ok := Issuer{URL: issuerURL, Audiences: []string{"a"}, JWKS: "https://gitlab.example/keys"}
	for name, change := range map[string]func(*Issuer){
		"no URL":            func(i *Issuer) { i.URL = "" },
		"a host":            func(i *Issuer) { i.URL = "gitlab.example" },
		"a URL with query":  func(i *Issuer) { i.URL += "?x=1" },
		"no audience":       func(i *Issuer) { i.Audiences = nil },
		"an empty audience": func(i *Issuer) { i.Audiences = []string{""} },
		"no keys":           func(i *Issuer) { i.JWKS = "" },
	} {
		i := ok
		change(&i)
		if _, err := New(Options{Issuers: []Issuer{i}, Now: time.Now, Client: http.DefaultClient}); err == nil {
			t.Error(name)
		}
	}
	if _, err := New(Options{Issuers: []Issuer{ok, ok}, Now: time.Now, Client: http.DefaultClient}); err == nil {
		t.Error("twice the same")
	}
	if _, err := New(Options{Issuers: []Issuer{ok}, Now: time.Now, Client: http.DefaultClient}); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func FuzzParseKeysTakesAnything(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"","use":"sig","key_ops":["verify"]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
}
