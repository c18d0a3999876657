package meta

import (
	"context"
	"database/sql"
)

// Blob is a row of blob.
type Blob struct {
	Digest    string
	Size      int64
	CreatedAt int64
	// Content is nil when the blob is a file.
	Content []byte
	// Location is where its file is, empty for the path that follows from the
	// digest.
	Location string
}

// FindFile finds a blob that is a file, whoever holds it. Errors: ErrNotFound.
func FindFile(ctx context.Context, q Querier, digest string) (b Blob, err error) {
	b.Digest = digest
	err = one(q.QueryRowContext(ctx, `SELECT size, created_at, location FROM blob WHERE digest = $1 AND content IS NULL`, digest),
		&b.Size, &b.CreatedAt, &b.Location)
	return b, err
}

const linkedBlob = ` FROM repository r
		JOIN blob_link l ON l.repository_id = r.id AND l.digest = $4
		JOIN blob b ON b.digest = l.digest
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`

// Link is a blob that a repository holds.
type Link struct {
	RepositoryID int64
	Size         int64
	// DueAt is when it is looked at whether the repository needs it, 0 when it
	// is not.
	DueAt int64
	// Cold is set when the blob is a file of the cold tree.
	Cold bool
}

// FindLink finds a blob that a repository holds. Errors: ErrNotFound, be it the
// repository or the blob that is missing.
func FindLink(ctx context.Context, q Querier, account, region, name, digest string) (l Link, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT r.id, b.size, COALESCE(v.due_at, 0), `+isCold+` FROM repository r
		JOIN blob_link l ON l.repository_id = r.id AND l.digest = $4
		JOIN blob b ON b.digest = l.digest
		LEFT JOIN review v ON v.repository_id = r.id AND v.digest = l.digest
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, digest), &l.RepositoryID, &l.Size, &l.DueAt, &l.Cold)
	return l, err
}

// LinkedBlob finds a blob that a repository holds, and whether only images need it
// that are not active. Errors: as FindLink.
func LinkedBlob(ctx context.Context, q Querier, account, region, name, digest string) (b Blob, archived bool, err error) {
	b.Digest = digest
	held := false
	var repository int64
	err = one(q.QueryRowContext(ctx, `SELECT r.id, EXISTS (SELECT 1 FROM image_archive a WHERE a.repository_id = r.id AND a.status IN ('ARCHIVED', 'ACTIVATING')),
		b.size, b.created_at, b.location, b.content IS NOT NULL, b.content`+linkedBlob, account, region, name, digest),
		&repository, &archived, &b.Size, &b.CreatedAt, &b.Location, &held, &b.Content)
	b.Content = orEmpty(held, b.Content)
	if err == nil && archived { // it may be, and that is rare
		archived, err = IsArchivedBlob(ctx, q, repository, digest)
	}
	return b, archived, err
}

// orEmpty tells content of no bytes from none, which a driver may give alike.
func orEmpty(held bool, content []byte) []byte {
	if held && content == nil {
		return []byte{}
	}
	return content
}

// InsertBlob records a blob, unless it is there already, and reports whether the
// record is now that of b. Of one that is there two things are made good: content
// that it lacks is added; and a file that the caller has found damaged, at the
// location spoilt, is replaced by b's.
func InsertBlob(ctx context.Context, q Querier, b Blob, spoilt *string) (bool, error) {
	return changed(q.ExecContext(ctx, `INSERT INTO blob (digest, size, created_at, content, location) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (digest) DO UPDATE SET content = excluded.content, size = excluded.size,
			location = CASE WHEN excluded.content IS NULL THEN excluded.location ELSE blob.location END
		WHERE blob.content IS NULL AND (excluded.content IS NOT NULL OR blob.location = $6)`,
		b.Digest, b.Size, b.CreatedAt, b.Content, b.Location, spoilt))
}

// LinkBlob makes a repository hold a blob of size bytes, and reports whether it did
// not before.
func LinkBlob(ctx context.Context, q Querier, repository int64, digest string, size, now int64) (bool, error) {
	return changed(q.ExecContext(ctx, `INSERT INTO blob_link (repository_id, digest, created_at, size) VALUES ($1, $2, $3, $4)
		ON CONFLICT (repository_id, digest) DO NOTHING`, repository, digest, now, size))
}

// UnlinkBlob takes a blob from a repository, and returns the size in bytes that it
// was held with. Errors: ErrNotFound when the repository does not hold it.
func UnlinkBlob(ctx context.Context, q Querier, repository int64, digest string) (size int64, err error) {
	err = one(q.QueryRowContext(ctx, `DELETE FROM blob_link WHERE repository_id = $1 AND digest = $2 RETURNING size`, repository, digest), &size)
	return size, err
}

// HoldsAsLarge reports whether a repository holds any blob of size bytes or more.
func HoldsAsLarge(ctx context.Context, q Querier, repository, size int64) (holds bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob_link WHERE repository_id = $1 AND size >= $2)`, repository, size), &holds)
	return holds, err
}

// inList is how many digests one look-up asks for: a fixed number, so that the
// statement stays the same, padded by repeating the last.
const inList = 16

const inPlaceholders = `($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

// LinkedBlobs returns those of the digests given that a repository holds and that
// are stored, and reports whether any of them is a file of the cold tree.
func LinkedBlobs(ctx context.Context, q Querier, repository int64, digests []string) (found map[string]bool, cold bool, err error) {
	found = make(map[string]bool, len(digests))
	type held struct {
		digest string
		cold   bool
	}
	for len(digests) > 0 {
		n := min(inList, len(digests))
		args := make([]any, 1, inList+1)
		args[0] = repository
		for i := range inList {
			args = append(args, digests[min(i, n-1)])
		}
		digests = digests[n:]
		rows, err := q.QueryContext(ctx, `SELECT l.digest, `+isCold+` FROM blob_link l JOIN blob b ON b.digest = l.digest
			WHERE l.repository_id = $1 AND l.digest IN `+inPlaceholders, args...)
		list, err := collect(rows, err, func(rows *sql.Rows) (h held, err error) {
			err = rows.Scan(&h.digest, &h.cold)
			return h, err
		})
		if err != nil {
			return nil, false, err
		}
		for _, h := range list {
			found[h.digest] = true
			cold = cold || h.cold
		}
	}
	return found, cold, nil
}

func scanString(rows *sql.Rows) (s string, err error) {
	err = rows.Scan(&s)
	return s, err
}
