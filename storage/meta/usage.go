package meta

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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

// Payer is a scope with the quota that it has where it has none of its own.
type Payer struct {
	Scope string
	Usual Amount
}

// Shard is one of the rows over which the usage of a scope is spread, and how many
// they are.
type Shard struct{ Number, Of int64 }

// Charge adds to what an account and a repository of it hold, by one shard of each,
// unless that is more than their quotas let them. A refusal leaves the transaction as
// one that is to be undone.
//
// The shares of a scope's rows add up to its quota, and no row goes beyond its
// own; so the scope stays within the quota though each transaction looks at one
// row. Only what does not fit into a share looks at all of them.
func Charge(ctx context.Context, q Querier, shard Shard, more Amount, account, repository Payer) (*Refusal, error) {
	rows, err := q.QueryContext(ctx, `UPDATE quota_usage SET bytes = bytes + $4, images = images + $5
		WHERE scope IN ($1, $2) AND shard = $3
		AND bytes_limit = COALESCE((SELECT q.bytes FROM quota q WHERE q.scope = quota_usage.scope),
			CASE WHEN scope = $1 THEN CAST($6 AS BIGINT) ELSE CAST($8 AS BIGINT) END)
		AND images_limit = COALESCE((SELECT q.images FROM quota q WHERE q.scope = quota_usage.scope),
			CASE WHEN scope = $1 THEN CAST($7 AS BIGINT) ELSE CAST($9 AS BIGINT) END)
		AND (bytes_limit = 0 OR bytes + $4 <= bytes_share)
		AND (images_limit = 0 OR images + $5 <= images_share)
		RETURNING scope`,
		account.Scope, repository.Scope, shard.Number, more.Bytes, more.Images,
		account.Usual.Bytes, account.Usual.Images, repository.Usual.Bytes, repository.Usual.Images)
	charged, err := collect(rows, err, scanString)
	if err != nil {
		return nil, err
	}
	for _, p := range []Payer{account, repository} {
		if slices.Contains(charged, p.Scope) {
			continue
		}
		if refusal, err := chargeAnew(ctx, q, shard, more, p); refusal != nil || err != nil {
			return refusal, err
		}
	}
	return nil, nil
}

// chargeAnew charges one scope and shares out anew what is left of its quota.
func chargeAnew(ctx context.Context, q Querier, shard Shard, more Amount, p Payer) (*Refusal, error) {
	limit, err := QuotaOf(ctx, q, p.Scope, p.Usual)
	if err != nil {
		return nil, err
	}
	used, rows, err := usageAndRows(ctx, q, p.Scope)
	if err != nil {
		return nil, err
	}
	now := used.plus(more)
	if !limit.within(now, more) {
		return &Refusal{Scope: p.Scope, Used: used, Limit: limit, More: more}, nil
	}
	added, err := makeShards(ctx, q, p.Scope, shard)
	if err != nil {
		return nil, err
	}
	left := Amount{limit.Bytes - now.Bytes, limit.Images - now.Images}
	// Of what is beyond its limit nothing is shared out, so that no row can make
	// room before all together are within it.
	of := limit
	if limit.Bytes > 0 && left.Bytes < 0 || limit.Images > 0 && left.Images < 0 {
		of = Amount{unshared, unshared}
	}
	n := rows + added
	_, err = q.ExecContext(ctx, `UPDATE quota_usage SET
		bytes = bytes + CASE WHEN shard = $2 THEN CAST($3 AS BIGINT) ELSE 0 END,
		images = images + CASE WHEN shard = $2 THEN CAST($4 AS BIGINT) ELSE 0 END,
		bytes_share = bytes + CASE WHEN shard = $2 THEN CAST($5 AS BIGINT) ELSE CAST($6 AS BIGINT) END,
		images_share = images + CASE WHEN shard = $2 THEN CAST($7 AS BIGINT) ELSE CAST($8 AS BIGINT) END,
		bytes_limit = $9, images_limit = $10
		WHERE scope = $1`, p.Scope, shard.Number, more.Bytes, more.Images,
		more.Bytes+left.Bytes/n+left.Bytes%n, left.Bytes/n, more.Images+left.Images/n+left.Images%n, left.Images/n, of.Bytes, of.Images)
	return nil, err
}

// makeShards adds the rows that a scope lacks, all at once, so that each scope comes
// here once, and returns how many they were.
func makeShards(ctx context.Context, q Querier, scope string, shard Shard) (int64, error) {
	res, err := q.ExecContext(ctx, `INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
		WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)
		SELECT CAST($1 AS TEXT), i, 0, 0, 0, 0, -1, -1 FROM n WHERE i < $2
		ON CONFLICT (scope, shard) DO NOTHING`, scope, shard.Of)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Discharge takes from what a scope holds.
func Discharge(ctx context.Context, q Querier, scope string, shard Shard, less Amount) error {
	// A row that is new has no share, and so lets nobody add to it before all has
	// been shared out again.
	_, err := q.ExecContext(ctx, `INSERT INTO quota_usage (scope, shard, bytes, images, bytes_share, images_share, bytes_limit, images_limit)
		VALUES ($1, $2, $3, $4, 0, 0, -1, -1)
		ON CONFLICT (scope, shard) DO UPDATE SET bytes = quota_usage.bytes + excluded.bytes, images = quota_usage.images + excluded.images`,
		scope, shard.Number, -less.Bytes, -less.Images)
	return err
}

// UsageOf sums up what a scope holds.
func UsageOf(ctx context.Context, q Querier, scope string) (Amount, error) {
	a, _, err := usageAndRows(ctx, q, scope)
	return a, err
}

// usageAndRows is UsageOf with the number of rows that were summed up.
func usageAndRows(ctx context.Context, q Querier, scope string) (a Amount, rows int64, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT), CAST(COALESCE(SUM(images), 0) AS BIGINT), COUNT(*)
		FROM quota_usage WHERE scope = $1`, scope), &a.Bytes, &a.Images, &rows)
	return a, rows, err
}

// EndUsage forgets what a scope held, and returns how much it was.
func EndUsage(ctx context.Context, q Querier, scope string) (used Amount, err error) {
	rows, err := q.QueryContext(ctx, `DELETE FROM quota_usage WHERE scope = $1 RETURNING bytes, images`, scope)
	parts, err := collect(rows, err, func(rows *sql.Rows) (a Amount, err error) {
		err = rows.Scan(&a.Bytes, &a.Images)
		return a, err
	})
	for _, a := range parts {
		used = used.plus(a)
	}
	return used, err
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
