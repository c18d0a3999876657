package meta

import (
	"context"
	"database/sql"
	"errors"
)

// Amount is how much a scope holds, or may hold. As a limit 0 is none.
type Amount struct {
	Bytes, Images int64
}

func (a Amount) plus(b Amount) Amount { return Amount{a.Bytes + b.Bytes, a.Images + b.Images} }

// within reports whether used is no more than the limit a where something is added.
func (a Amount) within(used, more Amount) bool {
	return (a.Bytes == 0 || more.Bytes <= 0 || used.Bytes <= a.Bytes) &&
		(a.Images == 0 || more.Images <= 0 || used.Images <= a.Images)
}

// unshared stands in a row of quota_usage for the quota of which its shares are
// parts: they are of none.
const unshared = -1

// Refusal is why a scope cannot be charged: it holds Used, may hold Limit, and More
// was to be added.
type Refusal struct {
	Scope             string
	Used, Limit, More Amount
}

// Charge adds to what a scope holds, by one of its shards, unless that is more than
// its quota lets it. usual is the quota of a scope that has none of its own.
//
// The shares of a scope's rows add up to its quota, and no row goes beyond its
// own; so the scope stays within the quota though each transaction looks at one
// row. Only what does not fit into a share looks at all of them.
func Charge(ctx context.Context, q Querier, scope string, shard int64, more, usual Amount) (*Refusal, error) {
	charged, err := changed(q.ExecContext(ctx, `UPDATE quota_usage SET bytes = bytes + $3, images = images + $4
		WHERE scope = $1 AND shard = $2
		AND bytes_limit = COALESCE((SELECT q.bytes FROM quota q WHERE q.scope = $1), $5)
		AND images_limit = COALESCE((SELECT q.images FROM quota q WHERE q.scope = $1), $6)
		AND (bytes_limit = 0 OR bytes + $3 <= bytes_share)
		AND (images_limit = 0 OR images + $4 <= images_share)`,
		scope, shard, more.Bytes, more.Images, usual.Bytes, usual.Images))
	if charged || err != nil {
		return nil, err
	}
	limit, err := QuotaOf(ctx, q, scope, usual)
	if err != nil {
		return nil, err
	}
	rows, err := shardsOf(ctx, q, scope)
	if err != nil {
		return nil, err
	}
	used := sum(rows)
	if !limit.within(used.plus(more), more) {
		return &Refusal{Scope: scope, Used: used, Limit: limit, More: more}, nil
	}
	return nil, share(ctx, q, scope, limit, add(rows, shard, more))
}

// Discharge takes from what a scope holds.
func Discharge(ctx context.Context, q Querier, scope string, shard int64, less Amount) error {
	// A row that is new has no share, and so lets nobody add to it before all has
	// been shared out again.
	_, err := q.ExecContext(ctx, `INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
		VALUES ($1, $2, $3, $4, 0, 0, -1, -1)
		ON CONFLICT (scope, shard) DO UPDATE SET bytes = quota_usage.bytes + excluded.bytes, images = quota_usage.images + excluded.images`,
		scope, shard, -less.Bytes, -less.Images)
	return err
}

// shardRow is a row of quota_usage.
type shardRow struct {
	shard              int64
	used, share, limit Amount
	// fresh is set for a row that is not in the table yet or not as it was.
	fresh bool
}

func shardsOf(ctx context.Context, q Querier, scope string) ([]shardRow, error) {
	rows, err := q.QueryContext(ctx, `SELECT shard, bytes, images, bytes_limit, images_limit FROM quota_usage WHERE scope = $1 ORDER BY shard`, scope)
	return collect(rows, err, func(rows *sql.Rows) (s shardRow, err error) {
		err = rows.Scan(&s.shard, &s.used.Bytes, &s.used.Images, &s.limit.Bytes, &s.limit.Images)
		return s, err
	})
}

func sum(rows []shardRow) (used Amount) {
	for _, s := range rows {
		used = used.plus(s.used)
	}
	return used
}

// add adds to one of the rows, which need not be there yet.
func add(rows []shardRow, shard int64, more Amount) []shardRow {
	for i := range rows {
		if rows[i].shard == shard {
			rows[i].used, rows[i].fresh = rows[i].used.plus(more), true
			return rows
		}
	}
	return append(rows, shardRow{shard: shard, used: more, fresh: true})
}

