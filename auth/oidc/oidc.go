// Package oidc checks the identity tokens of OpenID Connect issuers that the
// server is told to trust: that a token is signed with a key of its issuer, is
// valid now and was made for one of the audiences agreed on. It knows JWTs and
// the keys that sign them, and nothing of roles: auth/stsapi makes sessions of
// what a token says.
//
// Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 7515, 7517, 7518, 8037;
// IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM".
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is somebody whose tokens are believed.
type Issuer struct {
	// URL is the issuer as its tokens spell it in iss, e.g.
	// https://gitlab.example.
	URL string
	// Audiences are the values of which a token's aud, or azp where it has one,
	// must hold one.
	Audiences []string
	// JWKS is where the issuer's keys are: a file, or a URL that begins with
	// https:// or http://.
	JWKS string
}

// Options is what a Verifier is made of.
type Options struct {
	Issuers []Issuer
	// Now tells the time.
	Now func() time.Time
	// Client fetches the keys that are not in files.
	Client *http.Client
}

// Verifier checks tokens. It may be used by many goroutines.
type Verifier struct {
	issuers map[string]*issuer
	now     func() time.Time
	parser  *jwt.Parser
}

type issuer struct {
	Issuer
	keys *keySet
}

// algorithms are those in which tokens may be signed: with keys that only the
// issuer has, so neither "none" nor those with a shared secret.
var algorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"}

// New makes a verifier. Errors: an issuer is not described as it should be, its
// file of keys cannot be read.
func New(o Options) (*Verifier, error) {
	if o.Now == nil || o.Client == nil {
		return nil, errors.New("the checking of identity tokens needs a clock and an HTTP client")
	}
	v := &Verifier{issuers: make(map[string]*issuer, len(o.Issuers)), now: o.Now,
		// The times are checked here, for what AWS says of them.
		parser: jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation())}
	for _, i := range o.Issuers {
		if err := i.check(); err != nil {
			return nil, fmt.Errorf("the identity provider %q: %w", i.URL, err)
		}
		if v.issuers[i.URL] != nil {
			return nil, fmt.Errorf("the identity provider %q is given twice", i.URL)
		}
		keys, err := newKeySet(i.JWKS, o.Client, o.Now)
		if err != nil {
			return nil, fmt.Errorf("the keys of the identity provider %q: %w", i.URL, err)
		}
		v.issuers[i.URL] = &issuer{i, keys}
	}
	return v, nil
}

func (i Issuer) check() error {
	u, err := url.Parse(i.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("an issuer is a URL like https://gitlab.example, as its tokens spell it in iss")
	case len(i.Audiences) == 0 || slices.Contains(i.Audiences, ""):
		return errors.New("it needs the audiences that its tokens are made for")
	case i.JWKS == "":
		return errors.New("it needs the file or the URL where its keys (JWKS) are")
	}
	return nil
}

// Kind says in which way a token was refused. STS has an error for each.
type Kind int

// The kinds of refusal.
const (
	// Invalid: it is no token, or not one that is believed.
	Invalid Kind = iota + 1
	// Expired: it was valid once.
	Expired
	// Rejected: it says something that cannot be.
	Rejected
	// Unreachable: the keys of its issuer cannot be had at the moment.
	Unreachable
)

// Error is a refusal. Its text is for the client; Cause is for the operator.
type Error struct {
	Kind    Kind
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

func refuse(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

var (
	errNoJWT = refuse(Invalid, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	errNoKey = refuse(Invalid, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	errNoFit = refuse(Invalid, "The token is not signed with a key of its issuer")
)

// Verify checks a token and returns what it says. Errors: *Error.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	var from *issuer
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		name, _ := claims["iss"].(string)
		if from = v.issuers[name]; from == nil {
			return nil, refuse(Invalid, "No OpenIDConnect provider found in your account for %s", shorten(name))
		}
		if _, critical := t.Header["crit"]; critical {
			return nil, refuse(Invalid, "The token has a critical header that is not understood")
		}
		kid, _ := t.Header["kid"].(string)
		return from.keys.find(ctx, kid, t.Method.Alg())
	})
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return nil, refusal
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, errNoJWT
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), err == nil && !parsed.Valid:
		return nil, errNoFit
	case err != nil:
		return nil, errNoJWT
	}
	return from.read(claims, v.now())
}

// shorten keeps what a client sent from filling an answer.
func shorten(s string) string {
	const most = 255
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
