package meta

import "context"

// RecordPull writes down that a manifest was pulled, in milliseconds since 1970, if
// what is known is older by more than apart. It does nothing for a manifest that is
// no longer there.
func RecordPull(ctx context.Context, q Querier, account, region, name, digest string, at, apart int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO image_pull (repository_id, digest, pulled_at)
		SELECT m.repository_id, m.digest, $5 FROM repository r
		JOIN manifest m ON m.repository_id = r.id AND m.digest = $4
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3
		ON CONFLICT (repository_id, digest) DO UPDATE SET pulled_at = excluded.pulled_at
		WHERE image_pull.pulled_at < excluded.pulled_at - $6`, account, region, name, digest, at, apart)
	return err
}
