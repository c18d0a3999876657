package meta

import (
	"context"
	"database/sql"
)

// Access is what records say about who may use a repository: the policies of its
// registry and its own, empty where there are none, and its tags.
type Access struct {
	RegistryPolicy, Policy string
	Tags                   map[string]string
}

// ReadAccess reads all of it at once, for every request of another server asks for
// it. A repository that does not exist has no policy and no tags; resource is its
// name among the tags.
func ReadAccess(ctx context.Context, q Querier, account, region, name, resource string) (Access, error) {
	rows, err := q.QueryContext(ctx, `SELECT g.document, p.document, t.key, t.value FROM (SELECT 1) AS always
		LEFT JOIN registry_policy g ON g.account = $1 AND g.region = $2
		LEFT JOIN repository r ON r.account = $1 AND r.region = $2 AND r.name = $3
		LEFT JOIN repository_policy p ON p.repository_id = r.id
		LEFT JOIN resource_tag t ON t.resource = $4 AND r.id IS NOT NULL`, account, region, name, resource)
	if err != nil {
		return Access{}, err
	}
	defer rows.Close()
	a := Access{Tags: map[string]string{}}
	for rows.Next() {
		var registry, own, key, value sql.NullString
		if err := rows.Scan(&registry, &own, &key, &value); err != nil {
			return Access{}, err
		}
		a.RegistryPolicy, a.Policy = registry.String, own.String
		if key.Valid {
			a.Tags[key.String] = value.String
		}
	}
	return a, rows.Err()
}

// RepositoryPolicy reads the policy of a repository. Errors: ErrNotFound when it
// has none.
func RepositoryPolicy(ctx context.Context, q Querier, repository int64) (document string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT document FROM repository_policy WHERE repository_id = $1`, repository), &document)
	return document, err
}

// SetRepositoryPolicy gives a repository a policy, in the place of the one that
// it has.
func SetRepositoryPolicy(ctx context.Context, q Querier, repository int64, document string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO repository_policy (repository_id, document) VALUES ($1, $2)
		ON CONFLICT (repository_id) DO UPDATE SET document = excluded.document`, repository, document)
	return err
}

// DeleteRepositoryPolicy takes the policy of a repository away and reports
// whether it had one.
func DeleteRepositoryPolicy(ctx context.Context, q Querier, repository int64) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM repository_policy WHERE repository_id = $1`, repository))
}

// RegistryPolicy reads the policy of a registry. Errors: ErrNotFound when it has
// none.
func RegistryPolicy(ctx context.Context, q Querier, account, region string) (document string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT document FROM registry_policy WHERE account = $1 AND region = $2`, account, region), &document)
	return document, err
}

// SetRegistryPolicy gives a registry a policy, in the place of the one that it
// has.
func SetRegistryPolicy(ctx context.Context, q Querier, account, region, document string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO registry_policy (account, region, document) VALUES ($1, $2, $3)
		ON CONFLICT (account, region) DO UPDATE SET document = excluded.document`, account, region, document)
	return err
}

// DeleteRegistryPolicy takes the policy of a registry away and reports whether it
// had one.
func DeleteRegistryPolicy(ctx context.Context, q Querier, account, region string) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM registry_policy WHERE account = $1 AND region = $2`, account, region))
}
