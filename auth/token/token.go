// Package token makes and checks the registry password: a JWT that says who its
// holder is, not what they may do. What they may do is decided at each request,
// so that a change of policy or a deactivated key takes effect at once.
//
// The same keys sign the tokens in the download addresses of layers, which allow
// the reading of one blob.
package token

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"drydock/auth"
)

// Lifetime is how long a registry password is valid, as ECR's.
const Lifetime = 12 * time.Hour

// Skew is how far ahead the clock of the server may have been that made a token. One
// from later was made while that clock was wrong, and would live until that time.
const Skew = time.Hour

const (
	issuer           = "drydock"
	passwordAudience = "registry"
	layerAudience    = "layer"
)

// ErrInvalid is returned for a token that was not made here, or not for this
// purpose, or has been revoked, or whose holder's access key no longer exists.
// Which of them it is, the caller is not to tell.
var ErrInvalid = errors.New("the token is not valid")

// ErrExpired is returned for a token that was good once.
var ErrExpired = errors.New("the token has expired")

// Issuer makes and checks tokens.
type Issuer struct {
	keys   Keys
	active auth.Keys
	now    func() time.Time
	random io.Reader
	parser *jwt.Parser
	known  known
}

// New makes an issuer that signs with keys. active tells whether the access key
// behind a token is still good.
func New(keys Keys, active auth.Keys, now func() time.Time, random io.Reader) *Issuer {
	return &Issuer{
		keys: keys, active: active, now: now, random: random,
		parser: jwt.NewParser(
			// Nothing but our own algorithm, above all not "none".
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now),
		),
	}
}

// claims are the members of our tokens. The subject is the principal's ARN.
type claims struct {
	jwt.RegisteredClaims
	AccessKeyID string `json:"key"`
	// Account and Region are the registry that the password was asked for.
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	// Layer is "<repository ARN>@<digest>" in the token of a layer.
	Layer string `json:"layer,omitempty"`
}

// Password makes the registry password of a principal.
func (i *Issuer) Password(_ context.Context, p auth.Principal, account, region string) (password string, expiresAt time.Time, err error) {
	c := claims{AccessKeyID: p.AccessKeyID, Account: account, Region: region}
	return i.sign(p, passwordAudience, Lifetime, c)
}

// LayerToken makes a token that allows the reading of one blob, "<repository
// ARN>@<digest>", on behalf of a principal.
func (i *Issuer) LayerToken(_ context.Context, p auth.Principal, layer string, ttl time.Duration) (string, error) {
	t, _, err := i.sign(p, layerAudience, ttl, claims{AccessKeyID: p.AccessKeyID, Layer: layer})
	return t, err
}

func (i *Issuer) sign(p auth.Principal, audience string, ttl time.Duration, c claims) (string, time.Time, error) {
	if ttl > Lifetime {
		// A key is kept for as long as a password may need it.
		return "", time.Time{}, fmt.Errorf("a token cannot live for %v, longer than a password", ttl)
	}
	id, err := uuid.NewRandomFromReader(i.random)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a token's id: %w", err)
	}
	now := i.now()
	expires := now.Add(ttl).Truncate(time.Second)
	c.RegisteredClaims = jwt.RegisteredClaims{
		Issuer: issuer, Subject: p.ARN, Audience: jwt.ClaimStrings{audience}, ID: id.String(),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}
	key, err := i.keys.Signing()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = key.ID
	signed, err := t.SignedString(key.Secret)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	return signed, expires, nil
}

// Verify tells whose password it is. Errors: ErrInvalid, ErrExpired, and those
// of reading keys.
func (i *Issuer) Verify(ctx context.Context, password string) (auth.Principal, error) {
	_, p, err := i.check(ctx, password, passwordAudience)
	return p, err
}

// VerifyLayer tells on whose behalf a token allows the reading of a blob,
// "<repository ARN>@<digest>". Errors: as Verify.
func (i *Issuer) VerifyLayer(ctx context.Context, token, layer string) (auth.Principal, error) {
	c, p, err := i.check(ctx, token, layerAudience)
	if err == nil && subtle.ConstantTimeCompare([]byte(c.Layer), []byte(layer)) != 1 {
		return auth.Principal{}, ErrInvalid
	}
	return p, err
}

func (i *Issuer) check(ctx context.Context, token, audience string) (claims, auth.Principal, error) {
	c, err := i.parse(ctx, token)
	switch {
	case err != nil:
		return c, auth.Principal{}, err
	case len(c.Audience) != 1 || c.Audience[0] != audience:
		return c, auth.Principal{}, ErrInvalid
	}
	cred, err := i.active.Lookup(ctx, c.AccessKeyID)
	switch {
	case errors.Is(err, auth.ErrUnknownKey):
		return c, auth.Principal{}, ErrInvalid
	case err != nil:
		return c, auth.Principal{}, fmt.Errorf("look up the key of a token: %w", err)
	case cred.Principal.ARN != c.Subject, c.IssuedAt == nil, c.IssuedAt.Before(cred.TokensNotBefore), c.IssuedAt.After(i.now().Add(Skew)):
		return c, auth.Principal{}, ErrInvalid
	}
	return c, cred.Principal, nil
}

// Known reports whether the signature of a token was found good here a while ago,
// be it a password's or a layer's. Verify may refuse it nevertheless.
func (i *Issuer) Known(token string) bool {
	_, ok := i.known.find(token)
	return ok
}

// parse reads a token that was signed here and has not expired. docker sends the
// same one with every request, so that one that was good is remembered; whether
// it has expired meanwhile is asked again.
func (i *Issuer) parse(ctx context.Context, token string) (claims, error) {
	if c, ok := i.known.find(token); ok {
		if !i.now().Before(c.ExpiresAt.Time) {
			return c, ErrExpired
		}
		return c, nil
	}
	var c claims
	var unread error // why the key could not be looked for
	_, err := i.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, err := i.keys.Verifying(ctx, kid)
		if err != nil && !errors.Is(err, ErrUnknownKey) {
			unread = err
		}
		return key.Secret, err
	})
	switch {
	case unread != nil:
		return c, fmt.Errorf("find the key that signed a token: %w", unread)
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return c, ErrExpired
	case err != nil:
		return c, ErrInvalid
	}
	i.known.remember(token, c)
	return c, nil
}
