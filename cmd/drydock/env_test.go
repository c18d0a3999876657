package main

import (
	"os/exec"
	"strings"
	"testing"

	"drydock/internal/datadir"
)

func TestQuoteGivesTheShellTheSameWord(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	for _, word := range []string{
		"", "plain", "http://localhost:5000", "a+b/c=", "with space", "it's", "''", `back\slash`, "$HOME", "`id`", "$(id)",
		`"double"`, "a;b", "a&b", "a|b", "*", "~", "#", "!", "line\nbreak", "tab\t", "ünïcode",
	} {
		out, err := exec.Command(sh, "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q as %s: the shell read %q, %v", word, quote(word), out, err)
		}
	}
}

func TestExportsNameTheAuthorityOnlyWhereItIsNeeded(t *testing.T) {
	key := datadir.Key{AccessKeyID: "AKIA", SecretAccessKey: "s"}
	for name, c := range map[string]struct {
		server datadir.Server
		want   bool
	}{
		"plain":                     {datadir.Server{URL: "http://localhost:5000", CABundle: "/ca.pem"}, false},
		"TLS with our certificates": {datadir.Server{URL: "https://10.0.0.1:5000", CABundle: "/ca.pem"}, true},
		"TLS with the user's":       {datadir.Server{URL: "https://registry.lab.example"}, false},
	} {
		if got := strings.Contains(exports(c.server, key, false), "AWS_CA_BUNDLE"); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
