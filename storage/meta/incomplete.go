package meta

import (
	"context"
	"database/sql"
)

// NeedingImage is an image that needs something, and its repository.
type NeedingImage struct {
	Repository
	Digest string
}

// ImagesNeeding lists the images of all repositories that need a blob, or the
// indexes that list a manifest, at most limit.
func ImagesNeeding(ctx context.Context, q Querier, child string, isManifest bool, limit int) ([]NeedingImage, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.id, r.account, r.region, r.name, m.parent FROM repository r
		JOIN manifest_reference m ON m.repository_id = r.id AND m.child = $1 AND m.is_manifest = $2
		ORDER BY r.account, r.region, r.name, m.parent LIMIT $3`, child, isManifest, limit)
	return collect(rows, err, func(rows *sql.Rows) (n NeedingImage, err error) {
		err = rows.Scan(&n.ID, &n.Account, &n.Region, &n.Name, &n.Digest)
		return n, err
	})
}

// MarkIncomplete marks the images that need a blob or a manifest which is lost,
// and the indexes that list them.
func MarkIncomplete(ctx context.Context, q Querier, child string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO incomplete (repository_id, digest)
		SELECT m.repository_id, m.parent FROM repository r JOIN manifest_reference m ON m.repository_id = r.id AND m.child = $1
		WHERE true ON CONFLICT (repository_id, digest) DO NOTHING`, child)
	if err != nil {
		return err
	}
	return markIndexes(ctx, q)
}

// markIndexes marks the indexes that list what is marked.
func markIndexes(ctx context.Context, q Querier) (err error) {
	for more := true; more && err == nil; {
		more, err = changed(q.ExecContext(ctx, `INSERT INTO incomplete (repository_id, digest)
			SELECT m.repository_id, m.parent FROM incomplete i JOIN manifest_reference m ON m.repository_id = i.repository_id AND m.child = i.digest
			WHERE m.is_manifest ON CONFLICT (repository_id, digest) DO NOTHING`))
	}
	return err
}

// IsIncomplete reports whether an image is marked as incomplete.
func IsIncomplete(ctx context.Context, q Querier, repository int64, digest string) (marked bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM incomplete WHERE repository_id = $1 AND digest = $2)`, repository, digest), &marked)
	return marked, err
}

// MarkComplete takes the mark from an image.
func MarkComplete(ctx context.Context, q Querier, repository int64, digest string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM incomplete WHERE repository_id = $1 AND digest = $2`, repository, digest)
	return err
}

// LacksBlobs reports whether any blob that an image needs is not stored, or not
// held by its repository.
func LacksBlobs(ctx context.Context, q Querier, repository int64, digest string) (lacks bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM manifest_reference m
		WHERE m.repository_id = $1 AND m.parent = $2 AND NOT m.is_manifest AND NOT EXISTS (
			SELECT 1 FROM blob_link l JOIN blob b ON b.digest = l.digest WHERE l.repository_id = m.repository_id AND l.digest = m.child))`,
		repository, digest), &lacks)
	return lacks, err
}
