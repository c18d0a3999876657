package control

import (
	"context"
	"net/http"
)

type revocation struct {
	Principal string `json:"principal"`
}

func (s *Server) revokeTokens(ctx context.Context, in revocation) (nothing, error) {
	return nothing{}, s.o.Identities.RevokeTokens(ctx, in.Principal)
}

// RevokeTokens ends the registry passwords of a principal.
func (c *Client) RevokeTokens(ctx context.Context, principal string) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/tokens/revoke", revocation{principal})
	return err
}

func (s *Server) rotateKeys(ctx context.Context, _ nothing) (nothing, error) {
	return nothing{}, s.o.Signing.Rotate(ctx)
}

// RotateKeys has registry passwords signed with a new key from now on.
func (c *Client) RotateKeys(ctx context.Context) error {
	_, err := call[nothing](ctx, c, http.MethodPost, "/tokens/rotate", nothing{})
	return err
}
