package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/auth/policy"
	"drydock/storage/meta"
)

// Role is an IAM role.
type Role struct {
	ID, Account, Name, Path string
	CreatedAt               time.Time
	Description             string
	// Trust is the document that says who may assume the role, as it was given.
	Trust string
	// MaxSession is how long a session may last.
	MaxSession time.Duration
	// Boundary is the ARN of the permissions boundary, or empty.
	Boundary string
	// LastUsedAt is when a session of the role was last used, zero when never;
	// LastUsedRegion is where.
	LastUsedAt     time.Time
	LastUsedRegion string
}

// ARN is the role's ARN.
func (r Role) ARN() string { return ARN(r.Account, KindRole, r.Path, r.Name) }

// NewRole is a role to be made.
type NewRole struct {
	// Path is "/" when empty.
	Name, Path, Description, Trust, Boundary string
	// MaxSession is an hour when 0.
	MaxSession time.Duration
	Tags       map[string]string
}

const (
	roleColumns = `id, account, name, path, created_at, description, trust, max_session, boundary, last_used_at, last_used_region`

	defaultMaxSession = time.Hour
)

func roles(rows *sql.Rows, err error) ([]Role, error) {
	return collect(rows, err, func(rows *sql.Rows) (r Role, err error) {
		var created, seconds, used int64
		err = rows.Scan(&r.ID, &r.Account, &r.Name, &r.Path, &created, &r.Description, &r.Trust, &seconds, &r.Boundary, &used, &r.LastUsedRegion)
		r.CreatedAt = time.UnixMilli(created)
		r.MaxSession = time.Duration(seconds) * time.Second
		r.LastUsedAt = moment(used)
		return r, err
	})
}

// moment is a time of the database, in which 0 is none.
func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}

// CreateRole makes a role. Errors: *InvalidError, *policy.SyntaxError,
// *ExistsError, *LimitError, *NoSuchError for the boundary.
func (s *Store) CreateRole(ctx context.Context, account string, n NewRole) (Role, error) {
	r := Role{Account: account, Name: n.Name, Path: orRoot(n.Path), Description: n.Description,
		Trust: n.Trust, MaxSession: n.MaxSession, Boundary: n.Boundary}
	if r.MaxSession == 0 {
		r.MaxSession = defaultMaxSession
	}
	if err := errors.Join(checkName(KindRole, r.Name), checkPath(r.Path), checkMaxSession(r.MaxSession)); err != nil {
		return Role{}, err
	}
	if err := checkTrust(r.Trust); err != nil {
		return Role{}, err
	}
	var err error
	if r.ID, err = s.newID(prefixRole); err != nil {
		return Role{}, err
	}
	created := s.seconds()
	r.CreatedAt = time.UnixMilli(created)
	return r, s.write(ctx, account, func(q meta.Querier) error {
		if err := free(ctx, q, account, KindRole, r.Name); err != nil {
			return err
		}
		if err := within(ctx, q, `SELECT COUNT(*) FROM iam_role WHERE account = $1`, account, "RolesPerAccount", RolesPerAccount); err != nil {
			return err
		}
		if err := s.attachable(ctx, q, account, r.Boundary); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO iam_role (`+roleColumns+`, folded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', $10)`,
			r.ID, r.Account, r.Name, r.Path, created, r.Description, r.Trust, int64(r.MaxSession/time.Second), r.Boundary, fold(r.Name))
		if err != nil {
			return fmt.Errorf("create role %s: %w", r.Name, err)
		}
		return setTags(ctx, q, r.ARN(), n.Tags)
	})
}

func checkMaxSession(d time.Duration) error {
	if d < time.Hour || d > 12*time.Hour {
		return invalid("The MaxSessionDuration of a role is between 3600 and 43200 seconds, not %d", d/time.Second)
	}
	return nil
}

