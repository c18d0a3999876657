package meta

import (
	"context"
)

// Upload is a row of upload.
type Upload struct {
	ID           string
	RepositoryID int64
	StartedAt    int64
	UpdatedAt    int64
	// Received is the number of bytes that have arrived.
	Received int64
	// HashState is the marshalled state of the running sha256 over them.
	HashState []byte
	// Writer names the server process that wrote the row last.
	Writer string
	// Content is all that has arrived while that is little, nil once the upload
	// has a file.
	Content []byte
	// Mark is what the blob store goes on from where the file stands.
	Mark string
}

// Stand is where an upload stands. Several servers may work on one; each changes
// or ends it only where it has found it.
type Stand struct {
	Received int64
	Mark     string
}

// Stand is where u stands.
func (u Upload) Stand() Stand { return Stand{u.Received, u.Mark} }

// InsertUpload begins an upload.
func InsertUpload(ctx context.Context, q Querier, u Upload) error {
	_, err := q.ExecContext(ctx, `INSERT INTO upload (id, repository_id, started_at, updated_at, received, hash_state, writer, content, mark)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, u.ID, u.RepositoryID, u.StartedAt, u.UpdatedAt, u.Received, u.HashState, u.Writer, u.Content, u.Mark)
	return err
}

// FindUpload finds an upload of a repository. Errors: ErrNotFound, be it the
// repository or the upload that is missing.
func FindUpload(ctx context.Context, q Querier, account, region, name, id string) (u Upload, err error) {
	u.ID = id
	held := false
	err = one(q.QueryRowContext(ctx, `SELECT u.repository_id, u.started_at, u.updated_at, u.received, u.hash_state, u.writer, u.mark, u.content IS NOT NULL, u.content
		FROM upload u JOIN repository r ON r.id = u.repository_id
		WHERE u.id = $4 AND r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, id),
		&u.RepositoryID, &u.StartedAt, &u.UpdatedAt, &u.Received, &u.HashState, &u.Writer, &u.Mark, &held, &u.Content)
	u.Content = orEmpty(held, u.Content)
	return u, err
}

// UpdateUpload records how far an upload has come and reports whether it was still
// there, and stood where the caller had found it.
func UpdateUpload(ctx context.Context, q Querier, u Upload, found Stand) (bool, error) {
	return changed(q.ExecContext(ctx, `UPDATE upload SET updated_at = $2, received = $3, hash_state = $4, writer = $5, content = $6, mark = $7
		WHERE id = $1 AND received = $8 AND mark = $9`, u.ID, u.UpdatedAt, u.Received, u.HashState, u.Writer, u.Content, u.Mark, found.Received, found.Mark))
}

// EndUpload ends an upload and reports whether it was still there, and stood where
// the caller had found it.
func EndUpload(ctx context.Context, q Querier, id string, found Stand) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM upload WHERE id = $1 AND received = $2 AND mark = $3`, id, found.Received, found.Mark))
}

// DeleteUpload ends an upload wherever it stands and reports whether it was still
// there.
func DeleteUpload(ctx context.Context, q Querier, id string) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM upload WHERE id = $1`, id))
}

// UploadReceived finds how many bytes an upload has received. Errors: ErrNotFound.
func UploadReceived(ctx context.Context, q Querier, id string) (n int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT received FROM upload WHERE id = $1`, id), &n)
	return n, err
}

// UploadExists reports whether an upload is known.
func UploadExists(ctx context.Context, q Querier, id string) (known bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM upload WHERE id = $1)`, id), &known)
	return known, err
}

// UploadsOf lists the ids of a repository's uploads.
func UploadsOf(ctx context.Context, q Querier, repository int64) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM upload WHERE repository_id = $1`, repository)
	return collect(rows, err, scanString)
}

// StaleUploads lists the ids of uploads that nothing has been added to since
// before, oldest first, at most limit.
func StaleUploads(ctx context.Context, q Querier, before int64, limit int) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM upload WHERE updated_at < $1 ORDER BY updated_at LIMIT $2`, before, limit)
	return collect(rows, err, scanString)
}

// DeleteStaleUpload ends an upload if nothing was added to it since before, and
// reports whether it did.
func DeleteStaleUpload(ctx context.Context, q Querier, id string, before int64) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM upload WHERE id = $1 AND updated_at < $2`, id, before))
}
