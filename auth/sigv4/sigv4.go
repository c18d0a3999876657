// Package sigv4 verifies AWS Signature Version 4: that a request was made by the
// holder of an access key, recently, for the region and service it names, and
// reached the server unchanged. It knows the two forms that a signature takes, a
// header and a presigned query string, and nothing of the services.
//
// A request is looked at twice. Precheck needs no body, so that a stranger
// cannot make the server hold one; Verify then proves the signature.
//
// Source: AWS Identity and Access Management User Guide, "AWS Signature Version
// 4 for API requests".
package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"drydock/auth"
)

// Identity is who sent a request, and the scope that they signed it for.
type Identity struct {
	Principal auth.Principal
	Region    string
	Service   string
}

// Verifier checks signatures.
type Verifier struct {
	keys auth.Keys
	now  func() time.Time
}

// New makes a verifier that finds secrets in keys and tells the time by now.
func New(keys auth.Keys, now func() time.Time) (*Verifier, error) {
	if keys == nil || now == nil {
		return nil, errors.New("a signature verifier needs keys and a clock")
	}
	return &Verifier{keys: keys, now: now}, nil
}

// Checked is a request whose claim to a signature has been looked at and whose
// signature has not.
type Checked struct {
	claim      *claim
	credential auth.Credential
	now        time.Time
}

// Service is the signing name that the request says it is signed for.
func (c *Checked) Service() string { return c.claim.service }

// Precheck does everything that can be done without the body: it reads the
// claim, checks its time and finds its key. Errors: *Error of every kind but
// ExpiredToken; any other error means that the keys could not be asked.
func (v *Verifier) Precheck(ctx context.Context, r *http.Request) (*Checked, error) {
	claim, err := parse(r)
	if err != nil {
		return nil, err
	}
	if err := claim.checkSigned(r.Header); err != nil {
		return nil, err
	}
	now := v.now()
	if err := checkTime(claim.signed, now, claim.lifetime); err != nil {
		return nil, err
	}
	credential, err := v.keys.Lookup(ctx, claim.accessKeyID)
	unknown := errors.Is(err, auth.ErrUnknownKey)
	if err != nil && !unknown {
		return nil, fmt.Errorf("looking up an access key: %w", err)
	}
	if fits := credential.CheckSessionToken(claim.token); unknown || !fits {
		// As much work as a known key takes, and the same for a key that is
		// unknown as for one whose session token is another, so that the time of
		// the answer tells no more than the answer does.
		_, _ = claim.calculate(r, absentSecret, emptyHash)
		return nil, errKey
	}
	return &Checked{claim: claim, credential: credential, now: now}, nil
}

// AccessKeyID reads whose signature a request claims to carry and checks nothing.
// ok is false where Precheck would refuse the claim for its form, or find none.
func AccessKeyID(r *http.Request) (id string, ok bool) {
	c, err := parse(r)
	if err != nil {
		return "", false
	}
	return c.accessKeyID, true
}

const absentSecret = "a secret of the usual length, 40 bytes.."

var emptyHash = hex.EncodeToString(sha256.New().Sum(nil))

// Scope refuses a request that was signed for another service than the one of
// this signing name, or for a region that does not fit.
func (c *Checked) Scope(service string, fits func(region string) bool) error {
	if c.claim.service != service {
		return refuse(Mismatch, "Credential should be scoped to correct service: '%s'. ", service)
	}
	if !fits(c.claim.region) {
		return refuse(Mismatch, "Credential should be scoped to a valid region, not '%s'. ", shorten(c.claim.region))
	}
	return nil
}

// Verify proves the signature over the request and its whole body. Errors:
// *Error of kind Mismatch or ExpiredToken.
func (c *Checked) Verify(r *http.Request, body []byte) (Identity, error) {
	payload, err := c.claim.payload(r, body)
	if err != nil {
		return Identity{}, err
	}
	want, err := c.claim.calculate(r, c.credential.SecretAccessKey, payload)
	if err != nil {
		return Identity{}, err
	}
	if subtle.ConstantTimeCompare(want, c.claim.signature) != 1 {
		return Identity{}, errMismatch
	}
	// Only the holder of the secret is told that the credentials have ended.
	if e := c.credential.Expires; !e.IsZero() && !c.now.Before(e) {
		return Identity{}, errExpired
	}
	who := c.credential.Principal
	// Copies: what remembers a caller is not to hold the header that they are
	// parts of.
	who.AccessKeyID = strings.Clone(c.claim.accessKeyID)
	return Identity{Principal: who, Region: strings.Clone(c.claim.region), Service: strings.Clone(c.claim.service)}, nil
}

// Verify is Precheck and Checked.Verify in one, for a caller that has the body.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (Identity, error) {
	c, err := v.Precheck(ctx, r)
	if err != nil {
		return Identity{}, err
	}
	return c.Verify(r, body)
}
