// Package ecr holds transcripts of what users of Amazon ECR type, with the aws CLI
// and crane, each against a server of its own.
package ecr

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"drydock/e2e/harness"
)

// TestWhatAUserTypes runs each transcript of testdata. A transcript finds a server
// that runs, in $REGISTRY its address for images, in $ACCOUNT, $REGION, $URL and
// $DATA what its names say, aws and crane set to use it with the root's key, and
// drydock. Lines are those of testscript, and:
//
//	sh LINE…           has a shell run a line; "! sh" expects it to fail
//	layer FILE TEXT    makes a layer of an image, a tar of one file with the text
//	user NAME          makes an IAM user with a key
//	as NAME|root       has aws use that user's key from then on
//	login              logs crane in as whoever aws is
//	eventually LINE…   runs a shell line until it succeeds, for half a minute
//	kill, start        kill the server as kill -9 does, and start it again
//
// "# serve FLAGS" as the first line of a transcript gives the server flags.
func TestWhatAUserTypes(t *testing.T) {
	harness.EndToEnd(t)
	drydock, crane := harness.Binary(t), harness.Tool(t, "crane")
	servers := map[string]*harness.Server{}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			dir := filepath.Join(e.WorkDir, ".bin")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			for name, path := range map[string]string{"drydock": drydock, "crane": crane} {
				if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			script := filepath.Base(e.WorkDir)
			server := harness.Start(e.T().(testing.TB), harness.Options{Args: flags(strings.TrimPrefix(script, "script-"))})
			servers[e.WorkDir] = server
			for _, kv := range server.AWSEnv() {
				if key, value, _ := strings.Cut(kv, "="); strings.HasPrefix(key, "AWS_") {
					e.Setenv(key, value)
				}
			}
			e.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DOCKER_CONFIG", filepath.Join(e.WorkDir, ".docker"))
			e.Setenv("DRYDOCK_DATA", server.Data)
			e.Setenv("DATA", server.Data)
			e.Setenv("URL", server.URL())
			e.Setenv("REGISTRY", server.Host())
			e.Setenv("ACCOUNT", server.Account)
			e.Setenv("REGION", server.Region)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sh": sh, "layer": layer, "user": user, "as": as, "login": login, "eventually": eventually,
			"kill":  func(ts *testscript.TestScript, _ bool, _ []string) { servers[ts.Getenv("WORK")].Kill() },
			"start": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(servers[ts.Getenv("WORK")].Start()) },
		},
		RequireExplicitExec: true,
	})
}

// flags are those that a transcript asks for.
func flags(script string) []string {
	text, err := os.ReadFile(filepath.Join("testdata", script+".txtar"))
	if err != nil {
		return nil // testscript says it better
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if args, found := strings.CutPrefix(first, "# serve "); found {
		return strings.Fields(args)
	}
	return nil
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
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec("bash", "-euo", "pipefail", "-c", strings.Join(args, " "))
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Check(err)
		}
	}
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
}
