package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"drydock/e2e/harness"
)

// statusOf asks /v2/ with a password.
func statusOf(t *testing.T, s *harness.Server, password string) int {
	t.Helper()
	a, err := harness.NewClient(s.URL(), "AWS", password).Send("GET", "/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status
}

func command(t *testing.T, s *harness.Server, args ...string) {
	t.Helper()
	if out, err := exec.Command(harness.Binary(t), append(args, "--data", s.Data)...).CombinedOutput(); err != nil {
		t.Fatalf("drydock %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestGuessingIsHeldBackAndPasswordsOutliveTheirKeyButNotTheirRevocation(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	good := s.Password(t)
	if got := statusOf(t, s, good); got != 200 {
		t.Fatalf("a good password: %d", got)
	}
	held := 0
	for range 60 {
		switch got := statusOf(t, s, "guess"); got {
		case 401:
		case 429:
			held++
		default:
			t.Fatalf("a wrong password: %d", got)
		}
	}
	if held < 30 {
		t.Errorf("of 60 wrong passwords %d were held back", held)
	}
	if got := statusOf(t, s, good); got != 200 {
		t.Errorf("a password that was good before, beside somebody who guesses: %d", got)
	}

	command(t, s, "token", "rotate")
	if got := statusOf(t, s, good); got != 200 {
		t.Errorf("a password signed with the key before: %d", got)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if got := statusOf(t, s, good); got != 200 {
		t.Errorf("the same after a restart: %d", got)
	}
	command(t, s, "token", "revoke", "arn:aws:iam::123456789012:root")
	if got := statusOf(t, s, good); got != 401 {
		t.Errorf("a password that was revoked: %d", got)
	}
}
