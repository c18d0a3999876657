// Package operations carries out what docs/operations.md says, command by command as
// it stands there: a single server is copied and restored while images are pushed,
// and so is the fleet of docker-compose.yml, which is upgraded before.
package operations

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// manual is docs/operations.md by its headings.
type manual map[string]string

var heading = regexp.MustCompile(`(?m)^##+ (.*)$`)

func readManual(t *testing.T) manual {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	m, text := manual{}, string(content)
	found := heading.FindAllStringSubmatchIndex(text, -1)
	for i, f := range found {
		end := len(text)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		m[text[f[2]:f[3]]] = text[f[1]:end]
	}
	return m
}

var commands = regexp.MustCompile("(?s)```sh\n(.*?)```")

// block is the n-th block of commands below a heading, from 0 on.
func (m manual) block(t *testing.T, below string, n int) string {
	t.Helper()
	all := commands.FindAllStringSubmatch(m[below], -1)
	if len(all) <= n {
		t.Fatalf("docs/operations.md has no block of commands number %d below %q", n, below)
	}
	return all[n][1]
}

// replace puts what a test has in the place of what the manual has as an example,
// which has to stand there.
func replace(t *testing.T, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("the manual no longer says %q in\n%s", oldnew[i], text)
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	return text
}
