// Package postgres keeps the records in a PostgreSQL database, which several
// servers may share. Each transaction runs on a connection of its own at the
// isolation level SERIALIZABLE, under which PostgreSQL lets pass only what could
// have happened one after the other; what does not pass is run again.
//
// Source: PostgreSQL documentation, "Transaction Isolation", "Serializable
// Isolation Level".
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"drydock/storage/meta"
)

// DB implements meta.DB.
type DB struct {
	readers, writers *sql.DB
	// repeated is a token for a transaction that has to be run again and again:
	// of those only one at a time is, so that they do not clash with each other.
	repeated chan struct{}

	// closing is held by all writes for reading.
	closing sync.RWMutex
	closed  bool
}

// Open connects to the database of a URL, postgres://USER:PASSWORD@HOST:PORT/NAME
// with the parameters of libpq behind it, and brings its schema up to date. The
// parameter pool_max_conns limits the connections that are open at a time. A
// schema newer than this program is refused.
//
// Errors say what to do, and show no password.
func Open(ctx context.Context, url string) (*DB, error) {
	c, limit, err := parse(url)
	if err != nil {
		return nil, err
	}
	d := &DB{repeated: make(chan struct{}, 1)}
	d.writers = pool(c, writing, limit/2)
	d.readers = pool(c, reading, limit-limit/2)
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(advise(&c.Config, err), d.Close())
	}
	return d, nil
}

func (d *DB) prepare(ctx context.Context) error {
	encoding, err := d.encoding(ctx)
	// A server that is starting too gets a few seconds.
	for deadline := time.Now().Add(startTime); starting(err) && ctx.Err() == nil && time.Now().Before(deadline); {
		time.Sleep(longestPause)
		encoding, err = d.encoding(ctx)
	}
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s: make one with: createdb --template template0 --encoding UTF8", encoding)
	}
	if err := migrate(ctx, d.writers); err != nil {
		return fmt.Errorf("bring the schema of the database up to date: %w", err)
	}
	return nil
}

func (d *DB) encoding(ctx context.Context) (name string, err error) {
	err = d.writers.QueryRowContext(ctx, `SHOW server_encoding`).Scan(&name)
	return name, err
}

// Reader implements meta.DB.
func (d *DB) Reader() meta.Querier { return d.readers }

// Revision implements meta.DB: other servers may write to the database too, and
// nobody counts what they write.
func (d *DB) Revision() (n uint64, ok bool) { return 0, false }

// Close waits for the transactions that have begun and closes the connections.
func (d *DB) Close() error {
	d.closing.Lock()
	d.closed = true
	d.closing.Unlock()
	return errors.Join(d.writers.Close(), d.readers.Close())
}
