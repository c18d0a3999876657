package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"drydock/internal/datadir"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"drydock": main})
}

// TestWhatAUserTypes runs the transcripts in testdata.
func TestWhatAUserTypes(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"running":   running,
			"terminate": terminate,
			"get":       get,
			"login":     login,
			"taken":     taken,
			"mode":      mode,
		},
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// running DATA waits until the server on a data folder is ready, and sets $URL.
func running(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: running DATA")
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s, err := datadir.Running(ts.MkAbs(args[0]))
		if err != nil {
			continue
		}
		if _, err := askReady(context.Background(), s.URL); err == nil {
			ts.Setenv("URL", s.URL)
			ts.Setenv("PORT", s.URL[strings.LastIndex(s.URL, ":")+1:])
			return
		}
	}
	ts.Fatalf("no server became ready on %s", args[0])
}

// terminate DATA sends SIGTERM to the server on a data folder, which kill of
// testscript cannot.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: terminate DATA")
	}
	s, err := datadir.Running(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(syscall.Kill(s.PID, syscall.SIGTERM))
}

// get PATH STATUS asks the server at $URL.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get PATH STATUS")
	}
	answer, err := http.Get(ts.Getenv("URL") + args[0])
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Logf("%s\n%s", answer.Status, body)
	if !strings.HasPrefix(answer.Status, args[1]) {
		ts.Fatalf("%s: got %s, want %s", args[0], answer.Status, args[1])
	}
}

// login FILE STATUS asks the registry at $URL with the password in a file.
func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: login FILE STATUS")
	}
	r, err := http.NewRequest(http.MethodGet, ts.Getenv("URL")+"/v2/", nil)
	ts.Check(err)
	r.SetBasicAuth("AWS", strings.TrimSpace(ts.ReadFile(args[0])))
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	if !strings.HasPrefix(answer.Status, args[1]) {
		ts.Fatalf("the password in %s: got %s, want %s", args[0], answer.Status, args[1])
	}
}

// taken listens on a port of this machine until the script ends, and sets $TAKEN.
func taken(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("TAKEN", l.Addr().String())
}

// mode FILE PERMISSIONS checks the permissions of a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE PERMISSIONS")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[1] {
		ts.Fatalf("%s: mode %s, want %s", args[0], got, args[1])
	}
}
