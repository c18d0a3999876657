// Package listen opens the server's ports and lets TLS and plain HTTP share each:
// the first byte that a client sends tells which of the two it speaks.
//
// What it hands to net/http are the types that net/http looks for: a *tls.Conn
// for TLS, and for plain HTTP a connection that embeds *net.TCPConn, so that
// serving a file ends in sendfile.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// SniffTimeout is how long a client may take to send its first byte.
const SniffTimeout = 10 * time.Second

// recordHandshake is the first byte of every TLS connection: the content type
// "handshake" of its first record (RFC 8446, section 5.1).
const recordHandshake = 0x16

// Options is what a Listener is made with.
type Options struct {
	// TLS is the configuration for clients that speak TLS.
	TLS *tls.Config
	// AllowPlain accepts plain HTTP from every peer, not from loopback only.
	AllowPlain bool
	// SniffTimeout replaces the constant of that name when it is not zero.
	SniffTimeout time.Duration
}

// Bind opens a TCP address; New does the rest. They are two steps so that a port
// that was left to the kernel to choose is known before anything is served on it.
// The error is a sentence that says what to do.
func Bind(ctx context.Context, address string) (*net.TCPListener, error) {
	config := net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 8},
		Control:         deadPeers,
	}
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, explain(address, err)
	}
	return l.(*net.TCPListener), nil // what "tcp" is documented to give
}

// explain turns what the kernel says into what the operator can do.
func explain(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the address %s is taken by another program: stop that one, or choose another address with --listen", address)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("no permission to listen on %s: ports below 1024 need root or the capability cap_net_bind_service, or choose another address with --listen", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the address %s is not one of this machine's: choose another with --listen", address)
	}
	return fmt.Errorf("cannot listen on %s, choose another address with --listen: %w", address, err)
}

// Listener accepts connections whose protocol is known already.
type Listener struct {
	inner   *net.TCPListener
	options Options
	ready   chan accepted
	closed  chan struct{}
	// draining is set by Drain; drained is closed when nobody can connect any more.
	draining atomic.Bool
	drained  chan struct{}

	mu      sync.Mutex
	waiting map[net.Conn]struct{} // not handed out yet; nil once closed
}

type accepted struct {
	conn net.Conn
	err  error
}

// New makes a Listener of one that is open. It starts to accept at once and
// owns inner from then on; Close ends both.
func New(inner *net.TCPListener, o Options) *Listener {
	if o.SniffTimeout == 0 {
		o.SniffTimeout = SniffTimeout
	}
	l := &Listener{
		inner:   inner,
		options: o,
		ready:   make(chan accepted),
		closed:  make(chan struct{}),
		drained: make(chan struct{}),
		waiting: map[net.Conn]struct{}{},
	}
	go l.accept()
	return l
}

// accept gives every connection a goroutine of its own, so that a client that
// connects and says nothing keeps nobody waiting.
func (l *Listener) accept() {
	for {
		conn, err := l.inner.AcceptTCP()
		if err != nil && l.draining.Load() {
			l.last()
			return
		}
		if err != nil {
			// Accept's caller decides about an error, e.g. to wait a little
			// when the process is out of file descriptors; until it comes
			// back for more, this loop rests here.
			if !l.hand(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !l.take(conn) {
			return
		}
	}
}

// sniff reads the first byte and hands out what it tells the connection to be.
func (l *Listener) sniff(tcp *net.TCPConn) {
	conn := &plainConn{TCPConn: tcp}
	tcp.SetReadDeadline(time.Now().Add(l.options.SniffTimeout))
	_, err := tcp.Read(conn.first[:])
	if err == nil {
		err = tcp.SetReadDeadline(time.Time{})
	}
	conn.peeked = true
	switch {
	case err != nil:
		tcp.Close()
	case conn.first[0] == recordHandshake:
		l.offer(tls.Server(conn, l.options.TLS), tcp)
		return
	case l.options.AllowPlain || isLoopback(tcp.RemoteAddr()):
		l.offer(conn, tcp)
		return
	default:
		refuse(conn)
	}
	l.release(tcp)
}

// offer waits until Accept takes conn, or the listener is closed.
func (l *Listener) offer(conn net.Conn, tcp *net.TCPConn) {
	handed := l.hand(accepted{conn: conn})
	l.release(tcp)
	if !handed {
		tcp.Close()
	}
}

func (l *Listener) hand(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.closed:
		return false
	}
}

// hold remembers a connection that Close must close; false when it is too late.
func (l *Listener) hold(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		return false
	}
	l.waiting[conn] = struct{}{}
	return true
}

func (l *Listener) release(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, conn)
}

// Accept waits for the next connection whose protocol is known. After Close it
// returns net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening and ends the connections that Accept has not returned.
func (l *Listener) Close() error {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	if waiting == nil {
		return net.ErrClosed
	}
	close(l.closed)
	err := l.inner.Close()
	if l.draining.Load() && errors.Is(err, net.ErrClosed) {
		err = nil
	}
	for conn := range waiting {
		conn.Close()
	}
	return err
}

// Addr is the address listened on.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }
