package auth

import (
	"context"
	"fmt"
)

// RootOnly is the authorizer of a server on which no policy exists yet: the
// root of an account may do everything to what its account owns, and nobody
// may do anything else.
type RootOnly struct{}

// Authorize implements Authorizer.
func (RootOnly) Authorize(_ context.Context, r Request) error {
	switch {
	case r.Principal.Account != r.ResourceAccount:
		return &DeniedError{Request: r, Because: fmt.Sprintf("because no resource-based policy allows the %s action", r.Action)}
	case !r.Principal.IsRoot():
		return &DeniedError{Request: r, Because: fmt.Sprintf("because no identity-based policy allows the %s action", r.Action)}
	}
	return nil
}
