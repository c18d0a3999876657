package identity

import (
	"database/sql"
	"errors"

	"drydock/storage/meta"
)

// Page asks for a part of a list.
type Page struct {
	// After is where the part before ended, as its call returned it; empty for
	// the first.
	After string
	// Limit is the most entries that are returned, at least 1.
	Limit int
}

// fetch is how many rows are read for a page: one more, to see whether the list
// goes on.
func (p Page) fetch() int { return p.Limit + 1 }

// cut makes a page of the rows read for it, and tells where the next begins, ""
// when there is none.
func cut[T any](p Page, rows []T, key func(T) string) (page []T, next string) {
	if len(rows) <= p.Limit {
		return rows, ""
	}
	rows = rows[:p.Limit]
	return rows, key(rows[p.Limit-1])
}

// one scans a single row and turns its absence into meta.ErrNotFound.
func one(row *sql.Row, into ...any) error {
	err := row.Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return meta.ErrNotFound
	}
	return err
}

// collect scans all rows of a query with scan and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// first takes the only row of a list, or says meta.ErrNotFound.
func first[T any](all []T, err error) (T, error) {
	var none T
	switch {
	case err != nil:
		return none, err
	case len(all) == 0:
		return none, meta.ErrNotFound
	}
	return all[0], nil
}

func texts(rows *sql.Rows, err error) ([]string, error) {
	return collect(rows, err, func(rows *sql.Rows) (s string, err error) {
		err = rows.Scan(&s)
		return s, err
	})
}

// changed reports whether a statement touched a row.
func changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