func checkTrust(document string) error {
	if policy.Size([]byte(document)) > policy.MaxTrust {
		return exceeded("ACLSizePerRole", policy.MaxTrust)
	}
	_, err := policy.Parse([]byte(document), policy.Trust)
	return err
}

// Role finds a role by name. Errors: *NoSuchError.
func (s *Store) Role(ctx context.Context, account, name string) (Role, error) {
	r, err := first(roles(s.reader().QueryContext(ctx, `SELECT `+roleColumns+` FROM iam_role WHERE account = $1 AND folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return r, noSuch(KindRole, name)
	case err != nil:
		return r, fmt.Errorf("find role %s: %w", name, err)
	}
	return r, nil
}

// Roles lists roles by name whose path begins with a prefix.
func (s *Store) Roles(ctx context.Context, account, pathPrefix string, p Page) (list []Role, next string, err error) {
	list, err = roles(s.reader().QueryContext(ctx, `SELECT `+roleColumns+` FROM iam_role
		WHERE account = $1 AND folded > $2 AND substr(path, 1, length($3)) = $3
		ORDER BY folded LIMIT $4`, account, p.After, pathPrefix, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list roles: %w", err)
	}
	list, next = cut(p, list, func(r Role) string { return fold(r.Name) })
	return list, next, nil
}

// UpdateRole changes what a role is said to be for, and how long its sessions
// may last; nil and 0 leave it. Errors: *InvalidError, *NoSuchError.
func (s *Store) UpdateRole(ctx context.Context, account, name string, description *string, maxSession time.Duration) error {
	if maxSession != 0 {
		if err := checkMaxSession(maxSession); err != nil {
			return err
		}
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		r, err := find(ctx, q, account, Entity{KindRole, name})
		if err != nil {
			return err
		}
		if description != nil {
			if _, err := q.ExecContext(ctx, `UPDATE iam_role SET description = $2 WHERE id = $1`, r.id, *description); err != nil {
				return fmt.Errorf("describe role %s: %w", name, err)
			}
		}
		if maxSession != 0 {
			if _, err := q.ExecContext(ctx, `UPDATE iam_role SET max_session = $2 WHERE id = $1`, r.id, int64(maxSession/time.Second)); err != nil {
				return fmt.Errorf("limit the sessions of role %s: %w", name, err)
			}
		}
		return nil
	})
}

// UpdateTrust changes who may assume a role. Errors: *policy.SyntaxError,
// *LimitError, *NoSuchError.
func (s *Store) UpdateTrust(ctx context.Context, account, name, document string) error {
	if err := checkTrust(document); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		r, err := find(ctx, q, account, Entity{KindRole, name})
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `UPDATE iam_role SET trust = $2 WHERE id = $1`, r.id, document); err != nil {
			return fmt.Errorf("set who may assume role %s: %w", name, err)
		}
		return nil
	})
}

// DeleteRole deletes a role, with which its sessions end. Errors: *NoSuchError,
// *DeleteConflictError.
func (s *Store) DeleteRole(ctx context.Context, account, name string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		r, err := find(ctx, q, account, Entity{KindRole, name})
		if err != nil {
			return err
		}
		for _, c := range []struct{ query, text string }{
			{`SELECT EXISTS (SELECT 1 FROM iam_instance_profile WHERE role_id = $1)`, "Cannot delete entity, must remove roles from instance profile first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_attachment WHERE entity_id = $1)`, "Cannot delete entity, must detach all policies first."},
			{`SELECT EXISTS (SELECT 1 FROM iam_inline_policy WHERE entity_id = $1)`, "Cannot delete entity, must delete policies first."},
		} {
			if err := none(ctx, q, c.query, r.id, c.text); err != nil {
				return err
			}
		}
		return remove(ctx, q, r, `DELETE FROM iam_session WHERE owner_id = $1`,
			`DELETE FROM iam_token_revocation WHERE owner_id = $1`, `DELETE FROM iam_role WHERE id = $1`)
	})
}
