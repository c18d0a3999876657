package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"drydock/storage/meta"
)

// The codes that are told apart here.
// Source: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
const (
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	uniqueViolation       = "23505"
	diskFull              = "53100"
	outOfMemory           = "53200"
	tooManyConnections    = "53300"
	queryCanceled         = "57014"
	readOnlyTransaction   = "25006"
	invalidPassword       = "28P01"
	invalidAuthorization  = "28000"
	unknownDatabase       = "3D000"
	insufficientPrivilege = "42501"
	unknownSchema         = "3F000"
	undefinedTable        = "42P01"

	cannotConnectNow = "57P03"

	classConnection   = "08"
	classIntervention = "57P" // shut down, starting up
)

var (
	// errLost says that the connection broke. What was under way was rolled back,
	// unless it was a commit.
	errLost = errors.New("the connection was lost")
	// errRolledBack says that a transaction could not be committed because one of
	// its statements had failed.
	errRolledBack = errors.New("a statement of the transaction had failed")
)

// unavailable is an error that is meta.ErrUnavailable, and says it in its own
// words.
type unavailable struct{ error }

func (e unavailable) Is(target error) bool { return target == meta.ErrUnavailable }
func (e unavailable) Unwrap() error        { return e.error }

// Unavailable is what meta.ErrUnavailable has too.
func (e unavailable) Unavailable() bool { return true }

// code is that of the answer of PostgreSQL in an error, or empty.
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// meaning adds to an error of PostgreSQL's what package meta calls it.
func meaning(err error) error {
	switch c := code(err); {
	case c == diskFull:
		return fmt.Errorf("%w: %w", meta.ErrFull, err)
	case c == outOfMemory, c == tooManyConnections, c == readOnlyTransaction,
		strings.HasPrefix(c, classConnection), strings.HasPrefix(c, classIntervention):
		return unavailable{err}
	}
	return err
}

// retryable reports whether attempt n of a transaction, which failed with an error
// before its commit, may go well the next time: it met another transaction, or
// lost its connection.
func retryable(err error, n int) bool {
	switch code(err) {
	case serializationFailure, deadlockDetected:
		return true
	case uniqueViolation:
		// The row may be one that this transaction could not see when it looked
		// for it, and then sees the next time. Else it stays an error.
		return n < 3
	}
	return errors.Is(err, errLost)
}

// starting reports whether an error is that of a server that may be about to answer:
// nobody listens there yet, or it says so.
func starting(err error) bool {
	return code(err) == cannotConnectNow || code(err) == "" && errors.Is(err, syscall.ECONNREFUSED)
}

// unreachable is the error of a connection that could not be made.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("connect to the database: %w", ctx.Err())
	}
	return unavailable{err}
}

// advise says what to do about a database that cannot be opened. It shows no
// password.
func advise(c *pgconn.Config, err error) error {
	where := fmt.Sprintf("the PostgreSQL server at %s", address(c))
	switch code(err) {
	case invalidPassword:
		return fmt.Errorf("%s refuses the password of user %q: check --db: %w", where, c.User, err)
	case invalidAuthorization:
		return fmt.Errorf("%s does not let user %q in from here: check --db, and the server's pg_hba.conf: %w", where, c.User, err)
	case unknownDatabase:
		return fmt.Errorf("%s has no database %q: check --db, or make it with: createdb --owner %s %s: %w", where, c.Database, c.User, c.Database, err)
	case insufficientPrivilege:
		return fmt.Errorf("user %q may not make tables in database %q: make it the owner, or grant it CREATE on its schema: %w", c.User, c.Database, err)
	case unknownSchema, undefinedTable:
		// Without a schema of its own, goose looks for its table in all of them.
		return fmt.Errorf("database %q has no schema that user %q may use: check search_path in --db: %w", c.Database, c.User, err)
	case readOnlyTransaction:
		return fmt.Errorf("%s takes no writes: --db has to name the primary server, not a standby: %w", where, err)
	case tooManyConnections:
		return fmt.Errorf("%s has no connection left: raise its max_connections, or limit drydock's with pool_max_conns in --db: %w", where, err)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("%s cannot be reached: start it, or check the host and port in --db: %w", where, err)
	}
	return err
}

func address(c *pgconn.Config) string {
	if strings.HasPrefix(c.Host, "/") {
		return fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)
	}
	return fmt.Sprintf("%s:%d", c.Host, c.Port)
}
