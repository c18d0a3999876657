// Package harness is what the end-to-end tests stand on: a real drydock process
// with its own data folder, the programs people use against it, and a small
// registry client that can misbehave. It holds no test of its own, and nothing
// of it is linked into the server.
//
// Everything it starts it ends, and what it cannot have it says: a test skips
// with a reason on a developer's machine and fails in CI, where CI=true.
package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// InCI reports whether nothing may be skipped.
func InCI() bool { return os.Getenv("CI") == "true" }

// EndToEnd skips the test unless the run asked for tests that install packages,
// start a Docker Engine or write to /etc: `make test` and CI do.
func EndToEnd(t testing.TB) {
	t.Helper()
	if os.Getenv("DRYDOCK_E2E") == "" && !InCI() {
		t.Skip("end-to-end: sets up Docker and the aws CLI on this machine; run it with `make test`")
	}
}

// Unavailable says that the machine lacks what the test needs: the end of the
// test, as a failure in CI and as a skip elsewhere.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if InCI() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Root is the project's folder.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no source position to find the project's folder by")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Script runs one of the project's scripts with its news going to the test's
// log, and returns its standard output.
func Script(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(filepath.Join(Root(t), "scripts", name), args...)
	var out, news bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &news
	err := cmd.Run()
	if news.Len() > 0 {
		t.Logf("scripts/%s: %s", name, strings.TrimSpace(news.String()))
	}
	if err != nil {
		return "", fmt.Errorf("scripts/%s: %w", name, err)
	}
	return out.String(), nil
}

// Tool builds a pinned tool when it is not there yet and returns its path.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if _, err := Script(t, "tools", name); err != nil {
		t.Fatalf("building %s: %v", name, err)
	}
	return filepath.Join(Root(t), ".cache", "bin", name)
}

// Environ is the test's own environment without what would lead a client or the
// server elsewhere, with the settings given (KEY=value) on top.
func Environ(settings ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		switch key, _, _ := strings.Cut(kv, "="); {
		case strings.HasPrefix(key, "AWS_"), strings.HasPrefix(key, "DRYDOCK_"), strings.HasPrefix(key, "OCI_"):
		case strings.HasSuffix(strings.ToLower(key), "_proxy"):
		default:
			env = append(env, kv)
		}
	}
	return append(env, settings...)
}

// Runner runs commands in one environment.
type Runner struct {
	Env []string
	Dir string
}

// With is a Runner with more settings (KEY=value).
func (r Runner) With(settings ...string) Runner {
	r.Env = append(r.Env[:len(r.Env):len(r.Env)], settings...)
	return r
}

// Try runs a command and returns its standard output; the error holds what it
// wrote to standard error.
func (r Runner) Try(stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = r.Env, r.Dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// Run is Try for a command that has to succeed.
func (r Runner) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return r.Pipe(t, "", name, args...)
}

// Pipe is Run with a standard input.
func (r Runner) Pipe(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	out, err := r.Try(stdin, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Shell runs a line as a person would type it.
func (r Runner) Shell(t testing.TB, line string) string {
	t.Helper()
	return r.Run(t, "bash", "-euo", "pipefail", "-c", line)
}
