// Package transcript runs what users type, as testscript has it, each script against
// a server of its own.
package transcript

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"drydock/e2e/harness"
)

// Options says what scripts find beside a server.
type Options struct {
	// Engine is the address of a Docker Engine, which docker in the scripts and the
	// server then use.
	Engine string
	// Commands are those of scripts beside the ones of Run.
	Commands map[string]func(*testscript.TestScript, bool, []string)
}

// Run runs the scripts of testdata, one after the other. A script finds a server that
// runs, in $REGISTRY its address for images, in $ACCOUNT, $REGION, $URL and $DATA what
// their names say, aws and crane set to use it with the root's key, aws2, which is
// version 2 of the aws CLI, and drydock. Lines are those of testscript, and:
//
//	sh LINE…           has a shell run a line; "! sh" expects it to fail
//	layer FILE TEXT    makes a layer of an image, a tar of one file with the text
//	user NAME          makes an IAM user with a key
//	as NAME|root       has aws use that user's key from then on
//	login              logs crane in as whoever aws is, and docker where there is an Engine
//	set NAME LINE…     sets a variable to what a shell line prints
//	eventually LINE…   runs a shell line until it succeeds, for two minutes
//	serve FLAG…        stops the server, and starts it with flags
//	get URL            prints what is there, once it is, within ten seconds
//	crash, start       kill the server as kill -9 does, and start it again
func Run(t *testing.T, o Options) {
	harness.EndToEnd(t)
	programs := programs(t)
	servers := map[string]*harness.Server{}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"sh": sh, "layer": layer, "user": user, "as": as, "eventually": eventually, "set": set, "login": login, "get": get,
		"crash": func(ts *testscript.TestScript, _ bool, _ []string) { servers[ts.Getenv("WORK")].Kill() },
		"start": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(servers[ts.Getenv("WORK")].Start()) },
		"serve": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(servers[ts.Getenv("WORK")].Restart(append(flags(o), args...)...))
		},
	}
	maps.Copy(commands, o.Commands)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			dir := filepath.Join(e.WorkDir, ".bin")
			if err := install(dir, programs); err != nil {
				return err
			}
			server := harness.Start(e.T().(testing.TB), harness.Options{Args: flags(o)})
			servers[e.WorkDir] = server
			setUp(e, dir, server, o)
			return nil
		},
		Cmds:                commands,
		RequireExplicitExec: true,
	})
}

func flags(o Options) []string {
	if o.Engine == "" {
		return nil
	}
	return []string{"--engine", o.Engine}
}

// programs are what scripts can call, as texts of shell scripts.
func programs(t *testing.T) map[string]string {
	t.Helper()
	if _, err := harness.Script(t, "ensure-aws"); err != nil {
		harness.Unavailable(t, "%v", err)
	}
	if _, err := harness.Script(t, "ensure-aws", "--v2"); err != nil {
		harness.Unavailable(t, "%v", err)
	}
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"drydock": harness.Binary(t), "crane": harness.Tool(t, "crane"), "oras": harness.Tool(t, "oras"),
		// Debian's does not know AWS_ENDPOINT_URL.
		"aws": aws + ` --endpoint-url "$AWS_ENDPOINT_URL"`, "aws2": `/usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL"`,
	}
}

func install(dir string, programs map[string]string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, command := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexec "+command+` "$@"`+"\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func setUp(e *testscript.Env, dir string, server *harness.Server, o Options) {
	for _, kv := range server.AWSEnv() {
		if key, value, _ := strings.Cut(kv, "="); strings.HasPrefix(key, "AWS_") {
			e.Setenv(key, value)
		}
	}
	e.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	e.Setenv("HOME", e.WorkDir)
	for _, key := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		if value, err := exec.Command("go", "env", key).Output(); err == nil {
			e.Setenv(key, strings.TrimSpace(string(value)))
		}
	}
	e.Setenv("DOCKER_CONFIG", filepath.Join(e.WorkDir, ".docker"))
	if o.Engine != "" {
		e.Setenv("DOCKER_HOST", o.Engine)
		e.Setenv("DOCKER_BUILDKIT", "0") // a plugin that is not everywhere
	}
	e.Setenv("DRYDOCK_DATA", server.Data)
	e.Setenv("DATA", server.Data)
	e.Setenv("URL", server.URL())
	e.Setenv("REGISTRY", server.Host())
	e.Setenv("ACCOUNT", server.Account)
	e.Setenv("REGION", server.Region)
}

func sh(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("bash", "-euo", "pipefail", "-c", strings.Join(args, " "))
	if neg && err == nil {
		ts.Fatalf("it was expected to fail")
	}
	if !neg {
		ts.Check(err)
	}
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! eventually")
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec("bash", "-euo", "pipefail", "-c", strings.Join(args, " "))
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Check(err)
		}
	}
}

func set(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: set NAME LINE…")
	}
	ts.Setenv(args[0], output(ts, "bash", "-euo", "pipefail", "-c", strings.Join(args[1:], " ")))
}

func layer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: layer FILE TEXT")
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	ts.Check(w.WriteHeader(&tar.Header{Name: "text", Mode: 0o644, Size: int64(len(args[1]))}))
	_, err := w.Write([]byte(args[1]))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// output runs a command and returns what it prints.
func output(ts *testscript.TestScript, name string, args ...string) string {
	ts.Check(ts.Exec(name, args...))
	return strings.TrimSpace(ts.ReadFile("stdout"))
}

func user(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: user NAME")
	}
	ts.Check(ts.Exec("aws", "iam", "create-user", "--user-name", args[0]))
	key := output(ts, "aws", "iam", "create-access-key", "--user-name", args[0], "--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text")
	ts.Check(os.WriteFile(keyFile(ts, args[0]), []byte(key), 0o600))
}

func keyFile(ts *testscript.TestScript, name string) string { return ts.MkAbs(".key-" + name) }

func as(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: as NAME|root")
	}
	id, secret := harness.RootKey, harness.RootSecret
	if args[0] != "root" {
		text, err := os.ReadFile(keyFile(ts, args[0]))
		ts.Check(err)
		if n, err := fmt.Sscan(string(text), &id, &secret); n != 2 {
			ts.Fatalf("no key of %s: %v", args[0], err)
		}
	}
	ts.Setenv("AWS_ACCESS_KEY_ID", id)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", secret)
}

func login(ts *testscript.TestScript, neg bool, _ []string) {
	sh(ts, neg, []string{"aws ecr get-login-password | crane auth login $REGISTRY -u AWS --password-stdin"})
	if ts.Getenv("DOCKER_HOST") != "" {
		sh(ts, neg, []string{"aws ecr get-login-password | docker login --username AWS --password-stdin $REGISTRY"})
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: get URL")
	}
	client := http.Client{Timeout: 5 * time.Second}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := client.Get(args[0])
		if err == nil {
			_, err = io.Copy(ts.Stdout(), answer.Body)
			answer.Body.Close()
			ts.Check(err)
			return
		}
		if time.Now().After(end) {
			ts.Check(err)
		}
	}
}
