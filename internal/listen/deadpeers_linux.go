package listen

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stalled is how long a peer may leave sent bytes unacknowledged, or its
// receive window shut, before the kernel gives the connection up. There is no
// timeout on writing as a whole, because a large pull may take hours; this is
// what ends a pull whose client is gone or has stopped reading.
const stalled = 5 * time.Minute

// deadPeers sets the limit on the listening socket; accepted ones inherit it.
func deadPeers(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stalled.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
