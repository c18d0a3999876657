package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
)

// The root key of every server started here.
const (
	RootKey    = "AKIAIOSFODNN7EXAMPLE"
	RootSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Options says how a server is started; the zero value is good.
type Options struct {
	// Data is the data folder; by default a fresh one, removed with the test.
	Data string
	// Listen is the address; by default a free port of 127.0.0.1.
	Listen string
	// Account and Region default to the server's own defaults.
	Account, Region string
	// Args are further arguments of `drydock serve`, Env further settings.
	Args, Env []string
}

// Server is a drydock process that can be killed and started again on the same
// data and the same address.
type Server struct {
	Data, Listen, Account, Region string

	t    testing.TB
	bin  string
	base []string
	args []string
	env  []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	log  *output
	done chan struct{}
}

// Binary is the drydock program: what DRYDOCK_BINARY names, else built for this
// test.
func Binary(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("DRYDOCK_BINARY"); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "drydock")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/drydock")
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building drydock: %v\n%s", err, out)
	}
	return bin
}

// FreeAddress is an address of the loopback interface that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts a server and waits for its ready line; the test's end stops it.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(t, o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// New prepares a server without starting it.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{
		Data: o.Data, Listen: o.Listen, Account: o.Account, Region: o.Region,
		t: t, bin: Binary(t),
	}
	if s.Data == "" {
		s.Data = filepath.Join(t.TempDir(), "data")
	}
	if s.Listen == "" {
		s.Listen = FreeAddress(t)
	}
	s.args = []string{"serve", "--data", s.Data, "--listen", s.Listen}
	if s.Account == "" {
		s.Account = "123456789012"
	} else {
		s.args = append(s.args, "--account", s.Account)
	}
	if s.Region == "" {
		s.Region = "us-east-1"
	} else {
		s.args = append(s.args, "--region", s.Region)
	}
	s.base = slices.Clip(s.args)
	s.args = append(s.base, o.Args...)
	s.env = Environ(append([]string{
		"DRYDOCK_ROOT_ACCESS_KEY_ID=" + RootKey,
		"DRYDOCK_ROOT_SECRET_ACCESS_KEY=" + RootSecret,
		// Tests of tasks give an Engine by the flag; the others run none.
		"DRYDOCK_ENGINE=none",
	}, o.Env...)...)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.Log())
		}
	})
	return s
}

// Start runs the program and returns when it said that it is ready. The error
// holds what it said instead.
func (s *Server) Start() error {
	cmd := exec.Command(s.bin, s.args...)
	cmd.Env = s.env
	log := &output{ready: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting drydock: %w", err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(done)
	}()
	s.mu.Lock()
	s.cmd, s.log, s.done = cmd, log, done
	s.mu.Unlock()
	select {
	case <-log.ready:
		return nil
	case <-done:
		return fmt.Errorf("drydock ended (%v) before it was ready:\n%s", cmd.ProcessState, log)
	case <-time.After(30 * time.Second):
		s.Kill()
		return fmt.Errorf("drydock was not ready after 30 s:\n%s", log)
	}
}

// Restart stops the process and starts it with other arguments than those of
// Options.
func (s *Server) Restart(args ...string) error {
	if err := s.Stop(); err != nil {
		return err
	}
	s.args = append(s.base, args...)
	return s.Start()
}

// Signal sends a signal to the process.
func (s *Server) Signal(sig os.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Signal(sig)
}

// Pid is the process's id.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// ExitCode is the code that an ended process left, -1 after a signal.
func (s *Server) ExitCode() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.ProcessState.ExitCode()
}

// Kill ends the process as kill -9 does and waits until it is gone.
func (s *Server) Kill() {
	_ = s.Signal(syscall.SIGKILL) // it may have ended already
	<-s.Done()
}

// Stop asks the process to end and waits until it is gone.
func (s *Server) Stop() error {
	s.mu.Lock()
	started := s.cmd != nil
	s.mu.Unlock()
	if !started {
		return nil
	}
	if err := s.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-s.Done():
		return nil
	case <-time.After(60 * time.Second):
		s.Kill()
		return errors.New("drydock did not end within 60 s of SIGTERM")
	}
}

// Log is what the process wrote last.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return ""
	}
	return s.log.String()
}

// Host is the name that clients on this machine use, with the port.
func (s *Server) Host() string {
	_, port, _ := net.SplitHostPort(s.Listen)
	return net.JoinHostPort("localhost", port)
}

// URL is the server's plain address.
func (s *Server) URL() string { return "http://" + s.Listen }

// Get fetches a path of the server without credentials.
func (s *Server) Get(path string) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// output keeps the end of what a process writes and notices the ready line.
type output struct {
	mu    sync.Mutex
	tail  []byte
	line  []byte
	once  sync.Once
	ready chan struct{}
}

const outputKept = 16 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, p...)
	if extra := len(o.tail) - outputKept; extra > 0 {
		o.tail = append(o.tail[:0], o.tail[extra:]...)
	}
	o.line = append(o.line, p...)
	for {
		advance, line, _ := bufio.ScanLines(o.line, false)
		if advance == 0 {
			return len(p), nil
		}
		if slices.Contains(strings.FieldsFunc(string(line), notLetter), "ready") {
			o.once.Do(func() { close(o.ready) })
		}
		o.line = o.line[advance:]
	}
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.tail)
}
