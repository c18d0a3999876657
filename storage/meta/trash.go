package meta

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// Trashed is a row of trash: a blob that nobody holds.
type Trashed struct {
	Blob
	PurgeAt int64
}

// TrashBlob makes a blob's row one of the trash and reports whether there was one.
func TrashBlob(ctx context.Context, q Querier, digest string, purgeAt int64) (bool, error) {
	_, err := q.ExecContext(ctx, `INSERT INTO trash (digest, location, size, created_at, purge_at, content)
		SELECT digest, location, size, created_at, $2, content FROM blob WHERE digest = $1
		ON CONFLICT (digest, location) DO UPDATE SET purge_at = excluded.purge_at, size = excluded.size, content = excluded.content`, digest, purgeAt)
	if err != nil {
		return false, err
	}
	return changed(q.ExecContext(ctx, `DELETE FROM blob WHERE digest = $1`, digest))
}

// KeepFromTrash takes a blob that is stored again out of the trash, and its file,
// if it is one, from those that are to be deleted.
func KeepFromTrash(ctx context.Context, q Querier, digest, location string, isFile bool) error {
	_, err := q.ExecContext(ctx, `DELETE FROM trash WHERE digest = $1 AND location = $2 AND (content IS NULL) = $3`, digest, location, isFile)
	if err != nil || !isFile {
		return err
	}
	_, err = q.ExecContext(ctx, `DELETE FROM doomed WHERE digest = $1 AND location = $2`, digest, location)
	return err
}

// RestoreBlob makes a row of the trash a blob again and reports whether there was
// one.
func RestoreBlob(ctx context.Context, q Querier, digest string) (bool, error) {
	restored, err := changed(q.ExecContext(ctx, `INSERT INTO blob (digest, size, created_at, content, location)
		SELECT digest, size, created_at, content, location FROM trash WHERE digest = $1 ORDER BY purge_at DESC LIMIT 1`, digest))
	if err != nil || !restored {
		return false, err
	}
	_, err = q.ExecContext(ctx, `DELETE FROM trash WHERE digest = $1 AND location = (SELECT location FROM blob WHERE digest = $1)`, digest)
	return true, err
}

// DueTrash lists what is to be purged by a time, the oldest first, at most limit.
// The content of small blobs is left out.
func DueTrash(ctx context.Context, q Querier, by int64, limit int) ([]Trashed, error) {
	rows, err := q.QueryContext(ctx, `SELECT digest, location, size, created_at, purge_at FROM trash WHERE purge_at <= $1
		ORDER BY purge_at LIMIT $2`, by, limit)
	return collect(rows, err, scanTrashed)
}

// TrashOf lists what is in the trash of a digest.
func TrashOf(ctx context.Context, q Querier, digest string) ([]Trashed, error) {
	rows, err := q.QueryContext(ctx, `SELECT digest, location, size, created_at, purge_at FROM trash WHERE digest = $1`, digest)
	return collect(rows, err, scanTrashed)
}

func scanTrashed(rows *sql.Rows) (t Trashed, err error) {
	err = rows.Scan(&t.Digest, &t.Location, &t.Size, &t.CreatedAt, &t.PurgeAt)
	return t, err
}

// CountTrash counts the blobs in the trash and their bytes, up to limit blobs.
func CountTrash(ctx context.Context, q Querier, limit int) (n int, bytes int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(size), 0) FROM (SELECT size FROM trash ORDER BY purge_at LIMIT $1) AS counted`, limit), &n, &bytes)
	return n, bytes, err
}

// Doom takes a blob from the trash and notes its file, if it has one, as to be
// deleted. It reports whether there is a file that nothing needs any more.
func Doom(ctx context.Context, q Querier, digest, location string) (bool, error) {
	isFile, err := changed(q.ExecContext(ctx, `INSERT INTO doomed (digest, location)
		SELECT t.digest, t.location FROM trash t WHERE t.digest = $1 AND t.location = $2 AND t.content IS NULL
		AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.digest = t.digest AND b.location = t.location AND b.content IS NULL)
		ON CONFLICT (digest, location) DO NOTHING`, digest, location))
	if err != nil {
		return false, err
	}
	_, err = q.ExecContext(ctx, `DELETE FROM trash WHERE digest = $1 AND location = $2`, digest, location)
	return isFile, err
}

// Doomed is a file that is to be deleted.
type Doomed struct{ Digest, Location string }

// ListDoomed lists files that are to be deleted, at most limit.
func ListDoomed(ctx context.Context, q Querier, limit int) ([]Doomed, error) {
	rows, err := q.QueryContext(ctx, `SELECT digest, location FROM doomed LIMIT $1`, limit)
	return collect(rows, err, func(rows *sql.Rows) (d Doomed, err error) {
		err = rows.Scan(&d.Digest, &d.Location)
		return d, err
	})
}

// IsDoomed reports whether a file is still to be deleted and no blob is it.
func IsDoomed(ctx context.Context, q Querier, d Doomed) (doomed bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM doomed WHERE digest = $1 AND location = $2)
		AND NOT EXISTS (SELECT 1 FROM blob WHERE digest = $1 AND location = $2 AND content IS NULL)
		AND NOT EXISTS (SELECT 1 FROM trash WHERE digest = $1 AND location = $2 AND content IS NULL)`, d.Digest, d.Location), &doomed)
	return doomed, err
}

