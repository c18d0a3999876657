package operations

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
)

func TestOneServerIsCopiedWhilePushesGoOnAndRestored(t *testing.T) {
	harness.EndToEnd(t)
	if _, err := harness.Script(t, "ensure-command", "sqlite3"); err != nil {
		harness.Unavailable(t, "%v", err)
	}
	// The root key is the folder's own, which is copied as well.
	s := harness.Start(t, harness.Options{Args: []string{"--log-level", "warn"}, Env: []string{"DRYDOCK_ROOT_ACCESS_KEY_ID=", "DRYDOCK_ROOT_SECRET_ACCESS_KEY="}})
	sh := harness.Runner{Env: harness.Environ(), Dir: t.TempDir()}
	password := func(s *harness.Server) string {
		return strings.TrimSpace(sh.Run(t, harness.Binary(t), "get-login-password", "--data", s.Data))
	}
	known := password(s)
	c := harness.NewClient(s.URL(), "AWS", known)
	createRepository(t, s.URL(), sh.Run(t, harness.Binary(t), "env", "--data", s.Data))

	p := startPushing(func(n int) error { return pushImage(c, n) })
	for deadline := time.Now().Add(20 * time.Second); p.count() < 30 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	before := p.count()
	backups := t.TempDir()
	sh.Shell(t, replace(t, readManual(t).block(t, "One server", 0), "/var/lib/drydock", s.Data, "/backup/", backups+"/"))
	copied := p.count()
	time.Sleep(200 * time.Millisecond)
	all := p.end(t)
	if before < 30 || all <= copied {
		t.Fatalf("%d images before the copy, %d after it, %d in the end: nothing was pushed meanwhile", before, copied, all)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	found, err := filepath.Glob(filepath.Join(backups, "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("there is no copy: %v, %v", found, err)
	}
	if err := os.RemoveAll(s.Data); err != nil {
		t.Fatal(err)
	}
	restored := harness.Start(t, harness.Options{
		Data: found[0], Listen: s.Listen,
		Args: []string{"--log-level", "warn"}, Env: []string{"DRYDOCK_ROOT_ACCESS_KEY_ID=", "DRYDOCK_ROOT_SECRET_ACCESS_KEY="},
	})
	// With the password from before: its keys were copied.
	n := whole(t, harness.NewClient(restored.URL(), "AWS", known), before)
	t.Logf("%d images before the copy, %d when it had ended, %d in the end; %d restored", before, copied, all, n)
	if n > copied+1 {
		t.Errorf("%d images are there, and not more than %d were when the copy had ended", n, copied)
	}
	sh.Run(t, harness.Binary(t), "verify", "--repair", "--deep", "--data", restored.Data)
	sh.Run(t, harness.Binary(t), "verify", "--deep", "--data", restored.Data)
	if again := whole(t, harness.NewClient(restored.URL(), "AWS", password(restored)), before); again != n {
		t.Errorf("after the repair %d images are there, and %d were", again, n)
	}
}
