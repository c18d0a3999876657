//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// conn is one kept connection to a registry. It speaks just enough HTTP/1.1 for
// the measurements, without allocating for each request.
type conn struct {
	net.Conn
	tcp  *net.TCPConn // nil over TLS
	r    *bufio.Reader
	head string // Host and Authorization
	buf  []byte
}

// dial connects the client of that number.
func dial(s *server, secure bool, client int) (*conn, error) {
	address := s.plain[client%len(s.plain)]
	if secure {
		address = s.secure
	}
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, tcp: raw.(*net.TCPConn), head: " HTTP/1.1\r\nHost: " + address + "\r\n" + s.authorization}
	if secure {
		// What is measured is the cipher, not the verification.
		t := tls.Client(raw, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err := t.Handshake(); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		c.Conn, c.tcp = t, nil
	}
	c.r = bufio.NewReaderSize(c.Conn, 16<<10)
	return c, nil
}

// answer is what the measurements look at.
type answer struct {
	status   int
	length   int64 // of the body, -1 when it comes in chunks
	location string
	link     string // to the next page
}

// accept is what docker says that it takes for a manifest.
const accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, " +
	"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json\r\n"

// request sends a request without a body, or with a small one.
func (c *conn) request(method, target, contentType string, body []byte) (answer, error) {
	c.buf = append(c.buf[:0], method...)
	c.buf = append(c.buf, ' ')
	c.buf = append(c.buf, target...)
	c.buf = append(c.buf, c.head...)
	if method == "GET" {
		c.buf = append(c.buf, accept...)
	}
	if contentType != "" {
		c.buf = append(c.buf, "Content-Type: "...)
		c.buf = append(c.buf, contentType...)
		c.buf = append(c.buf, "\r\n"...)
	}
	if body != nil || method == "POST" {
		c.buf = append(c.buf, "Content-Length: "...)
		c.buf = strconv.AppendInt(c.buf, int64(len(body)), 10)
		c.buf = append(c.buf, "\r\n"...)
	}
	c.buf = append(c.buf, "\r\n"...)
	c.buf = append(c.buf, body...)
	if _, err := c.Write(c.buf); err != nil {
		return answer{}, err
	}
	return c.read()
}

// send sends a request whose body is a file that lies in memory.
func (c *conn) send(method, target string, body *os.File, size int64) (answer, error) {
	head := fmt.Sprintf("%s %s%sContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", method, target, c.head, size)
	if _, err := io.WriteString(c, head); err != nil {
		return answer{}, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return answer{}, err
	}
	if c.tcp != nil {
		if _, err := c.tcp.ReadFrom(io.LimitReader(body, size)); err != nil { // sendfile
			return answer{}, err
		}
	} else if _, err := io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(body, size), make([]byte, 1<<20)); err != nil {
		return answer{}, err
	}
	return c.read()
}

// read reads a response's head.
func (c *conn) read() (answer, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 {
		return answer{}, fmt.Errorf("no status line: %q", line)
	}
	a := answer{length: -1}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return answer{}, fmt.Errorf("no status line: %q", line)
	}
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return answer{}, err
		}
		if len(line) <= 2 {
			return a, nil
		}
		switch line[0] | 0x20 {
		case 'c':
			if v, ok := header(line, "content-length"); ok {
				if a.length, err = strconv.ParseInt(v, 10, 64); err != nil {
					return answer{}, err
				}
			}
		case 'l':
			if v, ok := header(line, "location"); ok {
				a.location = v
			} else if v, ok := header(line, "link"); ok {
				a.link = v
			}
		}
	}
}

func header(line []byte, name string) (string, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !strings.EqualFold(string(line[:len(name)]), name) {
		return "", false
	}
	return strings.TrimSpace(string(line[len(name)+1:])), true
}

// discard reads a body and drops it.
func (c *conn) discard(a answer) error {
	if a.length < 0 {
		return c.discardChunks()
	}
	if c.tcp == nil || a.length < 1<<20 {
		_, err := c.r.Discard(int(a.length))
		return err
	}
	n := int64(c.r.Buffered())
	if _, err := c.r.Discard(int(min(n, a.length))); err != nil {
		return err
	}
	return c.drop(a.length - n)
}

// drop lets the kernel drop the next n bytes: with MSG_TRUNC, TCP does not copy
// what it hands out (tcp(7)).
func (c *conn) drop(n int64) error {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	if c.buf = c.buf[:cap(c.buf)]; len(c.buf) < 1<<20 {
		c.buf = make([]byte, 1<<20)
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for n > 0 {
			got, _, err := unix.Recvfrom(int(fd), c.buf[:min(n, int64(len(c.buf)))], unix.MSG_TRUNC)
			switch {
			case err == unix.EAGAIN:
				return false
			case err == unix.EINTR:
				continue
			case err != nil:
				failed = err
				return true
			case got == 0:
				failed = io.ErrUnexpectedEOF
				return true
			}
			n -= int64(got)
		}
		return true
	})
	return errors.Join(err, failed)
}

func (c *conn) discardChunks() error {
	return c.chunks(func(n int) error {
		_, err := c.r.Discard(n)
		return err
	})
}

// chunks has take take each chunk of a body.
func (c *conn) chunks(take func(n int) error) error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
		if err != nil {
			return err
		}
		if err := take(int(size)); err != nil {
			return err
		}
		if _, err := c.r.Discard(2); err != nil || size == 0 {
			return err
		}
	}
}

// body reads a body into the connection's buffer.
func (c *conn) body(a answer) ([]byte, error) {
	c.buf = c.buf[:0]
	take := func(n int) error {
		at := len(c.buf)
		c.buf = append(c.buf, make([]byte, n)...)
		_, err := io.ReadFull(c.r, c.buf[at:])
		return err
	}
	var err error
	if a.length >= 0 {
		err = take(int(a.length))
	} else {
		err = c.chunks(take)
	}
	return c.buf, err
}

// do is a request whose answer must have a status; its body is dropped.
func (c *conn) do(want int, method, target, contentType string, body []byte) (answer, error) {
	a, err := c.request(method, target, contentType, body)
	return c.finish(want, a, err, method, target)
}

func (c *conn) finish(want int, a answer, err error, method, target string) (answer, error) {
	if err != nil {
		return a, fmt.Errorf("%s %s: %w", method, target, err)
	}
	if a.status != want {
		text := make([]byte, min(max(a.length, 0), 400))
		_, _ = io.ReadFull(c.r, text) // the status is what counts
		return a, fmt.Errorf("%s %s: %d %s", method, target, a.status, text)
	}
	if a.length != 0 && method != "HEAD" && a.status != 204 {
		err = c.discard(a)
	}
	return a, err
}

// startUpload opens an upload and returns the target that closes it.
func (c *conn) startUpload(repo, digest string) (string, error) {
	a, err := c.do(202, "POST", "/v2/"+repo+"/blobs/uploads/", "", nil)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(a.location)
	if err != nil {
		return "", err
	}
	sep := "?"
	if u.RawQuery != "" {
		sep = "&"
	}
	return u.RequestURI() + sep + "digest=" + digest, nil
}

// pushBlob uploads a small blob with POST and PUT.
func (c *conn) pushBlob(repo string, b blob) error {
	target, err := c.startUpload(repo, b.digest)
	if err != nil {
		return err
	}
	_, err = c.do(201, "PUT", target, "application/octet-stream", b.content)
	return err
}