// EndDoom notes that a file is deleted.
func EndDoom(ctx context.Context, q Querier, d Doomed) error {
	_, err := q.ExecContext(ctx, `DELETE FROM doomed WHERE digest = $1 AND location = $2`, d.Digest, d.Location)
	return err
}

// TrashedManifest is a row of manifest_trash.
type TrashedManifest struct {
	RepositoryID int64
	Digest       string
	MediaType    string
	Tags         []string
	PurgeAt      int64
	Content      []byte
}

// TrashManifest keeps a manifest that is about to be deleted.
func TrashManifest(ctx context.Context, q Querier, repository int64, digest string, tags []string, purgeAt int64) error {
	list, err := encodeStrings(tags)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO manifest_trash (repository_id, digest, media_type, tags, purge_at, content)
		SELECT repository_id, digest, media_type, $3, $4, content FROM manifest WHERE repository_id = $1 AND digest = $2
		ON CONFLICT (repository_id, digest) DO UPDATE SET tags = excluded.tags, purge_at = excluded.purge_at`, repository, digest, list, purgeAt)
	return err
}

// TrashedManifests lists the deleted manifests of a digest with their
// repositories' ids.
func TrashedManifests(ctx context.Context, q Querier, digest string) ([]TrashedManifest, error) {
	rows, err := q.QueryContext(ctx, `SELECT repository_id, digest, media_type, tags, purge_at, content FROM manifest_trash WHERE digest = $1
		ORDER BY repository_id`, digest)
	return collect(rows, err, func(rows *sql.Rows) (m TrashedManifest, err error) {
		var tags string
		if err = rows.Scan(&m.RepositoryID, &m.Digest, &m.MediaType, &tags, &m.PurgeAt, &m.Content); err != nil {
			return m, err
		}
		if err := json.Unmarshal([]byte(tags), &m.Tags); err != nil {
			return m, fmt.Errorf("read the tags of the deleted manifest %s: %w", m.Digest, err)
		}
		return m, nil
	})
}

// DropTrashedManifest forgets a deleted manifest.
func DropTrashedManifest(ctx context.Context, q Querier, repository int64, digest string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM manifest_trash WHERE repository_id = $1 AND digest = $2`, repository, digest)
	return err
}

// HasDueManifests reports whether any deleted manifest's time has come.
func HasDueManifests(ctx context.Context, q Querier, by int64) (due bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM manifest_trash WHERE purge_at <= $1)`, by), &due)
	return due, err
}

// InTrash reports whether a file is in the trash.
func InTrash(ctx context.Context, q Querier, digest, location string) (there bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM trash WHERE digest = $1 AND location = $2 AND content IS NULL)`, digest, location), &there)
	return there, err
}

// PurgeManifests forgets deleted manifests whose time has come, at most limit,
// and returns how many they were.
func PurgeManifests(ctx context.Context, q Querier, by int64, limit int) (int64, error) {
	res, err := q.ExecContext(ctx, `DELETE FROM manifest_trash WHERE (repository_id, digest) IN
		(SELECT repository_id, digest FROM manifest_trash WHERE purge_at <= $1 ORDER BY purge_at LIMIT $2)`, by, limit)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// RepositoryByID finds a repository by its id. Errors: ErrNotFound.
func RepositoryByID(ctx context.Context, q Querier, id int64) (Repository, error) {
	return first(repositories(q.QueryContext(ctx, `SELECT `+repositoryColumns+` FROM repository WHERE id = $1`, id)))
}
