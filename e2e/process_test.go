package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// slowly hands out content with pauses, so that a request is long under way.
type slowly struct {
	content []byte
	begun   chan struct{}
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.begun != nil {
		close(s.begun)
		s.begun = nil
	} else {
		time.Sleep(100 * time.Millisecond)
	}
	if len(s.content) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.content[:min(len(s.content), 64<<10)])
	s.content = s.content[n:]
	return n, nil
}

func TestSIGTERMLetsWhatIsInFlightFinish(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "drain/one")
	c := s.Client(t)
	upload, err := c.StartUpload("drain/one")
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	digest := harness.Digest(content)
	begun, finished := make(chan struct{}), make(chan error, 1)
	go func() {
		a, err := c.Send("PUT", harness.WithDigest(upload, digest), &slowly{content, begun}, "Content-Type", "application/octet-stream")
		if err == nil && a.Status != 201 {
			err = fmt.Errorf("the server answers %v", a)
		}
		finished <- err
	}()
	<-begun
	time.Sleep(200 * time.Millisecond)
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if conn, err := net.Dial("tcp", s.Listen); err == nil {
		conn.Close()
		t.Error("a server that is ending takes new connections")
	}
	if err := <-finished; err != nil {
		t.Errorf("the upload under way at SIGTERM: %v", err)
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the server does not end")
	}
	if code := s.ExitCode(); code != 0 {
		t.Errorf("the server ends with %d\n%s", code, s.Log())
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	a, err := c.Blob("drain/one", digest)
	if err != nil || !bytes.Equal(a.Body, content) {
		t.Errorf("the upload finished in the drain has %d bytes, %v", len(a.Body), err)
	}
}

func TestAServerThatCannotStartSaysWhatToDo(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options harness.Options
		says    []string
	}{
		{"a data folder that another server has", harness.Options{Data: s.Data}, []string{s.Data, "--data"}},
		{"a port that is taken", harness.Options{Listen: s.Listen}, []string{s.Listen, "--listen"}},
		{"a data folder that cannot be one", harness.Options{Data: filepath.Join(file, "data")}, []string{file, "--data"}},
		{"an unknown flag", harness.Options{Args: []string{"--colour", "red"}}, []string{"--colour"}},
		{"an unknown setting", harness.Options{Env: []string{"DRYDOCK_COLOUR=red"}}, []string{"DRYDOCK_COLOUR"}},
		{"an account that is none", harness.Options{Account: "12"}, []string{"12", "digits"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			second := harness.New(t, c.options)
			began := time.Now()
			err := second.Start()
			if err == nil {
				t.Fatal("it starts")
			}
			if time.Since(began) > 10*time.Second {
				t.Errorf("it takes %v to say so", time.Since(began))
			}
			for _, word := range c.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%v: nothing of %q", err, word)
				}
			}
			if text := err.Error(); strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
				t.Error(text)
			}
			if code := second.ExitCode(); code == 0 {
				t.Error("it ends with 0")
			}
		})
	}
	if status, _, err := s.Get("/readyz"); err != nil || status != 200 {
		t.Errorf("the server that was there first answers %d, %v", status, err)
	}
}

func TestTheServerTellsOfItsHealthAndItsNumbers(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	s.CreateRepository(t, "metrics/one")
	if err := s.Client(t).PushBlob("metrics/one", harness.Digest([]byte("x")), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body, err := s.Get(path); err != nil || status != 200 {
			t.Errorf("%s: %d %q, %v", path, status, body, err)
		}
	}
	status, body, err := s.Get("/metrics")
	if err != nil || status != 200 {
		t.Fatalf("/metrics: %d, %v", status, err)
	}
	for _, name := range []string{"drydock_", "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(body, name) {
			t.Errorf("no %s among the numbers", name)
		}
	}
	if strings.Contains(body, "metrics/one") {
		t.Error("a repository's name is a label: there is no bound to their number")
	}
}
