package metrics

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"drydock/storage"
	"drydock/storage/meta"
)

// played is a database that plays what it is told.
type played struct {
	meta.DB
	runs int
	err  error
}

func (p *played) Write(_ context.Context, _ meta.Durability, fn func(meta.Querier) error) error {
	var err error
	for range p.runs {
		err = fn(nil)
	}
	if p.err != nil {
		return p.err
	}
	return err
}

func (p *played) Pools() (readers, writers sql.DBStats) {
	return sql.DBStats{MaxOpenConnections: 8, InUse: 3, Idle: 2, WaitDuration: 1500 * time.Millisecond}, sql.DBStats{MaxOpenConnections: 4}
}

func TestTransactionsAreCountedByHowTheyEnd(t *testing.T) {
	m, err := New("", Storage{})
	if err != nil {
		t.Fatal(err)
	}
	fake := &played{runs: 1}
	db, err := m.Database(fake)
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("the tag is taken")
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		ctx        context.Context
		durability meta.Durability
		runs       int
		decided    error // by the transaction
		met        error // by the database
		want       error
	}{
		{t.Context(), meta.Durable, 1, nil, nil, nil},
		{t.Context(), meta.Durable, 4, nil, nil, nil},
		{t.Context(), meta.Relaxed, 1, nil, nil, nil},
		{t.Context(), meta.Durable, 1, refusal, nil, refusal},
		{t.Context(), meta.Durable, 1, nil, fmt.Errorf("write: %w", meta.ErrFull), meta.ErrFull},
		{t.Context(), meta.Durable, 0, nil, fmt.Errorf("write: %w", meta.ErrUnavailable), meta.ErrUnavailable},
		{t.Context(), meta.Durable, 1, nil, fmt.Errorf("%w: %w", meta.ErrUnavailable, meta.ErrUncertain), meta.ErrUncertain},
		{ended, meta.Durable, 0, nil, context.Canceled, context.Canceled},
	} {
		fake.runs, fake.err = c.runs, c.met
		if err := db.Write(c.ctx, c.durability, func(meta.Querier) error { return c.decided }); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	wantLines(t, scrape(t, m),
		`drydock_database_transactions_total{durability="durable",result="committed"} 2`,
		`drydock_database_transactions_total{durability="relaxed",result="committed"} 1`,
		`drydock_database_transactions_total{durability="durable",result="undone"} 1`,
		`drydock_database_transactions_total{durability="durable",result="full"} 1`,
		`drydock_database_transactions_total{durability="durable",result="unavailable"} 1`,
		`drydock_database_transactions_total{durability="durable",result="uncertain"} 1`,
		`drydock_database_transactions_total{durability="durable",result="given_up"} 1`,
		`drydock_database_transactions_total{durability="relaxed",result="full"} 0`,
		`drydock_database_retries_total 3`,
		`drydock_database_transaction_duration_seconds_count{durability="durable"} 7`,
		`drydock_database_connections{pool="reading",state="used"} 3`,
		`drydock_database_connections{pool="reading",state="idle"} 2`,
		`drydock_database_connections_limit{pool="writing"} 4`,
		`drydock_database_connection_wait_seconds_total{pool="reading"} 1.5`,
	)
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// collected is a collection of which all is known.
type collected struct {
	waiting storage.Waiting
	err     error
}

func (collected) Totals() storage.Totals {
	return storage.Totals{Reviewed: 9, Unlinked: 7, Trashed: 5, Purged: 3, PurgedBytes: 1 << 20}
}

func (c collected) Waiting(context.Context) (storage.Waiting, error) { return c.waiting, c.err }

func TestCollectionTellsWhatItDidAndWhatIsOverdue(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for name, c := range map[string]struct {
		of   collected
		want string // of what is overdue
	}{
		"a minute late":   {collected{waiting: storage.Waiting{First: now.Add(-time.Minute).UnixMilli()}}, " 60"},
		"nothing yet due": {collected{waiting: storage.Waiting{First: now.Add(time.Hour).UnixMilli()}}, " 0"},
		"nothing at all":  {collected{}, " 0"},
		"nobody knows":    {collected{err: meta.ErrUnavailable}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New("", Storage{})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Collection(c.of, func() time.Time { return now }); err != nil {
				t.Fatal(err)
			}
			got := scrape(t, m)
			wantLines(t, got,
				`drydock_gc_blobs_total{step="reviewed"} 9`, `drydock_gc_blobs_total{step="unlinked"} 7`,
				`drydock_gc_blobs_total{step="trashed"} 5`, `drydock_gc_blobs_total{step="purged"} 3`,
				`drydock_gc_purged_bytes_total 1.048576e+06`)
			if c.want == "" {
				if strings.Contains(got, "drydock_gc_overdue_seconds ") {
					t.Error("a figure was made up")
				}
				return
			}
			wantLines(t, got, "drydock_gc_overdue_seconds"+c.want)
		})
	}
}

func TestAttemptsAtS3AreCountedAndThoseThatAreRepetitions(t *testing.T) {
	m, err := New("", Storage{})
	if err != nil {
		t.Fatal(err)
	}
	m.S3Attempt("PutObject", "failed", 1, 3*time.Millisecond)
	m.S3Attempt("PutObject", "answered", 2, 3*time.Millisecond)
	m.S3Attempt("GetObject", "answered", 1, time.Minute)
	wantLines(t, scrape(t, m),
		`drydock_s3_requests_total{operation="PutObject",result="failed"} 1`,
		`drydock_s3_requests_total{operation="PutObject",result="answered"} 1`,
		`drydock_s3_requests_total{operation="GetObject",result="answered"} 1`,
		`drydock_s3_retries_total{operation="PutObject"} 1`,
		`drydock_s3_request_duration_seconds_bucket{operation="PutObject",le="0.005"} 2`,
		`drydock_s3_request_duration_seconds_bucket{operation="GetObject",le="30"} 0`,
	)
}

func TestLeasesAreToldWhetherHeldOrNot(t *testing.T) {
	m, err := New("", Storage{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Leases(func() map[string]bool { return map[string]bool{"collector": true, "scrub": false} }); err != nil {
		t.Fatal(err)
	}
	wantLines(t, scrape(t, m), `drydock_lease_held{name="collector"} 1`, `drydock_lease_held{name="scrub"} 0`)
}
