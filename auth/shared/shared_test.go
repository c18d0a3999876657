package shared

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"

	"drydock/auth/seal"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

func box(t *testing.T, fill byte) *seal.Box {
	t.Helper()
	b, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, db meta.DB) *Secrets {
	t.Helper()
	s, err := Open(t.Context(), db, box(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func secret(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

func TestTheFirstMakesItAndAllOthersTakeItOver(t *testing.T) {
	db := testdb.New(t).Open(t)
	if got, err := open(t, db).Read(t.Context(), "root key"); got != nil || err != nil {
		t.Errorf("before it is made: %q, %v", got, err)
	}
	const servers = 8
	got := make([]string, servers)
	var all sync.WaitGroup
	for i := range servers {
		s := open(t, db)
		all.Go(func() {
			b, err := s.Share(t.Context(), "root key", secret(fmt.Sprintf("that of server %d", i)))
			if err != nil {
				t.Error(err)
			}
			got[i] = string(b)
		})
	}
	all.Wait()
	for i := range servers {
		if got[i] == "" || got[i] != got[0] {
			t.Errorf("server %d has %q, another one %q", i, got[i], got[0])
		}
	}
	if again, err := open(t, db).Read(t.Context(), "root key"); err != nil || string(again) != got[0] {
		t.Errorf("after a restart %q, %v", again, err)
	}
	if other, err := open(t, db).Share(t.Context(), "another", secret("x")); err != nil || string(other) != "x" {
		t.Errorf("under another name %q, %v", other, err)
	}
}

func TestWhatAnotherHasReplacedIsNotReplacedAgain(t *testing.T) {
	s := open(t, testdb.New(t).Open(t))
	for _, c := range []struct {
		before, after string
		none, done    bool
	}{
		{before: "first", after: "second", done: false},
		{none: true, after: "first", done: true},
		{none: true, after: "other", done: false},
		{before: "", after: "other", done: false},
		{before: "first", after: "", done: true},
		{none: true, after: "other", done: false},
		{before: "", after: "second", done: true},
		{before: "first", after: "third", done: false},
	} {
		before := []byte(c.before)
		if c.none {
			before = nil
		}
		if done, err := s.Replace(t.Context(), "authority", before, []byte(c.after)); err != nil || done != c.done {
			t.Errorf("%+v: %t, %v", c, done, err)
		}
	}
	if got, err := s.Read(t.Context(), "authority"); err != nil || string(got) != "second" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnotherKeyIsRefusedAtOnce(t *testing.T) {
	db := testdb.New(t).Open(t)
	open(t, db) // nothing is shared yet
	if _, err := Open(t.Context(), db, box(t, 2)); !errors.Is(err, ErrOtherKey) || !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("got %v", err)
	}
	open(t, db)
}

func TestSecretsAreSealedEachForItsName(t *testing.T) {
	db := testdb.New(t).Open(t)
	s := open(t, db)
	if _, err := s.Share(t.Context(), "root key", secret("a secret that nobody may read")); err != nil {
		t.Fatal(err)
	}
	var stored []byte
	if err := db.Reader().QueryRowContext(t.Context(), `SELECT secret FROM shared_secret WHERE name = 'root key'`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored, []byte("nobody")) {
		t.Error("the database shows the secret")
	}
	err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `UPDATE shared_secret SET name = 'authority' WHERE name = 'root key'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "authority"); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("under another name: %v", err)
	}
}

func TestWhatCannotBeMadeIsNotShared(t *testing.T) {
	db := testdb.New(t).Open(t)
	s := open(t, db)
	broken := errors.New("no randomness")
	if _, err := s.Share(t.Context(), "root key", func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Share(t.Context(), "root key", func() ([]byte, error) { return nil, nil }); err == nil {
		t.Error("nothing was shared")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Share(ctx, "root key", secret("x")); err == nil {
		t.Error("shared for one who has left")
	}
	if got, err := s.Read(t.Context(), "root key"); got != nil || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
