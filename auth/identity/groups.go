package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// Group is an IAM group.
type Group struct {
	ID, Account, Name, Path string
	CreatedAt               time.Time
}

// ARN is the group's ARN.
func (g Group) ARN() string { return ARN(g.Account, KindGroup, g.Path, g.Name) }

const groupColumns = `g.id, g.account, g.name, g.path, g.created_at`

func groups(rows *sql.Rows, err error) ([]Group, error) {
	return collect(rows, err, func(rows *sql.Rows) (g Group, err error) {
		var created int64
		err = rows.Scan(&g.ID, &g.Account, &g.Name, &g.Path, &created)
		g.CreatedAt = time.UnixMilli(created)
		return g, err
	})
}

// CreateGroup makes a group; an empty path is "/". Errors: *InvalidError,
// *ExistsError, *LimitError.
func (s *Store) CreateGroup(ctx context.Context, account, name, path string) (Group, error) {
	g := Group{Account: account, Name: name, Path: orRoot(path)}
	if err := errors.Join(checkName(KindGroup, g.Name), checkPath(g.Path)); err != nil {
		return Group{}, err
	}
	var err error
	if g.ID, err = s.newID(prefixGroup); err != nil {
		return Group{}, err
	}
	created := s.seconds()
	g.CreatedAt = time.UnixMilli(created)
	return g, s.write(ctx, account, func(q meta.Querier) error {
		if err := free(ctx, q, account, KindGroup, name); err != nil {
			return err
		}
		if err := within(ctx, q, `SELECT COUNT(*) FROM iam_group WHERE account = $1`, account, "GroupsPerAccount", GroupsPerAccount); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO iam_group (id, account, name, path, created_at, folded) VALUES ($1, $2, $3, $4, $5, $6)`,
			g.ID, g.Account, g.Name, g.Path, created, fold(g.Name))
		if err != nil {
			return fmt.Errorf("create group %s: %w", g.Name, err)
		}
		return nil
	})
}

// Group finds a group by name. Errors: *NoSuchError.
func (s *Store) Group(ctx context.Context, account, name string) (Group, error) {
	g, err := first(groups(s.reader().QueryContext(ctx, `SELECT `+groupColumns+` FROM iam_group g WHERE g.account = $1 AND g.folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return g, noSuch(KindGroup, name)
	case err != nil:
		return g, fmt.Errorf("find group %s: %w", name, err)
	}
	return g, nil
}

// Groups lists groups by name whose path begins with a prefix.
func (s *Store) Groups(ctx context.Context, account, pathPrefix string, p Page) (list []Group, next string, err error) {
	list, err = groups(s.reader().QueryContext(ctx, `SELECT `+groupColumns+` FROM iam_group g
		WHERE g.account = $1 AND g.folded > $2 AND substr(g.path, 1, length($3)) = $3
		ORDER BY g.folded LIMIT $4`, account, p.After, pathPrefix, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list groups: %w", err)
	}
	list, next = cut(p, list, func(g Group) string { return fold(g.Name) })
	return list, next, nil
}

// UpdateGroup renames a group or moves it to another path; empty leaves it.
// Errors: *InvalidError, *NoSuchError, *ExistsError.
func (s *Store) UpdateGroup(ctx context.Context, account, name, newName, newPath string) error {
	if newName != "" {
		if err := checkName(KindGroup, newName); err != nil {
			return err
		}
	}
	if newPath != "" {
		if err := checkPath(newPath); err != nil {
			return err
		}
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		_, after, err := renamed(ctx, q, account, Entity{KindGroup, name}, newName, newPath)
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `UPDATE iam_group SET name = $2, folded = $3, path = $4 WHERE id = $1`,
			after.id, after.name, fold(after.name), after.path); err != nil {
			return fmt.Errorf("rename group %s: %w", name, err)
		}
		return nil
	})
}

