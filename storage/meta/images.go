package meta

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
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

// DigestAhead finds the n-th manifest behind after, by digest; empty where there are
// fewer.
func DigestAhead(ctx context.Context, q Querier, repository int64, after string, n int) (digest string, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT digest FROM manifest WHERE repository_id = $1 AND digest > $2 ORDER BY digest LIMIT 1 OFFSET $3`,
		repository, after, n-1), &digest)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return digest, err
}

// afterAll is behind each digest.
const afterAll = "~"

// ListImageIDs lists manifests with their tags by digest, then tag, from behind
// after on and up to a digest unless that is empty, at most limit.
func ListImageIDs(ctx context.Context, q Querier, repository int64, f TagFilter, s StatusFilter, after ImageID, upTo string, limit int) ([]ImageID, error) {
	table, t := "manifest", "m"
	if f == TaggedOnly {
		table, t = "tag", "t"
	}
	from, where, key, err := s.walk(table, t)
	if err != nil {
		return nil, err
	}
	// One statement a filter: each walks an index from the cursor on.
	upTo = cmp.Or(upTo, afterAll)
	var rows *sql.Rows
	switch f {
	case TaggedOnly:
		rows, err = q.QueryContext(ctx, `SELECT t.digest, t.name FROM `+from+` WHERE `+where+`
			AND `+key+` >= $2 AND `+key+` <= $5 AND (`+key+`, t.name) > ($2, $3) ORDER BY `+key+`, t.name LIMIT $4`, repository, after.Digest, after.Tag, limit, upTo)
	case UntaggedOnly:
		rows, err = q.QueryContext(ctx, `SELECT m.digest, '' FROM `+from+` WHERE `+where+` AND `+key+` > $2 AND `+key+` <= $4 AND NOT `+isTagged+`
			ORDER BY `+key+` LIMIT $3`, repository, after.Digest, limit, upTo)
	default:
		rows, err = q.QueryContext(ctx, `SELECT m.digest, COALESCE(t.name, '') FROM `+from+`
			LEFT JOIN tag t ON t.repository_id = m.repository_id AND t.digest = m.digest
			WHERE `+where+` AND `+key+` >= $2 AND `+key+` <= $5 AND (`+key+` > $2 OR t.name > $3)
			ORDER BY `+key+`, t.name LIMIT $4`, repository, after.Digest, after.Tag, limit, upTo)
	}
	return collect(rows, err, func(rows *sql.Rows) (id ImageID, err error) {
		err = rows.Scan(&id.Digest, &id.Tag)
		return id, err
	})
}

// isTagged is the condition that the manifest m has a tag.
const isTagged = `EXISTS (SELECT 1 FROM tag t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)`

// ListImages lists manifests, without their content, by digest, from behind
// after on and up to a digest unless that is empty, at most limit.
func ListImages(ctx context.Context, q Querier, repository int64, f TagFilter, s StatusFilter, after, upTo string, limit int) ([]Manifest, error) {
	from, where, key, err := s.walk("manifest", "m")
	if err != nil {
		return nil, err
	}
	switch f {
	case TaggedOnly:
		where += ` AND ` + isTagged
	case UntaggedOnly:
		where += ` AND NOT ` + isTagged
	}
	return images(q.QueryContext(ctx, `SELECT `+imageColumns+` FROM `+from+` WHERE `+where+` AND `+key+` > $2 AND `+key+` <= $4 ORDER BY `+key+` LIMIT $3`,
		repository, after, limit, cmp.Or(upTo, afterAll)))
}

// FindImage finds a manifest, without its content. Errors: ErrNotFound.
func FindImage(ctx context.Context, q Querier, repository int64, digest string) (Manifest, error) {
	from, where, key, err := StatusFilter("").walk("manifest", "m")
	if err != nil {
		return Manifest{}, err
	}
	return first(images(q.QueryContext(ctx, `SELECT `+imageColumns+` FROM `+from+` WHERE `+where+` AND `+key+` = $2`, repository, digest)))
}

const imageColumns = `m.digest, m.media_type, m.artifact_type, m.subject, m.image_size, m.pushed_at,
	COALESCE((SELECT p.pulled_at FROM image_pull p WHERE p.repository_id = m.repository_id AND p.digest = m.digest), 0),
	COALESCE(a.status, 'ACTIVE'), COALESCE(a.archived_at, 0), COALESCE(a.activated_at, 0)`

func images(rows *sql.Rows, err error) ([]Manifest, error) {
	return collect(rows, err, func(rows *sql.Rows) (m Manifest, err error) {
		err = rows.Scan(&m.Digest, &m.MediaType, &m.ArtifactType, &m.Subject, &m.ImageSize, &m.PushedAt, &m.PulledAt, &m.Status, &m.ArchivedAt, &m.ActivatedAt)
		return m, err
	})
}