// share shares out what is left of a limit among the rows of a scope, and stores
// them.
func share(ctx context.Context, q Querier, scope string, limit Amount, rows []shardRow) error {
	used := sum(rows)
	left := Amount{limit.Bytes - used.Bytes, limit.Images - used.Images}
	// Of what is beyond its limit nothing is shared out, so that no row can make
	// room before all together are within it.
	of := limit
	if limit.Bytes > 0 && left.Bytes < 0 || limit.Images > 0 && left.Images < 0 {
		of = Amount{unshared, unshared}
	}
	n := int64(len(rows))
	for i, s := range rows {
		part := Amount{left.Bytes / n, left.Images / n}
		if i == 0 {
			part = part.plus(Amount{left.Bytes % n, left.Images % n})
		}
		if !s.fresh && limit == (Amount{}) && s.limit == of {
			continue
		}
		s.share = s.used.plus(part)
		if _, err := q.ExecContext(ctx, `INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (scope, shard) DO UPDATE SET bytes = excluded.bytes, images = excluded.images,
				bytes_share = excluded.bytes_share, images_share = excluded.images_share,
				bytes_limit = excluded.bytes_limit, images_limit = excluded.images_limit`,
			scope, s.shard, s.used.Bytes, s.used.Images, s.share.Bytes, s.share.Images, of.Bytes, of.Images); err != nil {
			return err
		}
	}
	return nil
}

// UsageOf sums up what a scope holds.
func UsageOf(ctx context.Context, q Querier, scope string) (a Amount, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT), CAST(COALESCE(SUM(images), 0) AS BIGINT) FROM quota_usage WHERE scope = $1`, scope),
		&a.Bytes, &a.Images)
	return a, err
}

// EndUsage forgets what a scope held, and returns how much it was.
func EndUsage(ctx context.Context, q Querier, scope string) (Amount, error) {
	rows, err := q.QueryContext(ctx, `DELETE FROM quota_usage WHERE scope = $1 RETURNING bytes, images`, scope)
	list, err := collect(rows, err, func(rows *sql.Rows) (s shardRow, err error) {
		err = rows.Scan(&s.used.Bytes, &s.used.Images)
		return s, err
	})
	return sum(list), err
}

// Recount counts what a repository holds, and what its scope has been charged for,
// at one moment.
func Recount(ctx context.Context, q Querier, repository int64, scope string) (held, charged Amount, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT
		CAST((SELECT COALESCE(SUM(size), 0) FROM blob_link WHERE repository_id = $1)
			+ (SELECT COALESCE(SUM(LENGTH(content)), 0) FROM manifest WHERE repository_id = $1) AS BIGINT),
		(SELECT COUNT(*) FROM manifest WHERE repository_id = $1),
		CAST((SELECT COALESCE(SUM(bytes), 0) FROM quota_usage WHERE scope = $2) AS BIGINT),
		CAST((SELECT COALESCE(SUM(images), 0) FROM quota_usage WHERE scope = $2) AS BIGINT)`, repository, scope),
		&held.Bytes, &held.Images, &charged.Bytes, &charged.Images)
	return held, charged, err
}

// RecountAccount sums up what the repositories of an account have been charged for,
// and the account itself, at one moment.
func RecountAccount(ctx context.Context, q Querier, account string) (held, charged Amount, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT
		CAST((SELECT COALESCE(SUM(bytes), 0) FROM quota_usage WHERE scope > $2 AND scope < $3) AS BIGINT),
		CAST((SELECT COALESCE(SUM(images), 0) FROM quota_usage WHERE scope > $2 AND scope < $3) AS BIGINT),
		CAST((SELECT COALESCE(SUM(bytes), 0) FROM quota_usage WHERE scope = $1) AS BIGINT),
		CAST((SELECT COALESCE(SUM(images), 0) FROM quota_usage WHERE scope = $1) AS BIGINT)`, account, account+"/", account+afterSlash),
		&held.Bytes, &held.Images, &charged.Bytes, &charged.Images)
	return held, charged, err
}

// afterSlash is the character that follows the slash: what begins with an account
// and a slash comes before the account and this.
const afterSlash = "0"

// QuotaOf finds the quota of a scope, which is the usual one where it has none of
// its own.
func QuotaOf(ctx context.Context, q Querier, scope string, usual Amount) (Amount, error) {
	own, err := FindQuota(ctx, q, scope)
	if errors.Is(err, ErrNotFound) {
		return usual, nil
	}
	return own, err
}
