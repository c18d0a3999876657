package s3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drydock/storage/blob"
	"drydock/storage/blob/blobtest"
	"drydock/storage/blob/s3/s3test"
)

// taking is the sending end of a connection, which counts what is passed on to it.
type taking struct {
	*net.TCPConn
	passed atomic.Int64
}

func (c *taking) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.passed.Add(n)
	return n, err
}

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (*taking, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return &taking{TCPConn: near.(*net.TCPConn)}, far.(*net.TCPConn)
}

// between stands before an S3 server and hands each connection's answers to spoil.
func between(t *testing.T, endpoint string, spoil func(to, from *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(server, client)
				server.Close()
			}()
			go func() {
				spoil(client.(*net.TCPConn), server.(*net.TCPConn))
				client.Close()
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// Large answers of a service over plain HTTP pass this process by, and come whole
// whatever befalls the service or the client.
func TestLargeAnswersArePassedOn(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	content := blobtest.Noise(40 << 20)
	const cutAt = 17<<20 + 12345
	for name, c := range map[string]struct {
		// spoil is how answers come, the first of which is cut or stopped.
		spoil func(first bool, to, from *net.TCPConn)
		// slow is what the client waits now and then.
		slow  time.Duration
		calls int
	}{
		"and all is well": {calls: 1},
		"and the answer breaks off": {calls: 2, spoil: func(first bool, to, from *net.TCPConn) {
			if first {
				_, _ = io.CopyN(to, from, cutAt)
				return
			}
			_, _ = io.Copy(to, from)
		}},
		"and the answer is reset": {calls: 2, spoil: func(first bool, to, from *net.TCPConn) {
			if first {
				_, _ = io.CopyN(to, from, cutAt)
				_ = to.SetLinger(0)
				return
			}
			_, _ = io.Copy(to, from)
		}},
		"and the answer hangs": {calls: 2, spoil: func(first bool, to, from *net.TCPConn) {
			if first {
				_, _ = io.CopyN(to, from, cutAt)
				time.Sleep(3 * time.Second)
				return
			}
			_, _ = io.Copy(to, from)
		}},
		"and the client takes its time": {calls: 1, slow: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, s)
			path := stored(t, open(t, o), content)
			o.stall = 700 * time.Millisecond
			if c.spoil != nil {
				var connections atomic.Int32
				o.Endpoint = between(t, s.Endpoint, func(to, from *net.TCPConn) { c.spoil(connections.Add(1) == 1, to, from) })
			}
			count := new(counter)
			o.Wrap = func(next Doer) Doer { count.next = next; return count }
			f, err := open(t, o).Open(t.Context(), path, int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			near, far := pair(t)
			received := make(chan []byte)
			go func() {
				var all bytes.Buffer
				for i := 0; ; i++ {
					_, err := io.CopyN(&all, far, 9<<20)
					if err != nil {
						received <- all.Bytes()
						return
					}
					if i < 2 {
						time.Sleep(c.slow)
					}
				}
			}()
			n, err := f.(blob.Fetcher).Send(near, int64(len(content)))
			near.Close()
			if got := <-received; err != nil || n != int64(len(content)) || !bytes.Equal(got, content) {
				t.Errorf("%d bytes were sent and %d came, the same ones: %v: %v", n, len(got), bytes.Equal(got, content), err)
			}
			if passed := near.passed.Load(); passed < int64(len(content))*8/10 {
				t.Errorf("%d bytes were passed on", passed)
			}
			if got := count.take()["GetObject"]; got != c.calls {
				t.Errorf("that took %d requests, want %d", got, c.calls)
			}
		})
	}
}

func TestAClientThatGoesEndsWhatIsPassedOn(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	o := options(t, s)
	content := blobtest.Noise(40 << 20)
	path := stored(t, open(t, o), content)
	count := new(counter)
	o.Wrap = func(next Doer) Doer { count.next = next; return count }
	f, err := open(t, o).Open(t.Context(), path, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	near, far := pair(t)
	go func() {
		_, _ = io.CopyN(io.Discard, far, 10<<20)
		far.Close()
	}()
	n, err := f.(blob.Fetcher).Send(near, int64(len(content)))
	var opErr *net.OpError
	if err == nil || n == int64(len(content)) {
		t.Errorf("%d bytes were sent to nobody: %v", n, err)
	}
	if errors.As(err, &opErr) && opErr.Timeout() {
		t.Errorf("it took a timeout: %v", err)
	}
	if got := count.take()["GetObject"]; got > 2 {
		t.Errorf("%d times it was asked for what nobody wanted", got)
	}
}

// What has a checksum is read, and not passed on unseen.
func TestWhatHasAChecksumIsNotPassedOn(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	o := options(t, s)
	content := blobtest.Noise(12 << 20)
	d := open(t, o)
	f, err := d.Open(t.Context(), stored(t, d, content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	near, far := pair(t)
	received := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(far)
		received <- all
	}()
	_, err = f.(blob.Fetcher).Send(near, int64(len(content)))
	near.Close()
	if got := <-received; err != nil || !bytes.Equal(got, content) || near.passed.Load() != 0 {
		t.Errorf("%d bytes came, %d passed on: %v", len(got), near.passed.Load(), err)
	}
}
