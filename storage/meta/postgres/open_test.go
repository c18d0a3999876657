package postgres_test

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/storage/meta/postgres"
	"drydock/storage/meta/testdb"
)

// with changes a URL.
func with(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	change(u)
	return u.String()
}

func TestADatabaseThatCannotBeOpenedSaysWhatToDo(t *testing.T) {
	t.Parallel()
	good := testdb.Postgres(t).URL
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := l.Addr().String()
	must(t, l.Close())
	must(t, testdb.Run(good, `CREATE ROLE powerless_`+schemaOf(t, good)+` LOGIN PASSWORD 'hush-hush';
		GRANT USAGE ON SCHEMA `+schemaOf(t, good)+` TO powerless_`+schemaOf(t, good)))
	t.Cleanup(func() {
		_ = testdb.Run(good, `DROP OWNED BY powerless_`+schemaOf(t, good)+`; DROP ROLE powerless_`+schemaOf(t, good))
	})
	for name, c := range map[string]struct {
		address string
		says    []string
	}{
		"wrong password": {with(t, good, func(u *url.URL) { u.User = url.UserPassword("drydock", "hush-hush") }),
			[]string{"refuses the password of user \"drydock\"", "--db"}},
		"nobody listens": {with(t, good, func(u *url.URL) { u.Host = nobody; u.User = url.UserPassword("drydock", "hush-hush") }),
			[]string{"the PostgreSQL server at " + nobody + " cannot be reached", "--db"}},
		"no such host": {with(t, good, func(u *url.URL) { u.Host = "nowhere.invalid"; u.User = url.UserPassword("drydock", "hush-hush") }),
			[]string{"nowhere.invalid:5432 cannot be reached"}},
		"no such database": {with(t, good, func(u *url.URL) { u.Path = "/absent" }),
			[]string{`has no database "absent"`, "createdb --owner drydock absent"}},
		"no rights": {with(t, good, func(u *url.URL) { u.User = url.UserPassword("powerless_"+schemaOf(t, good), "hush-hush") }),
			[]string{"may not make tables", "CREATE"}},
		"no such schema": {testdb.With(t, good, "search_path", "nowhere"),
			[]string{"no schema that user", "search_path"}},
		"read only":         {testdb.With(t, good, "default_transaction_read_only", "on"), []string{"takes no writes", "primary"}},
		"not a URL":         {"host=/tmp password=hush-hush", []string{"of the form postgres://"}},
		"of another kind":   {"mysql://root:hush-hush@h/d", []string{"of the form postgres://"}},
		"an odd password":   {"postgres://u:hush-hush%zz@h/d", []string{"of the form postgres://", "%XX"}},
		"a bad parameter":   {"postgres://u:hush-hush@h/d?sslmode=perhaps", []string{"sslmode"}},
		"a bad port":        {"postgres://u:hush-hush@h:100000/d", []string{"port"}},
		"few connections":   {"postgres://u:hush-hush@h/d?pool_max_conns=3", []string{"pool_max_conns=3", "4 or more"}},
		"no connections":    {"postgres://u:hush-hush@h/d?pool_max_conns=many", []string{"pool_max_conns=many"}},
		"password in query": {"postgres://u@h:100000/d?password=hush-hush", []string{"port"}},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := postgres.Open(t.Context(), c.address)
			if err == nil {
				_ = db.Close()
				t.Fatal("it was opened")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hush-hush") {
				t.Errorf("it shows the password: %v", err)
			}
		})
	}
}

// schemaOf is a name that no other test has.
func schemaOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.Query().Get("search_path")
}

func TestServersThatStartAtOnceMakeTheSchemaOnce(t *testing.T) {
	address := testdb.Postgres(t).URL
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			var tables, versions, distinct int
			row := db.Reader().QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM tag), COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version`)
			if err := row.Scan(&tables, &versions, &distinct); err != nil || versions != distinct || versions < 2 {
				t.Errorf("%d versions, %d of them different: %v", versions, distinct, err)
			}
		})
	}
	wg.Wait()
}

func TestASchemaNewerThanTheProgramIsRefused(t *testing.T) {
	d := testdb.Postgres(t)
	must(t, d.Open(t).Close())
	must(t, testdb.Run(d.URL, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`))
	db, err := postgres.Open(t.Context(), d.URL)
	if err == nil {
		_ = db.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), "newer drydock") {
		t.Errorf("the message does not help: %v", err)
	}
}

func TestAllTextIsInTheOrderOfItsBytes(t *testing.T) {
	d := testdb.Postgres(t)
	db, err := postgres.Open(t.Context(), d.URL)
	must(t, err)
	defer db.Close()
	rows, err := db.Reader().QueryContext(t.Context(), `SELECT table_name || '.' || column_name, COALESCE(collation_name, '') FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'text'`)
	must(t, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var column, collation string
		must(t, rows.Scan(&column, &collation))
		if n++; collation != "C" {
			t.Errorf("%s has the collation %q", column, collation)
		}
	}
	must(t, rows.Err())
	if n < 50 {
		t.Errorf("%d columns were looked at", n)
	}
}

func TestTheByteOrderIsForTypesAndNotForComments(t *testing.T) {
	got := postgres.InByteOrder("-- TEXT\nCREATE TABLE t (a TEXT NOT NULL, -- a TEXT\n b TEXTUAL, c TEXT);")
	want := "-- TEXT\nCREATE TABLE t (a TEXT COLLATE \"C\" NOT NULL, -- a TEXT\n b TEXTUAL, c TEXT COLLATE \"C\");"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAServerThatIsStartingTooIsWaitedFor(t *testing.T) {
	t.Parallel()
	own := testdb.OwnServer(t)
	own.Halt(t)
	opened := make(chan error)
	go func() {
		db, err := postgres.Open(t.Context(), own.URL)
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Errorf("nobody was waited for: %v", err)
		return
	case <-time.After(500 * time.Millisecond):
	}
	own.Start(t)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
