// Package ecr holds transcripts of what users of Amazon ECR type, with the aws CLI
// and crane.
package ecr

import (
	"testing"

	"drydock/e2e/transcript"
)

func TestWhatAUserTypes(t *testing.T) { transcript.Run(t, transcript.Options{}) }
