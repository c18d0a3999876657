package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/auth/seal"
	"drydock/auth/shared"
	"drydock/internal/ca"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

func newFolder(t *testing.T) *datadir.Folder {
	t.Helper()
	f, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func sharedSecrets(t *testing.T, db meta.DB) *shared.Secrets {
	t.Helper()
	box, err := seal.New(make([]byte, seal.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := shared.Open(t.Context(), db, box)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// heard is a log to look into.
func heard() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func TestServersOnOneDatabaseHaveOneRootKey(t *testing.T) {
	db := testdb.New(t).Open(t)
	first, second := newFolder(t), newFolder(t)
	brought, err := first.RootKey(rand.Reader) // from when it was alone
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*datadir.Folder{first, second, first} {
		log, said := heard()
		got, err := madeRootKey(t.Context(), f, sharedSecrets(t, db), log)
		if err != nil || got != brought {
			t.Errorf("got %v, %v", got, err)
		}
		if kept, err := datadir.ReadRootKey(f.Path()); err != nil || kept != brought {
			t.Errorf("drydock env would print %v, %v", kept, err)
		}
		if said.Len() > 0 {
			t.Errorf("said without need: %s", said)
		}
	}
	third := newFolder(t)
	own, err := third.RootKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, said := heard()
	if got, err := madeRootKey(t.Context(), third, sharedSecrets(t, db), log); err != nil || got != brought {
		t.Errorf("a server that had its own has %v, %v", got, err)
	}
	if !strings.Contains(said.String(), own.AccessKeyID) || strings.Contains(said.String(), own.SecretAccessKey) {
		t.Errorf("of the key that it gave up was said: %s", said)
	}
}

// authority opens the authority of a server at an address.
func authority(ctx context.Context, f *datadir.Folder, s *shared.Secrets, address string) (*ca.Authority, error) {
	o := ca.Options{
		Folder: tlsFolder(f.Path()), Answers: func(string) bool { return true }, Domains: []string{"registry.example"},
		IPs: []net.IP{net.ParseIP(address)}, Now: time.Now, Rand: rand.Reader,
	}
	return openAuthority(ctx, o, s, slog.New(slog.DiscardHandler))
}

func TestServersOnOneDatabaseHaveOneAuthorityThatPermitsAllTheirAddresses(t *testing.T) {
	db := testdb.New(t).Open(t)
	addresses := []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"}
	folders := make([]*datadir.Folder, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses { // all at once, for the first time
		folders[i] = newFolder(t)
		s := sharedSecrets(t, db)
		all.Go(func() {
			if _, err := authority(t.Context(), folders[i], s, address); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var last []byte
	for range 2 {
		for i, address := range addresses {
			a, err := authority(t.Context(), folders[i], sharedSecrets(t, db), address)
			if err != nil {
				t.Fatal(err)
			}
			if last == nil {
				last = a.PEM()
			} else if !bytes.Equal(a.PEM(), last) {
				t.Errorf("the server at %s has another certificate than the one before it", address)
			}
			onDisk, err := os.ReadFile(ca.CertificateFile(tlsFolder(folders[i].Path())))
			if err != nil || !bytes.Equal(onDisk, last) {
				t.Errorf("drydock trust would print another certificate: %v", err)
			}
			if _, err := a.GetCertificate(&tls.ClientHelloInfo{ServerName: "registry.example", Conn: nil}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAServerThatDiedBetweenTwoWritesOfTheAuthorityStartsAgain(t *testing.T) {
	db := testdb.New(t).Open(t)
	f := newFolder(t)
	before, err := authority(t.Context(), f, sharedSecrets(t, db), "203.0.113.1")
	if err != nil {
		t.Fatal(err)
	}
	other := newFolder(t)
	if _, err := authority(t.Context(), other, nil, "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	stranger, err := ca.ReadFolder(tlsFolder(other.Path()))
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := ca.ReadFolder(tlsFolder(f.Path()))
	if err != nil {
		t.Fatal(err)
	}
	mixed.Key = stranger.Key
	if _, err := ca.WriteFolder(tlsFolder(f.Path()), mixed); err != nil {
		t.Fatal(err)
	}
	after, err := authority(t.Context(), f, sharedSecrets(t, db), "203.0.113.1")
	if err != nil || !bytes.Equal(after.PEM(), before.PEM()) {
		t.Errorf("another authority, %v", err)
	}
}

func TestASharedDatabaseWantsItsSealKey(t *testing.T) {
	key := func(fill byte) string {
		return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, seal.KeySize))
	}
	cfg := config.Config{DB: config.DB{URL: testdb.Postgres(t).URL}}
	f := newFolder(t)
	for _, c := range []struct{ what, key, want string }{
		{"none", "", "--db needs DRYDOCK_SEAL_KEY"},
		{"no key", "letmein", "DRYDOCK_SEAL_KEY: a seal key is 32 bytes"},
		{"the first", key(1), ""},
		{"another", key(2), "DRYDOCK_SEAL_KEY: give the key that the database's other servers have"},
		{"the same again", key(1), ""},
	} {
		cfg.SealKey = c.key
		r, err := openRecords(t.Context(), cfg, f, slog.New(slog.DiscardHandler))
		if err == nil {
			if err := r.db.Close(); err != nil {
				t.Error(err)
			}
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) || err != nil && c.key != "" && strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, err := os.Stat(f.Path(sealKeyFile)); err == nil {
		t.Error("a key file was made, which the other servers do not have")
	}
}

func TestRecordsThatAreNoLongerUsedAreSpokenOf(t *testing.T) {
	f := newFolder(t)
	cfg := config.Config{}
	r, err := openRecords(t.Context(), cfg, f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if size, err := r.size(t.Context()); err != nil || size < 1000 {
		t.Errorf("it has %d bytes, %v", size, err)
	}
	if err := r.db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg = config.Config{DB: config.DB{URL: testdb.Postgres(t).URL}, SealKey: base64.StdEncoding.EncodeToString(make([]byte, seal.KeySize))}
	log, said := heard()
	if r, err = openRecords(t.Context(), cfg, f, log); err != nil {
		t.Fatal(err)
	}
	defer r.db.Close()
	if !strings.Contains(said.String(), f.Path(databaseFile)) {
		t.Errorf("the log says %s", said)
	}
	if size, err := r.size(t.Context()); err != nil || size < 1000 {
		t.Errorf("it has %d bytes, %v", size, err)
	}
}

func TestServersOnOneDatabaseHaveTheirBlobsInOnePlace(t *testing.T) {
	place := func(dir string) *blob.Store {
		d, err := disk.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		return blob.NewStore(d)
	}
	db := testdb.New(t).Open(t)
	first, second := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		what, dir, want string
		secrets         *shared.Secrets
	}{
		{"the first server", first, "", sharedSecrets(t, db)},
		{"the same again", first, "", sharedSecrets(t, db)},
		{"one with a folder of its own", second, "--blobs: the layers of this database are in another place", sharedSecrets(t, db)},
		{"one that shares nothing", second, "", nil},
		{"one on another database", second, "", sharedSecrets(t, testdb.New(t).Open(t))},
		{"the place of another database", second, "--blobs: the layers of this database are in another place", sharedSecrets(t, db)},
	} {
		err := checkPlace(t.Context(), place(c.dir), c.secrets)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	// A copy is the same place.
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	if err := checkPlace(t.Context(), place(copied), sharedSecrets(t, db)); err != nil {
		t.Errorf("a copy: %v", err)
	}
	// So is one that lost its mark, once that is put back as the refusal says.
	file := filepath.Join(copied, blob.PlaceFile)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	err := checkPlace(t.Context(), place(copied), sharedSecrets(t, db))
	if err == nil {
		t.Fatal("a place without a mark was taken")
	}
	_, id, _ := strings.Cut(strings.TrimSuffix(err.Error(), ")"), "that says ")
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkPlace(t.Context(), place(copied), sharedSecrets(t, db)); err != nil {
		t.Errorf("with its mark again: %v", err)
	}
}
