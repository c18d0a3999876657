package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/token"
)

const (
	keyFile = `[{"id":"c0ffee","secret":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},` +
		`{"id":"decade","secret":"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="}]`
	firstSecret, secondSecret = "01234567890123456789012345678901", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
)

// fixed signs with one key, as servers did before keys were records.
type fixed token.Key

func (f fixed) Signing() (token.Key, error) { return token.Key(f), nil }
func (f fixed) Verifying(context.Context, string) (token.Key, error) {
	return token.Key{}, token.ErrUnknownKey
}

func TestTheKeysOfAFileAreTakenOverAndNobodyIsLoggedOut(t *testing.T) {
	d := newRecords(t)
	who := auth.Principal{ARN: auth.RootARN("123456789012"), Account: "123456789012", UserID: "123456789012", AccessKeyID: "AKIA1"}
	active, err := auth.NewStaticKeys(auth.Credential{AccessKeyID: "AKIA1", SecretAccessKey: "s", Principal: who})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return d.now }
	old := token.New(fixed{"c0ffee", []byte(firstSecret)}, active, clock, rand.Reader)
	password, _, err := old.Password(t.Context(), who, "123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}

	o := d.options(t, 1)
	o.File = filepath.Join(t.TempDir(), "password-keys.json")
	if err := os.WriteFile(o.File, []byte(keyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	for range 2 { // the second time there is no file
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(o.File); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
		if k := signing(t, r); k.ID == "c0ffee" || k.ID == "decade" {
			t.Error("a key that lay open signs")
		}
		for id, secret := range map[string]string{"c0ffee": firstSecret, "decade": secondSecret} {
			if !verifies(t, r, token.Key{ID: id, Secret: []byte(secret)}) {
				t.Errorf("%s does not verify", id)
			}
		}
		if got, err := token.New(r, active, clock, rand.Reader).Verify(t.Context(), password); err != nil || got != who {
			t.Errorf("a password from before: %v, %v", got, err)
		}
		d.now = d.now.Add(token.Lifetime - 2*time.Minute)
		maintain(t, r)
		if _, err := token.New(r, active, clock, rand.Reader).Verify(t.Context(), password); err != nil {
			t.Errorf("the same at its end: %v", err)
		}
		d.now = d.now.Add(-token.Lifetime + 2*time.Minute)
	}
	d.now = d.now.Add(token.Lifetime + margin)
	if r := d.server(t, 0); len(*r.keys.Load()) != 1 {
		t.Errorf("%d keys are kept", len(*r.keys.Load()))
	}
}

func TestAFileThatCameTwiceChangesNothing(t *testing.T) {
	d := newRecords(t)
	o := d.options(t, 1)
	o.File = filepath.Join(t.TempDir(), "password-keys.json")
	var before string
	for range 2 { // as if the server had died before the file was removed
		if err := os.WriteFile(o.File, []byte(keyFile), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(*r.keys.Load()); n != 3 {
			t.Errorf("%d keys", n)
		}
		if k := signing(t, r); before != "" && k.ID != before {
			t.Error("another key signs")
		} else {
			before = k.ID
		}
		d.now = d.now.Add(time.Hour)
	}
}

func TestAFileIsKeptUntilItsKeysAreRecords(t *testing.T) {
	d := newRecords(t)
	o := d.options(t, 1)
	o.File = filepath.Join(t.TempDir(), "password-keys.json")
	d.fails.Store(true)
	for what, text := range map[string]string{
		"a database that fails": keyFile,
		"no JSON":               "keys",
		"no keys":               "[]",
		"a short secret":        `[{"id":"x","secret":"AA=="}]`,
		"a key without an id":   `[{"secret":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]`,
	} {
		if err := os.WriteFile(o.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("%s: opened", what)
		}
		if got, err := os.ReadFile(o.File); err != nil || string(got) != text {
			t.Errorf("%s: the file is not as it was: %v", what, err)
		}
	}
}
