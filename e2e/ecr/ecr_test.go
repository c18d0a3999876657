// Package ecr holds transcripts of what users of Amazon ECR type, with the aws CLI
// and crane.
package ecr

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"drydock/e2e/harness"
	"drydock/e2e/transcript"
)

func TestWhatAUserTypes(t *testing.T) {
	harness.EndToEnd(t)
	transcript.Run(t, transcript.Options{Commands: map[string]func(*testscript.TestScript, bool, []string){
		"upstream": transcript.Upstream(harness.Tool(t, "registry")), "notation": program(harness.Tool(t, "notation")),
	}})
}

// program is a command that runs a program, which leaves nothing behind it.
func program(path string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		err := ts.Exec(path, args...)
		if neg && err == nil {
			ts.Fatalf("it was expected to fail")
		}
		if !neg {
			ts.Check(err)
		}
	}
}
