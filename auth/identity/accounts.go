package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// Account is an AWS account.
type Account struct {
	ID, Name  string
	CreatedAt time.Time
}

func accounts(rows *sql.Rows, err error) ([]Account, error) {
	return collect(rows, err, func(rows *sql.Rows) (a Account, err error) {
		var created int64
		err = rows.Scan(&a.ID, &a.Name, &created)
		a.CreatedAt = time.UnixMilli(created)
		return a, err
	})
}

// CreateAccount makes an account and an access key for its root, whose secret is
// not shown again. Errors: *InvalidError, *ExistsError.
func (s *Store) CreateAccount(ctx context.Context, id, name string) (Account, AccessKey, error) {
	if err := checkAccountID(id); err != nil {
		return Account{}, AccessKey{}, err
	}
	now := s.seconds()
	added, err := s.insertAccount(ctx, id, name, now)
	switch {
	case err != nil:
		return Account{}, AccessKey{}, err
	case !added:
		return Account{}, AccessKey{}, &ExistsError{KindAccount, id}
	}
	key, err := s.CreateAccessKey(ctx, id, "")
	return Account{ID: id, Name: name, CreatedAt: time.UnixMilli(now)}, key, err
}

// ensureAccount makes an account where it is missing.
func (s *Store) ensureAccount(ctx context.Context, id string) error {
	_, err := s.insertAccount(ctx, id, "", s.seconds())
	return err
}

func (s *Store) insertAccount(ctx context.Context, id, name string, now int64) (added bool, err error) {
	err = s.db.Write(ctx, meta.Durable, func(q meta.Querier) (err error) {
		added, err = changed(q.ExecContext(ctx, `INSERT INTO account (id, name, created_at, revision) VALUES ($1, $2, $3, 0)
			ON CONFLICT (id) DO NOTHING`, id, name, now))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("create account %s: %w", id, err)
	}
	return added, nil
}

// Account finds an account. Errors: *NoSuchError.
func (s *Store) Account(ctx context.Context, id string) (Account, error) {
	a, err := first(accounts(s.reader().QueryContext(ctx, `SELECT id, name, created_at FROM account WHERE id = $1`, id)))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return a, noSuchAccount(id)
	case err != nil:
		return a, fmt.Errorf("find account %s: %w", id, err)
	}
	return a, nil
}

// Accounts lists the accounts by their ids.
func (s *Store) Accounts(ctx context.Context, p Page) (list []Account, next string, err error) {
	list, err = accounts(s.reader().QueryContext(ctx, `SELECT id, name, created_at FROM account WHERE id > $1 ORDER BY id LIMIT $2`, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list accounts: %w", err)
	}
	list, next = cut(p, list, func(a Account) string { return a.ID })
	return list, next, nil
}
