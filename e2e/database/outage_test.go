package database

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
	"drydock/storage/meta/testdb"
)

func TestWithoutItsDatabaseAServerSays503AndGoesOnWhenItIsBack(t *testing.T) {
	harness.EndToEnd(t)
	db := testdb.OwnServer(t)
	s := harness.Start(t, onPostgres(db.URL))
	s.CreateRepository(t, "demo")
	c := s.Client(t)
	config := []byte("{}")
	large := bytes.Repeat([]byte("sixteen bytes ..."), 1<<20)
	if err := c.PushBlob("demo", harness.Digest(config), config); err != nil {
		t.Fatal(err)
	}
	if err := c.PushBlob("demo", harness.Digest(large), large); err != nil {
		t.Fatal(err)
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		harness.ManifestType, harness.ConfigType, harness.Digest(config), len(config), harness.LayerType, harness.Digest(large), len(large))
	if err := c.PutManifest("demo", "v1", harness.ManifestType, manifest); err != nil {
		t.Fatal(err)
	}
	other := []byte("what is sent while the database is away")
	session, err := c.StartUpload("demo")
	if err != nil {
		t.Fatal(err)
	}

	// What is noted of uploads is not waited for until it is on the disk, where
	// PostgreSQL has it after three times its wal_writer_delay of 200 ms.
	time.Sleep(1500 * time.Millisecond)
	db.Halt(t)
	pid := s.Pid()
	for _, r := range []struct{ method, path, body string }{
		{http.MethodGet, "/v2/demo/manifests/v1", ""},
		{http.MethodHead, "/v2/demo/blobs/" + harness.Digest(large), ""},
		{http.MethodGet, "/v2/demo/blobs/" + harness.Digest(large), ""},
		{http.MethodGet, "/v2/demo/tags/list", ""},
		{http.MethodPost, "/v2/demo/blobs/uploads/", ""},
		{http.MethodPatch, session, string(other)},
		{http.MethodPut, harness.WithDigest(session, harness.Digest(other)), string(other)},
		{http.MethodPut, "/v2/demo/manifests/v2", string(manifest)},
		{http.MethodDelete, "/v2/demo/manifests/v1", ""},
	} {
		began := time.Now()
		a, err := c.Send(r.method, r.path, strings.NewReader(r.body), "Content-Type", harness.ManifestType)
		if err != nil {
			t.Fatalf("%s %s: %v", r.method, r.path, err)
		}
		if after, err := strconv.Atoi(a.Header.Get("Retry-After")); a.Status != http.StatusServiceUnavailable || err != nil || after < 1 {
			t.Errorf("%s %s is answered %s, Retry-After %q", r.method, r.path, a, a.Header.Get("Retry-After"))
		}
		if r.method != http.MethodHead && a.Code() != "UNAVAILABLE" {
			t.Errorf("%s %s has the code %q", r.method, r.path, a.Code())
		}
		if strings.Contains(string(a.Body), "127.0.0.1") || strings.Contains(string(a.Body), "SQLSTATE") {
			t.Errorf("%s %s tells strangers of the database: %s", r.method, r.path, a.Body)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s %s was answered after %v", r.method, r.path, took)
		}
	}
	if a, err := c.Send(http.MethodGet, "/v2/", nil); err != nil || a.Status == http.StatusUnauthorized {
		t.Errorf("a good password is refused: %v, %v", a, err)
	}
	if status, _, err := s.Get("/readyz"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, %v", status, err)
	}
	if status, _, err := s.Get("/livez"); err != nil || status != http.StatusOK {
		t.Errorf("/livez: %d, %v", status, err)
	}

	db.Start(t)
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if status, _, err := s.Get("/readyz"); err == nil && status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready again")
		}
	}
	if a, err := c.Manifest("demo", "v1"); err != nil || !bytes.Equal(a.Body, manifest) {
		t.Errorf("%v, %v", a, err)
	}
	if a, err := c.Blob("demo", harness.Digest(large)); err != nil || !bytes.Equal(a.Body, large) {
		t.Errorf("the layer is another: %d, %v", a.Status, err)
	}
	// The session that was begun before goes on.
	if offset, next, err := c.Offset(session); err != nil {
		t.Errorf("the session: %v", err)
	} else if err := c.FinishUpload(next, harness.Digest(other), other[offset:]); err != nil {
		t.Errorf("the session at %d: %v", offset, err)
	}
	if s.Pid() != pid {
		t.Error("this is not the same process")
	}
}

