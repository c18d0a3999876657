package listen

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// handshake is how long the last ones may take to connect that have begun to.
const handshake = 20 * time.Millisecond

// noSYN lets all packets pass but those that begin a connection (RFC 9293, section
// 3.1: of the byte at offset 13, the bit 2). They are sent again a second later, to
// a port that is closed then.
func noSYN() *unix.SockFprog {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 2, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// takeRest closes a listener whose deadline is over, and returns the connections
// that were waiting to be accepted. So that there are none between the last of them
// and the closing, none can be begun any more shortly before; where that may not be
// had, that one is left to chance.
func takeRest(l *net.TCPListener) (conns []*net.TCPConn) {
	defer l.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		return nil
	}
	filtered := false
	_ = raw.Control(func(fd uintptr) {
		filtered = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, noSYN()) == nil
	})
	if filtered {
		time.Sleep(handshake)
	}
	var taken []int
	_ = raw.Control(func(fd uintptr) {
		for {
			n, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch err {
			case nil:
				taken = append(taken, n)
			case unix.EINTR, unix.ECONNABORTED:
			default:
				return
			}
		}
	})
	l.Close()
	for _, n := range taken {
		f := os.NewFile(uintptr(n), "connection")
		conn, err := net.FileConn(f)
		f.Close() // FileConn has a copy
		if err != nil {
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			conns = append(conns, tcp)
		}
	}
	return conns
}
