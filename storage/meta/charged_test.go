package meta_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"drydock/storage/meta"
	"drydock/storage/meta/postgres"
	"drydock/storage/meta/sqlite"
	"drydock/storage/meta/testdb"
)

// beforeQuotas is the version of the schema before anybody was charged.
const beforeQuotas = 8

var errRefused = errors.New("refused")

// older makes a database of an older version, with the rows given.
func older(t *testing.T, db *sql.DB, dialect goose.Dialect, version int64, rows []string, manifests map[meta.ManifestKey]string) {
	t.Helper()
	defer db.Close()
	files, err := meta.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(dialect, db, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if _, err := db.ExecContext(t.Context(), row); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
	}
	for k, content := range manifests {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO manifest (repository_id, digest, media_type, artifact_type, subject, image_size, pushed_at, content)
			VALUES ($1, $2, '', '', '', 1, 1, $3)`, k.RepositoryID, k.Digest, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWasThereBeforeQuotasIsChargedFor(t *testing.T) {
	rows := []string{
		`INSERT INTO repository (id, account, region, name, created_at, immutable, mutability_except) VALUES
			(1, '123456789012', 'eu-west-1', 'team/app', 1, false, '[]'), (2, '123456789012', 'us-east-1', 'app', 1, false, '[]'),
			(3, '123456789012', 'us-east-1', 'empty', 1, false, '[]'), (4, '222233334444', 'us-east-1', 'app', 1, false, '[]')`,
		`INSERT INTO blob (digest, size, created_at) VALUES ('sha256:a', 1000, 1), ('sha256:b', 5000000000, 1), ('sha256:c', 7, 1)`,
		`INSERT INTO blob_link (repository_id, digest, created_at) VALUES
			(1, 'sha256:a', 1), (1, 'sha256:b', 1), (2, 'sha256:a', 1), (4, 'sha256:c', 1), (4, 'sha256:lost', 1)`,
	}
	manifests := map[meta.ManifestKey]string{{RepositoryID: 1, Digest: "sha256:m"}: "12345", {RepositoryID: 1, Digest: "sha256:n"}: "1234567", {RepositoryID: 4, Digest: "sha256:m"}: "é5"}
	check := func(t *testing.T, db meta.DB) {
		defer db.Close()
		for scope, want := range map[string]meta.Amount{
			"123456789012/eu-west-1/team/app": {Bytes: 5000001012, Images: 2},
			"123456789012/us-east-1/app":      {Bytes: 1000},
			"123456789012/us-east-1/empty":    {},
			"123456789012":                    {Bytes: 5000002012, Images: 2},
			"222233334444":                    {Bytes: 10, Images: 1},
		} {
			if got, err := meta.UsageOf(t.Context(), db.Reader(), scope); err != nil || got != want {
				t.Errorf("%s is charged for %+v, %v; want %+v", scope, got, err, want)
			}
		}
		for id, scope := range map[int64]string{1: "123456789012/eu-west-1/team/app", 2: "123456789012/us-east-1/app", 4: "222233334444/us-east-1/app"} {
			if held, charged, err := meta.Recount(t.Context(), db.Reader(), id, scope); err != nil || held != charged {
				t.Errorf("%s holds %+v and is charged for %+v, %v", scope, held, charged, err)
			}
		}
		// A quota of today holds for what was there before.
		for _, c := range []struct {
			more    int64
			refused bool
		}{{89, true}, {88, false}, {1, true}} {
			err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
				refusal, err := meta.Charge(t.Context(), q, meta.Shard{Of: 3}, meta.Amount{Bytes: c.more}, meta.Payer{Scope: "222233334444"},
					meta.Payer{Scope: "222233334444/us-east-1/app", Usual: meta.Amount{Bytes: 98}})
				if err == nil && refusal != nil {
					err = errRefused
				}
				return err
			})
			if errors.Is(err, errRefused) != c.refused || !c.refused && err != nil {
				t.Errorf("%d more: %v", c.more, err)
			}
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "records.db")
		old, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		older(t, old, goose.DialectSQLite3, beforeQuotas, rows, manifests)
		db, err := sqlite.Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		check(t, db)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := testdb.Postgres(t).URL
		c, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		older(t, stdlib.OpenDB(*c), goose.DialectPostgres, beforeQuotas, rows, manifests)
		db, err := postgres.Open(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		check(t, db)
	})
}
