// Package session carries what a command in a container reads and writes, or what a
// container has written, between this server and `drydock exec` and `drydock logs`.
//
// ECS's ExecuteCommand opens a session, and answers where it is and the secret that
// it takes. It is good once, and for a minute. The stream is a WebSocket (RFC 6455)
// of binary messages, each a byte that says what it is and what it carries; see
// message. It is not the protocol of AWS Systems Manager: Amazon's
// session-manager-plugin, which `aws ecs execute-command` starts, does not speak it.
//
// Sessions are in memory. Only the server whose machine has the task can open one.
package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"drydock/deploy/machine"
)

// Path is below which sessions are served: Path + id.
const Path = "/session/"

// goodFor is for how long a session waits for its client, and mostWaiting how many
// sessions wait at once.
const (
	goodFor     = time.Minute
	mostWaiting = 1000
)

// ErrTooMany is returned while too many sessions wait for their clients.
var ErrTooMany = errors.New("too many sessions wait for their clients")

// errUnknown is of a session that there is not, or that takes another secret.
var errUnknown = errors.New("there is no such session, or it was used, or its time is over: ask for another one")

// Request is what a session is opened for.
type Request struct {
	// Task is an ARN, Container a name in it.
	Task, Container string
	// Command is run in the container; without one the session carries what the
	// container has written, and with Follow what it goes on to write.
	Command []string
	Follow  bool
	// Principal is the ARN of who asked, for the log.
	Principal string
}

// Ticket lets somebody into a session.
type Ticket struct {
	// ID is no secret, Token is.
	ID, Token string
}

// Options is what Sessions are made of. All are needed.
type Options struct {
	// Machine finds the machine that tasks run on. Errors: machine.ErrUnavailable.
	Machine func() (machine.Machine, error)
	Now     func() time.Time
	Random  io.Reader
	Log     *slog.Logger
}

// Sessions are the sessions of one server.
type Sessions struct {
	o Options
	// alive ends when the server does.
	alive context.Context
	end   context.CancelFunc
	// running are those that have their client.
	running sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]waiting
	closed  bool
}

// waiting is a session without its client.
type waiting struct {
	request Request
	// secret is the token's hash.
	secret [sha256.Size]byte
	until  time.Time
}

// New makes Sessions. It is an error to leave anything out.
func New(o Options) (*Sessions, error) {
	if o.Machine == nil || o.Now == nil || o.Random == nil || o.Log == nil {
		return nil, errors.New("sessions need a machine, a clock, randomness and a log")
	}
	s := &Sessions{o: o, waiting: map[string]waiting{}}
	s.alive, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Open opens a session. Errors: machine.ErrUnavailable; machine.ErrUnknownTask, where
// the machine of this server does not have the task; ErrTooMany.
func (s *Sessions) Open(ctx context.Context, r Request) (Ticket, error) {
	if err := s.has(ctx, r.Task); err != nil {
		return Ticket{}, err
	}
	random := make([]byte, 12+32)
	if _, err := io.ReadFull(s.o.Random, random); err != nil {
		return Ticket{}, fmt.Errorf("make a secret: %w", err)
	}
	t := Ticket{ID: fmt.Sprintf("ecs-execute-command-%x", random[:12]), Token: base64.RawURLEncoding.EncodeToString(random[12:])}
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.waiting {
		if now.After(w.until) {
			delete(s.waiting, id)
		}
	}
	if len(s.waiting) >= mostWaiting {
		return Ticket{}, ErrTooMany
	}
	s.waiting[t.ID] = waiting{request: r, secret: sha256.Sum256([]byte(t.Token)), until: now.Add(goodFor)}
	return t, nil
}

// has checks that the machine has a task.
func (s *Sessions) has(ctx context.Context, arn string) error {
	m, err := s.o.Machine()
	if err != nil {
		return err
	}
	tasks, err := m.Tasks(ctx)
	if err != nil {
		return fmt.Errorf("ask the machine for its tasks: %w", err)
	}
	for _, t := range tasks {
		if t.ARN == arn {
			return nil
		}
	}
	return fmt.Errorf("task %s: %w", arn, machine.ErrUnknownTask)
}

// take lets a client into the session that waits for it, which then waits no more.
// Errors: errUnknown, whatever the reason.
func (s *Sessions) take(id, token string) (Request, error) {
	secret := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.waiting[id]
	// Both sides are hashes of the same length, compared in constant time.
	if subtle.ConstantTimeCompare(secret[:], w.secret[:]) != 1 || !ok || s.closed {
		return Request{}, errUnknown
	}
	delete(s.waiting, id)
	if s.o.Now().After(w.until) {
		return Request{}, errUnknown
	}
	s.running.Add(1)
	return w.request, nil
}

// Close ends all sessions and waits for them.
func (s *Sessions) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
	return nil
}
