package listen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serverTLS is a configuration with a certificate nobody trusts.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func open(t *testing.T, address string, o Options) *Listener {
	t.Helper()
	if o.TLS == nil {
		o.TLS = serverTLS(t)
	}
	inner, err := Bind(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	l := New(inner, o)
	t.Cleanup(func() { l.Close() })
	return l
}

// serve runs an HTTP server on l that says which protocol it was asked by.
func serve(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

func protocol(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "tls=%t", r.TLS != nil)
}

func client() *http.Client {
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := client().Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOnePortServesTLSAndPlainHTTP(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	serve(t, l, http.HandlerFunc(protocol))
	if got := get(t, "http://"+l.Addr().String()); got != "tls=false" {
		t.Errorf("http:// was served as %s", got)
	}
	if got := get(t, "https://"+l.Addr().String()); got != "tls=true" {
		t.Errorf("https:// was served as %s", got)
	}
}

func TestAClientThatSaysNothingKeepsNobodyWaiting(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	serve(t, l, http.HandlerFunc(protocol))
	for range 20 {
		silent, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	if got := get(t, "http://"+l.Addr().String()); got != "tls=false" {
		t.Errorf("got %s", got)
	}
}

func TestAClientThatSaysNothingIsGivenUp(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{SniffTimeout: 50 * time.Millisecond})
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestASlowClientIsServedOnceItSpeaks(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{SniffTimeout: 200 * time.Millisecond})
	serve(t, l, http.HandlerFunc(protocol))
	slow, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	request := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for i := range request {
		time.Sleep(10 * time.Millisecond) // well past the sniff timeout in all
		if _, err := slow.Write([]byte{request[i]}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := io.ReadAll(slow)
	if err != nil || !strings.HasSuffix(string(answer), "tls=false") {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestPlainHTTPFromElsewhereIsToldToUseTLS(t *testing.T) {
	here := ownAddress(t)
	l := open(t, net.JoinHostPort(here, "0"), Options{})
	serve(t, l, http.HandlerFunc(protocol))
	answer, err := client().Post("http://"+l.Addr().String()+"/v2/", "", bytes.NewReader(make([]byte, 100<<10)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusForbidden || err != nil || !strings.Contains(string(body), "--allow-plain-http") {
		t.Errorf("got %s %q %v", answer.Status, body, err)
	}
	if got := get(t, "https://"+l.Addr().String()); got != "tls=true" {
		t.Errorf("https:// was served as %s", got)
	}
}

func TestPlainHTTPFromElsewhereIsServedWhenAllowed(t *testing.T) {
	here := ownAddress(t)
	l := open(t, net.JoinHostPort(here, "0"), Options{AllowPlain: true})
	serve(t, l, http.HandlerFunc(protocol))
	if got := get(t, "http://"+l.Addr().String()); got != "tls=false" {
		t.Errorf("http:// was served as %s", got)
	}
}

// ownAddress is an address of this machine that is not loopback. What is sent to
// it does not leave the machine.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

func TestIsLoopback(t *testing.T) {
	for ip, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"10.0.0.1": false, "::ffff:10.0.0.1": false, "169.254.1.1": false, "0.0.0.0": false,
	} {
		if got := isLoopback(&net.TCPAddr{IP: net.ParseIP(ip)}); got != want {
			t.Errorf("%s: got %t", ip, got)
		}
	}
	if isLoopback(&net.UnixAddr{}) {
		t.Error("an address that is not TCP counts as loopback")
	}
}

// accept returns the listener's next connection after a client sent some bytes.
func accept(t *testing.T, l *Listener, send []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write(send); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestConnectionsAreOfTheTypesThatNetHTTPLooksFor(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	plain := accept(t, l, []byte("GET"))
	if _, ok := plain.(io.ReaderFrom); !ok {
		t.Errorf("a %T cannot take a file by sendfile", plain)
	}
	if c, ok := plain.(*plainConn); !ok || c.TCPConn == nil {
		t.Errorf("a %T does not lead to a *net.TCPConn", plain)
	}
	if secure, ok := accept(t, l, []byte{recordHandshake, 3, 1}).(*tls.Conn); !ok {
		t.Errorf("a TLS client got a %T", secure)
	}
}

func TestNoByteIsLostByPeeking(t *testing.T) {
	want := strings.Repeat("GET /v2/ and so on\r\n", 5000)
	for name, read := range map[string]func(net.Conn) (string, error){
		"Read": func(c net.Conn) (string, error) {
			b, err := io.ReadAll(struct{ io.Reader }{c})
			return string(b), err
		},
		"WriteTo": func(c net.Conn) (string, error) {
			var b bytes.Buffer
			n, err := c.(io.WriterTo).WriteTo(&b)
			if n != int64(b.Len()) {
				err = fmt.Errorf("WriteTo counted %d of %d bytes", n, b.Len())
			}
			return b.String(), err
		},
		"Read, then WriteTo": func(c net.Conn) (string, error) {
			var b strings.Builder
			p := make([]byte, 10)
			n, err := c.Read(nil) // must not eat the byte that was read ahead
			if n != 0 || err != nil {
				return "", fmt.Errorf("reading nothing: %d, %v", n, err)
			}
			n, err = c.Read(p)
			if err != nil {
				return "", err
			}
			b.Write(p[:n])
			_, err = c.(io.WriterTo).WriteTo(&b)
			return b.String(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, "127.0.0.1:0", Options{})
			got, err := read(accept(t, l, []byte(want)))
			if err != nil || got != want {
				t.Errorf("%d bytes arrived, %d were sent (%v)", len(got), len(want), err)
			}
		})
	}
}

// TestAFileIsSentThroughReadFrom holds the reason for the shape of plainConn:
// net/http passes a file to the connection's ReadFrom, in one call.
func TestAFileIsSentThroughReadFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	spy := &spyListener{Listener: open(t, "127.0.0.1:0", Options{})}
	sent := make(chan struct{})
	serve(t, spy, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(sent)
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", "1048576")
		io.Copy(w, f)
	}))
	if got := get(t, "http://"+spy.Addr().String()); len(got) != 1<<20 {
		t.Fatalf("got %d bytes", len(got))
	}
	<-sent
	if spy.file.n < 1<<20-1024 { // net/http sends the first 512 bytes itself, to sniff the type
		t.Errorf("ReadFrom was handed %d bytes of the file", spy.file.n)
	}
}

type spyListener struct {
	*Listener
	file *spyConn
}

func (l *spyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.file = &spyConn{plainConn: c.(*plainConn)}
	return l.file, nil
}

type spyConn struct {
	*plainConn
	n int64
}

func (c *spyConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.plainConn.ReadFrom(r)
	c.n += n
	return n, err
}

func TestWhoHasConnectedBeforeADrainIsServed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere, who has not been accepted yet is reset")
	}
	for range 3 {
		l := open(t, "127.0.0.1:0", Options{})
		serve(t, l, http.HandlerFunc(protocol))
		var all sync.WaitGroup
		var served, refused atomic.Int32
		drain := make(chan struct{})
		for n := range 40 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 100 * time.Microsecond)
				if n == 20 {
					close(drain)
				}
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					refused.Add(1)
					return
				}
				defer conn.Close()
				time.Sleep(20 * time.Millisecond)
				if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
					t.Errorf("connected, and then: %v", err)
					return
				}
				answer, err := io.ReadAll(conn)
				if err != nil || !strings.Contains(string(answer), "200 OK") {
					t.Errorf("connected, and then: %q, %v", answer, err)
				}
				served.Add(1)
			})
		}
		<-drain
		l.Drain()
		all.Wait()
		if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
			t.Error("it listens still")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if served.Load() == 0 {
			t.Error("nobody was served")
		}
	}
}

