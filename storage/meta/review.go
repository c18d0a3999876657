package meta

import (
	"context"
	"database/sql"
)

// Everywhere stands for no repository in a Review: whether any holds the blob.
const Everywhere = 0

// Review is a row of review: a blob that a repository may hold without need.
type Review struct {
	RepositoryID int64
	Digest       string
	DueAt        int64
}

const dueLater = ` ON CONFLICT (repository_id, digest) DO UPDATE SET due_at = excluded.due_at`

// ReviewLater has a blob of a repository looked at when it is due, and no earlier
// than that.
func ReviewLater(ctx context.Context, q Querier, r Review) error {
	_, err := q.ExecContext(ctx, `INSERT INTO review (repository_id, digest, due_at) VALUES ($1, $2, $3)`+dueLater, r.RepositoryID, r.Digest, r.DueAt)
	return err
}

// ReviewBlobsOf has the blobs looked at that a manifest needs.
func ReviewBlobsOf(ctx context.Context, q Querier, repository int64, manifest string, due int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO review (repository_id, digest, due_at)
		SELECT repository_id, child, $3 FROM manifest_reference WHERE repository_id = $1 AND parent = $2 AND NOT is_manifest`+dueLater,
		repository, manifest, due)
	return err
}

// ReviewEverywhere has all blobs looked at that a repository holds, which is to
// be deleted.
func ReviewEverywhere(ctx context.Context, q Querier, repository, due int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO review (repository_id, digest, due_at)
		SELECT 0, digest, $2 FROM blob_link WHERE repository_id = $1`+dueLater, repository, due)
	return err
}

// DueReviews lists what is due by a time, the oldest first, at most limit.
func DueReviews(ctx context.Context, q Querier, by int64, limit int) ([]Review, error) {
	rows, err := q.QueryContext(ctx, `SELECT repository_id, digest, due_at FROM review WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, by, limit)
	return collect(rows, err, scanReview)
}

func scanReview(rows *sql.Rows) (r Review, err error) {
	err = rows.Scan(&r.RepositoryID, &r.Digest, &r.DueAt)
	return r, err
}

// FindReview finds when a blob of a repository will be looked at. Errors:
// ErrNotFound.
func FindReview(ctx context.Context, q Querier, repository int64, digest string) (due int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT due_at FROM review WHERE repository_id = $1 AND digest = $2`, repository, digest), &due)
	return due, err
}

// EndReview removes what has been looked at, unless it was put off meanwhile, and
// reports whether it did.
func EndReview(ctx context.Context, q Querier, r Review) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM review WHERE repository_id = $1 AND digest = $2 AND due_at <= $3`, r.RepositoryID, r.Digest, r.DueAt))
}

// IsHeld reports whether any repository holds a blob.
func IsHeld(ctx context.Context, q Querier, digest string) (held bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob_link WHERE digest = $1)`, digest), &held)
	return held, err
}

// BlobExists reports whether a blob is recorded.
func BlobExists(ctx context.Context, q Querier, digest string) (there bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob WHERE digest = $1)`, digest), &there)
	return there, err
}

// BlobSize finds the size in bytes of a blob, whoever holds it. Errors: ErrNotFound.
func BlobSize(ctx context.Context, q Querier, digest string) (size int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT size FROM blob WHERE digest = $1`, digest), &size)
	return size, err
}

// Holder is a repository that holds a blob, and when that will be looked at; 0
// when it will not.
type Holder struct {
	Repository
	DueAt int64
}

// Holders lists the repositories that hold a blob, at most limit.
func Holders(ctx context.Context, q Querier, digest string, limit int) ([]Holder, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.id, r.account, r.region, r.name, COALESCE(v.due_at, 0) FROM blob_link l
		JOIN repository r ON r.id = l.repository_id LEFT JOIN review v ON v.repository_id = l.repository_id AND v.digest = l.digest
		WHERE l.digest = $1 ORDER BY r.id LIMIT $2`, digest, limit)
	return collect(rows, err, func(rows *sql.Rows) (h Holder, err error) {
		err = rows.Scan(&h.ID, &h.Account, &h.Region, &h.Name, &h.DueAt)
		return h, err
	})
}

// CountReviews counts what waits to be looked at, up to limit, and finds when the
// first is due, 0 when there is none.
func CountReviews(ctx context.Context, q Querier, limit int) (n int, first int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(due_at), 0) FROM (SELECT due_at FROM review ORDER BY due_at LIMIT $1) AS counted`, limit), &n, &first)
	return n, first, err
}
