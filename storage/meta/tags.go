package meta

import "context"

// TagDigest finds what a tag points at. Errors: ErrNotFound.
func TagDigest(ctx context.Context, q Querier, repository int64, tag string) (digest string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT digest FROM tag WHERE repository_id = $1 AND name = $2`, repository, tag), &digest)
	return digest, err
}

// SetTag points a tag at a manifest.
func SetTag(ctx context.Context, q Querier, repository int64, tag, digest string, now int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO tag (repository_id, name, digest, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at`,
		repository, tag, digest, now)
	return err
}

// DeleteTag removes a tag.
func DeleteTag(ctx context.Context, q Querier, repository int64, tag string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM tag WHERE repository_id = $1 AND name = $2`, repository, tag)
	return err
}

// ListTags lists the names of tags in byte order, from behind after on, at most
// limit: without those of images that are not active.
func ListTags(ctx context.Context, q Querier, repository int64, after string, limit int) ([]string, error) {
	from, where, _, err := StatusFilter(StatusActive).walk("tag", "t")
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, `SELECT t.name FROM `+from+` WHERE `+where+` AND t.name > $2 ORDER BY t.name LIMIT $3`, repository, after, limit)
	return collect(rows, err, scanString)
}

// HasTags reports whether a manifest has so many tags or more.
func HasTags(ctx context.Context, q Querier, repository int64, digest string, n int64) (bool, error) {
	var so bool
	err := q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tag WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT 1 OFFSET $3)`, repository, digest, n-1).Scan(&so)
	return so, err
}

// TagsOf lists the tags of one manifest in byte order.
func TagsOf(ctx context.Context, q Querier, repository int64, digest string) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT name FROM tag WHERE repository_id = $1 AND digest = $2 ORDER BY name`, repository, digest)
	return collect(rows, err, scanString)
}
