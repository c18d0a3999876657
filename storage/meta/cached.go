package meta

import "context"

// MarkCached notes that a manifest came from an upstream registry, and that
// something it needs may not be here.
func MarkCached(ctx context.Context, q Querier, repository int64, digest string, whole bool) error {
	_, err := q.ExecContext(ctx, `INSERT INTO cached_image (repository_id, digest) VALUES ($1, $2) ON CONFLICT (repository_id, digest) DO NOTHING`, repository, digest)
	if err == nil && !whole {
		_, err = q.ExecContext(ctx, `INSERT INTO incomplete (repository_id, digest) VALUES ($1, $2) ON CONFLICT (repository_id, digest) DO NOTHING`, repository, digest)
	}
	return err
}

// IsCached reports whether a manifest came from an upstream registry.
func IsCached(ctx context.Context, q Querier, repository int64, digest string) (cached bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM cached_image WHERE repository_id = $1 AND digest = $2)`, repository, digest), &cached)
	return cached, err
}

// SetChecked notes when a tag was compared with its upstream registry, in
// milliseconds since 1970. It does nothing where there is no such repository.
func SetChecked(ctx context.Context, q Querier, account, region, name, tag string, at int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO cached_tag (repository_id, name, checked_at)
		SELECT id, $4, $5 FROM repository WHERE account = $1 AND region = $2 AND name = $3
		ON CONFLICT (repository_id, name) DO UPDATE SET checked_at = excluded.checked_at`, account, region, name, tag, at)
	return err
}

// Checked reads when a tag was last compared with its upstream registry. Errors:
// ErrNotFound for one that did not come from any.
func Checked(ctx context.Context, q Querier, account, region, name, tag string) (at int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT c.checked_at FROM cached_tag c JOIN repository r ON r.id = c.repository_id
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3 AND c.name = $4`, account, region, name, tag), &at)
	return at, err
}
