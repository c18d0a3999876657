package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// HasSecret reports whether a key of a user, or of the account's root when the
// name is empty, has the secret given. Errors: *NoSuchError; the secret cannot
// be opened.
func (s *Store) HasSecret(ctx context.Context, account, user, id, secret string) (bool, error) {
	q := s.reader()
	owner, _, err := keyOwner(ctx, q, account, user)
	if err != nil {
		return false, err
	}
	var sealed []byte
	err = one(q.QueryRowContext(ctx, `SELECT secret FROM iam_access_key WHERE id = $1 AND owner_id = $2`, id, owner), &sealed)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return false, noSuch(KindAccessKey, id)
	case err != nil:
		return false, fmt.Errorf("read access key %s: %w", id, err)
	}
	has, err := s.box.Open(sealed, keyPlace(id, account, owner))
	if err != nil {
		return false, fmt.Errorf("the secret of access key %s: %w", id, err)
	}
	return subtle.ConstantTimeCompare(has, []byte(secret)) == 1, nil
}

// ReplaceSecret gives a key of a user, or of the account's root when the name is
// empty, another secret. IAM has no such operation: there, another secret is
// another key. Whoever knew the old secret may have a registry password too, so
// the passwords of the key's owner are made void. Errors: *InvalidError,
// *NoSuchError.
func (s *Store) ReplaceSecret(ctx context.Context, account, user, id, secret string) error {
	if err := CheckAccessKey(id, secret); err != nil {
		return err
	}
	return s.changeAccessKey(ctx, account, user, id, func(q meta.Querier, owner string) (bool, error) {
		sealed, err := s.box.Seal([]byte(secret), keyPlace(id, account, owner))
		if err != nil {
			return false, fmt.Errorf("seal a secret: %w", err)
		}
		there, err := changed(q.ExecContext(ctx, `UPDATE iam_access_key SET secret = $3 WHERE id = $1 AND owner_id = $2`, id, owner, sealed))
		if err != nil || !there {
			return there, err
		}
		return true, s.voidPasswords(ctx, q, owner)
	})
}
