package logs

import (
	"context"
	"database/sql"
	"errors"

	"drydock/storage/meta"
)

// scanner is a row of a result.
type scanner interface{ Scan(into ...any) error }

// one reads a single row. Errors: meta.ErrNotFound.
func one[T any](row *sql.Row, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		return v, meta.ErrNotFound
	}
	return v, err
}

// all reads the rows of a query.
func all[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func number(s scanner) (n int64, err error) { return n, s.Scan(&n) }

// changed reports whether a statement touched a row.
func changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func exec(ctx context.Context, q meta.Querier, query string, args ...any) error {
	_, err := q.ExecContext(ctx, query, args...)
	return err
}
