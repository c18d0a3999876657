package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// InstanceProfile is the envelope in which EC2 hands a role to a machine.
type InstanceProfile struct {
	ID, Account, Name, Path string
	CreatedAt               time.Time
	// Role is the name of the role in it, or empty.
	Role string
}

// ARN is the instance profile's ARN.
func (p InstanceProfile) ARN() string { return ARN(p.Account, KindInstanceProfile, p.Path, p.Name) }

const profileColumns = `p.id, p.account, p.name, p.path, p.created_at, COALESCE(r.name, '')
	FROM iam_instance_profile p LEFT JOIN iam_role r ON r.id = p.role_id`

func profiles(rows *sql.Rows, err error) ([]InstanceProfile, error) {
	return collect(rows, err, func(rows *sql.Rows) (p InstanceProfile, err error) {
		var created int64
		err = rows.Scan(&p.ID, &p.Account, &p.Name, &p.Path, &created, &p.Role)
		p.CreatedAt = time.UnixMilli(created)
		return p, err
	})
}

// CreateInstanceProfile makes an instance profile without a role; an empty path
// is "/". Errors: *InvalidError, *ExistsError, *LimitError.
func (s *Store) CreateInstanceProfile(ctx context.Context, account, name, path string, tags map[string]string) (InstanceProfile, error) {
	p := InstanceProfile{Account: account, Name: name, Path: orRoot(path)}
	if err := errors.Join(checkName(KindInstanceProfile, p.Name), checkPath(p.Path)); err != nil {
		return InstanceProfile{}, err
	}
	var err error
	if p.ID, err = s.newID(prefixInstanceProfile); err != nil {
		return InstanceProfile{}, err
	}
	created := s.seconds()
	p.CreatedAt = time.UnixMilli(created)
	return p, s.write(ctx, account, func(q meta.Querier) error {
		if err := free(ctx, q, account, KindInstanceProfile, name); err != nil {
			return err
		}
		if err := within(ctx, q, `SELECT COUNT(*) FROM iam_instance_profile WHERE account = $1`, account,
			"InstanceProfilesPerAccount", InstanceProfilesPerAccount); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO iam_instance_profile (id, account, name, folded, path, created_at, role_id)
			VALUES ($1, $2, $3, $4, $5, $6, '')`, p.ID, p.Account, p.Name, fold(p.Name), p.Path, created)
		if err != nil {
			return fmt.Errorf("create instance profile %s: %w", p.Name, err)
		}
		return setTags(ctx, q, p.ARN(), tags)
	})
}

// InstanceProfile finds an instance profile by name. Errors: *NoSuchError.
func (s *Store) InstanceProfile(ctx context.Context, account, name string) (InstanceProfile, error) {
	p, err := first(profiles(s.reader().QueryContext(ctx, `SELECT `+profileColumns+`
		WHERE p.account = $1 AND p.folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return p, noSuch(KindInstanceProfile, name)
	case err != nil:
		return p, fmt.Errorf("find instance profile %s: %w", name, err)
	}
	return p, nil
}

// InstanceProfiles lists instance profiles by name whose path begins with a
// prefix.
func (s *Store) InstanceProfiles(ctx context.Context, account, pathPrefix string, p Page) (list []InstanceProfile, next string, err error) {
	list, err = profiles(s.reader().QueryContext(ctx, `SELECT `+profileColumns+`
		WHERE p.account = $1 AND p.folded > $2 AND substr(p.path, 1, length($3)) = $3
		ORDER BY p.folded LIMIT $4`, account, p.After, pathPrefix, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list instance profiles: %w", err)
	}
	list, next = cut(p, list, func(p InstanceProfile) string { return fold(p.Name) })
	return list, next, nil
}

// InstanceProfilesOf lists the instance profiles that a role is in, by their
// ids. Errors: *NoSuchError.
func (s *Store) InstanceProfilesOf(ctx context.Context, account, role string, p Page) (list []InstanceProfile, next string, err error) {
	q := s.reader()
	r, err := find(ctx, q, account, Entity{KindRole, role})
	if err != nil {
		return nil, "", err
	}
	list, err = profiles(q.QueryContext(ctx, `SELECT `+profileColumns+`
		WHERE p.role_id = $1 AND p.id > $2 ORDER BY p.id LIMIT $3`, r.id, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list the instance profiles of role %s: %w", role, err)
	}
	list, next = cut(p, list, func(p InstanceProfile) string { return p.ID })
	return list, next, nil
}

// AddRoleToProfile puts a role into an instance profile, which holds one at
// most. Errors: *NoSuchError, *LimitError.
func (s *Store) AddRoleToProfile(ctx context.Context, account, profile, role string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		p, r, err := findInProfile(ctx, q, account, profile, role)
		if err != nil {
			return err
		}
		put, err := changed(q.ExecContext(ctx, `UPDATE iam_instance_profile SET role_id = $2 WHERE id = $1 AND role_id = ''`, p.id, r.id))
		switch {
		case err != nil:
			return fmt.Errorf("put role %s into instance profile %s: %w", role, profile, err)
		case !put:
			return exceeded("InstanceSessionsPerInstanceProfile", 1)
		}
		return nil
	})
}

// RemoveRoleFromProfile takes a role out of an instance profile. Errors:
// *NoSuchError, also when it is not in there.
func (s *Store) RemoveRoleFromProfile(ctx context.Context, account, profile, role string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		p, r, err := findInProfile(ctx, q, account, profile, role)
		if err != nil {
			return err
		}
		taken, err := changed(q.ExecContext(ctx, `UPDATE iam_instance_profile SET role_id = '' WHERE id = $1 AND role_id = $2`, p.id, r.id))
		switch {
		case err != nil:
			return fmt.Errorf("take role %s out of instance profile %s: %w", role, profile, err)
		case !taken:
			return noSuch(KindRole, role)
		}
		return nil
	})
}

func findInProfile(ctx context.Context, q meta.Querier, account, profile, role string) (p, r entity, err error) {
	if p, err = find(ctx, q, account, Entity{KindInstanceProfile, profile}); err == nil {
		r, err = find(ctx, q, account, Entity{KindRole, role})
	}
	return p, r, err
}

// DeleteInstanceProfile deletes an instance profile that holds no role. Errors:
// *NoSuchError, *DeleteConflictError.
func (s *Store) DeleteInstanceProfile(ctx context.Context, account, name string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		p, err := find(ctx, q, account, Entity{KindInstanceProfile, name})
		if err != nil {
			return err
		}
		if err := none(ctx, q, `SELECT EXISTS (SELECT 1 FROM iam_instance_profile WHERE id = $1 AND role_id <> '')`, p.id,
			"Cannot delete entity, must remove roles from instance profile first."); err != nil {
			return err
		}
		return remove(ctx, q, p, `DELETE FROM iam_instance_profile WHERE id = $1`)
	})
}
