// Package auth answers two questions for every way into the server: who is
// calling, and may they. It knows principals, credentials and decisions, and
// nothing of HTTP, ECR or ECS: the callers name the action and the resource.
//
// How a caller is recognised lives below it: auth/sigv4 for signed AWS
// requests, auth/token for the registry password.
package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// Principal is who is calling.
type Principal struct {
	// ARN names the principal, e.g. arn:aws:iam::123456789012:root.
	ARN string
	// Account is the account the principal belongs to.
	Account string
	// UserID is the stable unique id that GetCallerIdentity reports; for the
	// root of an account it is the account id.
	UserID string
	// AccessKeyID is the key the principal proved itself with. A registry
	// password carries it too, so that a deactivated key ends the password.
	AccessKeyID string
}

// IsRoot reports whether p is the root of its account.
func (p Principal) IsRoot() bool { return p.ARN == RootARN(p.Account) }

// RootARN is the ARN of the root of an account.
func RootARN(account string) string { return "arn:aws:iam::" + account + ":root" }

// Credential is an access key together with whom it stands for.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	// SessionTokenHash is set for temporary credentials only, as
	// HashSessionToken makes it; a request signed with them must carry the
	// token, which CheckSessionToken compares.
	SessionTokenHash [sha256.Size]byte
	// Expires is when temporary credentials end; zero for a key that does not.
	// Credentials that have ended may still be found by Keys.Lookup.
	Expires time.Time
	// TokensNotBefore makes registry passwords void that were made before it
	// with any key of the same user, role or root; zero when none are.
	TokensNotBefore time.Time
	Principal       Principal
}

// HashSessionToken is what is kept of a session token: of no token, nothing.
func HashSessionToken(token string) (hash [sha256.Size]byte) {
	if token != "" {
		hash = sha256.Sum256([]byte(token))
	}
	return hash
}

// CheckSessionToken reports, in a time that tells nothing of the token, whether
// it is the one that belongs to the credential; no token, "", belongs to one that
// is not temporary.
func (c Credential) CheckSessionToken(token string) bool {
	given := HashSessionToken(token)
	return subtle.ConstantTimeCompare(given[:], c.SessionTokenHash[:]) == 1
}

// ErrUnknownKey is returned by Keys.Lookup for an access key id that does not
// exist or is not active. The two are not told apart on purpose.
var ErrUnknownKey = errors.New("access key unknown or inactive")

// Keys finds credentials by access key id.
type Keys interface {
	// Lookup returns the credential of an active key. Errors: ErrUnknownKey.
	Lookup(ctx context.Context, accessKeyID string) (Credential, error)
}

// Request asks whether a principal may perform an action on a resource.
type Request struct {
	Principal Principal
	// Action is the IAM action, e.g. ecr:PutImage.
	Action string
	// Resource is the ARN acted upon, or "*" for actions that name none.
	Resource string
	// ResourceAccount is the account that owns the resource.
	ResourceAccount string
	// Region is the one that was called: aws:RequestedRegion.
	Region string
	// Keys are condition keys that only this request has, by lower-cased name:
	// "aws:requesttag/team", "sts:externalid". Those of the caller, the resource
	// and the connection are known to the Authorizer.
	Keys map[string][]string
	// Shown is how a refusal calls the resource, where not by its ARN, as IAM
	// does: "user dev".
	Shown string
}

// Authorizer decides requests. Everything is denied unless it is allowed.
type Authorizer interface {
	// Authorize returns nil when the request is allowed and a *DeniedError
	// when it is not. Any other error means that no decision was reached; the
	// caller must refuse.
	Authorize(ctx context.Context, r Request) error
}

// MessageHeader is the header of a refused request's answer that has the message
// for sts:DecodeAuthorizationMessage, by which those who may call that find out
// why. Amazon's services put theirs into the sentence, where they have one.
const MessageHeader = "X-Drydock-Authorization-Message"

// DeniedError is a refusal by policy. Its text is the sentence IAM gives, which
// the aws CLI and docker print as it stands.
type DeniedError struct {
	Request Request
	// Because completes the sentence: "because no identity-based policy allows
	// the ecr:PutImage action", or "with an explicit deny in …".
	Because string
	// Message is the whole decision, sealed, for sts:DecodeAuthorizationMessage;
	// empty when there is none.
	Message string
}

func (e *DeniedError) Error() string {
	s := fmt.Sprintf("User: %s is not authorized to perform: %s", e.Request.Principal.ARN, e.Request.Action)
	if resource := cmp.Or(e.Request.Shown, e.Request.Resource); resource != "" {
		s += " on resource: " + resource
	}
	return s + " " + e.Because
}