// TestPushesGoOnWhileTheDatabaseIsKilledAgainAndAgain lets docker and crane push image
// after image. A person whose push fails reads why and does it again.
func TestPushesGoOnWhileTheDatabaseIsKilledAgainAndAgain(t *testing.T) {
	harness.EndToEnd(t)
	db := testdb.OwnServer(t)
	s := harness.Start(t, onPostgres(db.URL))
	m := newMachine(t, s.AWSEnv()).at(s)
	m.login(t, s)
	crane := harness.Tool(t, "crane")
	home := t.TempDir()
	own := harness.Runner{Dir: home, Env: harness.Environ("HOME="+home, "DOCKER_CONFIG="+filepath.Join(home, ".docker"))}
	own.Pipe(t, s.Password(t), crane, "auth", "login", s.Host(), "-u", "AWS", "--password-stdin")

	const images = 2
	byDocker, byCrane := s.CreateRepository(t, "by/docker"), s.CreateRepository(t, "by/crane")
	ids := make([]string, images)
	layouts, digests := make([]string, images), make([]string, images)
	for i := range images {
		ids[i] = m.image(t, fmt.Sprintf("%s:%d", byDocker, i), 3, 4<<20)
		l := harness.NewLayout(t, byte(i))
		layouts[i], digests[i] = l.Dir, l.Entry("v1", l.Image("amd64", 8<<20))
	}

	stop := make(chan struct{})
	var killer, pushers sync.WaitGroup
	kills := 0
	killer.Go(func() {
		// Docker repeats a layer after 5, 10, 15 and 20 seconds: killed more often
		// than that, it would be at it for minutes.
		for _, pause := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
			select {
			case <-stop:
				return
			case <-time.After(pause):
			}
			db.Halt(t)
			kills++
			time.Sleep(time.Second)
			db.Start(t)
		}
	})
	const patience = 6 // pushes of one image
	again := map[string]int{}
	var mu sync.Mutex
	push := func(who string, once func() error) {
		for n := 1; ; n++ {
			err := once()
			if err == nil {
				return
			}
			mu.Lock()
			again[who]++
			mu.Unlock()
			if !strings.Contains(err.Error(), "503") && !strings.Contains(err.Error(), "UNAVAILABLE") && !strings.Contains(strings.ToLower(err.Error()), "cannot be reached") {
				t.Errorf("what %s says does not tell what is the matter: %v", who, err)
			}
			if n == patience {
				t.Errorf("%s failed %d times: %v", who, n, err)
				return
			}
			time.Sleep(time.Second)
		}
	}
	pushers.Go(func() {
		for i := range images {
			push("docker", func() error {
				_, err := m.Try("", "docker", "push", "-q", fmt.Sprintf("%s:%d", byDocker, i))
				return err
			})
		}
	})
	pushers.Go(func() {
		for i := range images {
			push("crane", func() error {
				_, err := own.Try("", crane, "push", layouts[i], fmt.Sprintf("%s:%d", byCrane, i))
				return err
			})
		}
	})
	pushers.Wait()
	close(stop)
	killer.Wait()
	t.Logf("the database was killed %d times; pushes that a person had to do again: %v", kills, again)
	if kills < 2 {
		t.Errorf("the database was killed %d times: the test tests less than it says", kills)
	}
	for i := range images {
		name := fmt.Sprintf("%s:%d", byDocker, i)
		m.Run(t, "docker", "rmi", "-f", name)
		if got := m.pulled(t, name); got != ids[i] {
			t.Errorf("%s is %s, and what was pushed %s", name, got, ids[i])
		}
		to := filepath.Join(home, strconv.Itoa(i))
		own.Run(t, crane, "pull", "--format=oci", fmt.Sprintf("%s:%d", byCrane, i), to)
		harness.CheckLayout(t, to)
		if got := harness.EntryOf(t, to); got != digests[i] {
			t.Errorf("crane's image %d is %s, and what was pushed %s", i, got, digests[i])
		}
	}
}
