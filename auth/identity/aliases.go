package identity

import (
	"context"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// SetAlias gives an account an alias, in the place of the one it has. Errors:
// *ExistsError when an account has it already.
func (s *Store) SetAlias(ctx context.Context, account, alias string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		if _, err := q.ExecContext(ctx, `DELETE FROM account_alias WHERE account = $1 AND alias <> $2`, account, alias); err != nil {
			return fmt.Errorf("take the alias of account %s: %w", account, err)
		}
		added, err := changed(q.ExecContext(ctx, `INSERT INTO account_alias (alias, account) VALUES ($1, $2) ON CONFLICT (alias) DO NOTHING`, alias, account))
		switch {
		case err != nil:
			return fmt.Errorf("give account %s an alias: %w", account, err)
		case !added:
			return &ExistsError{KindAlias, alias}
		}
		return nil
	})
}

// Alias is the alias of an account, "" when it has none.
func (s *Store) Alias(ctx context.Context, account string) (alias string, err error) {
	err = one(s.reader().QueryRowContext(ctx, `SELECT alias FROM account_alias WHERE account = $1`, account), &alias)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return "", fmt.Errorf("find the alias of account %s: %w", account, err)
	}
	return alias, nil
}

// DeleteAlias takes an account's alias away. Errors: *NoSuchError when the
// account has another or none.
func (s *Store) DeleteAlias(ctx context.Context, account, alias string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		there, err := changed(q.ExecContext(ctx, `DELETE FROM account_alias WHERE account = $1 AND alias = $2`, account, alias))
		switch {
		case err != nil:
			return fmt.Errorf("take the alias of account %s: %w", account, err)
		case !there:
			return &NoSuchError{KindAlias, alias, fmt.Sprintf("The account alias %s cannot be found.", alias)}
		}
		return nil
	})
}
