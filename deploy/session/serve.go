package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"drydock/deploy/machine"
	"drydock/internal/observe"
)

// sayAlive is how often a session that is quiet says that it is not over. It is also
// how a client is missed that has gone without a word while it sent more than the
// command reads, when nothing is read of it either.
const sayAlive = 25 * time.Second

// farewell is how long a client may take to hear how its session ended.
const farewell = 5 * time.Second

var errStopped = errors.New("the server is being stopped")

// ServeHTTP lets a client into its session. The path is Path and the session's id;
// the token is in the header Authorization, as a bearer's.
func (s *Sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := observe.From(r.Context())
	record.Operation = "session"
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	request, err := s.take(strings.TrimPrefix(r.URL.Path, Path), token)
	if err != nil {
		record.Status = http.StatusForbidden
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	defer s.running.Done()
	record.Principal = request.Principal
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		record.Status, record.Error = http.StatusBadRequest, "not a WebSocket" // Accept has answered
		return
	}
	record.Status = http.StatusSwitchingProtocols
	defer func() { _ = conn.CloseNow() }() // it is closed already where all went well
	s.serve(r.Context(), newStream(conn), request)
}

// serve carries a session out and tells how it ended.
func (s *Sessions) serve(ctx context.Context, c stream, r Request) {
	began := s.o.Now()
	log := s.o.Log.With("task", r.Task, "container", r.Container, "program", program(r), "principal", r.Principal)
	log.InfoContext(ctx, "a session begins")
	code, err := s.carry(ctx, c, r)
	end := exit{Code: code}
	if s.alive.Err() != nil {
		err = errStopped
	}
	if err != nil {
		end.Error = err.Error()
	}
	log.InfoContext(ctx, "a session has ended", "code", code, "error", err, "took", s.o.Now().Sub(began))
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if c.tell(ctx, kindExit, end) == nil {
		_ = c.Close(websocket.StatusNormalClosure, "") // whoever has gone need not hear it
	}
}

// program is what the log tells of a command: what follows may hold a secret.
func program(r Request) string {
	if len(r.Command) == 0 {
		return ""
	}
	return r.Command[0]
}

// carry does what a session is for. The WebSocket does not outlive the context of
// anything that is read from it or written to it, and so all that is to end before
// the farewell has a context of its own.
func (s *Sessions) carry(ctx context.Context, c stream, r Request) (int, error) {
	m, err := s.o.Machine()
	if err != nil {
		return 0, err
	}
	how, err := started(ctx, c)
	if err != nil {
		return 0, err
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.alive, cancel)()
	go func() {
		defer cancel()
		keepAlive(work, c)
	}()
	stdin, feed := io.Pipe()
	defer stdin.Close()
	sizes := make(chan machine.Size, 1)
	go func() {
		defer cancel() // a client that has gone wants no more
		listen(ctx, c, feed, sizes)
	}()
	out := writer{work, c, kindOutput}
	if len(r.Command) == 0 {
		return 0, m.Logs(work, r.Task, r.Container, r.Follow, out)
	}
	e := machine.Exec{Command: r.Command, TTY: how.TTY, Stdout: out, Stderr: writer{work, c, kindError}, Resize: sizes}
	if how.Input {
		e.Stdin = stdin
	}
	return m.Exec(work, r.Task, r.Container, e)
}

// started waits for how the client has it begin.
func started(ctx context.Context, c stream) (how start, err error) {
	ctx, cancel := context.WithTimeout(ctx, goodFor)
	defer cancel()
	k, b, err := c.receive(ctx)
	if err != nil {
		return how, fmt.Errorf("wait for the session to be started: %w", err)
	}
	if k != kindStart || json.Unmarshal(b, &how) != nil {
		return how, errOther
	}
	return how, nil
}

// listen takes what the client sends, until it has gone.
func listen(ctx context.Context, c stream, stdin *io.PipeWriter, sizes chan machine.Size) {
	for {
		k, b, err := c.receive(ctx)
		if err != nil {
			_ = stdin.CloseWithError(err)
			return
		}
		switch k {
		case kindInput:
			if _, err := stdin.Write(b); errors.Is(err, io.ErrClosedPipe) {
				continue // the command reads no more, and may go on all the same
			}
		case kindEOF:
			_ = stdin.Close()
		case kindSize:
			var size machine.Size
			if json.Unmarshal(b, &size) != nil {
				continue
			}
			select { // only the last size counts
			case <-sizes:
			default:
			}
			sizes <- size
		}
	}
}

// keepAlive says that the session is alive, until nobody is there to hear it.
func keepAlive(ctx context.Context, c stream) {
	tick := time.NewTicker(sayAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if c.send(ctx, kindAlive, nil) != nil {
				return
			}
		}
	}
}