func TestADrainDoesNotWaitForThoseWhoSayNothing(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	serve(t, l, http.HandlerFunc(protocol))
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begun := time.Now()
	l.Drain()
	l.Drain() // the second has nothing to do
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCloseEndsAcceptAndWaitingConnections(t *testing.T) {
	l := open(t, "127.0.0.1:0", Options{})
	var clients []net.Conn
	for _, first := range []string{"", "GET /"} { // one not sniffed yet, one not taken yet
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, first)
		clients = append(clients, c)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		n := len(l.waiting)
		l.mu.Unlock()
		if n == len(clients) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d connections arrived", n, len(clients))
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
	for _, c := range clients {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := bufio.NewReader(c).ReadByte()
		var timeout net.Error
		if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a connection outlived the listener: %v", err)
		}
	}
}

func TestATakenAddressIsToldInASentence(t *testing.T) {
	first := open(t, "127.0.0.1:0", Options{})
	for address, want := range map[string]string{
		first.Addr().String(): "taken by another program",
		"192.0.2.1:0":         "not one of this machine's",
		"127.0.0.1:99999":     "choose another address",
	} {
		l, err := Bind(context.Background(), address)
		if err == nil {
			l.Close()
			t.Errorf("listening on %s worked", address)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%s: %q does not say what to do", address, err)
		}
	}
}
