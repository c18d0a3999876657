// Package record keeps the records of ECS as rows of the metadata database:
// clusters, task definitions, container instances, tasks, services with their
// revisions and deployments, settings, capacity providers, client tokens. One file a
// noun holds its type and its SQL.
//
// Of each thing a row has the whole as JSON, and beside it the columns by which it
// is found and listed. What the rows mean is decided by the packages above; of
// transactions, only they know the bounds.
package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// ErrMoved is returned by an update of a record that has changed since it was read.
var ErrMoved = errors.New("the record has changed meanwhile")

// Scope is the account and the region that something belongs to.
type Scope struct{ Account, Region string }

// Page is a part of a list: what comes After a key, at most Limit.
type Page struct {
	After string
	Limit int
}

// scanner is a row of a result.
type scanner interface{ Scan(into ...any) error }

func one[T any](row *sql.Row, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		return v, meta.ErrNotFound
	}
	return v, err
}

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

func text(s scanner) (v string, err error) { return v, s.Scan(&v) }

// encoded is a thing as its row has it.
func encoded(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode a record: %w", err)
	}
	return string(b), nil
}

func decoded(doc string, into any) error {
	if err := json.Unmarshal([]byte(doc), into); err != nil {
		return fmt.Errorf("decode a record: %w", err)
	}
	return nil
}

// added turns an insert that did nothing on conflict into meta.ErrExists.
func added(res sql.Result, err error) error { return touched(res, err, meta.ErrExists) }

// moved turns an update that found nothing of its version into ErrMoved.
func moved(res sql.Result, err error) error { return touched(res, err, ErrMoved) }

func touched(res sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return otherwise
	}
	return err
}

// exec runs a statement of which nothing is expected.
func exec(ctx context.Context, q meta.Querier, query string, args ...any) error {
	_, err := q.ExecContext(ctx, query, args...)
	return err
}
