package meta

import (
	"context"
	"database/sql"
)

// What follows goes through all rows of a table, a page at a time, each page one
// statement, so that what a row says of other rows was true at one moment.

// SurveyedBlob is a row of blob, and what others say of it.
type SurveyedBlob struct {
	Blob
	// Kept: a repository holds it, or it will be looked at whether any does.
	Kept bool
}

// SurveyBlobs lists blobs by digest, with the content of small ones, from behind
// after on, at most limit.
func SurveyBlobs(ctx context.Context, q Querier, after string, limit int) ([]SurveyedBlob, error) {
	rows, err := q.QueryContext(ctx, `SELECT b.digest, b.size, b.created_at, b.location, b.content IS NOT NULL, b.content,
		EXISTS (SELECT 1 FROM blob_link l WHERE l.digest = b.digest) OR EXISTS (SELECT 1 FROM review v WHERE v.repository_id = 0 AND v.digest = b.digest)
		FROM blob b WHERE b.digest > $1 ORDER BY b.digest LIMIT $2`, after, limit)
	return collect(rows, err, func(rows *sql.Rows) (b SurveyedBlob, err error) {
		held := false
		err = rows.Scan(&b.Digest, &b.Size, &b.CreatedAt, &b.Location, &held, &b.Content, &b.Kept)
		b.Content = orEmpty(held, b.Content)
		return b, err
	})
}

// FindBlob finds a blob, whoever holds it. Errors: ErrNotFound.
func FindBlob(ctx context.Context, q Querier, digest string) (b Blob, err error) {
	b.Digest = digest
	held := false
	err = one(q.QueryRowContext(ctx, `SELECT size, created_at, location, content IS NOT NULL, content FROM blob WHERE digest = $1`, digest),
		&b.Size, &b.CreatedAt, &b.Location, &held, &b.Content)
	b.Content = orEmpty(held, b.Content)
	return b, err
}

// IsKept reports whether a blob is recorded, and kept as SurveyedBlob has it.
func IsKept(ctx context.Context, q Querier, digest string) (recorded, kept bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob WHERE digest = $1),
		EXISTS (SELECT 1 FROM blob_link WHERE digest = $1) OR EXISTS (SELECT 1 FROM review WHERE repository_id = 0 AND digest = $1)`, digest), &recorded, &kept)
	return recorded, kept, err
}

// DropBlob forgets a blob, if it is still stored as b has it, and reports whether
// it was. Who held it goes on doing so, for when it comes back.
func DropBlob(ctx context.Context, q Querier, b Blob) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM blob WHERE digest = $1 AND location = $2 AND size = $3 AND (content IS NULL) = $4`,
		b.Digest, b.Location, b.Size, b.Content == nil))
}

// SurveyTrash lists the trash by digest and location, with the content of small
// blobs, from behind after on, at most limit.
func SurveyTrash(ctx context.Context, q Querier, digest, location string, limit int) ([]Blob, error) {
	rows, err := q.QueryContext(ctx, `SELECT digest, size, created_at, location, content IS NOT NULL, content FROM trash
		WHERE (digest, location) > ($1, $2) ORDER BY digest, location LIMIT $3`, digest, location, limit)
	return collect(rows, err, scanBlob)
}

// FindTrashed finds a blob in the trash. Errors: ErrNotFound.
func FindTrashed(ctx context.Context, q Querier, digest, location string) (Blob, error) {
	rows, err := q.QueryContext(ctx, `SELECT digest, size, created_at, location, content IS NOT NULL, content FROM trash
		WHERE digest = $1 AND location = $2`, digest, location)
	return first(collect(rows, err, scanBlob))
}

func scanBlob(rows *sql.Rows) (b Blob, err error) {
	held := false
	err = rows.Scan(&b.Digest, &b.Size, &b.CreatedAt, &b.Location, &held, &b.Content)
	b.Content = orEmpty(held, b.Content)
	return b, err
}

