package token

import (
	"context"
	"errors"
)

// Key signs tokens. Its id stands in their headers, so that tokens signed with
// an older key are still understood after a new one has come.
type Key struct {
	ID     string
	Secret []byte
}

// SecretSize is the length in bytes of a key's secret: that of SHA-256, as RFC
// 7518 section 3.2 asks for HS256.
const SecretSize = 32

// Keys are what tokens are signed and verified with; auth/token/keyring keeps
// them. Its methods may be called by many goroutines.
type Keys interface {
	// Signing returns the key that signs now.
	Signing() (Key, error)
	// Verifying returns the key of an id, which a token carries that may not have
	// been made here. Errors: ErrUnknownKey; any other means that it could not be
	// found out.
	Verifying(ctx context.Context, id string) (Key, error)
}

// ErrUnknownKey is returned for the id of a key that there is not, or no longer.
var ErrUnknownKey = errors.New("the token names no key of this server")
