// Package s3test starts a real S3 server for tests: versitygw, over a folder of the
// test's own, on a loopback port. scripts/tools builds it.
package s3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a running S3 server.
type Server struct {
	// Endpoint is its URL.
	Endpoint string
	// AccessKeyID and SecretAccessKey are those of its root.
	AccessKeyID, SecretAccessKey string
	// Folder holds a folder for each bucket, and in it a file for each object.
	Folder string

	buckets int
	mu      sync.Mutex
}

// Region is that of all buckets.
const Region = "us-east-1"

// Start starts a server, which ends with the test. Where the program has not been
// built, the test is skipped; in CI, and in an end-to-end run, it is built.
func Start(t testing.TB) *Server {
	t.Helper()
	program := find(t)
	s := &Server{AccessKeyID: "testing", SecretAccessKey: "a-secret-of-the-tests", Folder: filepath.Join(t.TempDir(), "s3")}
	if err := os.Mkdir(s.Folder, 0o755); err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	s.Endpoint = "http://" + address
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--port", address, "--quiet", "--keep-alive", "posix", s.Folder)
	// Nothing of this process's environment: it could hold settings of a server.
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKeyID, "ROOT_SECRET_KEY=" + s.SecretAccessKey, "PATH=" + os.Getenv("PATH")}
	var news bytes.Buffer
	cmd.Stdout, cmd.Stderr = &news, &news
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if answers(s.Endpoint) {
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the S3 server ended: %v\n%s", err, news.Bytes())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not answer at %s", s.Endpoint)
		}
	}
}

// Bucket makes a new bucket and returns its name. In this server a bucket is a
// folder.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets++
	name := fmt.Sprintf("bucket-%d", s.buckets)
	if err := os.Mkdir(filepath.Join(s.Folder, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func answers(endpoint string) bool {
	resp, err := http.Get(endpoint)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return true
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// find returns the path of the program.
func find(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", "..", "..")
	program := filepath.Join(root, ".cache", "bin", "versitygw")
	must := os.Getenv("CI") == "true" || os.Getenv("DRYDOCK_E2E") != ""
	if must {
		if out, err := exec.Command(filepath.Join(root, "scripts", "tools"), "versitygw").CombinedOutput(); err != nil {
			t.Fatalf("build the S3 server: %v\n%s", err, strings.TrimSpace(string(out)))
		}
		return program
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("needs an S3 server: run scripts/tools versitygw, or make test")
	}
	return program
}
