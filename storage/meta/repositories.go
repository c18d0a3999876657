package meta

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// Repository is a row of repository.
type Repository struct {
	ID                    int64
	Account, Region, Name string
	CreatedAt             int64
	Immutable             bool
	Except                []string
}

const repositoryColumns = `id, account, region, name, created_at, immutable, mutability_except`

func scanRepository(row *sql.Rows) (Repository, error) {
	var r Repository
	var except string
	if err := row.Scan(&r.ID, &r.Account, &r.Region, &r.Name, &r.CreatedAt, &r.Immutable, &except); err != nil {
		return Repository{}, err
	}
	if err := json.Unmarshal([]byte(except), &r.Except); err != nil {
		return Repository{}, fmt.Errorf("read the tag patterns of repository %s: %w", r.Name, err)
	}
	return r, nil
}

func repositories(rows *sql.Rows, err error) ([]Repository, error) {
	return collect(rows, err, scanRepository)
}

// InsertRepository adds a repository. Errors: ErrExists.
func InsertRepository(ctx context.Context, q Querier, r Repository) error {
	except, err := encodeStrings(r.Except)
	if err != nil {
		return err
	}
	return inserted(q.ExecContext(ctx, `INSERT INTO repository (`+repositoryColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, region, name) DO NOTHING`,
		r.ID, r.Account, r.Region, r.Name, r.CreatedAt, r.Immutable, except))
}

// RepositoryID finds a repository's id. Errors: ErrNotFound.
func RepositoryID(ctx context.Context, q Querier, account, region, name string) (id int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT id FROM repository WHERE account = $1 AND region = $2 AND name = $3`,
		account, region, name), &id)
	return id, err
}

// FindRepository finds a repository. Errors: ErrNotFound.
func FindRepository(ctx context.Context, q Querier, account, region, name string) (Repository, error) {
	return first(repositories(q.QueryContext(ctx, `SELECT `+repositoryColumns+` FROM repository
		WHERE account = $1 AND region = $2 AND name = $3`, account, region, name)))
}

// ListRepositories lists by name, from behind after on, at most limit.
func ListRepositories(ctx context.Context, q Querier, account, region, after string, limit int) ([]Repository, error) {
	return repositories(q.QueryContext(ctx, `SELECT `+repositoryColumns+` FROM repository
		WHERE account = $1 AND region = $2 AND name > $3 ORDER BY name LIMIT $4`, account, region, after, limit))
}

// HasRepositories reports whether a registry has more than so many.
func HasRepositories(ctx context.Context, q Querier, account, region string, n int64) (bool, error) {
	var more bool
	err := q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM repository WHERE account = $1 AND region = $2 ORDER BY name LIMIT 1 OFFSET $3)`, account, region, n).Scan(&more)
	return more, err
}

// SetMutability changes which tags may be moved.
func SetMutability(ctx context.Context, q Querier, repository int64, immutable bool, except []string) error {
	e, err := encodeStrings(except)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `UPDATE repository SET immutable = $2, mutability_except = $3 WHERE id = $1`, repository, immutable, e)
	return err
}

// DeleteRepository removes a repository with everything that belongs to it.
func DeleteRepository(ctx context.Context, q Querier, repository int64) error {
	for _, statement := range []string{
		`DELETE FROM tag WHERE repository_id = $1`,
		`DELETE FROM manifest_reference WHERE repository_id = $1`,
		`DELETE FROM manifest WHERE repository_id = $1`,
		`DELETE FROM blob_link WHERE repository_id = $1`,
		`DELETE FROM upload WHERE repository_id = $1`,
		`DELETE FROM repository_policy WHERE repository_id = $1`,
		`DELETE FROM review WHERE repository_id = $1`,
		`DELETE FROM manifest_trash WHERE repository_id = $1`,
		`DELETE FROM incomplete WHERE repository_id = $1`,
		`DELETE FROM image_pull WHERE repository_id = $1`,
		`DELETE FROM cached_image WHERE repository_id = $1`,
		`DELETE FROM image_scan WHERE repository_id = $1`,
		`DELETE FROM cached_tag WHERE repository_id = $1`,
		`DELETE FROM image_signature WHERE repository_id = $1`,
		`DELETE FROM image_archive WHERE repository_id = $1`,
		`DELETE FROM repository WHERE id = $1`,
	} {
		if _, err := q.ExecContext(ctx, statement, repository); err != nil {
			return err
		}
	}
	return nil
}

// ResourceTags reads the tags of an AWS resource.
func ResourceTags(ctx context.Context, q Querier, resource string) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT key, value FROM resource_tag WHERE resource = $1`, resource)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tags := map[string]string{}
	for rows.Next() {
		var k, v string
		if err := rows.Scan(&k, &v); err != nil {
			return nil, err
		}
		tags[k] = v
	}
	return tags, rows.Err()
}

// SetResourceTag adds or replaces one tag of an AWS resource.
func SetResourceTag(ctx context.Context, q Querier, resource, key, value string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO resource_tag (resource, key, value) VALUES ($1, $2, $3)
		ON CONFLICT (resource, key) DO UPDATE SET value = excluded.value`, resource, key, value)
	return err
}

// DeleteResourceTag removes one tag of an AWS resource; it need not be there.
func DeleteResourceTag(ctx context.Context, q Querier, resource, key string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM resource_tag WHERE resource = $1 AND key = $2`, resource, key)
	return err
}

// DeleteResourceTags removes all tags of an AWS resource.
func DeleteResourceTags(ctx context.Context, q Querier, resource string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM resource_tag WHERE resource = $1`, resource)
	return err
}

func encodeStrings(list []string) (string, error) {
	if list == nil {
		list = []string{}
	}
	b, err := json.Marshal(list)
	return string(b), err
}
