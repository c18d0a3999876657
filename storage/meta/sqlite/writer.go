package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"drydock/storage/meta"
)

// maxGroup bounds how many transactions share one commit, and with it how long
// the first of them waits for the others.
const maxGroup = 64

// writer runs write transactions one after the other on a single connection.
// Those that wait while a commit is under way are run together as savepoints of
// the next transaction: under load many requests share one wait for the disk,
// and a lone request waits for nobody.
type writer struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts *statements

	queue chan *job
	// closing is closed when no more jobs are taken, done when the last has run.
	closing, done chan struct{}
	once          sync.Once

	// revision counts the commits of durable jobs, for meta.DB.Revision.
	revision atomic.Uint64

	// durability is what the connection is set to.
	durability meta.Durability
}

type job struct {
	ctx        context.Context
	durability meta.Durability
	fn         func(meta.Querier) error
	result     chan error
	err        error
}

func newWriter(ctx context.Context, pool *sql.DB) (*writer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect for writing: %w", err)
	}
	w := &writer{
		pool: pool, conn: conn, stmts: newStatements(conn),
		queue:   make(chan *job, maxGroup),
		closing: make(chan struct{}), done: make(chan struct{}),
		durability: meta.Durable,
	}
	go w.run()
	return w, nil
}

func (w *writer) do(ctx context.Context, d meta.Durability, fn func(meta.Querier) error) error {
	j := &job{ctx: ctx, durability: d, fn: fn, result: make(chan error, 1)}
	select {
	case <-w.closing:
		return meta.ErrClosed
	default:
	}
	select {
	case w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return meta.ErrClosed
	}
	// Once queued, the answer is waited for even when the client has gone: the
	// caller has to know whether the transaction was committed.
	select {
	case err := <-j.result:
		return err
	case <-w.done:
		select {
		case err := <-j.result:
			return err
		default:
			return meta.ErrClosed
		}
	}
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.closing) })
	<-w.done
	return errors.Join(w.stmts.close(), w.conn.Close(), w.pool.Close())
}

func (w *writer) run() {
	defer close(w.done)
	group := make([]*job, 0, maxGroup)
	for {
		select {
		case j := <-w.queue:
			group = append(group[:0], j)
		case <-w.closing:
			// What was queued before is still carried out.
			select {
			case j := <-w.queue:
				group = append(group[:0], j)
			default:
				return
			}
		}
	waiting:
		for len(group) < maxGroup {
			select {
			case j := <-w.queue:
				group = append(group, j)
			default:
				break waiting
			}
		}
		w.commit(group)
	}
}

// commit runs a group of jobs in one transaction and answers each. An error of
// one job undoes that job alone; an error of the transaction fails them all.
func (w *writer) commit(group []*job) {
	durability := meta.Relaxed
	for _, j := range group {
		durability = max(durability, j.durability)
	}
	err := w.transaction(group, durability)
	if err != nil {
		err = full(fmt.Errorf("write records: %w", err))
		if _, e := w.stmts.ExecContext(context.Background(), `ROLLBACK`); e != nil {
			// Most failures have rolled back already; then this says so.
			err = fmt.Errorf("%w (roll back: %v)", err, e)
		}
	}
	// Even after an error, for what it left behind is not certain.
	if durability == meta.Durable {
		w.revision.Add(1)
	}
	for _, j := range group {
		if err != nil {
			j.result <- err
		} else {
			j.result <- j.err
		}
	}
}

func (w *writer) transaction(group []*job, durability meta.Durability) error {
	ctx := context.Background()
	if durability != w.durability {
		pragma := `PRAGMA synchronous = NORMAL`
		if durability == meta.Durable {
			pragma = `PRAGMA synchronous = FULL`
		}
		// Not as a prepared statement: SQLite obeys this pragma when it compiles
		// it, so that running it again would change nothing.
		if _, err := w.conn.ExecContext(ctx, pragma); err != nil {
			return err
		}
		w.durability = durability
	}
	if _, err := w.stmts.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if _, err := w.stmts.ExecContext(ctx, `SAVEPOINT job`); err != nil {
			return err
		}
		if j.err = w.run1(j); j.err != nil {
			j.err = full(j.err)
			if _, err := w.stmts.ExecContext(ctx, `ROLLBACK TO job`); err != nil {
				// SQLite has undone the whole transaction, as it does on a full
				// disk: the others must not believe that they were stored.
				return j.err
			}
		}
		if _, err := w.stmts.ExecContext(ctx, `RELEASE job`); err != nil {
			return err
		}
	}
	_, err := w.stmts.ExecContext(ctx, `COMMIT`)
	return err
}

// run1 runs one job. A panic in it must not take the writer, and with it the
// server, down.
func (w *writer) run1(j *job) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", r, debug.Stack())
		}
	}()
	return j.fn(w.stmts)
}
