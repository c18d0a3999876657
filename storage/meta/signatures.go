package meta

import (
	"context"
	"database/sql"
)

// Signature is a row of image_signature: how the signing of an image with a profile
// has ended.
type Signature struct {
	RepositoryID int64
	// Digest is the image's.
	Digest, Profile string
	// Signature is the digest of the signature's manifest, empty where signing has
	// failed; then Failure and Reason say why.
	Signature, Failure, Reason string
	UpdatedAt                  int64
}

// SetSignature writes how the signing of an image has ended.
func SetSignature(ctx context.Context, q Querier, s Signature) error {
	_, err := q.ExecContext(ctx, `INSERT INTO image_signature (repository_id, digest, profile, signature, failure, reason, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (repository_id, digest, profile) DO UPDATE SET signature = excluded.signature, failure = excluded.failure,
			reason = excluded.reason, updated_at = excluded.updated_at`,
		s.RepositoryID, s.Digest, s.Profile, s.Signature, s.Failure, s.Reason, s.UpdatedAt)
	return err
}

// Signatures lists how the signing of an image has ended, by profile.
func Signatures(ctx context.Context, q Querier, repository int64, digest string) ([]Signature, error) {
	rows, err := q.QueryContext(ctx, `SELECT repository_id, digest, profile, signature, failure, reason, updated_at FROM image_signature
		WHERE repository_id = $1 AND digest = $2 ORDER BY profile`, repository, digest)
	return collect(rows, err, func(rows *sql.Rows) (s Signature, err error) {
		err = rows.Scan(&s.RepositoryID, &s.Digest, &s.Profile, &s.Signature, &s.Failure, &s.Reason, &s.UpdatedAt)
		return s, err
	})
}

// IsSigned reports whether there is a signature of an image with a profile that the
// repository still has.
func IsSigned(ctx context.Context, q Querier, repository int64, digest, profile string) (signed bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM image_signature s
		JOIN manifest m ON m.repository_id = s.repository_id AND m.digest = s.signature
		WHERE s.repository_id = $1 AND s.digest = $2 AND s.profile = $3)`, repository, digest, profile), &signed)
	return signed, err
}

// JobKeys lists the keys of a queue's jobs that begin with a prefix, at most limit.
// The prefix must not end with the last of all characters.
func JobKeys(ctx context.Context, q Querier, queue, prefix string, limit int) ([]string, error) {
	// As all text is compared by its bytes, what begins with it lies in one run.
	behind := []byte(prefix)
	if len(behind) > 0 {
		behind[len(behind)-1]++
	}
	rows, err := q.QueryContext(ctx, `SELECT key FROM job WHERE queue = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4`,
		queue, prefix, string(behind), limit)
	return collect(rows, err, scanString)
}
