package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// usualConnections is how many connections a server opens at most. A
	// PostgreSQL that nobody has tuned takes 100 of all its clients.
	usualConnections = 24
	// leastConnections is one to write with, one to read with, and one to hold a
	// lock meanwhile.
	leastConnections = 4

	connectTimeout = 5 * time.Second
	// startTime is how long Open waits for a server that does not take connections
	// yet.
	startTime = 10 * time.Second
	// idleTime is how long a connection is kept that nobody uses, and lifeTime how
	// long one is kept at all, so that what was changed behind a host name or a
	// balancer takes effect.
	idleTime = 5 * time.Minute
	lifeTime = time.Hour
	// silence is how long a peer may leave what was sent unacknowledged before the
	// connection counts as lost.
	silence = 15 * time.Second

	// A statement whose client has left goes on for a moment, in which nearly all
	// end: to break one off costs the connection or another one.
	cancelAfter = time.Second
	breakAfter  = 5 * time.Second
)

// purpose is what a connection is for.
type purpose int

const (
	reading purpose = iota
	writing
)

const connectionsParameter = "pool_max_conns"

// parse reads the URL of a database. Its errors show no password.
func parse(address string) (c *pgx.ConnConfig, connections int, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, 0, errors.New("the address of a PostgreSQL database is of the form postgres://USER:PASSWORD@HOST:PORT/NAME, where what is special in a URL is written as %XX")
	}
	connections = usualConnections
	q := u.Query()
	if given := q.Get(connectionsParameter); given != "" {
		if connections, err = strconv.Atoi(given); err != nil || connections < leastConnections {
			return nil, 0, fmt.Errorf("%s=%s in the address of the database: it is a number of %d or more", connectionsParameter, given, leastConnections)
		}
		q.Del(connectionsParameter)
		u.RawQuery = q.Encode()
	}
	if c, err = pgx.ParseConfig(u.String()); err != nil {
		// It repeats the address in a quotation of its own.
		_, why, _ := strings.Cut(err.Error(), "`: ")
		return nil, 0, fmt.Errorf("the address of the database on %s: %s", u.Host, why)
	}
	return c, connections, nil
}

// pool opens connections as they are needed, and makes none yet.
func pool(common *pgx.ConnConfig, p purpose, limit int) *sql.DB {
	c := common.Copy()
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	c.DialFunc = dialer(c.ConnectTimeout).DialContext
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, CancelRequestDelay: cancelAfter, DeadlineDelay: breakAfter}
	}
	set := func(name, value string) {
		if _, given := c.RuntimeParams[name]; !given {
			c.RuntimeParams[name] = value
		}
	}
	set("application_name", "drydock")
	if p == reading {
		set("default_transaction_read_only", "on")
	} else {
		// Of a small table PostgreSQL would rather read all than use its index, and
		// whoever has read all of a table meets everybody who writes to it.
		// Source: PostgreSQL documentation, "Serializable Isolation Level".
		set("enable_seqscan", "off")
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*c), p == reading})
	db.SetMaxOpenConns(limit)
	db.SetMaxIdleConns(limit)
	db.SetConnMaxIdleTime(idleTime)
	db.SetConnMaxLifetime(lifeTime)
	return db
}

// dialer notices in time that the other machine is gone.
func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 3, Interval: silence / 3, Count: 3},
		Control:         limitSilence,
	}
}
