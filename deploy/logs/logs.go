// Package logs keeps what containers write: log groups, their streams, and the
// events of these, as Amazon CloudWatch Logs has them.
//
// Groups and streams are rows of the metadata database. Events are kept in chunks of
// one stream each, compressed. A chunk begins as a row, which is how what was
// acknowledged outlives the process; Run, on one server at a time, gathers the chunks
// of a stream into larger ones and moves these into files, so that the database holds
// little more than what came in during the last minutes. A file is written before the
// rows point at it, and removed after none does; a row of log_file tells of it from
// before it exists until after it is gone.
//
// Each event has a number within its stream. Position, the order of all reading, is
// made of the event's time, its stream and that number: it stays what it is whatever
// becomes of chunks, which is why reading can go on from one after any time.
//
// The package knows nothing of the API; deploy/logs/logsapi is that.
package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"drydock/storage/meta"
)

// Files is where chunks go that leave the database: a blob.Driver, of which this is
// what is used. Paths begin with /logs.
type Files interface {
	// PutContent stores a file, durably once it returns.
	PutContent(ctx context.Context, path string, content []byte) error
	// Open opens a file of size bytes.
	Open(ctx context.Context, path string, size int64) (io.ReadSeekCloser, error)
	// Delete removes a file.
	Delete(ctx context.Context, path string) error
}

// Options is what a Store is made of. All are needed.
type Options struct {
	DB    meta.DB
	Files Files
	// Now tells the time and Random yields random bytes, for ids. Both are asked by
	// several goroutines.
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Store keeps log events. It is safe for concurrent use.
type Store struct {
	db     meta.DB
	files  Files
	now    func() time.Time
	random io.Reader
	log    *slog.Logger
	wake   chan struct{}
	most   int64 // bytes that may wait in the database
	look   int   // chunks that reading looks up at once, at first

	packers   sync.Pool
	unpackers sync.Pool
	waiting   backlog
}

// New makes a store. It is an error to leave anything out.
func New(o Options) (*Store, error) {
	if o.DB == nil || o.Files == nil || o.Now == nil || o.Random == nil || o.Log == nil {
		return nil, errors.New("logs need a database, a place for files, a clock, a source of randomness and a log")
	}
	return &Store{db: o.DB, files: o.Files, now: o.Now, random: o.Random, log: o.Log, wake: make(chan struct{}, 1), most: mostWaiting, look: firstLook}, nil
}

// Scope is the account and the region that a group belongs to.
type Scope struct{ Account, Region string }

// UnknownError says that there is no such group, or that the group has no such
// stream.
type UnknownError struct{ Group, Stream string }

func (e *UnknownError) Error() string {
	if e.Stream != "" {
		return fmt.Sprintf("log group %q has no stream %q", e.Group, e.Stream)
	}
	return fmt.Sprintf("there is no log group %q", e.Group)
}

// ExistsError says that there is such a group, or that the group has such a stream.
type ExistsError struct{ Group, Stream string }

func (e *ExistsError) Error() string {
	if e.Stream != "" {
		return fmt.Sprintf("log group %q has a stream %q already", e.Group, e.Stream)
	}
	return fmt.Sprintf("there is a log group %q already", e.Group)
}

// ErrBehind is returned when events come in faster than they can be put away.
var ErrBehind = errors.New("log events come in faster than they are stored away")

// newID makes the id of a row. It is positive, as stream 0 stands for the time before
// all streams in a Position.
func (s *Store) newID() (int64, error) {
	var b [8]byte
	for {
		if _, err := io.ReadFull(s.random, b[:]); err != nil {
			return 0, fmt.Errorf("make an id: %w", err)
		}
		// 18 decimal digits, of which the ids of events are made.
		if id := int64(binary.LittleEndian.Uint64(b[:]) % 1e18); id != 0 {
			return id, nil
		}
	}
}

func (s *Store) millis() int64 { return s.now().UnixMilli() }
