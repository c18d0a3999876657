// Package sqlite keeps the records in one SQLite file: many readers, and one
// writer that commits the waiting transactions of all requests together, so that
// they share the wait for the disk.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"drydock/storage/meta"
)

// DB implements meta.DB.
type DB struct {
	readers *statements
	pool    *sql.DB
	writer  *writer
}

// Open opens the database file at path, creates it where it is missing and
// brings its schema up to date. A schema newer than this program is refused.
func Open(ctx context.Context, path string) (*DB, error) {
	// WAL lets readers go on while one writes. The writer waits for nobody: a
	// data folder has one server, and the timeout is for visitors such as the
	// sqlite3 shell.
	const common = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=cache_size(-4000)"
	pool, err := sql.Open("sqlite", dsn(path, common+"&_pragma=query_only(1)"))
	if err != nil {
		return nil, fmt.Errorf("open %s for reading: %w", path, err)
	}
	readers := 2 * runtime.GOMAXPROCS(0)
	pool.SetMaxOpenConns(readers)
	pool.SetMaxIdleConns(readers)
	single, err := sql.Open("sqlite", dsn(path, common+"&_pragma=synchronous(FULL)"))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open %s for writing: %w", path, err)
	}
	single.SetMaxOpenConns(1)
	if err := migrate(ctx, single); err != nil {
		return nil, errors.Join(fmt.Errorf("bring the schema of %s up to date: %w", path, full(err)), single.Close(), pool.Close())
	}
	w, err := newWriter(ctx, single)
	if err != nil {
		return nil, errors.Join(err, single.Close(), pool.Close())
	}
	return &DB{readers: newStatements(pool), pool: pool, writer: w}, nil
}

func dsn(path, query string) string {
	return (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: query}).String()
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := meta.Migrations()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("it has version %d and this program knows %d: run a newer drydock", current, target)
	}
	_, err = p.Up(ctx)
	return err
}

// Reader implements meta.DB.
func (d *DB) Reader() meta.Querier { return d.readers }

// Write implements meta.DB.
func (d *DB) Write(ctx context.Context, durability meta.Durability, fn func(meta.Querier) error) error {
	return d.writer.do(ctx, durability, fn)
}

// Revision implements meta.DB: a data folder has one server.
func (d *DB) Revision() (n uint64, ok bool) { return d.writer.revision.Load(), true }

// Close waits for the transactions that have begun and closes the file.
func (d *DB) Close() error {
	return errors.Join(d.writer.close(), d.readers.close(), d.pool.Close())
}

// full marks errors that say that there is no room with meta.ErrFull. One of them
// is that the file in which the WAL is indexed cannot be given its size.
func full(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE) {
		return fmt.Errorf("%w: %w", meta.ErrFull, err)
	}
	return err
}
