package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connector makes connections whose errors say what package meta calls them.
// It has to be done here: a *sql.Row and *sql.Rows carry the driver's errors as
// they are.
type connector struct {
	driver.Connector
	// reads is set where nothing but reading is done, which can be done again
	// on another connection when one turns out to be dead.
	reads bool
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	own, ok := made.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("the driver of PostgreSQL made a %T", made)
	}
	return &conn{Conn: own, reads: c.reads}, nil
}

// conn is a connection. What it does not override is pgx's.
type conn struct {
	*stdlib.Conn
	reads bool
}

// CheckNamedValue implements driver.NamedValueChecker. The text of PostgreSQL is
// UTF-8 without zeros. Nothing that is stored has other names, so that who asks
// for one finds nothing, as in a database that could hold it.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if s, ok := v.Value.(string); ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
		const unknown = string(utf8.RuneError)
		v.Value = strings.ReplaceAll(strings.ToValidUTF8(s, unknown), "\x00", unknown)
	}
	return c.Conn.CheckNamedValue(v)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.Conn.ExecContext(ctx, query, args)
	return res, c.explain(ctx, err)
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	found, err := c.Conn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return &rows{found, c, ctx}, nil
}

// rows are the rows of a query, with the errors of the connection.
type rows struct {
	driver.Rows
	conn *conn
	ctx  context.Context
}

// Next implements driver.Rows.
func (r *rows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if err == io.EOF {
		return err
	}
	return r.explain(err)
}

// Close implements driver.Rows.
func (r *rows) Close() error { return r.explain(r.Rows.Close()) }

func (r *rows) explain(err error) error {
	if err = r.conn.explain(r.ctx, err); errors.Is(err, driver.ErrBadConn) {
		// Some rows were seen already: it is too late for another connection.
		return unavailable{fmt.Errorf("the connection was lost amidst an answer: %v", err)}
	}
	return err
}

// rolledBack is the tag of a COMMIT that did not commit: a statement had failed.
const rolledBack = "ROLLBACK"

// commit ends a transaction. Errors: errRolledBack; errLost, which leaves open
// whether it was committed; those of PostgreSQL, which has not committed it.
func (c *conn) commit(ctx context.Context) error {
	tag, err := c.Conn.Conn().Exec(ctx, "COMMIT", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return c.explain(ctx, err)
	}
	if tag.String() == rolledBack {
		return errRolledBack
	}
	return nil
}

// explain says what an error means, beside what it says. An error after which the
// connection is gone is errLost or, for readers, one after which database/sql
// takes another connection.
func (c *conn) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	// A statement whose context had ended before it was sent is ErrBadConn to pgx,
	// though the connection is none the worse for it.
	unsent := errors.Is(err, driver.ErrBadConn)
	var answer *pgconn.PgError
	switch {
	case ctx.Err() != nil && (unsent || c.Conn.Conn().IsClosed() || errors.As(err, &answer) && answer.Code == queryCanceled):
		return fmt.Errorf("%w (%v)", ctx.Err(), err)
	case unsent && !c.Conn.Conn().IsClosed():
		return err
	case c.Conn.Conn().IsClosed() && c.reads:
		return unavailable{fmt.Errorf("%w: %v", driver.ErrBadConn, err)}
	case c.Conn.Conn().IsClosed():
		return unavailable{fmt.Errorf("%w: %v", errLost, err)}
	}
	return meaning(err)
}
