package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"drydock/storage/meta"
)

const (
	// attempts is how often a transaction is run that always meets another one or
	// loses its connection. The last pauses take a tenth of a second each.
	attempts = 40
	// patient is how many attempts are made before they are made one at a time.
	patient = 3

	shortestPause = time.Millisecond
	longestPause  = 100 * time.Millisecond

	// endTime is how long a COMMIT or ROLLBACK may take.
	endTime = 30 * time.Second
)

// Write implements meta.DB.
func (d *DB) Write(ctx context.Context, durability meta.Durability, fn func(meta.Querier) error) error {
	d.closing.RLock()
	defer d.closing.RUnlock()
	if d.closed {
		return meta.ErrClosed
	}
	var last error
	for n := range attempts {
		if n > 0 {
			if err := pause(ctx, n); err != nil {
				return err
			}
		}
		again, err := d.attempt(ctx, n, durability, fn)
		if !again {
			return err
		}
		last = err
	}
	return unavailable{fmt.Errorf("a transaction was run %d times and met others each time: %w", attempts, last)}
}

// pause waits before attempt n, longer each time, and not as long as others.
func pause(ctx context.Context, n int) error {
	d := min(shortestPause<<min(n-1, 10), longestPause)
	d = d/2 + rand.N(d)
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt runs a transaction once. again is set when nothing of it was stored and
// it may go well the next time.
func (d *DB) attempt(ctx context.Context, n int, durability meta.Durability, fn func(meta.Querier) error) (again bool, err error) {
	if n >= patient {
		select {
		case d.repeated <- struct{}{}:
			defer func() { <-d.repeated }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	on, err := d.writers.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer on.Close()
	t := &transaction{conn: on}
	if err := t.begin(ctx, durability); err != nil {
		return errors.Is(err, errLost), fmt.Errorf("begin a transaction: %w", err)
	}
	if err = t.run(fn); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		t.rollback(ctx)
		return retryable(err, n) || retryable(t.failure, n), err
	}
	switch err = t.commit(ctx); {
	case err == nil:
		return false, nil
	case errors.Is(err, errRolledBack) && t.failure != nil:
		return retryable(t.failure, n), fmt.Errorf("commit: %w: %w", err, t.failure)
	case errors.Is(err, errRolledBack), code(err) != "" && !errors.Is(err, errLost):
		return retryable(err, n), fmt.Errorf("commit: %w", err)
	}
	// There was no answer, or it was a farewell.
	return false, unavailable{fmt.Errorf("commit: %w: %w", meta.ErrUncertain, err)}
}

// transaction is a meta.Querier within a transaction.
type transaction struct {
	conn *sql.Conn
	// failure is the first error of a statement: fn may have put another one in
	// its place, or made nothing of it.
	failure error
}

func (t *transaction) begin(ctx context.Context, durability meta.Durability) error {
	// One message, and so one round trip.
	begin := `BEGIN ISOLATION LEVEL SERIALIZABLE`
	if durability == meta.Relaxed {
		begin += `; SET LOCAL synchronous_commit = off`
	}
	_, err := t.conn.ExecContext(ctx, begin, pgx.QueryExecModeSimpleProtocol)
	return err
}

// run runs fn. A panic in it must not take the server down.
func (t *transaction) run(fn func(meta.Querier) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", r, debug.Stack())
		}
	}()
	return fn(t)
}

func (t *transaction) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	return t.conn.Raw(func(c any) error {
		own, ok := c.(*conn)
		if !ok {
			return fmt.Errorf("the connection is a %T", c)
		}
		return own.commit(ctx)
	})
}

// rollback ends a transaction. Where that fails, the connection is not used
// again, and PostgreSQL rolls back when it closes.
func (t *transaction) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	_, _ = t.conn.ExecContext(ctx, `ROLLBACK`, pgx.QueryExecModeSimpleProtocol)
}

func (t *transaction) note(err error) {
	if t.failure == nil {
		t.failure = err
	}
}

// ExecContext implements meta.Querier.
func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := t.conn.ExecContext(ctx, query, args...)
	t.note(err)
	return res, err
}

// QueryContext implements meta.Querier.
func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := t.conn.QueryContext(ctx, query, args...)
	t.note(err)
	return rows, err
}

// QueryRowContext implements meta.Querier.
func (t *transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row := t.conn.QueryRowContext(ctx, query, args...)
	t.note(row.Err())
	return row
}
