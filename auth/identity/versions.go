package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"drydock/storage/meta"
)

// Version is a version of a managed policy.
type Version struct {
	Number    int
	CreatedAt time.Time
	// Document is as it was given.
	Document string
	// Default says that it is the one in force.
	Default bool
}

// ID is the version's id, v1 and so on.
func (v Version) ID() string { return "v" + strconv.Itoa(v.Number) }

// versionNumber reads a version's id. Errors: it is none.
func versionNumber(id string) (int, error) {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || digits[0] == '0' || digits[0] == '+' {
		return 0, fmt.Errorf("%q is no version of a policy", id)
	}
	return n, nil
}

func versions(rows *sql.Rows, err error) ([]Version, error) {
	return collect(rows, err, func(rows *sql.Rows) (v Version, err error) {
		var created int64
		err = rows.Scan(&v.Number, &created, &v.Document, &v.Default)
		v.CreatedAt = time.UnixMilli(created)
		return v, err
	})
}

const versionColumns = `v.version, v.created_at, v.document, v.version = p.default_version`

func insertVersion(ctx context.Context, q meta.Querier, policyID string, number int, now int64, document string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO iam_policy_version (policy_id, version, created_at, document) VALUES ($1, $2, $3, $4)`,
		policyID, number, now, document)
	if err != nil {
		return fmt.Errorf("store version %d of a policy: %w", number, err)
	}
	return nil
}

// CreatePolicyVersion adds a version to a policy and may put it in force.
// Errors: *policy.SyntaxError, *NoSuchError, *LimitError, *NotModifiableError.
func (s *Store) CreatePolicyVersion(ctx context.Context, account, policyARN, document string, setDefault bool) (Version, error) {
	if err := errors.Join(s.modifiable(policyARN), checkManaged(document)); err != nil {
		return Version{}, err
	}
	now := s.seconds()
	v := Version{CreatedAt: time.UnixMilli(now), Document: document, Default: setDefault}
	err := s.write(ctx, account, func(q meta.Querier) error {
		p, err := findPolicy(ctx, q, account, policyARN)
		if err != nil {
			return err
		}
		n, err := count(ctx, q, `SELECT COUNT(*) FROM iam_policy_version WHERE policy_id = $1`, p.ID)
		switch {
		case err != nil:
			return err
		case n >= VersionsPerPolicy:
			return &LimitError{fmt.Sprintf("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", VersionsPerPolicy)}
		}
		if err := one(q.QueryRowContext(ctx, `UPDATE iam_policy SET last_version = last_version + 1, updated_at = $2 WHERE id = $1
			RETURNING last_version`, p.ID, now), &v.Number); err != nil {
			return fmt.Errorf("number a version of policy %s: %w", policyARN, err)
		}
		if err := insertVersion(ctx, q, p.ID, v.Number, now, document); err != nil {
			return err
		}
		if !setDefault {
			return nil
		}
		return setDefaultVersion(ctx, q, p.ID, v.Number, now)
	})
	return v, err
}

func setDefaultVersion(ctx context.Context, q meta.Querier, policyID string, number int, now int64) error {
	_, err := q.ExecContext(ctx, `UPDATE iam_policy SET default_version = $2, updated_at = $3 WHERE id = $1`, policyID, number, now)
	if err != nil {
		return fmt.Errorf("put version %d of a policy in force: %w", number, err)
	}
	return nil
}

// PolicyVersion finds a version of a policy, a customer's or AWS's. Errors:
// *NoSuchError.
func (s *Store) PolicyVersion(ctx context.Context, account, policyARN, version string) (Version, error) {
	list, _, err := s.PolicyVersions(ctx, account, policyARN, Page{Limit: VersionsPerPolicy})
	if err != nil {
		return Version{}, err
	}
	for _, v := range list {
		if v.ID() == version {
			return v, nil
		}
	}
	return Version{}, noSuchVersion(policyARN, version)
}

// PolicyVersions lists the versions of a policy, the latest first. Errors:
// *NoSuchError.
func (s *Store) PolicyVersions(ctx context.Context, account, policyARN string, p Page) (list []Version, next string, err error) {
	if m, ok := s.managed.Find(policyARN); ok {
		n, err := versionNumber(m.Version)
		if err != nil {
			return nil, "", fmt.Errorf("AWS managed policy %s: %w", m.Name, err)
		}
		return []Version{{Number: n, CreatedAt: m.Updated, Document: m.Document, Default: true}}, "", nil
	}
	q := s.reader()
	found, err := findPolicy(ctx, q, account, policyARN)
	if err != nil {
		return nil, "", err
	}
	before := int64(1) << 62
	if p.After != "" {
		n, err := versionNumber(p.After)
		if err != nil {
			return nil, "", invalid("Invalid Marker.")
		}
		before = int64(n)
	}
	list, err = versions(q.QueryContext(ctx, `SELECT `+versionColumns+` FROM iam_policy_version v JOIN iam_policy p ON p.id = v.policy_id
		WHERE v.policy_id = $1 AND v.version < $2 ORDER BY v.version DESC LIMIT $3`, found.ID, before, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list the versions of policy %s: %w", policyARN, err)
	}
	list, next = cut(p, list, Version.ID)
	return list, next, nil
}

// SetDefaultPolicyVersion puts a version in force. Errors: *NoSuchError,
// *NotModifiableError.
func (s *Store) SetDefaultPolicyVersion(ctx context.Context, account, policyARN, version string) error {
	if err := s.modifiable(policyARN); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		p, number, err := findVersion(ctx, q, account, policyARN, version)
		if err != nil {
			return err
		}
		return setDefaultVersion(ctx, q, p.ID, number, s.seconds())
	})
}

// DeletePolicyVersion deletes a version that is not in force. Errors:
// *NoSuchError, *DeleteConflictError, *NotModifiableError.
func (s *Store) DeletePolicyVersion(ctx context.Context, account, policyARN, version string) error {
	if err := s.modifiable(policyARN); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		p, number, err := findVersion(ctx, q, account, policyARN, version)
		switch {
		case err != nil:
			return err
		case number == p.DefaultVersion:
			return conflict("Cannot delete the default version of a policy.")
		}
		if _, err := q.ExecContext(ctx, `DELETE FROM iam_policy_version WHERE policy_id = $1 AND version = $2`, p.ID, number); err != nil {
			return fmt.Errorf("delete %s of policy %s: %w", version, policyARN, err)
		}
		return nil
	})
}

// findVersion finds a policy of a customer and makes sure that it has a version.
// Errors: *NoSuchError.
func findVersion(ctx context.Context, q meta.Querier, account, policyARN, version string) (Policy, int, error) {
	p, err := findPolicy(ctx, q, account, policyARN)
	if err != nil {
		return p, 0, err
	}
	number, err := versionNumber(version)
	if err != nil {
		return p, 0, noSuchVersion(policyARN, version)
	}
	var there bool
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM iam_policy_version WHERE policy_id = $1 AND version = $2)`, p.ID, number), &there)
	switch {
	case err != nil:
		return p, 0, fmt.Errorf("find %s of policy %s: %w", version, policyARN, err)
	case !there:
		return p, 0, noSuchVersion(policyARN, version)
	}
	return p, number, nil
}
