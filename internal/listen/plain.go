package listen

import (
	"io"
	"net"
	"strconv"
	"time"
)

// plainConn is a TCP connection whose first byte was read ahead. It embeds
// *net.TCPConn for the sake of its ReadFrom, which is how net/http reaches
// sendfile and splice. Everything that reads must give the first byte back
// first; Read and WriteTo are all that do.
type plainConn struct {
	*net.TCPConn
	first  [1]byte
	peeked bool
}

// Read is not safe for concurrent use, unlike that of other connections:
// net/http and crypto/tls never read one from two goroutines at a time.
func (c *plainConn) Read(p []byte) (int, error) {
	if c.peeked && len(p) > 0 {
		c.peeked = false
		p[0] = c.first[0]
		return 1, nil
	}
	return c.TCPConn.Read(p)
}

// WriteTo replaces the promoted method, which would skip the first byte.
func (c *plainConn) WriteTo(w io.Writer) (int64, error) {
	var n int64
	if c.peeked {
		c.peeked = false
		m, err := w.Write(c.first[:])
		n = int64(m)
		if err != nil {
			return n, err
		}
	}
	m, err := c.TCPConn.WriteTo(w)
	return n + m, err
}

func isLoopback(peer net.Addr) bool {
	a, ok := peer.(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

const refusal = "This server speaks plain HTTP only to its own machine.\n" +
	"Use https:// (drydock trust prints the certificate to trust),\n" +
	"or start the server with --allow-plain-http.\n"

// refuse answers a plain request from elsewhere in a way that a person sees.
// Whatever the client is still sending must be read before closing, because
// closing with unread bytes resets the connection and takes the answer with it.
func refuse(c *plainConn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	_, err := io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "+
		strconv.Itoa(len(refusal))+"\r\n\r\n"+refusal)
	if err != nil || c.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, 256<<10))
}
