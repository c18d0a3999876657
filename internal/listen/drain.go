package listen

import (
	"net"
	"time"
)

// drainTime is how long Drain waits for the first byte of connections that say
// nothing.
const drainTime = time.Second

// Drain stops listening, and returns when all connections that were made until then
// have been handed out by Accept or said nothing for a while. To close a listening
// socket resets those that the kernel has taken and nobody has accepted yet, whose
// clients would not know whether their request was carried out.
func (l *Listener) Drain() {
	select {
	case <-l.closed:
		return
	default:
	}
	if l.draining.Swap(true) {
		return
	}
	l.inner.SetDeadline(time.Unix(1, 0)) // which wakes the loop that accepts
	select {
	case <-l.drained:
	case <-l.closed:
		return
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(drainTime); l.holding() && time.Now().Before(deadline); {
		select {
		case <-tick.C:
		case <-l.closed:
			return
		}
	}
}

// last accepts those whom the kernel has taken and stops listening.
func (l *Listener) last() {
	defer close(l.drained)
	for _, conn := range takeRest(l.inner) {
		l.take(conn)
	}
}

// take has a connection's first byte read, unless the listener is closed.
func (l *Listener) take(conn *net.TCPConn) bool {
	if !l.hold(conn) {
		conn.Close()
		return false
	}
	go l.sniff(conn)
	return true
}

func (l *Listener) holding() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}
