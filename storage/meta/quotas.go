package meta

import (
	"context"
	"database/sql"
	"errors"
)

// FindQuota finds the quota that a scope has of its own. Errors: ErrNotFound.
func FindQuota(ctx context.Context, q Querier, scope string) (a Amount, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT bytes, images FROM quota WHERE scope = $1`, scope), &a.Bytes, &a.Images)
	return a, err
}

// SetQuota gives a scope a quota of its own.
func SetQuota(ctx context.Context, q Querier, scope string, a Amount) error {
	_, err := q.ExecContext(ctx, `INSERT INTO quota (scope, bytes, images) VALUES ($1, $2, $3)
		ON CONFLICT (scope) DO UPDATE SET bytes = excluded.bytes, images = excluded.images`, scope, a.Bytes, a.Images)
	return err
}

// DeleteQuota takes its own quota from a scope and reports whether it had one.
func DeleteQuota(ctx context.Context, q Querier, scope string) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM quota WHERE scope = $1`, scope))
}

// Scope is what is noted of a scope.
type Scope struct {
	Scope string
	Used  Amount
	// Quota is its own, nil when it has none.
	Quota *Amount
}

// FindScope finds what is noted of a scope, which may be nothing.
func FindScope(ctx context.Context, q Querier, scope string) (s Scope, err error) {
	s.Scope = scope
	if s.Used, err = UsageOf(ctx, q, scope); err != nil {
		return s, err
	}
	own, err := FindQuota(ctx, q, scope)
	if errors.Is(err, ErrNotFound) {
		return s, nil
	}
	s.Quota = &own
	return s, err
}

// NextScope finds the first scope from a text on of which something is noted.
// Errors: ErrNotFound.
func NextScope(ctx context.Context, q Querier, from string) (string, error) {
	var next sql.NullString
	err := one(q.QueryRowContext(ctx, `SELECT MIN(scope) FROM (
		SELECT MIN(scope) AS scope FROM quota WHERE scope >= $1
		UNION ALL SELECT MIN(scope) FROM quota_usage WHERE scope >= $1) AS firsts`, from), &next)
	if err == nil && !next.Valid {
		return "", ErrNotFound
	}
	return next.String, err
}

// NextAccount finds the first account behind another one of which, or of whose
// repositories, something is noted. Errors: ErrNotFound.
func NextAccount(ctx context.Context, q Querier, after string) (string, error) {
	from := ""
	if after != "" {
		from = after + afterSlash
	}
	scope, err := NextScope(ctx, q, from)
	if err != nil {
		return "", err
	}
	for i := range len(scope) {
		if scope[i] == '/' {
			return scope[:i], nil
		}
	}
	return scope, nil
}

// ScopesOf lists the repositories of an account of which something is noted, from
// behind a scope on, at most limit; the first is behind the account itself. own
// leaves out those without a quota of their own.
func ScopesOf(ctx context.Context, q Querier, account, after string, own bool, limit int) ([]Scope, error) {
	query := `SELECT DISTINCT scope FROM quota_usage WHERE scope > $1 AND scope < $2
		UNION SELECT scope FROM quota WHERE scope > $1 AND scope < $2 ORDER BY scope LIMIT $3`
	if own {
		query = `SELECT scope FROM quota WHERE scope > $1 AND scope < $2 ORDER BY scope LIMIT $3`
	}
	rows, err := q.QueryContext(ctx, query, max(after, account+"/"), account+afterSlash, limit)
	names, err := collect(rows, err, scanString)
	if err != nil {
		return nil, err
	}
	list := make([]Scope, len(names))
	for i, name := range names {
		if list[i], err = FindScope(ctx, q, name); err != nil {
			return nil, err
		}
	}
	return list, nil
}
