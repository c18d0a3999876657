package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// AccessKey is a long-term key of a user or of an account's root.
type AccessKey struct {
	ID, Account string
	// User is whose it is, empty for the account's root.
	User string
	// Secret is set in the answer to the making of the key alone.
	Secret    string
	Active    bool
	CreatedAt time.Time
	LastUse
}

// LastUse is when a key was last used, for which service and in which region;
// the time is zero when it never was.
type LastUse struct {
	At              time.Time
	Service, Region string
}

// accessKeyColumns are of a key k and its user u, who is missing for a root's.
const accessKeyColumns = `k.id, k.account, COALESCE(u.name, ''), k.active, k.created_at, k.last_used_at, k.last_used_by, k.last_used_region`

func accessKeys(rows *sql.Rows, err error) ([]AccessKey, error) {
	return collect(rows, err, func(rows *sql.Rows) (k AccessKey, err error) {
		var created, used int64
		err = rows.Scan(&k.ID, &k.Account, &k.User, &k.Active, &created, &used, &k.Service, &k.Region)
		k.CreatedAt, k.At = time.UnixMilli(created), moment(used)
		return k, err
	})
}

// CreateAccessKey makes a key for a user, or for the root of the account when
// the name is empty. Errors: *NoSuchError, *LimitError.
func (s *Store) CreateAccessKey(ctx context.Context, account, user string) (AccessKey, error) {
	id, err := s.newID(prefixKey)
	if err != nil {
		return AccessKey{}, err
	}
	secret, err := s.newSecret()
	if err != nil {
		return AccessKey{}, err
	}
	return s.addAccessKey(ctx, account, user, id, secret)
}

// ImportAccessKey gives a user, or the root of the account when the name is
// empty, a key that was made elsewhere. Errors: *InvalidError, *NoSuchError,
// *LimitError, *ExistsError when there is such a key, whoever has it.
func (s *Store) ImportAccessKey(ctx context.Context, account, user, id, secret string) (AccessKey, error) {
	if err := CheckAccessKey(id, secret); err != nil {
		return AccessKey{}, err
	}
	return s.addAccessKey(ctx, account, user, id, secret)
}

func (s *Store) addAccessKey(ctx context.Context, account, user, id, secret string) (AccessKey, error) {
	if _, taken := s.roots[id]; taken {
		return AccessKey{}, &ExistsError{KindAccessKey, id}
	}
	now := s.seconds()
	k := AccessKey{ID: id, Account: account, Secret: secret, Active: true, CreatedAt: time.UnixMilli(now)}
	err := s.write(ctx, account, func(q meta.Querier) error {
		owner, name, err := keyOwner(ctx, q, account, user)
		if err != nil {
			return err
		}
		k.User = name
		sealed, err := s.box.Seal([]byte(secret), keyPlace(id, account, owner))
		if err != nil {
			return fmt.Errorf("seal a secret: %w", err)
		}
		added, err := changed(q.ExecContext(ctx, `INSERT INTO iam_access_key
			(id, account, owner_id, secret, active, created_at, last_used_at, last_used_region, last_used_by)
			VALUES ($1, $2, $3, $4, $5, $6, 0, '', '') ON CONFLICT (id) DO NOTHING`, id, account, owner, sealed, true, now))
		switch {
		case err != nil:
			return fmt.Errorf("store access key %s: %w", id, err)
		case !added:
			return &ExistsError{KindAccessKey, id}
		}
		return within(ctx, q, `SELECT COUNT(*) - 1 FROM iam_access_key WHERE owner_id = $1`, owner, "AccessKeysPerUser", AccessKeysPerUser)
	})
	s.revisions.keys.Add(1)
	if err != nil {
		return AccessKey{}, err
	}
	return k, nil
}

// keyPlace names the row that a sealed secret belongs to.
func keyPlace(id, account, owner string) string {
	return "iam_access_key " + id + " " + account + " " + owner
}

// keyOwner finds the id of who has keys: a user, or the account for its root.
// Errors: *NoSuchError.
func keyOwner(ctx context.Context, q meta.Querier, account, user string) (id, name string, err error) {
	if user == "" {
		return account, "", nil
	}
	u, err := find(ctx, q, account, Entity{KindUser, user})
	return u.id, u.name, err
}

// AccessKeys lists the keys of a user, or those of the account's root that are
// stored, by their ids. Errors: *NoSuchError.
func (s *Store) AccessKeys(ctx context.Context, account, user string, p Page) (list []AccessKey, next string, err error) {
	q := s.reader()
	owner, _, err := keyOwner(ctx, q, account, user)
	if err != nil {
		return nil, "", err
	}
	list, err = accessKeys(q.QueryContext(ctx, `SELECT `+accessKeyColumns+` FROM iam_access_key k LEFT JOIN iam_user u ON u.id = k.owner_id
		WHERE k.owner_id = $1 AND k.id > $2 ORDER BY k.id LIMIT $3`, owner, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list access keys: %w", err)
	}
	list, next = cut(p, list, func(k AccessKey) string { return k.ID })
	return list, next, nil
}

// AccessKey finds a key of an account, whoever has it. Errors: *NoSuchError.
func (s *Store) AccessKey(ctx context.Context, account, id string) (AccessKey, error) {
	k, err := first(accessKeys(s.reader().QueryContext(ctx, `SELECT `+accessKeyColumns+` FROM iam_access_key k LEFT JOIN iam_user u ON u.id = k.owner_id
		WHERE k.id = $1 AND k.account = $2`, id, account)))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return k, noSuch(KindAccessKey, id)
	case err != nil:
		return k, fmt.Errorf("find access key %s: %w", id, err)
	}
	return k, nil
}

// SetAccessKeyActive switches a key of a user, or of the account's root, on or
// off. Errors: *NoSuchError.
func (s *Store) SetAccessKeyActive(ctx context.Context, account, user, id string, active bool) error {
	return s.changeAccessKey(ctx, account, user, id, func(q meta.Querier, owner string) (bool, error) {
		return changed(q.ExecContext(ctx, `UPDATE iam_access_key SET active = $3 WHERE id = $1 AND owner_id = $2`, id, owner, active))
	})
}

// DeleteAccessKey deletes a key of a user, or of the account's root. Errors:
// *NoSuchError.
func (s *Store) DeleteAccessKey(ctx context.Context, account, user, id string) error {
	return s.changeAccessKey(ctx, account, user, id, func(q meta.Querier, owner string) (bool, error) {
		return changed(q.ExecContext(ctx, `DELETE FROM iam_access_key WHERE id = $1 AND owner_id = $2`, id, owner))
	})
}

func (s *Store) changeAccessKey(ctx context.Context, account, user, id string, change func(q meta.Querier, owner string) (bool, error)) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		owner, _, err := keyOwner(ctx, q, account, user)
		if err != nil {
			return err
		}
		there, err := change(q, owner)
		switch {
		case err != nil:
			return fmt.Errorf("change access key %s: %w", id, err)
		case !there:
			return noSuch(KindAccessKey, id)
		}
		return nil
	})
}

// AccountOf finds the account that an access key belongs to, be it a user's, a
// root's or a session's, and whether or not it is active. Errors: *NoSuchError.
func (s *Store) AccountOf(ctx context.Context, accessKeyID string) (string, error) {
	account, err := s.accountOf(ctx, accessKeyID)
	switch {
	case err != nil:
		return "", fmt.Errorf("find the account of access key %s: %w", accessKeyID, err)
	case account == "":
		return "", noSuch(KindAccessKey, accessKeyID)
	}
	return account, nil
}
