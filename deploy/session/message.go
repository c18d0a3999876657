package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

// kind is the first byte of a message.
type kind byte

// The client begins with kindStart, and may then send the next three; the server
// sends the others, and ends with kindExit.
const (
	kindStart  kind = 's' // JSON of start
	kindInput  kind = 'i' // bytes for standard input
	kindEOF    kind = 'e' // standard input has ended
	kindSize   kind = 'w' // JSON of machine.Size: the terminal's
	kindOutput kind = 'o' // bytes of standard output
	kindError  kind = 'r' // bytes of standard error
	kindAlive  kind = 'k' // nothing: keeps what is between the two from hanging up
	kindExit   kind = 'x' // JSON of exit
)

// start says how the client has a command run.
type start struct {
	// TTY asks for a terminal; Input says that there is a standard input.
	TTY, Input bool
}

// exit says how a session ended.
type exit struct {
	Code int
	// Error is why there is no code.
	Error string `json:",omitempty"`
}

// Messages carry at most so many bytes.
const (
	chunk     = 32 << 10
	mostBytes = chunk + 1
)

// errOther is of a peer that does not speak as it should.
var errOther = errors.New("the other side does not speak the protocol of drydock's sessions")

// stream sends and receives messages. Sending can be done by many at once.
type stream struct{ *websocket.Conn }

func newStream(c *websocket.Conn) stream {
	c.SetReadLimit(mostBytes)
	return stream{c}
}

func (s stream) send(ctx context.Context, k kind, body []byte) error {
	return s.Write(ctx, websocket.MessageBinary, append([]byte{byte(k)}, body...))
}

func (s stream) tell(ctx context.Context, k kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	return s.send(ctx, k, b)
}

func (s stream) receive(ctx context.Context) (kind, []byte, error) {
	t, b, err := s.Read(ctx)
	if err != nil {
		return 0, nil, err
	}
	if t != websocket.MessageBinary || len(b) == 0 {
		return 0, nil, errOther
	}
	return kind(b[0]), b[1:], nil
}

// writer sends what is written to it as messages of a kind.
type writer struct {
	ctx context.Context
	s   stream
	k   kind
}

var _ io.Writer = writer{}

// Write implements io.Writer.
func (w writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if err := w.ctx.Err(); err != nil {
			return n, err // sending would take the connection down with it
		}
		m := min(len(p), chunk)
		if err := w.s.send(w.ctx, w.k, p[:m]); err != nil {
			return n, err
		}
		n, p = n+m, p[m:]
	}
	return n, nil
}
