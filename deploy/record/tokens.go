package record

import (
	"context"

	"drydock/storage/meta"
)

// ClientToken is what a request with a client token has made.
type ClientToken struct {
	Scope
	Operation, Token string
	// Fingerprint is a digest of the request, Result what it made.
	Fingerprint, Result string
	// ExpiresAt is in milliseconds since 1970.
	ExpiresAt int64
}

// AddClientToken adds a token, in the place of one that has expired before now.
// Errors: meta.ErrExists.
func AddClientToken(ctx context.Context, q meta.Querier, t ClientToken, now int64) error {
	if err := exec(ctx, q, `DELETE FROM ecs_client_token WHERE expires_at <= $1`, now); err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_client_token (account, region, operation, token, fingerprint, result, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, region, operation, token) DO NOTHING`,
		t.Account, t.Region, t.Operation, t.Token, t.Fingerprint, t.Result, t.ExpiresAt))
}

// FindClientToken finds a token that has not expired. Errors: meta.ErrNotFound.
func FindClientToken(ctx context.Context, q meta.Querier, s Scope, operation, token string, now int64) (ClientToken, error) {
	return one(q.QueryRowContext(ctx, `SELECT account, region, operation, token, fingerprint, result, expires_at FROM ecs_client_token
		WHERE account = $1 AND region = $2 AND operation = $3 AND token = $4 AND expires_at > $5`, s.Account, s.Region, operation, token, now),
		func(s scanner) (t ClientToken, err error) {
			return t, s.Scan(&t.Account, &t.Region, &t.Operation, &t.Token, &t.Fingerprint, &t.Result, &t.ExpiresAt)
		})
}
