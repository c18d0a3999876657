package faults

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/e2e/harness"
	"drydock/storage/meta/testdb"
)

// TestAPostgreSQLServerWithoutRoomLosesNothingThatWasAcknowledged fills the disk of
// the database.
func TestAPostgreSQLServerWithoutRoomLosesNothingThatWasAcknowledged(t *testing.T) {
	harness.EndToEnd(t)
	t.Parallel()
	disk := harness.NewDisk(t, 192<<20)
	// PostgreSQL does not run as root.
	for folder := disk.Path; strings.HasPrefix(folder, os.TempDir()+"/"); folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	database := testdb.OwnServerAt(t, disk.Path)
	var key [32]byte
	_, _ = rand.Read(key[:]) // documented never to fail
	s := harness.Start(t, harness.Options{Env: []string{"DRYDOCK_DB=" + database.URL, "DRYDOCK_SEAL_KEY=" + base64.StdEncoding.EncodeToString(key[:])}})
	s.CreateRepository(t, "demo")
	client := s.Client(t)
	before := newImage(1, 1<<20)
	if err := before.push(client, "demo", "before"); err != nil {
		t.Fatal(err)
	}

	free := fill(t, disk, 0)
	defer free()
	pushed := map[string][]byte{}
	refusals := map[string]int{}
	// What PostgreSQL has room for in its files it still takes. Where its log is
	// full too, it ends.
	for n, end := 0, time.Now().Add(4*time.Second); refusals["503"] < 2 && time.Now().Before(end); n++ {
		// Large ones, for which the files have to grow, and small ones.
		size := 200 << (n % 9)
		manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[],"annotations":{"n":"%d","noise":"%x"}}`,
			harness.ManifestType, harness.ConfigType, harness.Digest(before.config), len(before.config), n, noise(byte(n), size))
		tag := fmt.Sprintf("t%d", n)
		a, err := client.Send("PUT", "/v2/demo/manifests/"+tag, bytes.NewReader(manifest), "Content-Type", harness.ManifestType)
		switch {
		case err != nil:
			t.Fatal(err)
		case a.Status == 201:
			pushed[tag] = manifest
		case a.Status == 403 && a.Code() == "DENIED", a.Status == 503 && a.Code() == "UNAVAILABLE":
			refusals[fmt.Sprint(a.Status)]++
		default:
			t.Fatalf("a manifest is answered with %v", a)
		}
	}
	if len(refusals) == 0 {
		t.Error("there was room for everything: the test has lost its teeth")
	}
	t.Logf("%d manifests were stored, then answers were %v", len(pushed), refusals)

	free()
	database.Start(t) // if it has ended
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		err := newImage(50, 1<<20).push(client, "demo", "after")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("once there is room: %v", err)
		}
	}
	for tag, manifest := range pushed {
		if a, err := client.Manifest("demo", tag); err != nil || a.Status != 200 || !bytes.Equal(a.Body, manifest) {
			t.Errorf("%s, which was acknowledged: %d, %v", tag, a.Status, err)
		}
	}
	if err := before.whole(client, "demo", "before"); err != nil {
		t.Error(err)
	}
}
