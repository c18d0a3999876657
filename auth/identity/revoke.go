package identity

import (
	"context"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// RevokeTokens makes void every registry password made until now for a user,
// for a root, or for any session of a role. Passwords know their age in seconds,
// so that those made in the rest of this second are void too. Errors:
// *InvalidError, *NoSuchError.
func (s *Store) RevokeTokens(ctx context.Context, principalARN string) error {
	p, err := parsePrincipal(principalARN)
	switch {
	case err != nil:
		return err
	case p.kind == KindGroup:
		return invalid("Nobody has a password as %s: name its users", principalARN)
	}
	return s.write(ctx, p.account, func(q meta.Querier) error {
		owner := p.account
		if !p.root {
			e, err := find(ctx, q, p.account, Entity{p.kind, p.name})
			if err != nil {
				return err
			}
			owner = e.id
		}
		if err := s.voidPasswords(ctx, q, owner); err != nil {
			return fmt.Errorf("revoke the passwords of %s: %w", principalARN, err)
		}
		return nil
	})
}

// voidPasswords makes void the passwords made until now for a user, a role or,
// by its account, a root.
func (s *Store) voidPasswords(ctx context.Context, q meta.Querier, owner string) error {
	notBefore := s.now().Add(time.Second-1).Unix() * 1000
	_, err := q.ExecContext(ctx, `INSERT INTO iam_token_revocation (owner_id, not_before) VALUES ($1, $2)
		ON CONFLICT (owner_id) DO UPDATE SET not_before = excluded.not_before`, owner, notBefore)
	return err
}
