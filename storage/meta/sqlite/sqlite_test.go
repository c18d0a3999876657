package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/storage/meta"
)

// open makes a database with a table of words to write to, and returns its path
// with it.
func open(t *testing.T) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a folder with #?% in its name.db")
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `CREATE TABLE word (word TEXT PRIMARY KEY)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, path
}

// add is a transaction that adds a word.
func add(word string) func(meta.Querier) error {
	return func(q meta.Querier) error {
		_, err := q.ExecContext(context.Background(), `INSERT INTO word (word) VALUES ($1)`, word)
		return err
	}
}

// words reads what was committed.
func words(t *testing.T, db *DB) []string {
	t.Helper()
	rows, err := db.Reader().QueryContext(t.Context(), `SELECT word FROM word ORDER BY word`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// waiting is a transaction to be run in a group.
type waiting struct {
	ctx        context.Context
	durability meta.Durability
	fn         func(meta.Querier) error
}

// together lets a group of transactions wait until all are queued, so that they
// share one commit, and returns their answers.
func together(t *testing.T, db *DB, group []waiting, meanwhile func()) []error {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- db.Write(context.Background(), meta.Relaxed, func(meta.Querier) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	answers := make([]error, len(group))
	var wg sync.WaitGroup
	for i, j := range group {
		wg.Go(func() { answers[i] = db.Write(j.ctx, j.durability, j.fn) })
		// In order, so that the group is always the same.
		for deadline := time.Now().Add(5 * time.Second); len(db.writer.queue) <= i; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatal("a transaction was not queued")
			}
		}
	}
	if meanwhile != nil {
		meanwhile()
	}
	close(release)
	wg.Wait()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestAFailingJobOfAGroupIsUndoneAlone(t *testing.T) {
	db, _ := open(t)
	refused := errors.New("refused")
	failing := func(q meta.Querier) error {
		if err := add("half")(q); err != nil {
			return err
		}
		return refused
	}
	got := together(t, db, []waiting{
		{t.Context(), meta.Relaxed, add("before")},
		{t.Context(), meta.Durable, failing},
		{t.Context(), meta.Relaxed, add("after")},
		// It meets what the first of the group wrote.
		{t.Context(), meta.Relaxed, add("before")},
	}, nil)
	if got[0] != nil || got[2] != nil {
		t.Errorf("the good ones failed: %v, %v", got[0], got[2])
	}
	if got[1] != refused {
		t.Errorf("got %v, want the job's own error as it is", got[1])
	}
	if got[3] == nil {
		t.Error("a word was added twice")
	}
	if w := words(t, db); !slices.Equal(w, []string{"after", "before"}) {
		t.Errorf("stored: %v", w)
	}
}

func TestAPanicIsTheErrorOfItsJobAlone(t *testing.T) {
	db, _ := open(t)
	got := together(t, db, []waiting{
		{t.Context(), meta.Durable, add("before")},
		{t.Context(), meta.Durable, func(q meta.Querier) error {
			if err := add("half")(q); err != nil {
				return err
			}
			panic("a mistake")
		}},
		{t.Context(), meta.Durable, add("after")},
	}, nil)
	if got[0] != nil || got[2] != nil {
		t.Errorf("the others failed: %v, %v", got[0], got[2])
	}
	if got[1] == nil || !strings.Contains(got[1].Error(), "a mistake") {
		t.Errorf("got %v, want the panic", got[1])
	}
	if w := words(t, db); !slices.Equal(w, []string{"after", "before"}) {
		t.Errorf("stored: %v", w)
	}
}

func TestAJobWhoseClientLeftWhileItWaitedIsNotRun(t *testing.T) {
	db, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	got := together(t, db, []waiting{
		{ctx, meta.Relaxed, add("late")},
		{t.Context(), meta.Relaxed, add("in time")},
	}, cancel)
	if !errors.Is(got[0], context.Canceled) || got[1] != nil {
		t.Errorf("got %v", got)
	}
	if w := words(t, db); !slices.Equal(w, []string{"in time"}) {
		t.Errorf("stored: %v", w)
	}
}

func TestAGroupIsAsDurableAsItsMostDurableJob(t *testing.T) {
	db, _ := open(t)
	const normal, fullSync = 1, 2
	var level int
	ask := func(q meta.Querier) error {
		return q.QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&level)
	}
	for _, step := range []struct {
		durability meta.Durability
		want       int
	}{{meta.Durable, fullSync}, {meta.Relaxed, normal}, {meta.Relaxed, normal}, {meta.Durable, fullSync}, {meta.Relaxed, normal}} {
		if err := db.Write(t.Context(), step.durability, ask); err != nil {
			t.Fatal(err)
		}
		if level != step.want {
			t.Errorf("durability %d ran at level %d, want %d", step.durability, level, step.want)
		}
	}
	got := together(t, db, []waiting{
		{t.Context(), meta.Relaxed, ask},
		{t.Context(), meta.Durable, add("word")},
	}, nil)
	if err := errors.Join(got...); err != nil {
		t.Fatal(err)
	}
	if level != fullSync {
		t.Errorf("a relaxed job beside a durable one ran at level %d", level)
	}
}

func TestConcurrentWritersAllSeeTheirWrites(t *testing.T) {
	db, path := open(t)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				word := fmt.Sprintf("%02d-%02d", w, i)
				// Durability changes all the time; none may get lost for it.
				if err := db.Write(t.Context(), meta.Durability(i%2), add(word)); err != nil {
					t.Error(err)
					return
				}
				var there bool
				err := db.Reader().QueryRowContext(t.Context(), `SELECT EXISTS (SELECT 1 FROM word WHERE word = $1)`, word).Scan(&there)
				if err != nil || !there {
					t.Errorf("%s is not read after its commit: %v", word, err)
				}
			}
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := len(words(t, again)); n != writers*each {
		t.Errorf("%d words were stored, want %d", n, writers*each)
	}
}

func TestCloseCarriesOutWhatWasQueued(t *testing.T) {
	db, path := open(t)
	closed := make(chan error, 1)
	got := together(t, db, []waiting{
		{t.Context(), meta.Durable, add("one")},
		{t.Context(), meta.Relaxed, add("two")},
	}, func() {
		go func() { closed <- db.Close() }()
		<-db.writer.closing
	})
	if err := errors.Join(got...); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if w := words(t, again); !slices.Equal(w, []string{"one", "two"}) {
		t.Errorf("stored: %v", w)
	}
}

func TestASchemaNewerThanTheProgramIsRefused(t *testing.T) {
	db, path := open(t)
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), path)
	if err == nil {
		again.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), "newer drydock") || !strings.Contains(err.Error(), path) {
		t.Errorf("the message does not help: %v", err)
	}
}
