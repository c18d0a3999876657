package meta

import (
	"context"
	"database/sql"
	"fmt"
)

// The statuses of images in image_archive. One without a row is active.
const (
	StatusActive     = "ACTIVE"
	StatusArchived   = "ARCHIVED"
	StatusActivating = "ACTIVATING"
)

// coldFiles begins the location of files in the cold tree, and behindColdFiles is the
// first text behind all that begin so.
const (
	coldFiles       = `'cold/'`
	behindColdFiles = `'cold0'`
)

// isCold is the condition that the blob b is a file of the cold tree.
const isCold = `(b.content IS NULL AND b.location >= ` + coldFiles + ` AND b.location < ` + behindColdFiles + `)`

// ArchiveStatus finds the status of an image: StatusActive for one that is not there.
func ArchiveStatus(ctx context.Context, q Querier, repository int64, digest string) (status string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT status FROM image_archive WHERE repository_id = $1 AND digest = $2`, repository, digest), &status)
	if err == ErrNotFound {
		return StatusActive, nil
	}
	return status, err
}

// HasArchive reports whether any image of a repository is not active.
func HasArchive(ctx context.Context, q Querier, repository int64) (has bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM image_archive WHERE repository_id = $1 AND status IN ('ARCHIVED', 'ACTIVATING'))`, repository), &has)
	return has, err
}

// ArchiveImage puts an image into the archive.
func ArchiveImage(ctx context.Context, q Querier, repository int64, digest string, now int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO image_archive (repository_id, digest, status, archived_at, activated_at)
		VALUES ($1, $2, 'ARCHIVED', $3, 0)
		ON CONFLICT (repository_id, digest) DO UPDATE SET status = excluded.status, archived_at = excluded.archived_at`, repository, digest, now)
	return err
}

// BeginActivation notes that the layers of an image are to be brought back.
func BeginActivation(ctx context.Context, q Querier, repository int64, digest string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO image_archive (repository_id, digest, status, archived_at, activated_at)
		VALUES ($1, $2, 'ACTIVATING', 0, 0)
		ON CONFLICT (repository_id, digest) DO UPDATE SET status = excluded.status`, repository, digest)
	return err
}

// ActivateImage takes an image out of the archive, and reports whether it was not
// active before.
func ActivateImage(ctx context.Context, q Querier, repository int64, digest string, now int64) (bool, error) {
	return changed(q.ExecContext(ctx, `UPDATE image_archive SET status = 'ACTIVE', activated_at = $3
		WHERE repository_id = $1 AND digest = $2 AND status <> 'ACTIVE'`, repository, digest, now))
}

// notArchived is the condition that the parent of the reference m is not in the
// archive.
const notArchived = `NOT EXISTS (SELECT 1 FROM image_archive a
	WHERE a.repository_id = m.repository_id AND a.digest = m.parent AND a.status = 'ARCHIVED')`

// ActiveIndexOf finds an index, which is not in the archive, that lists an image.
// Errors: ErrNotFound.
func ActiveIndexOf(ctx context.Context, q Querier, repository int64, child string) (parent string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT m.parent FROM manifest_reference m
		WHERE m.repository_id = $1 AND m.child = $2 AND m.is_manifest AND `+notArchived+` LIMIT 1`, repository, child), &parent)
	return parent, err
}

// Attachments lists the manifests that refer to an image as their subject and have no
// tag of their own.
func Attachments(ctx context.Context, q Querier, repository int64, subject string) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT m.digest FROM manifest m WHERE m.repository_id = $1 AND m.subject = $2
		AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repository_id = m.repository_id AND t.digest = m.digest) ORDER BY m.digest`, repository, subject)
	return collect(rows, err, scanString)
}

// FilesOf lists the blobs of an image that are files.
func FilesOf(ctx context.Context, q Querier, repository int64, digest string) ([]Blob, error) {
	rows, err := q.QueryContext(ctx, `SELECT b.digest, b.size, b.created_at, b.location FROM manifest_reference m JOIN blob b ON b.digest = m.child
		WHERE m.repository_id = $1 AND m.parent = $2 AND NOT m.is_manifest AND b.content IS NULL ORDER BY b.digest`, repository, digest)
	return collect(rows, err, func(rows *sql.Rows) (b Blob, err error) {
		err = rows.Scan(&b.Digest, &b.Size, &b.CreatedAt, &b.Location)
		return b, err
	})
}

