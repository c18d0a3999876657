package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// User is an IAM user.
type User struct {
	ID, Account, Name, Path string
	CreatedAt               time.Time
	// Boundary is the ARN of the permissions boundary, or empty.
	Boundary string
}

// ARN is the user's ARN.
func (u User) ARN() string { return ARN(u.Account, KindUser, u.Path, u.Name) }

// NewUser is a user to be made.
type NewUser struct {
	// Path is "/" when empty.
	Name, Path, Boundary string
	Tags                 map[string]string
}

const userColumns = `id, account, name, path, created_at, boundary`

func users(rows *sql.Rows, err error) ([]User, error) {
	return collect(rows, err, func(rows *sql.Rows) (u User, err error) {
		var created int64
		err = rows.Scan(&u.ID, &u.Account, &u.Name, &u.Path, &created, &u.Boundary)
		u.CreatedAt = time.UnixMilli(created)
		return u, err
	})
}

// CreateUser makes a user. Errors: *InvalidError, *ExistsError, *LimitError,
// *NoSuchError for the boundary.
func (s *Store) CreateUser(ctx context.Context, account string, n NewUser) (User, error) {
	u := User{Account: account, Name: n.Name, Path: orRoot(n.Path), Boundary: n.Boundary}
	if err := errors.Join(checkName(KindUser, u.Name), checkPath(u.Path)); err != nil {
		return User{}, err
	}
	var err error
	if u.ID, err = s.newID(prefixUser); err != nil {
		return User{}, err
	}
	created := s.seconds()
	u.CreatedAt = time.UnixMilli(created)
	return u, s.write(ctx, account, func(q meta.Querier) error {
		if err := free(ctx, q, account, KindUser, u.Name); err != nil {
			return err
		}
		if err := within(ctx, q, `SELECT COUNT(*) FROM iam_user WHERE account = $1`, account, "UsersPerAccount", UsersPerAccount); err != nil {
			return err
		}
		if err := s.attachable(ctx, q, account, u.Boundary); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO iam_user (`+userColumns+`, folded) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			u.ID, u.Account, u.Name, u.Path, created, u.Boundary, fold(u.Name))
		if err != nil {
			return fmt.Errorf("create user %s: %w", u.Name, err)
		}
		return setTags(ctx, q, u.ARN(), n.Tags)
	})
}

// User finds a user by name. Errors: *NoSuchError.
func (s *Store) User(ctx context.Context, account, name string) (User, error) {
	u, err := first(users(s.reader().QueryContext(ctx, `SELECT `+userColumns+` FROM iam_user WHERE account = $1 AND folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return u, noSuch(KindUser, name)
	case err != nil:
		return u, fmt.Errorf("find user %s: %w", name, err)
	}
	return u, nil
}

// Users lists users by name whose path begins with a prefix.
func (s *Store) Users(ctx context.Context, account, pathPrefix string, p Page) (list []User, next string, err error) {
	list, err = users(s.reader().QueryContext(ctx, `SELECT `+userColumns+` FROM iam_user
		WHERE account = $1 AND folded > $2 AND substr(path, 1, length($3)) = $3
		ORDER BY folded LIMIT $4`, account, p.After, pathPrefix, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list users: %w", err)
	}
	list, next = cut(p, list, func(u User) string { return fold(u.Name) })
	return list, next, nil
}

// UpdateUser renames a user or moves it to another path; empty leaves it. Its
// passwords and keys stay good. Errors: *InvalidError, *NoSuchError,
// *ExistsError.
func (s *Store) UpdateUser(ctx context.Context, account, name, newName, newPath string) error {
	if newName != "" {
		if err := checkName(KindUser, newName); err != nil {
			return err
		}
	}
	if newPath != "" {
		if err := checkPath(newPath); err != nil {
			return err
		}
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		before, after, err := renamed(ctx, q, account, Entity{KindUser, name}, newName, newPath)
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `UPDATE iam_user SET name = $2, folded = $3, path = $4 WHERE id = $1`,
			after.id, after.name, fold(after.name), after.path); err != nil {
			return fmt.Errorf("rename user %s: %w", name, err)
		}
		return moveTags(ctx, q, before.arn(), after.arn())
	})
}

// renamed finds an entity and makes sure that it can have another name. Errors:
// *NoSuchError, *ExistsError.
func renamed(ctx context.Context, q meta.Querier, account string, e Entity, newName, newPath string) (before, after entity, err error) {
	if before, err = find(ctx, q, account, e); err != nil {
		return before, after, err
	}
	after = before
	if newPath != "" {
		after.path = newPath
	}
	if newName != "" {
		after.name = newName
		if fold(newName) != fold(before.name) {
			err = free(ctx, q, account, e.Kind, newName)
		}
	}
	return before, after, err
}

// DeleteUser deletes a user, with whom its sessions end. Errors: *NoSuchError,
// *DeleteConflictError.
func (s *Store) DeleteUser(ctx context.Context, account, name string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		u, err := find(ctx, q, account, Entity{KindUser, name})
		if err != nil {
			return err
		}
		for _, c := range []struct{ query, text string }{
			{`SELECT EXISTS (SELECT 1 FROM iam_access_key WHERE owner_id = $1)`, "Cannot delete entity, must delete access keys first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_inline_policy WHERE entity_id = $1)`, "Cannot delete entity, must delete policies first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_attachment WHERE entity_id = $1)`, "Cannot delete entity, must detach all policies first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_membership WHERE user_id = $1)`, "Cannot delete entity, must remove users from group first."},
		} {
			if err := none(ctx, q, c.query, u.id, c.text); err != nil {
				return err
			}
		}
		return remove(ctx, q, u, `DELETE FROM iam_session WHERE owner_id = $1`,
			`DELETE FROM iam_token_revocation WHERE owner_id = $1`, `DELETE FROM iam_user WHERE id = $1`)
	})
}

// remove deletes an entity by statements that take its id, and its tags.
func remove(ctx context.Context, q meta.Querier, e entity, statements ...string) error {
	for _, statement := range statements {
		if _, err := q.ExecContext(ctx, statement, e.id); err != nil {
			return fmt.Errorf("delete %s %s: %w", e.kind, e.name, err)
		}
	}
	if err := meta.DeleteResourceTags(ctx, q, e.arn()); err != nil {
		return fmt.Errorf("delete the tags of %s %s: %w", e.kind, e.name, err)
	}
	return nil
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}
