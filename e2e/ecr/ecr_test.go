// Package ecr holds transcripts of what users of Amazon ECR type, with the aws CLI
// and crane.
package ecr

import (
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"drydock/e2e/harness"
	"drydock/e2e/transcript"
)

func TestWhatAUserTypes(t *testing.T) {
	harness.EndToEnd(t)
	u := &upstreams{binary: harness.Tool(t, "registry"), running: map[string]*exec.Cmd{}}
	transcript.Run(t, transcript.Options{Commands: map[string]func(*testscript.TestScript, bool, []string){"upstream": u.command}})
}
