//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// server is a registry under test: one process, or two where it cannot speak plain
// HTTP and TLS on one port, or where it is two replicas.
type server struct {
	name string
	// authorization is the header that its requests carry, if any.
	authorization string
	// addresses are those of its processes, plain those that speak HTTP, among
	// which clients are shared out, and secure the one that speaks TLS.
	addresses, plain []string
	secure           string
	commands         func() []*exec.Cmd
	running          []*exec.Cmd
	log              *tail
	// s3 is where its blobs are, in this bucket; nil for files.
	s3     *objectStore
	bucket string
	// db is where its records are; nil for a file.
	db *database
}

// start runs the server and returns how long its first process took from exec to
// its first answer.
func (s *server) start(ctx context.Context) (time.Duration, error) {
	var took time.Duration
	for i, cmd := range s.commands() {
		cmd.Stdout, cmd.Stderr = s.log, s.log
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		s.running = append(s.running, cmd)
		for {
			err := answers(s.addresses[i])
			if err == nil {
				break
			}
			if time.Since(began) > 20*time.Second || ctx.Err() != nil {
				return 0, fmt.Errorf("%s does not answer: %w\n%s", s.name, err, s.log)
			}
			time.Sleep(time.Millisecond)
		}
		if i == 0 {
			took = time.Since(began)
		}
	}
	return took, nil
}

// answers asks for /v2/ and takes any answer, also a refusal, for one.
func answers(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return err
	}
	n, err := conn.Read(make([]byte, 5))
	if n > 0 {
		return nil
	}
	return err
}

func (s *server) stop() {
	for _, cmd := range s.running {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	}
	s.running = nil
}

// startTimes starts and stops each server a few times over an empty folder and
// returns the median.
func startTimes(ctx context.Context, servers []*server) ([]time.Duration, error) {
	medians := make([]time.Duration, len(servers))
	for i, s := range servers {
		var times []time.Duration
		for range 5 {
			took, err := s.start(ctx)
			if err != nil {
				return nil, err
			}
			times = append(times, took)
			s.stop()
		}
		slices.Sort(times)
		medians[i] = times[len(times)/2]
	}
	return medians, nil
}

// createRepositories makes the repositories, which stock does by itself on the
// first push, and gets the password that all requests will carry.
func (s *server) createRepositories(ctx context.Context, names []string) error {
	client := ecr.New(ecr.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + s.plain[0]),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}),
	})
	for _, name := range names {
		if _, err := client.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String(name)}); err != nil {
			return fmt.Errorf("creating the repository %s: %w", name, err)
		}
	}
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return fmt.Errorf("getting a password: %w", err)
	}
	if len(out.AuthorizationData) == 0 {
		return errors.New("no authorization data in the answer")
	}
	token := aws.ToString(out.AuthorizationData[0].AuthorizationToken)
	if _, err := base64.StdEncoding.DecodeString(token); err != nil {
		return fmt.Errorf("the authorization token: %w", err)
	}
	s.authorization = "Authorization: Basic " + token + "\r\n"
	return nil
}

// cpu is the processor time that the server's processes have used.
func (s *server) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, cmd := range s.running {
		took, err := processorTime(cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += took
	}
	return sum, nil
}

// peak is the most memory that one process of the server ever had resident, in
// bytes.
func (s *server) peak() (int64, error) {
	var most int64
	for _, cmd := range s.running {
		n, err := peakMemory(cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // the server's start will say what is wrong
	}
	defer l.Close()
	return l.Addr().String()
}

// tail keeps the end of what a server says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - 2000; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
