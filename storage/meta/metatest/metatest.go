// Package metatest is the suite that every database of records has to pass: what
// meta.DB promises, and the SQL of package meta where databases are known to
// differ. RunShared is for those that several servers may share.
package metatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"drydock/storage/meta"
)

// Open opens an empty database, which is closed when the test ends if the test
// has not done so.
type Open func(t *testing.T) meta.DB

// Run checks a database.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, meta.DB){
		"AFailingTransactionIsUndone":                     failing,
		"APanicIsAnErrorAndUndone":                        panicking,
		"AnEndedContextStoresNothingThatItDoesNotSay":     ended,
		"AStatementWhoseContextHasEndedAnswersOrSaysSo":   endedStatement,
		"AMalformedStatementIsAnErrorAndNothingElse":      malformed,
		"ARowOfTheSameKeyIsAnError":                       twice,
		"ConcurrentWritersAllSeeTheirWrites":              concurrent,
		"ReadersCannotWrite":                              readers,
		"WriteAfterCloseIsErrClosed":                      closed,
		"CloseWaitsForWhatHasBegun":                       closing,
		"ARevisionGrowsWithEachDurableWriteOrIsNotKept":   revision,
		"WhatATransactionReadsDoesNotChange":              func(t *testing.T, db meta.DB) { increments(t, db, db) },
		"WhatTwoTransactionsReadTheyDoNotChangeUnnoticed": func(t *testing.T, db meta.DB) { skew(t, db, db) },
		"WhatIsLookedForAndMissingIsNotMadeTwice":         func(t *testing.T, db meta.DB) { firstComers(t, db, db) },
		"NamesAreInTheOrderOfTheirBytes":                  byteOrder,
		"BytesAndTheirAbsenceComeBackAsTheyWere":          bytesBack,
		"WhatIsNoTextIsNotFoundAndNoFailure":              noText,
		"TruthAndLargeNumbersComeBackAsTheyWere":          values,
	} {
		t.Run(name, func(t *testing.T) { test(t, withWords(t, open(t))) })
	}
}

