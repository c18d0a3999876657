package meta

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Manifest is a row of manifest.
type Manifest struct {
	RepositoryID int64
	Digest       string
	MediaType    string
	ArtifactType string
	// Subject is the digest that the manifest refers to, or empty.
	Subject string
	// ImageSize is the size in bytes of the image, not of the manifest.
	ImageSize int64
	PushedAt  int64
	// PulledAt is when it was last pulled, 0 where no pull is known. Lists have it.
	PulledAt int64
	// Status is StatusActive or another; ArchivedAt and ActivatedAt are when it came
	// into the archive and out of it last, 0 for never. Only lists have the times.
	Status                  string
	ArchivedAt, ActivatedAt int64
	Content                 []byte
	// Incomplete is set when it is marked as an image of which something was lost.
	Incomplete bool
}

// Reference is something that a manifest needs: a blob or another manifest.
type Reference struct {
	Child      string
	IsManifest bool
}

// InsertManifest adds a manifest with its references.
func InsertManifest(ctx context.Context, q Querier, m Manifest, refs []Reference) error {
	_, err := q.ExecContext(ctx, `INSERT INTO manifest
		(repository_id, digest, media_type, artifact_type, subject, image_size, pushed_at, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m.RepositoryID, m.Digest, m.MediaType, m.ArtifactType, m.Subject, m.ImageSize, m.PushedAt, m.Content)
	if err != nil {
		return err
	}
	return insertReferences(ctx, q, ManifestKey{m.RepositoryID, m.Digest}, refs)
}

func insertReferences(ctx context.Context, q Querier, parent ManifestKey, refs []Reference) error {
	for _, r := range refs {
		_, err := q.ExecContext(ctx, `INSERT INTO manifest_reference (repository_id, parent, child, is_manifest)
			VALUES ($1, $2, $3, $4) ON CONFLICT (repository_id, parent, child) DO NOTHING`,
			parent.RepositoryID, parent.Digest, r.Child, r.IsManifest)
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteManifest removes a manifest with its tags and references, and returns its
// length in bytes. Errors: ErrNotFound.
func DeleteManifest(ctx context.Context, q Querier, repository int64, digest string) (size int64, err error) {
	for _, statement := range []string{
		`DELETE FROM tag WHERE repository_id = $1 AND digest = $2`,
		`DELETE FROM manifest_reference WHERE repository_id = $1 AND parent = $2`,
		`DELETE FROM image_pull WHERE repository_id = $1 AND digest = $2`,
		`DELETE FROM cached_image WHERE repository_id = $1 AND digest = $2`,
		`DELETE FROM image_scan WHERE repository_id = $1 AND digest = $2`,
		`DELETE FROM image_signature WHERE repository_id = $1 AND digest = $2`,
		`DELETE FROM image_archive WHERE repository_id = $1 AND digest = $2`,
	} {
		if _, err := q.ExecContext(ctx, statement, repository, digest); err != nil {
			return 0, err
		}
	}
	err = one(q.QueryRowContext(ctx, `DELETE FROM manifest WHERE repository_id = $1 AND digest = $2 RETURNING LENGTH(content)`, repository, digest), &size)
	return size, err
}

// HasManifest reports whether a repository holds a manifest.
func HasManifest(ctx context.Context, q Querier, repository int64, digest string) (found bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM manifest WHERE repository_id = $1 AND digest = $2)`, repository, digest), &found)
	return found, err
}

// HasAnyManifest reports whether a repository holds any manifest at all.
func HasAnyManifest(ctx context.Context, q Querier, repository int64) (found bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM manifest WHERE repository_id = $1)`, repository), &found)
	return found, err
}

// ImageSizes returns the image sizes of those of the manifests given that a
// repository holds.
func ImageSizes(ctx context.Context, q Querier, repository int64, digests []string) (map[string]int64, error) {
	sizes := make(map[string]int64, len(digests))
	for _, d := range digests {
		var size int64
		err := one(q.QueryRowContext(ctx, `SELECT image_size FROM manifest WHERE repository_id = $1 AND digest = $2`, repository, d), &size)
		if err == ErrNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		sizes[d] = size
	}
	return sizes, nil
}

// ManifestByTag reads the digest, media type and content of what a tag points at,
// whether it is marked as incomplete, and its status. Errors: ErrNotFound, whatever of
// repository, tag and manifest is missing.
func ManifestByTag(ctx context.Context, q Querier, account, region, name, tag string) (m Manifest, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT r.id, m.digest, m.media_type, m.content,`+marked+status+` FROM repository r
		JOIN tag t ON t.repository_id = r.id AND t.name = $4
		JOIN manifest m ON m.repository_id = r.id AND m.digest = t.digest
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, tag),
		&m.RepositoryID, &m.Digest, &m.MediaType, &m.Content, &m.Incomplete, &m.Status)
	return m, err
}

const (
	marked = ` EXISTS (SELECT 1 FROM incomplete i WHERE i.repository_id = r.id AND i.digest = m.digest)`
	status = `, COALESCE((SELECT a.status FROM image_archive a WHERE a.repository_id = r.id AND a.digest = m.digest), 'ACTIVE')`
)

// ManifestByDigest reads the media type and content of a manifest, and whether it
// is marked as incomplete, and its status. Errors: ErrNotFound, whatever of repository and manifest
// is missing.
func ManifestByDigest(ctx context.Context, q Querier, account, region, name, digest string) (m Manifest, err error) {
	m.Digest = digest
	err = one(q.QueryRowContext(ctx, `SELECT r.id, m.media_type, m.content,`+marked+status+` FROM repository r
		JOIN manifest m ON m.repository_id = r.id AND m.digest = $4
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, digest),
		&m.RepositoryID, &m.MediaType, &m.Content, &m.Incomplete, &m.Status)
	return m, err
}

// ParentOf finds one manifest of a repository that needs the blob or manifest
// given. Errors: ErrNotFound.
func ParentOf(ctx context.Context, q Querier, repository int64, child string, isManifest bool) (parent string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT parent FROM manifest_reference
		WHERE repository_id = $1 AND child = $2 AND is_manifest = $3 LIMIT 1`, repository, child, isManifest), &parent)
	return parent, err
}

// Referrers lists the manifests whose subject is the digest given, by digest,
// from behind after on, at most limit. Without artifact types those of any are
// listed.
func Referrers(ctx context.Context, q Querier, repository int64, subject string, artifactTypes []string, s StatusFilter, after string, limit int) ([]Manifest, error) {
	// By subject there are few: all of them are gone through.
	from, where, _, err := s.walk("manifest", "m")
	if err != nil {
		return nil, err
	}
	args := []any{repository, subject, after, limit}
	var which strings.Builder
	for i, t := range artifactTypes {
		which.WriteString([]string{` AND m.artifact_type IN (`, `, `}[min(i, 1)])
		args = append(args, t)
		fmt.Fprintf(&which, "$%d", len(args))
	}
	if len(artifactTypes) > 0 {
		which.WriteByte(')')
	}
	rows, err := q.QueryContext(ctx, `SELECT m.digest, m.media_type, m.artifact_type, m.content, COALESCE(a.status, 'ACTIVE') FROM `+from+`
		WHERE `+where+` AND m.subject = $2 AND m.digest > $3`+which.String()+`
		ORDER BY m.digest LIMIT $4`, args...)
	return collect(rows, err, func(rows *sql.Rows) (m Manifest, err error) {
		err = rows.Scan(&m.Digest, &m.MediaType, &m.ArtifactType, &m.Content, &m.Status)
		return m, err
	})
}
