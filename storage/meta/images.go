package meta

import (
	"context"
	"database/sql"
)

// TagFilter narrows lists of images.
type TagFilter int

// The values of TagFilter.
const (
	AnyImage TagFilter = iota
	TaggedOnly
	UntaggedOnly
)

// ImageID is a manifest with one of its tags, or with none.
type ImageID struct {
	Digest, Tag string
}

// ListImageIDs lists manifests with their tags by digest, then tag, from behind
// after on, at most limit.
func ListImageIDs(ctx context.Context, q Querier, repository int64, f TagFilter, s StatusFilter, after ImageID, limit int) ([]ImageID, error) {
	is, err := s.condition()
	if err != nil {
		return nil, err
	}
	// One statement a filter: each walks an index from the cursor on.
	var rows *sql.Rows
	switch f {
	case TaggedOnly:
		rows, err = q.QueryContext(ctx, `SELECT t.digest, t.name FROM tag t`+archiveOfT+`
			WHERE t.repository_id = $1 AND (t.digest, t.name) > ($2, $3)`+is+`
			ORDER BY t.digest, t.name LIMIT $4`, repository, after.Digest, after.Tag, limit)
	case UntaggedOnly:
		rows, err = q.QueryContext(ctx, `SELECT m.digest, '' FROM manifest m`+archiveOfM+`
			WHERE m.repository_id = $1 AND m.digest > $2
			AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)`+is+`
			ORDER BY m.digest LIMIT $3`, repository, after.Digest, limit)
	default:
		rows, err = q.QueryContext(ctx, `SELECT m.digest, COALESCE(t.name, '') FROM manifest m
			LEFT JOIN tag t ON t.repository_id = m.repository_id AND t.digest = m.digest`+archiveOfM+`
			WHERE m.repository_id = $1 AND m.digest >= $2 AND (m.digest > $2 OR t.name > $3)`+is+`
			ORDER BY m.digest, t.name LIMIT $4`, repository, after.Digest, after.Tag, limit)
	}
	return collect(rows, err, func(rows *sql.Rows) (id ImageID, err error) {
		err = rows.Scan(&id.Digest, &id.Tag)
		return id, err
	})
}

// ListImages lists manifests, without their content, by digest, from behind
// after on, at most limit.
func ListImages(ctx context.Context, q Querier, repository int64, f TagFilter, s StatusFilter, after string, limit int) ([]Manifest, error) {
	is, err := s.condition()
	if err != nil {
		return nil, err
	}
	const tagged = `EXISTS (SELECT 1 FROM tag t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)`
	switch f {
	case TaggedOnly:
		is += ` AND ` + tagged
	case UntaggedOnly:
		is += ` AND NOT ` + tagged
	}
	query := selectImages + ` AND m.digest > $2` + is + ` ORDER BY m.digest LIMIT $3`
	return images(q.QueryContext(ctx, query, repository, after, limit))
}

// FindImage finds a manifest, without its content. Errors: ErrNotFound.
func FindImage(ctx context.Context, q Querier, repository int64, digest string) (Manifest, error) {
	return first(images(q.QueryContext(ctx, selectImages+` AND m.digest = $2`, repository, digest)))
}

const selectImages = `SELECT m.digest, m.media_type, m.artifact_type, m.subject, m.image_size, m.pushed_at,
	COALESCE((SELECT p.pulled_at FROM image_pull p WHERE p.repository_id = m.repository_id AND p.digest = m.digest), 0),
	COALESCE(a.status, 'ACTIVE'), COALESCE(a.archived_at, 0), COALESCE(a.activated_at, 0)
	FROM manifest m` + archiveOfM + ` WHERE m.repository_id = $1`

func images(rows *sql.Rows, err error) ([]Manifest, error) {
	return collect(rows, err, func(rows *sql.Rows) (m Manifest, err error) {
		err = rows.Scan(&m.Digest, &m.MediaType, &m.ArtifactType, &m.Subject, &m.ImageSize, &m.PushedAt, &m.PulledAt, &m.Status, &m.ArchivedAt, &m.ActivatedAt)
		return m, err
	})
}
