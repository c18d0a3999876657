package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/storage/meta"
	"drydock/storage/meta/postgres"
	"drydock/storage/meta/testdb"
)

// words opens a database with a table of words.
func words(t *testing.T, address string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	must(t, exec(db, `CREATE TABLE IF NOT EXISTS word (word TEXT PRIMARY KEY)`))
	return db
}

func exec(db *postgres.DB, statement string, args ...any) error {
	return db.Write(context.Background(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(context.Background(), statement, args...)
		return err
	})
}

func add(db *postgres.DB, word string) error {
	return exec(db, `INSERT INTO word (word) VALUES ($1)`, word)
}

func has(t *testing.T, db *postgres.DB, word string) bool {
	t.Helper()
	var there bool
	must(t, db.Reader().QueryRowContext(t.Context(), `SELECT EXISTS (SELECT 1 FROM word WHERE word = $1)`, word).Scan(&there))
	return there
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestATransactionWhoseConnectionIsLostIsRunAgain(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	runs := 0
	must(t, db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		if _, err := q.ExecContext(t.Context(), `INSERT INTO word (word) VALUES ('once')`); err != nil {
			return err
		}
		if runs++; runs == 1 {
			_, err := q.ExecContext(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
			return err
		}
		return nil
	}))
	if runs != 2 || !has(t, db, "once") {
		t.Errorf("%d runs", runs)
	}
}

func TestReadersTakeAnotherConnectionWhenTheirsIsDead(t *testing.T) {
	d := testdb.Postgres(t)
	db := words(t, testdb.With(t, d.URL, "application_name", "doomed readers"))
	for range 3 {
		has(t, db, "warm")
		must(t, testdb.Run(d.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed readers'`))
		has(t, db, "cold")
		must(t, testdb.Run(d.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed readers'`))
		must(t, exec(db, `DELETE FROM word`))
	}
}

// cutter is a proxy that cuts a connection at the COMMIT after it was armed.
type cutter struct {
	net.Listener
	to string
	// passing is whether the COMMIT arrives before the cut.
	armed, passing atomic.Bool
}

func newCutter(t *testing.T, address string) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cutter{Listener: l, to: u.Host}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.pass(in)
		}
	}()
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *cutter) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	var cut atomic.Bool
	go func() {
		defer in.Close()
		b := make([]byte, 32<<10)
		for {
			n, err := out.Read(b)
			if err != nil || cut.Load() {
				return
			}
			if _, err := in.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := in.Read(b)
		if err != nil {
			return
		}
		if strings.Contains(string(b[:n]), "COMMIT") && c.armed.CompareAndSwap(true, false) {
			cut.Store(true)
			if !c.passing.Load() {
				return
			}
			_, _ = out.Write(b[:n])
			time.Sleep(200 * time.Millisecond)
			return
		}
		if _, err := out.Write(b[:n]); err != nil {
			return
		}
	}
}

func TestACommitWithoutAnAnswerIsNeitherSuccessNorFailure(t *testing.T) {
	d := testdb.Postgres(t)
	proxy, through := newCutter(t, d.URL)
	db := words(t, through)
	for _, passing := range []bool{true, false} {
		word, runs := fmt.Sprint(passing), 0
		proxy.passing.Store(passing)
		proxy.armed.Store(true)
		err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
			runs++
			_, err := q.ExecContext(t.Context(), `INSERT INTO word (word) VALUES ($1)`, word)
			return err
		})
		if !errors.Is(err, meta.ErrUncertain) || !errors.Is(err, meta.ErrUnavailable) {
			t.Errorf("passing %v: %v", passing, err)
		}
		if runs != 1 {
			t.Errorf("passing %v: it was run %d times, though it may have been stored", passing, runs)
		}
		if has(t, db, word) != passing {
			t.Errorf("passing %v: the test cut elsewhere than it meant to", passing)
		}
	}
	must(t, add(db, "afterwards"))
}

