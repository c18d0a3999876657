package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/identity/managed"
	"drydock/auth/seal"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const (
	home  = "111122223333"
	other = "1234567890"

	anyone   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`
	readOnly = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
)

// allow is a policy document that allows an action.
func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

// world is a store with a database, a clock that stands still, and a root key
// of home.
type world struct {
	*Store
	db      meta.DB
	records testdb.Database
	now     time.Time
}

var rootKey = auth.Credential{AccessKeyID: "AKIAROOTROOTROOT", SecretAccessKey: "root secret", Principal: auth.Principal{Account: home}}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{records: testdb.New(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.open(t, 1)
	return w
}

// open opens the database, again or for the first time, with a seal key.
func (w *world) open(t testing.TB, key byte) {
	t.Helper()
	w.db = w.records.Open(t)
	var err error
	if w.Store, err = w.store(key); err != nil {
		t.Fatal(err)
	}
}

func (w *world) store(key byte) (*Store, error) {
	box, err := seal.New([]byte(strings.Repeat(string(rune('a'+key)), seal.KeySize)), rand.Reader)
	if err != nil {
		return nil, err
	}
	policies, err := managed.Load()
	if err != nil {
		return nil, err
	}
	return New(context.Background(), Options{DB: w.db, Seal: box, Managed: policies,
		Now: func() time.Time { return w.now }, Random: rand.Reader, Roots: []auth.Credential{rootKey}})
}

// must fails the test when something that was to work did not.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// got is must for calls that return something too.
func got[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// says checks the kind of an error and its sentence; an empty one is not
// compared.
func says[E error](t testing.TB, err error, sentence string) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("got %T (%v), want %T", err, err, want)
		return
	}
	if sentence != "" && want.Error() != sentence {
		t.Errorf("got the sentence\n%s\nwant\n%s", want.Error(), sentence)
	}
}

func user(name string) Entity  { return Entity{KindUser, name} }
func group(name string) Entity { return Entity{KindGroup, name} }
func role(name string) Entity  { return Entity{KindRole, name} }

func (w *world) addUser(t testing.TB, name string) User {
	t.Helper()
	return got[User](t)(w.CreateUser(t.Context(), home, NewUser{Name: name}))
}

func (w *world) addRole(t testing.TB, name string) Role {
	t.Helper()
	return got[Role](t)(w.CreateRole(t.Context(), home, NewRole{Name: name, Trust: anyone}))
}

func (w *world) addKey(t testing.TB, user string) AccessKey {
	t.Helper()
	return got[AccessKey](t)(w.CreateAccessKey(t.Context(), home, user))
}

func (w *world) addPolicy(t testing.TB, name, document string) string {
	t.Helper()
	return got[Policy](t)(w.CreatePolicy(t.Context(), home, NewPolicy{Name: name, Document: document})).ARN()
}
