//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// objectStore is a real S3 server, versitygw over a folder. Every registry has a
// bucket of its own in it, which here is a folder too.
type objectStore struct {
	address string
	folder  string
	log     string // one line a request
	read    int64  // how far the log was read
	counts  map[string]int
	cmd     *exec.Cmd
	said    *tail
}

// The owner of all buckets.
const (
	s3KeyID  = "bench"
	s3Secret = "the-bench-has-no-secrets"
	s3Region = "us-east-1"
)

func startObjectStore(ctx context.Context, o options, dir string, buckets ...string) (*objectStore, error) {
	s := &objectStore{
		address: freeAddress(), folder: filepath.Join(dir, "objects"), log: filepath.Join(dir, "requests.log"),
		counts: map[string]int{}, said: &tail{},
	}
	for _, bucket := range buckets {
		if err := os.MkdirAll(filepath.Join(s.folder, bucket), 0o755); err != nil {
			return nil, err
		}
	}
	s.cmd = exec.Command(o.s3, "--port", s.address, "--quiet", "--keep-alive", "--access-log", s.log, "posix", s.folder)
	s.cmd.Env = []string{"ROOT_ACCESS_KEY=" + s3KeyID, "ROOT_SECRET_KEY=" + s3Secret}
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := answers(s.address)
		if err == nil {
			return s, nil
		}
		if time.Since(began) > 20*time.Second || ctx.Err() != nil {
			s.stop()
			return nil, fmt.Errorf("the S3 server does not answer: %w\n%s", err, s.said)
		}
	}
}

func (s *objectStore) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // it was told to end
}

// calls is how many requests there have been to a bucket.
func (s *objectStore) calls(bucket string) (int, error) {
	f, err := os.Open(s.log)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, s.read, 1<<62))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break
		}
		s.read += int64(len(line))
		// The second field; see Amazon S3's server access log format.
		if fields := bytes.SplitN(line, []byte(" "), 3); len(fields) == 3 {
			s.counts[string(fields[1])]++
		}
	}
	return s.counts[bucket], nil
}

// cpu is the processor time that the server has used.
func (s *objectStore) cpu() (time.Duration, error) { return processorTime(s.cmd.Process.Pid) }
