package postgres_test

import (
	"sync"
	"testing"

	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// Of a table with a handful of rows, such as that of what an account holds, each
// transaction changes another one.
func TestTransactionsOnDifferentRowsOfASmallTableDoNotMeet(t *testing.T) {
	db := words(t, testdb.Postgres(t).URL)
	must(t, exec(db, `CREATE TABLE tally (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)`))
	must(t, exec(db, `INSERT INTO tally SELECT i, 0 FROM generate_series(0, 7) AS i`))
	must(t, exec(db, `ANALYZE tally`))
	const turns = 20
	runs := make([]int, 8)
	var all sync.WaitGroup
	for turn := range turns {
		// Both have read before either writes.
		var ready sync.WaitGroup
		ready.Add(len(runs))
		for id := range runs {
			all.Go(func() {
				first := true
				if err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
					runs[id]++
					var n int
					if err := q.QueryRowContext(t.Context(), `SELECT n FROM tally WHERE id = $1`, id).Scan(&n); err != nil {
						return err
					}
					if first {
						first = false
						ready.Done()
						ready.Wait()
					}
					_, err := q.ExecContext(t.Context(), `UPDATE tally SET n = $2 WHERE id = $1`, id, n+1)
					return err
				}); err != nil {
					t.Errorf("turn %d: %v", turn, err)
				}
			})
		}
		all.Wait()
	}
	for id, n := range runs {
		// Pages of an index may be shared for a moment, so not every run is the first.
		if n > turns*3/2 {
			t.Errorf("for %d transactions on row %d it took %d runs", turns, id, n)
		}
	}
}