// IsWanted reports whether a blob has to be at hand: an image which is not in the
// archive needs it, or one may be about to, since it will be looked at whether any
// does; or nobody holds it, and it is on its way to the trash.
func IsWanted(ctx context.Context, q Querier, digest string) (wanted bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob_link l JOIN manifest_reference m ON m.repository_id = l.repository_id AND m.child = l.digest
			WHERE l.digest = $1 AND NOT m.is_manifest AND `+notArchived+`)
		OR EXISTS (SELECT 1 FROM blob_link l JOIN review v ON v.repository_id = l.repository_id AND v.digest = l.digest WHERE l.digest = $1)
		OR NOT EXISTS (SELECT 1 FROM blob_link WHERE digest = $1)`, digest), &wanted)
	return wanted, err
}

// IsArchivedBlob reports whether a blob is needed by images of a repository which are
// all not active, and by some.
func IsArchivedBlob(ctx context.Context, q Querier, repository int64, digest string) (archived bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM manifest_reference m
			WHERE m.repository_id = $1 AND m.child = $2 AND NOT m.is_manifest)
		AND NOT EXISTS (SELECT 1 FROM manifest_reference m LEFT JOIN image_archive a
			ON a.repository_id = m.repository_id AND a.digest = m.parent AND a.status <> 'ACTIVE'
			WHERE m.repository_id = $1 AND m.child = $2 AND NOT m.is_manifest AND a.digest IS NULL)`, repository, digest), &archived)
	return archived, err
}

// MoveFile makes another file that of a blob, if it still is as it was found, and
// reports whether it did. The file that was it is to be deleted then.
func MoveFile(ctx context.Context, q Querier, digest, from, to string) (bool, error) {
	moved, err := changed(q.ExecContext(ctx, `UPDATE blob SET location = $3 WHERE digest = $1 AND location = $2 AND content IS NULL`, digest, from, to))
	if err != nil || !moved {
		return false, err
	}
	return true, DoomFile(ctx, q, Doomed{digest, from})
}

// DoomFile notes a file as to be deleted.
func DoomFile(ctx context.Context, q Querier, d Doomed) error {
	_, err := q.ExecContext(ctx, `INSERT INTO doomed (digest, location) VALUES ($1, $2) ON CONFLICT (digest, location) DO NOTHING`, d.Digest, d.Location)
	return err
}

// StatusFilter narrows lists of images; empty for all.
type StatusFilter string

// walk is how to go through what a filter lets pass, of a repository $1 and of the table
// t by digest: from which tables, on what condition, and the column of the digest that
// an index goes along. Few images are in the archive, or few are not: so what is there
// is looked for in image_archive, and what is not among all. Errors: of a status that
// there is not.
func (f StatusFilter) walk(table, t string) (from, where, key string, err error) {
	from = table + ` ` + t + ` LEFT JOIN image_archive a ON a.repository_id = ` + t + `.repository_id AND a.digest = ` + t + `.digest`
	where, key = t+`.repository_id = $1`, t+`.digest`
	switch f {
	case "":
		return from, where, key, nil
	case StatusActive:
		return from, where + ` AND (a.status IS NULL OR a.status = 'ACTIVE')`, key, nil
	case StatusArchived, StatusActivating:
		// CROSS JOIN is how SQLite is told where to begin.
		return `image_archive a CROSS JOIN ` + table + ` ` + t, `a.repository_id = $1 AND a.status = '` + string(f) + `' AND ` +
			t + `.repository_id = a.repository_id AND ` + t + `.digest = a.digest`, `a.digest`, nil
	}
	return "", "", "", fmt.Errorf("there is no status %q of images", string(f))
}

// AnyArchived reports whether images of a repository are, or have been, in the archive.
func AnyArchived(ctx context.Context, q Querier, repository int64) (some bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM image_archive WHERE repository_id = $1)`, repository).Scan(&some)
	return some, err
}
