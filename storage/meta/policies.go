package meta

import "context"

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
