package testdb

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Own is a PostgreSQL server that a test may stop. It is as durable as it comes.
type Own struct {
	URL        string
	dir, place string
}

// OwnServer starts a PostgreSQL server for one test, which ends with it. Where
// Server skips or fails the test, this does too.
func OwnServer(t testing.TB) *Own {
	t.Helper()
	return OwnServerAt(t, os.TempDir())
}

// OwnServerAt is OwnServer with the data in a folder of the test's, which everybody
// has to be able to enter.
func OwnServerAt(t testing.TB, place string) *Own {
	t.Helper()
	Server(t)
	o := &Own{dir: filepath.Join(t.TempDir(), "server"), place: place}
	t.Cleanup(func() { o.script(t, "--stop") })
	o.Start(t)
	return o
}

// Start starts the server again after Halt.
func (o *Own) Start(t testing.TB) {
	t.Helper()
	_, line, found := strings.Cut(o.script(t), server+"=")
	address, err := url.PathUnescape(strings.ReplaceAll(strings.TrimSpace(line), `\`, ""))
	if err != nil || !found {
		t.Fatalf("ensure-postgres said %q", line)
	}
	o.URL = address
}

// Halt ends the server as a loss of its machine's power would.
func (o *Own) Halt(t testing.TB) {
	t.Helper()
	o.script(t, "--halt")
}

func (o *Own) script(t testing.TB, options ...string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "..", "..", "..", "scripts", "ensure-postgres")
	cmd := exec.Command(path, append(options, o.dir)...)
	cmd.Env = append(os.Environ(), "DRYDOCK_POSTGRES_DURABLE=1", "DRYDOCK_POSTGRES_PLACE="+o.place)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ensure-postgres %v: %v: %s", options, err, said.String())
	}
	return string(out)
}
