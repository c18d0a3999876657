// Package meta keeps the records: repositories, manifests, tags, blob links,
// references and uploads, as rows of a SQL database. It holds the schema
// (migrations/), the SQL, one file a noun, and the contract that a database has
// to fulfil; storage/meta/sqlite and storage/meta/postgres fulfil it, and
// storage/meta/metatest is the suite that both pass.
//
// The SQL is the common ground of SQLite and PostgreSQL: $N placeholders, BIGINT
// times in milliseconds since 1970, BYTEA bytes, ids made by the program. What
// the rows mean is decided by package storage.
package meta

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
)

// ErrNotFound is returned where a single row was asked for and there is none.
var ErrNotFound = errors.New("no such record")

// ErrExists is returned by inserts that meet a row of the same key.
var ErrExists = errors.New("the record exists already")

// ErrFull is returned, wrapped, when the database has no room to write.
var ErrFull = errors.New("no space left for records")

// ErrClosed is returned by Write once the database is closed.
var ErrClosed = errors.New("the database is closed")

// ErrUnavailable is returned, wrapped, when the database cannot be reached, or is
// too busy to take a transaction. It may answer a moment later. It has a method
// Unavailable() bool, by which those may know it who know nothing of databases.
var ErrUnavailable error = outOfReach{}

type outOfReach struct{}

func (outOfReach) Error() string     { return "the storage cannot be reached at the moment" }
func (outOfReach) Unavailable() bool { return true }

// ErrUncertain is returned, wrapped and beside ErrUnavailable, by a Write whose
// commit was not answered: it may have been carried out, or not. Whoever does the
// same again has to bear that it was.
var ErrUncertain = errors.New("it is not known whether the transaction was committed")

// Querier runs SQL: outside a transaction when it comes from DB.Reader, inside
// one when DB.Write passes it. Query texts are constants; an implementation may
// keep the statements prepared.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Durability says what a transaction survives once Write has returned.
type Durability int

const (
	// Relaxed transactions survive the death of the process, but the last ones
	// may be lost with the power. For the bookkeeping of uploads, whose bytes
	// are no safer.
	Relaxed Durability = iota
	// Durable transactions survive the loss of power too.
	Durable
)

// DB is a database of records.
type DB interface {
	// Reader returns a Querier for single statements, each of which sees all
	// that was committed before it began. Errors besides those of the statement:
	// ErrUnavailable.
	Reader() Querier
	// Write runs fn in a transaction and commits it, or rolls back when fn
	// returns an error, which Write then returns as it is. Transactions are
	// serialised: what fn reads does not change until the commit. fn may not
	// keep the Querier, must not block on anything but the database, and may be
	// run again after a failed attempt, whatever its errors were. When ctx ends
	// before the commit, Write may roll back and return ctx's error. Errors
	// besides fn's: ErrFull, ErrClosed, ErrUnavailable, ErrUncertain.
	Write(ctx context.Context, d Durability, fn func(Querier) error) error
	// Revision grows with every durable Write, before that returns; relaxed ones
	// do not count, so nothing that they write may be remembered by it. ok is
	// false where others may write to the database too, who are not counted.
	Revision() (n uint64, ok bool)
	Close() error
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the schema's migrations in goose's format.
func Migrations() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// one scans a single row and turns its absence into ErrNotFound.
func one(row *sql.Row, into ...any) error {
	err := row.Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
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

// first takes the only row of a list, or says ErrNotFound.
func first[T any](all []T, err error) (T, error) {
	var none T
	switch {
	case err != nil:
		return none, err
	case len(all) == 0:
		return none, ErrNotFound
	}
	return all[0], nil
}

// changed reports whether a statement touched a row.
func changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// inserted turns an insert that did nothing on conflict into ErrExists.
func inserted(res sql.Result, err error) error {
	ok, err := changed(res, err)
	if err == nil && !ok {
		return ErrExists
	}
	return err
}
