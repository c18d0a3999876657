package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"drydock/auth/seal"
	"drydock/auth/token"
	"drydock/storage/meta"
	"drydock/storage/meta/sqlite"
)

// records is a database with a clock that stands still. It counts how often it
// is read, and fails while it is to.
type records struct {
	meta.DB
	path  string
	now   time.Time
	reads atomic.Int64
	fails atomic.Bool
}

var errDown = errors.New("the database is down")

func (d *records) Reader() meta.Querier {
	d.reads.Add(1)
	return d.DB.Reader()
}

func (d *records) Write(ctx context.Context, how meta.Durability, fn func(meta.Querier) error) error {
	if d.fails.Load() {
		return errDown
	}
	return d.DB.Write(ctx, how, fn)
}

func newRecords(t testing.TB) *records {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.db")
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &records{DB: db, path: path, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (d *records) options(t testing.TB, fill byte) Options {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Options{DB: d, Seal: box, Now: func() time.Time { return d.now }, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// server opens the keys as one more server does, whose clock is ahead.
func (d *records) server(t testing.TB, ahead time.Duration) *Ring {
	t.Helper()
	o := d.options(t, 1)
	o.Now = func() time.Time { return d.now.Add(ahead) }
	r, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signing(t testing.TB, r *Ring) token.Key {
	t.Helper()
	k, err := r.Signing()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifies(t testing.TB, r *Ring, k token.Key) bool {
	t.Helper()
	got, err := r.Verifying(t.Context(), k.ID)
	if err != nil && !errors.Is(err, token.ErrUnknownKey) {
		t.Fatal(err)
	}
	if err == nil && !bytes.Equal(got.Secret, k.Secret) {
		t.Fatalf("key %s has another secret", k.ID)
	}
	return err == nil
}

func maintain(t testing.TB, servers ...*Ring) {
	t.Helper()
	for _, r := range servers {
		if err := r.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func rotate(t testing.TB, r *Ring) {
	t.Helper()
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestServersOnOneDatabaseHaveTheSameKey(t *testing.T) {
	d := newRecords(t)
	a, b := d.server(t, 0), d.server(t, time.Minute)
	if k := signing(t, a); k.ID == "" || len(k.Secret) != token.SecretSize || k.ID != signing(t, b).ID {
		t.Errorf("%q signs here and %q there", k.ID, signing(t, b).ID)
	}
	d.now = d.now.Add(20 * 24 * time.Hour)
	if again := d.server(t, 0); signing(t, again).ID != signing(t, a).ID {
		t.Error("another key after a restart")
	}
}

func TestSecretsAreSealed(t *testing.T) {
	d := newRecords(t)
	secret := signing(t, d.server(t, 0)).Secret
	if err := d.Close(); err != nil { // so that the file holds all
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("signing_key")) || bytes.Contains(text, secret) {
		t.Error("the database shows the secret")
	}
	if d.DB, err = sqlite.Open(t.Context(), d.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.DB.Close() })
	if _, err := Open(t.Context(), d.options(t, 2)); !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("with another seal: %v", err)
	}
	err = d.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `UPDATE signing_key SET id = 'other'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), d.options(t, 1)); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("in another row: %v", err)
	}
}

func TestAnUnknownKeyIsLookedForOncePerSecond(t *testing.T) {
	d := newRecords(t)
	a, b := d.server(t, 0), d.server(t, 0)
	d.now = d.now.Add(time.Hour)
	rotate(t, a)
	made := signing(t, a)
	d.reads.Store(0)
	if !verifies(t, b, made) || signing(t, b).ID != made.ID {
		t.Error("what another server has signed is not understood")
	}
	for range 100 {
		if verifies(t, b, token.Key{ID: "nobody's"}) || !verifies(t, b, made) {
			t.Fatal("an unknown key verifies, or a known one does not")
		}
	}
	if n := d.reads.Load(); n != 1 {
		t.Errorf("the records were read %d times", n)
	}
	// Neither does a flood of unknown ones keep out the next that is known.
	d.now = d.now.Add(patience)
	rotate(t, a)
	if !verifies(t, b, signing(t, a)) {
		t.Error("a second later a new key is not found")
	}
}

func TestADatabaseThatCannotBeReadIsNotAnUnknownKey(t *testing.T) {
	d := newRecords(t)
	r := d.server(t, 0)
	known := signing(t, r)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // tried, then remembered
		if _, err := r.Verifying(t.Context(), "nobody's"); err == nil || errors.Is(err, token.ErrUnknownKey) {
			t.Errorf("got %v", err)
		}
	}
	if !verifies(t, r, known) || signing(t, r).ID != known.ID {
		t.Error("the key that is known is not used")
	}
	if err := r.Maintain(t.Context()); err == nil {
		t.Error("looked after without a database")
	}
}

func TestARingNeedsItsParts(t *testing.T) {
	d := newRecords(t)
	for what, without := range map[string]func(*Options){
		"database": func(o *Options) { o.DB = nil }, "seal": func(o *Options) { o.Seal = nil }, "clock": func(o *Options) { o.Now = nil },
		"randomness": func(o *Options) { o.Random = nil }, "log": func(o *Options) { o.Log = nil },
	} {
		o := d.options(t, 1)
		without(&o)
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("opened without %s", what)
		}
	}
}