// RunShared checks that two servers may share a database. open opens the same
// empty one twice.
func RunShared(t *testing.T, open func(t *testing.T) (one, two meta.DB)) {
	for name, test := range map[string]func(t *testing.T, one, two meta.DB){
		"WhatOneWritesTheOtherReadsAtOnce":                handOver,
		"WhatATransactionReadsDoesNotChange":              increments,
		"WhatTwoTransactionsReadTheyDoNotChangeUnnoticed": skew,
		"WhatIsLookedForAndMissingIsNotMadeTwice":         firstComers,
		"NobodyKeepsARevision": func(t *testing.T, one, two meta.DB) {
			for _, db := range []meta.DB{one, two} {
				if _, ok := db.Revision(); ok {
					t.Error("a server counts the writes of a database that another one writes to")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := open(t)
			withWords(t, one)
			test(t, one, two)
		})
	}
}

// withWords adds a table of words with a number each.
func withWords(t *testing.T, db meta.DB) meta.DB {
	t.Helper()
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `CREATE TABLE word (word TEXT PRIMARY KEY, n BIGINT NOT NULL)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// add is a transaction that adds a word.
func add(word string) func(meta.Querier) error {
	return func(q meta.Querier) error {
		_, err := q.ExecContext(context.Background(), `INSERT INTO word (word, n) VALUES ($1, 0)`, word)
		return err
	}
}

// words reads what was committed.
func words(t *testing.T, db meta.DB) []string {
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

func holds(t *testing.T, db meta.DB, want ...string) {
	t.Helper()
	if got := words(t, db); !slices.Equal(got, want) {
		t.Errorf("stored: %q, want %q", got, want)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func failing(t *testing.T, db meta.DB) {
	refused := errors.New("refused")
	for _, d := range []meta.Durability{meta.Relaxed, meta.Durable} {
		got := db.Write(t.Context(), d, func(q meta.Querier) error {
			if err := add("half")(q); err != nil {
				return err
			}
			return refused
		})
		if got != refused {
			t.Errorf("got %v, want the transaction's own error as it is", got)
		}
		must(t, db.Write(t.Context(), d, add(fmt.Sprint("whole ", d))))
	}
	holds(t, db, "whole 0", "whole 1")
}

func panicking(t *testing.T, db meta.DB) {
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		if err := add("half")(q); err != nil {
			return err
		}
		panic("a mistake")
	})
	if err == nil || !strings.Contains(err.Error(), "a mistake") {
		t.Errorf("got %v, want the panic", err)
	}
	must(t, db.Write(t.Context(), meta.Durable, add("after")))
	holds(t, db, "after")
}

func ended(t *testing.T, db meta.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Write(ctx, meta.Durable, add("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after the end: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err := db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		defer cancel()
		return add("amidst")(q)
	})
	switch {
	case err == nil:
		holds(t, db, "amidst")
	case errors.Is(err, context.Canceled):
		holds(t, db)
	default:
		t.Error(err)
	}
	must(t, db.Write(t.Context(), meta.Durable, add("then")))
}

func endedStatement(t *testing.T, db meta.DB) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		var n int64
		return q.QueryRowContext(over, `SELECT COUNT(*) FROM word`).Scan(&n)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("in a transaction: %v", err)
	}
	var n int64
	if err := db.Reader().QueryRowContext(over, `SELECT COUNT(*) FROM word`).Scan(&n); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("outside of one: %v", err)
	}
	must(t, db.Write(t.Context(), meta.Durable, add("then")))
	holds(t, db, "then")
}

func malformed(t *testing.T, db meta.DB) {
	var n int
	if err := db.Reader().QueryRowContext(t.Context(), `SELEC 1`).Scan(&n); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("got %v", err)
	}
	err := db.Write(t.Context(), meta.Relaxed, func(q meta.Querier) error {
		_, err := q.QueryContext(t.Context(), `SELEC 2`)
		return err
	})
	if err == nil || errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	must(t, db.Write(t.Context(), meta.Relaxed, add("fine")))
	holds(t, db, "fine")
}

func twice(t *testing.T, db meta.DB) {
	must(t, db.Write(t.Context(), meta.Durable, add("once")))
	if err := db.Write(t.Context(), meta.Durable, add("once")); err == nil || errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	holds(t, db, "once")
}

func concurrent(t *testing.T, db meta.DB) {
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
	if n := len(words(t, db)); n != writers*each {
		t.Errorf("%d words were stored, want %d", n, writers*each)
	}
}

func readers(t *testing.T, db meta.DB) {
	if err := add("smuggled")(db.Reader()); err == nil {
		t.Error("a reader wrote")
	}
	holds(t, db)
}

func closed(t *testing.T, db meta.DB) {
	must(t, db.Close())
	if err := db.Write(t.Context(), meta.Durable, add("late")); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func closing(t *testing.T, db meta.DB) {
	begun, written, shut := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	release := make(chan struct{})
	go func() {
		var once sync.Once
		written <- db.Write(context.Background(), meta.Durable, func(q meta.Querier) error {
			once.Do(func() { close(begun) })
			<-release
			return add("begun")(q)
		})
	}()
	<-begun
	go func() { shut <- db.Close() }()
	close(release)
	must(t, <-written, <-shut)
}

func revision(t *testing.T, db meta.DB) {
	before, ok := db.Revision()
	if !ok {
		return
	}
	must(t, db.Write(t.Context(), meta.Durable, add("word")))
	if after, _ := db.Revision(); after <= before {
		t.Errorf("%d after %d", after, before)
	}
}

// number reads the number of a word.
func number(q meta.Querier, word string) (n int64, err error) {
	err = q.QueryRowContext(context.Background(), `SELECT n FROM word WHERE word = $1`, word).Scan(&n)
	return n, err
}

func set(q meta.Querier, word string, n int64) error {
	_, err := q.ExecContext(context.Background(), `UPDATE word SET n = $2 WHERE word = $1`, word, n)
	return err
}

// increments reads a number and writes it one higher, many at once: each has to
// be counted.
func increments(t *testing.T, one, two meta.DB) {
	must(t, one.Write(t.Context(), meta.Durable, add("counter")))
	const writers, each = 4, 15
	var wg sync.WaitGroup
	for w := range writers {
		db := []meta.DB{one, two}[w%2]
		wg.Go(func() {
			for i := range each {
				err := db.Write(t.Context(), meta.Durability(i%2), func(q meta.Querier) error {
					n, err := number(q, "counter")
					if err != nil {
						return err
					}
					return set(q, "counter", n+1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := number(one.Reader(), "counter"); err != nil || n != writers*each {
		t.Errorf("%d, %v; want %d", n, err, writers*each)
	}
}

// skew lets two transactions at a time read two numbers and raise one each, if
// both are 0: at most one may find them so. It is the blob that one transaction
// takes away because nothing needs it, while the other stores what needs it
// because it is there.
func skew(t *testing.T, one, two meta.DB) {
	must(t, one.Write(t.Context(), meta.Durable, add("left")), one.Write(t.Context(), meta.Durable, add("right")))
	for range 30 {
		must(t, one.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
			return errors.Join(set(q, "left", 0), set(q, "right", 0))
		}))
		var raised atomic.Int64
		var wg sync.WaitGroup
		for word, db := range map[string]meta.DB{"left": one, "right": two} {
			wg.Go(func() {
				free := false
				err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
					left, err := number(q, "left")
					if err != nil {
						return err
					}
					right, err := number(q, "right")
					if err != nil {
						return err
					}
					if free = left+right == 0; !free {
						return nil
					}
					return set(q, word, 1)
				})
				if err != nil {
					t.Error(err)
				}
				if free {
					raised.Add(1)
				}
			})
		}
		wg.Wait()
		if n := raised.Load(); n != 1 {
			t.Fatalf("%d transactions found both numbers at 0", n)
		}
	}
}

// firstComers all add a word that they have found missing: one does, and the
// others find it.
func firstComers(t *testing.T, one, two meta.DB) {
	for round := range 20 {
		word := fmt.Sprint("word ", round)
		var added atomic.Int64
		var wg sync.WaitGroup
		for _, db := range []meta.DB{one, two, one, two} {
			wg.Go(func() {
				missing := false
				err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
					_, err := number(q, word)
					if missing = errors.Is(err, sql.ErrNoRows); !missing {
						return err
					}
					return add(word)(q)
				})
				if err != nil {
					t.Error(err)
				}
				if missing {
					added.Add(1)
				}
			})
		}
		wg.Wait()
		if n := added.Load(); n != 1 {
			t.Fatalf("%d transactions added %s", n, word)
		}
	}
}

func handOver(t *testing.T, one, two meta.DB) {
	for i, db := range []meta.DB{one, two, one, two} {
		word := fmt.Sprint(i)
		must(t, db.Write(t.Context(), meta.Durability(i%2), add(word)))
		for _, reader := range []meta.DB{one, two} {
			if _, err := number(reader.Reader(), word); err != nil {
				t.Errorf("%s: %v", word, err)
			}
		}
	}
}