// DeleteGroup deletes a group. Errors: *NoSuchError, *DeleteConflictError.
func (s *Store) DeleteGroup(ctx context.Context, account, name string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		g, err := find(ctx, q, account, Entity{KindGroup, name})
		if err != nil {
			return err
		}
		for _, c := range []struct{ query, text string }{
			{`SELECT EXISTS (SELECT 1 FROM iam_membership WHERE group_id = $1)`, "Cannot delete entity, must remove users from group first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_inline_policy WHERE entity_id = $1)`, "Cannot delete entity, must delete policies first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_attachment WHERE entity_id = $1)`, "Cannot delete entity, must detach all policies first."},
		} {
			if err := none(ctx, q, c.query, g.id, c.text); err != nil {
				return err
			}
		}
		return remove(ctx, q, g, `DELETE FROM iam_group WHERE id = $1`)
	})
}

// AddUserToGroup makes a user a member, who may be one already. Errors:
// *NoSuchError, *LimitError.
func (s *Store) AddUserToGroup(ctx context.Context, account, group, user string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		g, u, err := findMember(ctx, q, account, group, user)
		if err != nil {
			return err
		}
		added, err := changed(q.ExecContext(ctx, `INSERT INTO iam_membership (user_id, group_id) VALUES ($1, $2)
			ON CONFLICT (user_id, group_id) DO NOTHING`, u.id, g.id))
		if err != nil {
			return fmt.Errorf("add user %s to group %s: %w", user, group, err)
		}
		if !added {
			return nil
		}
		return within(ctx, q, `SELECT COUNT(*) - 1 FROM iam_membership WHERE user_id = $1`, u.id, "GroupsPerUser", GroupsPerUser)
	})
}

// RemoveUserFromGroup ends a membership, which need not be there. Errors:
// *NoSuchError.
func (s *Store) RemoveUserFromGroup(ctx context.Context, account, group, user string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		g, u, err := findMember(ctx, q, account, group, user)
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `DELETE FROM iam_membership WHERE user_id = $1 AND group_id = $2`, u.id, g.id); err != nil {
			return fmt.Errorf("remove user %s from group %s: %w", user, group, err)
		}
		return nil
	})
}

func findMember(ctx context.Context, q meta.Querier, account, group, user string) (g, u entity, err error) {
	if g, err = find(ctx, q, account, Entity{KindGroup, group}); err == nil {
		u, err = find(ctx, q, account, Entity{KindUser, user})
	}
	return g, u, err
}

// Members lists the users of a group, by their ids. Errors: *NoSuchError.
func (s *Store) Members(ctx context.Context, account, group string, p Page) (list []User, next string, err error) {
	q := s.reader()
	g, err := find(ctx, q, account, Entity{KindGroup, group})
	if err != nil {
		return nil, "", err
	}
	list, err = users(q.QueryContext(ctx, `SELECT `+userColumns+` FROM iam_membership m JOIN iam_user u ON u.id = m.user_id
		WHERE m.group_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3`, g.id, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list the users of group %s: %w", group, err)
	}
	list, next = cut(p, list, func(u User) string { return u.ID })
	return list, next, nil
}

// GroupsOf lists the groups of a user, by their ids. Errors: *NoSuchError.
func (s *Store) GroupsOf(ctx context.Context, account, user string, p Page) (list []Group, next string, err error) {
	q := s.reader()
	u, err := find(ctx, q, account, Entity{KindUser, user})
	if err != nil {
		return nil, "", err
	}
	list, err = groups(q.QueryContext(ctx, `SELECT `+groupColumns+` FROM iam_membership m JOIN iam_group g ON g.id = m.group_id
		WHERE m.user_id = $1 AND m.group_id > $2 ORDER BY m.group_id LIMIT $3`, u.id, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list the groups of user %s: %w", user, err)
	}
	list, next = cut(p, list, func(g Group) string { return g.ID })
	return list, next, nil
}