// DropTrashed forgets a blob of the trash and reports whether it was there.
func DropTrashed(ctx context.Context, q Querier, b Blob) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM trash WHERE digest = $1 AND location = $2 AND (content IS NULL) = $3`,
		b.Digest, b.Location, b.Content == nil))
}

// KnowsFile reports whether any record tells of the file that lies where its
// digest says.
func KnowsFile(ctx context.Context, q Querier, digest string) (known bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob WHERE digest = $1 AND location = '' AND content IS NULL)
		OR EXISTS (SELECT 1 FROM trash WHERE digest = $1 AND location = '' AND content IS NULL)
		OR EXISTS (SELECT 1 FROM doomed WHERE digest = $1 AND location = '')`, digest), &known)
	return known, err
}

// KnowsLocation reports whether any record tells of the file at a location, be it
// that of the upload that wrote it, whose id may be empty.
func KnowsLocation(ctx context.Context, q Querier, location, upload string) (known bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blob WHERE location = $1 AND location <> '' AND content IS NULL)
		OR EXISTS (SELECT 1 FROM trash WHERE location = $1 AND location <> '' AND content IS NULL)
		OR EXISTS (SELECT 1 FROM doomed WHERE location = $1) OR EXISTS (SELECT 1 FROM upload WHERE id = $2)`, location, upload), &known)
	return known, err
}

// SurveyedLink is a row of blob_link, and what others say of it.
type SurveyedLink struct {
	RepositoryID int64
	Digest       string
	// Repository and Blob exist; an image of the repository needs the blob; it will
	// be looked at whether one does; the repository is charged for another size than
	// the blob's.
	Repository, Blob, Needed, Reviewed, Missized bool
}

const surveyLinks = `SELECT l.repository_id, l.digest,
	EXISTS (SELECT 1 FROM repository r WHERE r.id = l.repository_id),
	EXISTS (SELECT 1 FROM blob b WHERE b.digest = l.digest),
	EXISTS (SELECT 1 FROM manifest_reference m WHERE m.repository_id = l.repository_id AND m.child = l.digest AND NOT m.is_manifest),
	EXISTS (SELECT 1 FROM review v WHERE v.repository_id = l.repository_id AND v.digest = l.digest),
	EXISTS (SELECT 1 FROM blob b WHERE b.digest = l.digest AND b.size <> l.size)
	FROM blob_link l `

// SurveyLinks lists links by repository and digest, from behind those given on, at
// most limit.
func SurveyLinks(ctx context.Context, q Querier, repository int64, digest string, limit int) ([]SurveyedLink, error) {
	rows, err := q.QueryContext(ctx, surveyLinks+`WHERE (l.repository_id, l.digest) > ($1, $2) ORDER BY l.repository_id, l.digest LIMIT $3`, repository, digest, limit)
	return collect(rows, err, scanLink)
}

// SurveyLink finds one link. Errors: ErrNotFound.
func SurveyLink(ctx context.Context, q Querier, repository int64, digest string) (SurveyedLink, error) {
	rows, err := q.QueryContext(ctx, surveyLinks+`WHERE l.repository_id = $1 AND l.digest = $2`, repository, digest)
	return first(collect(rows, err, scanLink))
}

func scanLink(rows *sql.Rows) (l SurveyedLink, err error) {
	err = rows.Scan(&l.RepositoryID, &l.Digest, &l.Repository, &l.Blob, &l.Needed, &l.Reviewed, &l.Missized)
	return l, err
}

// ManifestKey names a manifest.
type ManifestKey struct {
	RepositoryID int64
	Digest       string
}

func scanManifestKey(rows *sql.Rows) (k ManifestKey, err error) {
	err = rows.Scan(&k.RepositoryID, &k.Digest)
	return k, err
}

// SurveyManifests lists manifests by repository and digest, from behind the one
// given on, at most limit.
func SurveyManifests(ctx context.Context, q Querier, after ManifestKey, limit int) ([]ManifestKey, error) {
	rows, err := q.QueryContext(ctx, `SELECT repository_id, digest FROM manifest WHERE (repository_id, digest) > ($1, $2)
		ORDER BY repository_id, digest LIMIT $3`, after.RepositoryID, after.Digest, limit)
	return collect(rows, err, scanManifestKey)
}

// FindManifest reads a manifest with all that is recorded of it. Errors:
// ErrNotFound.
func FindManifest(ctx context.Context, q Querier, k ManifestKey) (m Manifest, err error) {
	m.RepositoryID, m.Digest = k.RepositoryID, k.Digest
	err = one(q.QueryRowContext(ctx, `SELECT media_type, artifact_type, subject, image_size, pushed_at, content FROM manifest
		WHERE repository_id = $1 AND digest = $2`, k.RepositoryID, k.Digest), &m.MediaType, &m.ArtifactType, &m.Subject, &m.ImageSize, &m.PushedAt, &m.Content)
	return m, err
}

// CopiesOf lists the manifests of a digest in all repositories, at most limit.
func CopiesOf(ctx context.Context, q Querier, digest string, limit int) ([]Manifest, error) {
	rows, err := q.QueryContext(ctx, `SELECT m.repository_id, m.digest, m.media_type, m.content FROM repository r
		JOIN manifest m ON m.repository_id = r.id AND m.digest = $1 LIMIT $2`, digest, limit)
	return collect(rows, err, func(rows *sql.Rows) (m Manifest, err error) {
		err = rows.Scan(&m.RepositoryID, &m.Digest, &m.MediaType, &m.Content)
		return m, err
	})
}

// CorrectManifest writes anew what is recorded of a manifest, its time excepted.
func CorrectManifest(ctx context.Context, q Querier, m Manifest) error {
	_, err := q.ExecContext(ctx, `UPDATE manifest SET media_type = $3, artifact_type = $4, subject = $5, image_size = $6, content = $7
		WHERE repository_id = $1 AND digest = $2`, m.RepositoryID, m.Digest, m.MediaType, m.ArtifactType, m.Subject, m.ImageSize, m.Content)
	return err
}

// DropManifest forgets a manifest and what it needs. The tags that point at it
// stay, for when it comes back.
func DropManifest(ctx context.Context, q Querier, k ManifestKey) error {
	for _, statement := range []string{
		`DELETE FROM manifest_reference WHERE repository_id = $1 AND parent = $2`,
		`DELETE FROM manifest WHERE repository_id = $1 AND digest = $2`,
	} {
		if _, err := q.ExecContext(ctx, statement, k.RepositoryID, k.Digest); err != nil {
			return err
		}
	}
	return nil
}

// References lists what an image needs.
func References(ctx context.Context, q Querier, k ManifestKey) ([]Reference, error) {
	rows, err := q.QueryContext(ctx, `SELECT child, is_manifest FROM manifest_reference WHERE repository_id = $1 AND parent = $2`, k.RepositoryID, k.Digest)
	return collect(rows, err, func(rows *sql.Rows) (r Reference, err error) {
		err = rows.Scan(&r.Child, &r.IsManifest)
		return r, err
	})
}

// SetReferences records what an image needs in place of what was recorded.
func SetReferences(ctx context.Context, q Querier, k ManifestKey, refs []Reference) error {
	if _, err := q.ExecContext(ctx, `DELETE FROM manifest_reference WHERE repository_id = $1 AND parent = $2`, k.RepositoryID, k.Digest); err != nil {
		return err
	}
	return insertReferences(ctx, q, k, refs)
}

// SurveyedReferences tells of references whether the image that makes them exists.
type SurveyedReferences struct {
	ManifestKey
	Exists bool
}

// SurveyReferences lists the images that need anything, by repository and digest,
// from behind the one given on, at most limit.
func SurveyReferences(ctx context.Context, q Querier, after ManifestKey, limit int) ([]SurveyedReferences, error) {
	rows, err := q.QueryContext(ctx, `SELECT p.repository_id, p.parent,
		EXISTS (SELECT 1 FROM manifest m WHERE m.repository_id = p.repository_id AND m.digest = p.parent)
		FROM (SELECT DISTINCT repository_id, parent FROM manifest_reference WHERE (repository_id, parent) > ($1, $2)
			ORDER BY repository_id, parent LIMIT $3) AS p ORDER BY p.repository_id, p.parent`, after.RepositoryID, after.Digest, limit)
	return collect(rows, err, func(rows *sql.Rows) (s SurveyedReferences, err error) {
		err = rows.Scan(&s.RepositoryID, &s.Digest, &s.Exists)
		return s, err
	})
}

// SurveyedTag is a row of tag, and whether its repository and image exist.
type SurveyedTag struct {
	RepositoryID      int64
	Name, Digest      string
	Repository, Image bool
}

const surveyTags = `SELECT t.repository_id, t.name, t.digest, EXISTS (SELECT 1 FROM repository r WHERE r.id = t.repository_id),
	EXISTS (SELECT 1 FROM manifest m WHERE m.repository_id = t.repository_id AND m.digest = t.digest) FROM tag t `

// SurveyTags lists tags by repository and name, from behind those given on, at
// most limit.
func SurveyTags(ctx context.Context, q Querier, repository int64, name string, limit int) ([]SurveyedTag, error) {
	rows, err := q.QueryContext(ctx, surveyTags+`WHERE (t.repository_id, t.name) > ($1, $2) ORDER BY t.repository_id, t.name LIMIT $3`, repository, name, limit)
	return collect(rows, err, scanTag)
}

// SurveyTag finds one tag. Errors: ErrNotFound.
func SurveyTag(ctx context.Context, q Querier, repository int64, name string) (SurveyedTag, error) {
	rows, err := q.QueryContext(ctx, surveyTags+`WHERE t.repository_id = $1 AND t.name = $2`, repository, name)
	return first(collect(rows, err, scanTag))
}

func scanTag(rows *sql.Rows) (t SurveyedTag, err error) {
	err = rows.Scan(&t.RepositoryID, &t.Name, &t.Digest, &t.Repository, &t.Image)
	return t, err
}

// SurveyManifestTrash lists deleted images by repository and digest, from behind
// the one given on, at most limit.
func SurveyManifestTrash(ctx context.Context, q Querier, after ManifestKey, limit int) ([]ManifestKey, error) {
	rows, err := q.QueryContext(ctx, `SELECT repository_id, digest FROM manifest_trash WHERE (repository_id, digest) > ($1, $2)
		ORDER BY repository_id, digest LIMIT $3`, after.RepositoryID, after.Digest, limit)
	return collect(rows, err, scanManifestKey)
}

// TrashedContent reads the bytes of a deleted image. Errors: ErrNotFound.
func TrashedContent(ctx context.Context, q Querier, k ManifestKey) (content []byte, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT content FROM manifest_trash WHERE repository_id = $1 AND digest = $2`, k.RepositoryID, k.Digest), &content)
	return content, err
}

// SurveyRepositories lists all repositories by id, from behind one on, at most limit.
func SurveyRepositories(ctx context.Context, q Querier, after int64, limit int) ([]Repository, error) {
	return repositories(q.QueryContext(ctx, `SELECT `+repositoryColumns+` FROM repository WHERE id > $1 ORDER BY id LIMIT $2`, after, limit))
}

// SurveyAccounts lists the accounts of all repositories, from behind one on, at most
// limit.
func SurveyAccounts(ctx context.Context, q Querier, after string, limit int) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT DISTINCT account FROM repository WHERE account > $1 ORDER BY account LIMIT $2`, after, limit)
	return collect(rows, err, scanString)
}

// ResizeLink notes what size a blob has that a repository holds.
func ResizeLink(ctx context.Context, q Querier, repository int64, digest string) error {
	_, err := q.ExecContext(ctx, `UPDATE blob_link SET size = (SELECT b.size FROM blob b WHERE b.digest = blob_link.digest)
		WHERE repository_id = $1 AND digest = $2 AND EXISTS (SELECT 1 FROM blob b WHERE b.digest = blob_link.digest)`, repository, digest)
	return err
}
