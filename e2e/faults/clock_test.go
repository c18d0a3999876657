package faults

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
)

// shifting builds drydock with a clock on the wall that a file can set: what is in
// the file, in seconds, is added to the time. The clock that does not jump, and the
// clocks of all others, stay as they are. It takes minutes where it was never built.
func shifting(t *testing.T) (binary string) {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	content, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(content)
	for _, change := range [][2]string{
		{"\t\"math/bits\"\n", "\t\"math/bits\"\n\t\"sync/atomic\"\n"},
		{"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += Shift.Load()\n"},
	} {
		if strings.Count(changed, change[0]) != 1 {
			harness.Unavailable(t, "this Go has another package time, without %q", change[0])
		}
		changed = strings.Replace(changed, change[0], change[1], 1)
	}
	changed += "\n// Shift is added to the time.\nvar Shift atomic.Int64\n"
	const poll = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	read := func() {
		if b, err := os.ReadFile(os.Getenv("CLOCK_SHIFT")); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
				time.Shift.Store(n)
			}
		}
	}
	read()
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			read()
		}
	}()
}
`
	overlay := map[string]map[string]string{"Replace": {
		original: write(t, dir, "time.go", changed),
		filepath.Join(harness.Root(t), "cmd", "drydock", "shift_overlay.go"): write(t, dir, "shift.go", poll),
	}}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "drydock")
	cmd := exec.Command("go", "build", "-overlay", write(t, dir, "overlay.json", string(list)), "-o", binary, "./cmd/drydock")
	cmd.Dir, cmd.Env = harness.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building drydock with a clock that can be set: %v\n%s", err, out)
	}
	return binary
}

func write(t *testing.T, dir, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	// At once, for whoever reads it meanwhile.
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAServerWhoseClockJumps(t *testing.T) {
	if os.Getenv("DRYDOCK_LONG") == "" {
		t.Skip("builds drydock once more and takes two minutes: run it with DRYDOCK_LONG=1")
	}
	binary := shifting(t)
	t.Setenv("DRYDOCK_BINARY", binary)
	t.Run("ten years ahead and back", func(t *testing.T) { tenYearsAheadAndBack(t, binary) })
	t.Run("two hours ahead of S3", twoHoursAheadOfS3)
}

// twoHoursAheadOfS3 is further than S3 lets requests be from its own time.
func twoHoursAheadOfS3(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "shift", "0")
	s, _ := onS3(t, s3test.Start(t), harness.Options{Env: []string{"CLOCK_SHIFT=" + filepath.Join(dir, "shift")}})
	s.CreateRepository(t, "demo")
	client := s.Client(t)
	for i, shift := range []string{"0", "7200", "0"} {
		write(t, dir, "shift", shift)
		time.Sleep(200 * time.Millisecond)
		im := newImage(byte(1+50*i), 3<<20, 20<<20)
		if err := im.push(client, "demo", "v1"); err != nil {
			t.Errorf("%s s ahead: %v", shift, err)
		} else if err := im.whole(client, "demo", "v1"); err != nil {
			t.Errorf("%s s ahead: %v", shift, err)
		}
	}
}

func tenYearsAheadAndBack(t *testing.T, binary string) {
	dir := t.TempDir()
	shift := filepath.Join(dir, "shift")
	ahead := int64(10 * 365 * 24 * time.Hour / time.Second)
	set := func(seconds int64) { write(t, dir, "shift", strconv.FormatInt(seconds, 10)) }
	set(0)
	s := harness.Start(t, harness.Options{Env: []string{"CLOCK_SHIFT=" + shift}})
	// drydock's own commands, which have the server's clock.
	command := func(args ...string) string {
		t.Helper()
		r := harness.Runner{Env: harness.Environ("CLOCK_SHIFT="+shift, "DRYDOCK_ROOT_ACCESS_KEY_ID="+harness.RootKey, "DRYDOCK_ROOT_SECRET_ACCESS_KEY="+harness.RootSecret)}
		return strings.TrimSpace(r.Run(t, binary, append(args, "--data", s.Data)...))
	}
	waits := func() string {
		t.Helper()
		var status struct {
			ForClock   string `json:"waits_for_clock"`
			SinceStart struct{ Purged, Unlinked int }
		}
		out := command("gc", "status")
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			t.Fatal(err)
		}
		if status.SinceStart.Purged != 0 || status.SinceStart.Unlinked != 0 {
			t.Errorf("something was collected: %s", out)
		}
		return status.ForClock
	}
	// until asks again for as long as a step of the background work may take.
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(90 * time.Second); !done(); time.Sleep(500 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within 90 s: %s", what)
			}
		}
	}
	s.CreateRepository(t, "demo")
	client := s.Client(t)
	kept, deleted, pushed := newImage(1, 1<<20), newImage(50, 1<<20), newImage(100, 1<<20, 2<<20)
	for tag, im := range map[string]image{"kept": kept, "deleted": deleted} {
		if err := im.push(client, "demo", tag); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := client.Send("DELETE", "/v2/demo/manifests/"+harness.Digest(deleted.manifest), nil); err != nil || a.Status != 202 {
		t.Fatalf("%v, %v", a, err)
	}
	// A push that has come half-way.
	for _, content := range [][]byte{pushed.config, pushed.layers[0]} {
		if err := client.PushBlob("demo", harness.Digest(content), content); err != nil {
			t.Fatal(err)
		}
	}
	location, err := client.StartUpload("demo")
	if err != nil {
		t.Fatal(err)
	}
	half := len(pushed.layers[1]) / 2
	if location, err = client.Patch(location, 0, pushed.layers[1][:half]); err != nil {
		t.Fatal(err)
	}
	until("collection has begun", func() bool { return waits() == "" })

	set(ahead)
	until("collection waits", func() bool { return waits() != "" })
	t.Logf("ten years ahead, collection waits for %s", waits())
	if a, err := client.Manifest("demo", "kept"); err != nil || a.Status != 403 || !strings.Contains(string(a.Body), "has expired") {
		t.Errorf("a password of ten years ago: %v, %v", a, err)
	}
	if _, err = s.ECR().DescribeRepositories(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "Signature expired") {
		t.Errorf("a client of the API whose clock is right: %v", err)
	}
	later := harness.NewClient(s.URL(), "AWS", command("get-login-password"))
	if err := kept.whole(later, "demo", "kept"); err != nil {
		t.Error(err)
	}
	time.Sleep(70 * time.Second) // the expiry of uploads looks once a minute
	if err := later.FinishUpload(location, harness.Digest(pushed.layers[1]), pushed.layers[1][half:]); err != nil {
		t.Errorf("an upload that was begun before: %v", err)
	}
	if err := later.PutManifest("demo", "pushed", harness.ManifestType, pushed.manifest); err != nil {
		t.Errorf("a push that was begun before: %v", err)
	}
	s.Kill()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if waits() == "" {
		t.Error("once started again, collection does not wait any more")
	}
	command("gc", "undelete", harness.Digest(deleted.manifest))

	set(0)
	until("collection does not wait", func() bool { return waits() == "" })
	if a, err := later.Manifest("demo", "kept"); err != nil || a.Status != 401 {
		t.Errorf("a password of another time: %v, %v", a, err)
	}
	for tag, im := range map[string]image{"kept": kept, "deleted": deleted, "pushed": pushed} {
		if err := im.whole(client, "demo", tag); err != nil {
			t.Errorf("with the password of before: %v", err)
		}
	}
	if err := newImage(150, 1<<20).push(s.Client(t), "demo", "new"); err != nil {
		t.Error(err)
	}
}
