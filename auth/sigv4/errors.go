package sigv4

import (
	"fmt"
	"strings"
	"time"
)

// Kind says in which way a request failed to prove who sent it. AWS has a name
// for each, which differs between its protocols; awsapi knows them.
type Kind int

// The kinds of failure.
const (
	// MissingToken: the request is not signed at all.
	MissingToken Kind = iota + 1
	// Incomplete: the signature is there but lacks a part, or a part has the
	// wrong form.
	Incomplete
	// UnknownKey: the access key id, or the session token with it, is not one
	// that exists and is active.
	UnknownKey
	// Mismatch: the signature is not that of this request, by this key, at
	// about this time, for this region and service.
	Mismatch
	// ExpiredToken: the signature is good and the temporary credentials behind
	// it have ended.
	ExpiredToken
)

// Error is a refusal. Its text is AWS's sentence, meant for the client: it holds
// nothing that the client did not send.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

var (
	errMissing  = &Error{MissingToken, "Missing Authentication Token"}
	errKey      = &Error{UnknownKey, "The security token included in the request is invalid."}
	errMismatch = &Error{Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	errExpired  = &Error{ExpiredToken, "The security token included in the request is expired"}
)

// checkTime refuses a signature made more than skew after now, or more than
// lifetime before it.
func checkTime(signed, now time.Time, lifetime time.Duration) error {
	if limit := now.Add(-lifetime); signed.Before(limit) {
		return refuse(Mismatch, "Signature expired: %s is now earlier than %s (%s - %s)",
			stamp(signed), stamp(limit), stamp(now), span(lifetime))
	}
	if limit := now.Add(skew); signed.After(limit) {
		return refuse(Mismatch, "Signature not yet current: %s is still later than %s (%s + %s)",
			stamp(signed), stamp(limit), stamp(now), span(skew))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// span writes a duration as AWS does, in minutes where it is a number of them.
func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d sec.", d/time.Second)
}

// requires lists what is missing from a signature, a sentence each.
func requires(sentence string, missing []string) error {
	var b strings.Builder
	for i, m := range missing {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, sentence, m)
	}
	return &Error{Incomplete, b.String()}
}
