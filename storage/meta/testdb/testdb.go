// Package testdb gives tests a database of their own: SQLite, unless the
// environment says that the run is for PostgreSQL, so that the same tests hold for
// both. Nothing of it is linked into the server.
//
//	DRYDOCK_TEST_DB=postgres    tests that leave the choice to New take PostgreSQL
//	DRYDOCK_TEST_DB=again       … or SQLite, each transaction of which is run twice
//	DRYDOCK_TEST_POSTGRES=URL   the server to make schemas on; scripts/ensure-postgres starts one
package testdb

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"drydock/storage/meta"
	"drydock/storage/meta/postgres"
	"drydock/storage/meta/sqlite"
)

const (
	choice = "DRYDOCK_TEST_DB"
	server = "DRYDOCK_TEST_POSTGRES"
)

// Database is an empty database of one test.
type Database struct {
	open func(context.Context) (meta.DB, error)
	// URL is that of a schema on PostgreSQL, empty for SQLite.
	URL string
}

// New makes a database of the kind that the run is for. It goes with the test.
func New(t testing.TB) Database {
	t.Helper()
	switch kind := os.Getenv(choice); kind {
	case "", "sqlite":
		return SQLite(t)
	case "postgres":
		return Postgres(t)
	case "again":
		return again(SQLite(t))
	default:
		t.Fatalf("%s is %q, and none of sqlite, postgres and again", choice, kind)
		return Database{}
	}
}

// OnPostgres reports whether New makes databases on PostgreSQL.
func OnPostgres() bool { return os.Getenv(choice) == "postgres" }

// SQLite makes a database that is a file.
func SQLite(t testing.TB) Database {
	path := filepath.Join(t.TempDir(), "records.db")
	return Database{open: func(ctx context.Context) (meta.DB, error) { return sqlite.Open(ctx, path) }}
}

// Postgres makes a database that is a schema on a PostgreSQL server. Without a
// server the test is skipped; a run that is to skip nothing fails.
func Postgres(t testing.TB) Database {
	t.Helper()
	address := schema(t, Server(t))
	return Database{URL: address, open: func(ctx context.Context) (meta.DB, error) { return postgres.Open(ctx, address) }}
}

// Server is the URL of the PostgreSQL server for tests, of which each has to make
// a schema of its own.
func Server(t testing.TB) string {
	t.Helper()
	address := os.Getenv(server)
	if address == "" {
		say := t.Skipf
		if os.Getenv("CI") == "true" || OnPostgres() {
			say = t.Fatalf
		}
		say(`no PostgreSQL server: run it with make test, or after eval "$(scripts/ensure-postgres DIR)"`)
	}
	return address
}

// Open opens the database, which stays open until the test ends. To open it again
// is to be another server, which SQLite allows once the first is closed.
func (d Database) Open(t testing.TB) meta.DB {
	t.Helper()
	db, err := d.open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// schema makes a schema and returns the URL under which it is all there is.
func schema(t testing.TB, address string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	if err := Run(address, `CREATE SCHEMA `+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Run(address, `DROP SCHEMA `+name+` CASCADE`); err != nil {
			t.Errorf("drop a test's schema: %v", err)
		}
	})
	return With(t, address, "search_path", name)
}

// With is the URL of a database with another value of a parameter.
func With(t testing.TB, address, parameter, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(parameter, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// Run runs statements on a PostgreSQL server as somebody other than drydock would.
func Run(address, statements string) error {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*c)
	defer db.Close()
	_, err = db.Exec(statements, pgx.QueryExecModeSimpleProtocol)
	return err
}