func TestWhatFnSwallowsIsNotCommitted(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		if _, err := q.ExecContext(t.Context(), `INSERT INTO word (word) VALUES ('half')`); err != nil {
			return err
		}
		_, _ = q.ExecContext(t.Context(), `SELECT 1 / 0`)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("got %v", err)
	}
	if has(t, db, "half") {
		t.Error("it was stored")
	}
}

func TestAFullDiskIsErrFull(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	err := exec(db, `DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`)
	if !errors.Is(err, meta.ErrFull) {
		t.Errorf("got %v", err)
	}
	must(t, add(db, "afterwards"))
}

func TestRelaxedTransactionsDoNotWaitForTheDisk(t *testing.T) {
	db := words(t, testdb.With(t, testdb.Postgres(t).URL, "synchronous_commit", "on"))
	for durability, want := range map[meta.Durability]string{meta.Relaxed: "off", meta.Durable: "on"} {
		var got, isolation string
		must(t, db.Write(t.Context(), durability, func(q meta.Querier) error {
			return q.QueryRowContext(t.Context(), `SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')`).Scan(&got, &isolation)
		}))
		if got != want || isolation != "serializable" {
			t.Errorf("durability %d: synchronous_commit %s, isolation %s", durability, got, isolation)
		}
	}
}

func TestAStatementEndsSoonAfterItsClientHasLeft(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	slow := func(ctx context.Context, q meta.Querier) error {
		_, err := q.ExecContext(ctx, `SELECT pg_sleep(30)`)
		return err
	}
	for name, run := range map[string]func(ctx context.Context) error{
		"reading": func(ctx context.Context) error { return slow(ctx, db.Reader()) },
		"writing": func(ctx context.Context) error {
			return db.Write(ctx, meta.Durable, func(q meta.Querier) error { return slow(ctx, q) })
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begun := time.Now()
		err := run(ctx)
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > postgres.BreakAfter+2*time.Second {
			t.Errorf("%s: after %s: %v", name, took, err)
		}
		cancel()
	}
	must(t, add(db, "afterwards"))
}

func TestTransactionsThatAlwaysMeetAreGivenUp(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	runs := 0
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		runs++
		_, err := q.ExecContext(t.Context(), `DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`)
		return err
	})
	if !errors.Is(err, meta.ErrUnavailable) || runs != postgres.Attempts {
		t.Errorf("%d runs: %v", runs, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(ctx, `DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$`)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up by its client: %v", err)
	}
}

func TestARestartedServerIsFoundAgain(t *testing.T) {
	server := testdb.OwnServer(t)
	db := words(t, server.URL)
	var acknowledged sync.Map
	var failed, since atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				word := fmt.Sprintf("%d-%d", w, i)
				switch err := add(db, word); {
				case err == nil:
					acknowledged.Store(word, true)
					since.Add(1)
				case errors.Is(err, meta.ErrUnavailable):
					failed.Add(1)
					time.Sleep(5 * time.Millisecond)
				default:
					t.Errorf("an error that is no outage: %v", err)
					return
				}
				var n int
				if err := db.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM word`).Scan(&n); err != nil && !errors.Is(err, meta.ErrUnavailable) {
					t.Errorf("reading: an error that is no outage: %v", err)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		server.Halt(t)
		time.Sleep(200 * time.Millisecond)
		server.Start(t)
		since.Store(0)
		for deadline := time.Now().Add(10 * time.Second); since.Load() < 10; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is written after the restart")
			}
		}
	}
	close(stop)
	wg.Wait()
	if failed.Load() == 0 {
		t.Error("nobody noticed the outage")
	}
	n := 0
	acknowledged.Range(func(word, _ any) bool {
		n++
		if !has(t, db, word.(string)) {
			t.Errorf("%s was acknowledged and is lost", word)
		}
		return true
	})
	t.Logf("%d were acknowledged, %d failed", n, failed.Load())
}
