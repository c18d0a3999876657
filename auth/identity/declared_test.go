package identity

import (
	"testing"
	"time"

	"drydock/auth/seal"
)

func TestASecretIsReplacedAtOnceAndItsPasswordsAreVoid(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "ci")
	const id, first, second = "AKIACICICICICICI", "the first secret", "the second secret"
	got[AccessKey](t)(w.ImportAccessKey(ctx, home, "ci", id, first))
	if c, err := w.Lookup(ctx, id); err != nil || c.SecretAccessKey != first || !c.TokensNotBefore.IsZero() {
		t.Fatalf("%+v, %v", c, err)
	}
	for secret, want := range map[string]bool{first: true, second: false, "": false} {
		if has := got[bool](t)(w.HasSecret(ctx, home, "CI", id, secret)); has != want {
			t.Errorf("has %q: %v", secret, has)
		}
	}
	w.now = w.now.Add(1500 * time.Millisecond)
	must(t, w.ReplaceSecret(ctx, home, "ci", id, second))
	c, err := w.Lookup(ctx, id)
	if err != nil || c.SecretAccessKey != second || c.TokensNotBefore.Before(w.now) {
		t.Errorf("%+v, %v", c, err)
	}
	if has := got[bool](t)(w.HasSecret(ctx, home, "ci", id, first)); has {
		t.Error("the old secret is still believed")
	}

	w.addUser(t, "eve")
	says[*NoSuchError](t, w.ReplaceSecret(ctx, home, "eve", id, first), "The Access Key with id "+id+" cannot be found.")
	_, err = w.HasSecret(ctx, home, "", id, second)
	says[*NoSuchError](t, err, "")
	says[*InvalidError](t, w.ReplaceSecret(ctx, home, "ci", id, "short"), "A secret access key has at least 16 characters")
}

func TestASecretCannotBeComparedWithoutTheSealKey(t *testing.T) {
	w := newWorld(t)
	w.addUser(t, "ci")
	k := w.addKey(t, "ci")
	box, err := seal.New(make([]byte, seal.KeySize), zeros{})
	must(t, err)
	w.box = box
	if _, err := w.HasSecret(t.Context(), home, "ci", k.ID, k.Secret); err == nil {
		t.Error("a secret was opened with another key")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAnAccountIsMadeAndNamedWithoutAKey(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	must(t, w.PutAccount(ctx, other, "partner"))
	if a := got[Account](t)(w.Account(ctx, other)); a.Name != "partner" {
		t.Errorf("%+v", a)
	}
	must(t, w.PutAccount(ctx, other, "friend"))
	if a := got[Account](t)(w.Account(ctx, other)); a.Name != "friend" {
		t.Errorf("%+v", a)
	}
	keys, _, err := w.AccessKeys(ctx, other, "", Page{Limit: 5})
	if err != nil || len(keys) != 0 {
		t.Errorf("%v, %v", keys, err)
	}
	says[*InvalidError](t, w.PutAccount(ctx, "12", ""), "")
}

func TestAPolicyIsFoundByItsNameAndDescribed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made := got[Policy](t)(w.CreatePolicy(ctx, home, NewPolicy{Name: "Pull", Path: "/teams/", Description: "one", Document: allow("ecr:*")}))
	must(t, w.DescribePolicy(ctx, home, made.ARN(), "two"))
	if p := got[Policy](t)(w.PolicyByName(ctx, home, "pULL")); p.ARN() != made.ARN() || p.Description != "two" {
		t.Errorf("%+v", p)
	}
	_, err := w.PolicyByName(ctx, home, "Push")
	says[*NoSuchError](t, err, "")
	says[*NotModifiableError](t, w.DescribePolicy(ctx, home, readOnly, "mine"), "")
	says[*NoSuchError](t, w.DescribePolicy(ctx, home, "arn:aws:iam::"+home+":policy/Pull", "elsewhere"), "")
}
