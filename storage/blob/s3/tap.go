package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"time"
)

// tap is a connection to a service that speaks plain HTTP. What is read from it
// into one certain buffer can be passed on instead, by the kernel and without
// being copied, where both ends are sockets: see net.TCPConn.ReadFrom. All of HTTP
// remains net/http's affair, which asks the connection for bytes only where it has
// none of them in its own buffer, and counts them.
type tap struct {
	*net.TCPConn
	passing atomic.Pointer[passage]
}

// windowSize is how much is passed on at a time: what one pipe holds. Next to
// nothing of the memory is ever touched.
const windowSize = 1 << 20

type window = [windowSize]byte

// passage is what is to be passed on.
type passage struct {
	// buffer is read into, but stays as it is where passed is set.
	buffer []byte
	to     io.ReaderFrom
	// stall is how long to wait for a byte.
	stall  time.Duration
	passed bool
	n      int
}

// Read implements io.Reader. It returns the number of bytes passed on.
func (t *tap) Read(p []byte) (int, error) {
	s := t.passing.Load()
	if s == nil || len(p) == 0 {
		return t.TCPConn.Read(p)
	}
	// The time is for what comes, and not for the client to take it: late is only
	// what brought nothing.
	if err := t.SetReadDeadline(time.Now().Add(s.stall)); err != nil {
		return 0, err
	}
	if &p[0] != &s.buffer[0] {
		return t.TCPConn.Read(p)
	}
	n, err := s.to.ReadFrom(&io.LimitedReader{R: t.TCPConn, N: int64(len(p))})
	s.passed, s.n = true, int(n)
	switch {
	case n > 0 && errors.Is(err, os.ErrDeadlineExceeded):
		err = nil
	case n == 0 && err == nil:
		err = io.EOF
	}
	return int(n), err
}

// pass has what the next Read of an answer puts into the buffer passed on to to,
// if none of it is in this process yet, and reports whether it was.
func (t *tap) pass(body io.Reader, buffer []byte, to io.ReaderFrom, stall time.Duration) (n int, passed bool, err error) {
	s := &passage{buffer: buffer, to: to, stall: stall}
	t.passing.Store(s)
	n, err = body.Read(buffer)
	t.passing.Store(nil)
	if s.passed && n != s.n {
		return s.n, true, &otherError{fmt.Sprintf("its connection passed on %d bytes and its answer %d", s.n, n)}
	}
	// An answer that has failed has closed the connection.
	if clear := t.SetReadDeadline(time.Time{}); err == nil {
		err = clear
	}
	return n, s.passed, err
}

// tapped has dial return taps.
func tapped(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if tcp, ok := c.(*net.TCPConn); ok {
			return &tap{TCPConn: tcp}, nil
		}
		return c, err
	}
}

// findTap notes the connection of a request, if it is a tap.
func findTap(ctx context.Context, found **tap) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		*found, _ = info.Conn.(*tap)
	}})
}
