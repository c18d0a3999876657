package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"drydock/auth"
	"drydock/auth/policy"
	"drydock/auth/seal"
	"drydock/storage/meta"
)

// known tells whether a key is.
func (w *world) known(t testing.TB, id string) bool {
	t.Helper()
	_, err := w.Lookup(context.Background(), id)
	if err != nil && !errors.Is(err, auth.ErrUnknownKey) {
		t.Fatal(err)
	}
	return err == nil
}

func TestAKeyIsItsHoldersWhileItIsActive(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	u := w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	if !strings.HasPrefix(key.ID, "AKIA") || len(key.ID) != 20 || len(key.Secret) != 40 {
		t.Errorf("key %s with a secret of %d characters", key.ID, len(key.Secret))
	}
	c := got[auth.Credential](t)(w.Lookup(ctx, key.ID))
	want := auth.Principal{ARN: "arn:aws:iam::111122223333:user/bob", Account: home, UserID: u.ID, AccessKeyID: key.ID}
	if c.SecretAccessKey != key.Secret || c.Principal != want || !c.Expires.IsZero() || !c.CheckSessionToken("") || c.CheckSessionToken("t") {
		t.Errorf("%+v", c.Principal)
	}
	if list, _, err := w.AccessKeys(ctx, home, "bob", Page{Limit: 5}); err != nil || len(list) != 1 || list[0].Secret != "" {
		t.Errorf("a secret is shown again: %v", err)
	}
	must(t, w.SetAccessKeyActive(ctx, home, "bob", key.ID, false))
	if w.known(t, key.ID) {
		t.Error("an inactive key is known")
	}
	if _, err := w.Subject(ctx, key.ID); !errors.Is(err, auth.ErrUnknownKey) {
		t.Errorf("the subject of an inactive key: %v", err)
	}
	must(t, w.SetAccessKeyActive(ctx, home, "bob", key.ID, true))
	if !w.known(t, key.ID) {
		t.Error("a key that is active again is not known")
	}
	must(t, w.DeleteAccessKey(ctx, home, "bob", key.ID))
	if w.known(t, key.ID) {
		t.Error("a deleted key is known")
	}
}

func TestTheRootsKeysAreThoseGivenAndThoseStored(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, key, err := w.CreateAccount(ctx, other, "the other")
	must(t, err)
	for id, account := range map[string]string{rootKey.AccessKeyID: home, key.ID: other} {
		c := got[auth.Credential](t)(w.Lookup(ctx, id))
		if want := (auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account, AccessKeyID: id}); c.Principal != want {
			t.Errorf("%+v, want %+v", c.Principal, want)
		}
		s := got[*Subject](t)(w.Subject(ctx, id))
		if s.Kind != policy.Root || s.ARN != auth.RootARN(account) || len(s.Identity) != 0 || s.UserName != "" || s.Temporary() {
			t.Errorf("%+v", s)
		}
	}
	_, _, err = w.CreateAccount(ctx, other, "again")
	says[*ExistsError](t, err, "")
	_, err = w.ImportAccessKey(ctx, other, "", rootKey.AccessKeyID, strings.Repeat("s", 40))
	says[*ExistsError](t, err, "")
	stored := 0
	must(t, w.db.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM iam_access_key WHERE id = $1`, rootKey.AccessKeyID).Scan(&stored))
	if stored != 0 {
		t.Error("a root key given from outside is in the database")
	}
	list, _, err := w.Accounts(ctx, Page{Limit: 5})
	must(t, err)
	if len(list) != 2 || list[0].ID != home || list[1].Name != "the other" {
		t.Errorf("accounts: %+v", list)
	}
}

func TestAKeyImportedAfterItWasAskedForIsKnown(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	const id = "AKIAIMPORTEDIMPORTED"
	for range 2 { // read, then remembered
		if w.known(t, id) {
			t.Fatal("known already")
		}
	}
	got[AccessKey](t)(w.ImportAccessKey(ctx, home, "bob", id, strings.Repeat("s", 40)))
	if !w.known(t, id) {
		t.Error("that it was missing is still remembered")
	}
	_, err := w.ImportAccessKey(ctx, home, "bob", id, strings.Repeat("t", 40))
	says[*ExistsError](t, err, "")
}

func TestManyStrangersDisplaceNobody(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	got[*Subject](t)(w.Subject(ctx, key.ID))
	for i := range maxAbsent + 10 {
		if w.known(t, fmt.Sprintf("AKIASTRANGER%08d", i)) {
			t.Fatal("a stranger is known")
		}
	}
	if n := w.callers.absent.size.Load(); n > maxAbsent {
		t.Errorf("%d strangers are remembered", n)
	}
	if _, ok := w.callers.keys.peek(key.ID); !ok {
		t.Error("the user was forgotten")
	}
}

func TestNothingLongIsRememberedOfStrangers(t *testing.T) {
	w := newWorld(t)
	if !w.alone() {
		t.Skip("of strangers nothing at all is remembered where others make keys too")
	}
	if w.known(t, "AKIA"+strings.Repeat("X", maxKeyID)) || w.callers.absent.size.Load() != 0 {
		t.Error("an id that is too long for anybody's is remembered")
	}
	header := strings.Repeat("x", 60<<10) + "AKIASTRANGER00000001"
	id := header[60<<10:]
	if w.known(t, id) || w.callers.absent.size.Load() != 1 {
		t.Fatal("an id that nobody has is not remembered")
	}
	w.callers.absent.entries.Range(func(kept, _ any) bool {
		if unsafe.StringData(kept.(string)) == unsafe.StringData(id) {
			t.Error("an id is remembered together with the header that it came in")
		}
		return true
	})
}

func TestASecretIsNotToBeReadInTheDatabaseNorMovedInIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	w.addUser(t, "eve")
	bobs, eves := w.addKey(t, "bob"), w.addKey(t, "eve")
	var sealed []byte
	must(t, w.db.Reader().QueryRowContext(ctx, `SELECT secret FROM iam_access_key WHERE id = $1`, bobs.ID).Scan(&sealed))
	if strings.Contains(string(sealed), bobs.Secret) {
		t.Error("the secret is in the database")
	}
	// Eve, who can write to the database, gives Bob's key her own secret.
	must(t, w.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(ctx, `UPDATE iam_access_key SET secret = (SELECT secret FROM iam_access_key WHERE id = $1) WHERE id = $2`, eves.ID, bobs.ID)
		return err
	}))
	_, err := w.Lookup(ctx, bobs.ID)
	if !errors.Is(err, seal.ErrDamaged) || strings.Contains(err.Error(), eves.Secret) {
		t.Errorf("got %v", err)
	}
}

func TestAStoreDoesNotStartWithTheWrongSealKey(t *testing.T) {
	w := newWorld(t)
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	if _, err := w.store(2); !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("got %v", err)
	}
	again, err := w.store(1)
	must(t, err)
	if c, err := again.Lookup(t.Context(), key.ID); err != nil || c.SecretAccessKey != key.Secret {
		t.Errorf("after a restart with the right key: %v", err)
	}
}

func TestPasswordsAreVoidFromTheSecondTheyAreRevoked(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	r := w.addRole(t, "deploy")
	session := got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour}))
	w.now = w.now.Add(300 * time.Millisecond)
	for id, arn := range map[string]string{key.ID: "arn:aws:iam::111122223333:user/bob", session.AccessKeyID: r.ARN(), rootKey.AccessKeyID: auth.RootARN(home)} {
		if c := got[auth.Credential](t)(w.Lookup(ctx, id)); !c.TokensNotBefore.IsZero() {
			t.Errorf("%s: before: %v", arn, c.TokensNotBefore)
		}
		must(t, w.RevokeTokens(ctx, arn))
		c := got[auth.Credential](t)(w.Lookup(ctx, id))
		if want := w.now.Truncate(time.Second).Add(time.Second); !c.TokensNotBefore.Equal(want) {
			t.Errorf("%s: %v, want %v", arn, c.TokensNotBefore, want)
		}
	}
	says[*NoSuchError](t, w.RevokeTokens(ctx, "arn:aws:iam::111122223333:user/eve"), "")
	// Whoever has the name later has not been revoked.
	must(t, w.DeleteAccessKey(ctx, home, "bob", key.ID), w.DeleteUser(ctx, home, "bob"))
	w.addUser(t, "bob")
	if c := got[auth.Credential](t)(w.Lookup(ctx, w.addKey(t, "bob").ID)); !c.TokensNotBefore.IsZero() {
		t.Errorf("a new user of the name: %v", c.TokensNotBefore)
	}
}

func TestWhenAKeyWasUsedIsWrittenDownLater(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	r := w.addRole(t, "deploy")
	session := got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour}))
	before := got[*Subject](t)(w.Subject(ctx, key.ID))
	w.known(t, session.AccessKeyID)
	w.Used(key.ID, "ecr", "eu-west-1")
	w.Used(key.ID, "sts", "eu-west-2") // the same minute
	w.Used(session.AccessKeyID, "ecr", "eu-west-3")
	if k := got[AccessKey](t)(w.AccessKey(ctx, home, key.ID)); !k.At.IsZero() {
		t.Errorf("before: %v", k.LastUse)
	}
	must(t, w.WriteUses(ctx))
	if k := got[AccessKey](t)(w.AccessKey(ctx, home, key.ID)); !k.At.Equal(w.now) || k.Service != "ecr" || k.Region != "eu-west-1" {
		t.Errorf("the key: %+v", k.LastUse)
	}
	if r := got[Role](t)(w.Role(ctx, home, "deploy")); !r.LastUsedAt.Equal(w.now) || r.LastUsedRegion != "eu-west-3" {
		t.Errorf("the role: %v in %s", r.LastUsedAt, r.LastUsedRegion)
	}
	if after := got[*Subject](t)(w.Subject(ctx, key.ID)); after != before {
		t.Error("the use of a key made its holder forgotten")
	}
	w.now = w.now.Add(time.Minute)
	w.Used(key.ID, "sts", "eu-west-2")
	must(t, w.WriteUses(ctx))
	if k := got[AccessKey](t)(w.AccessKey(ctx, home, key.ID)); k.Service != "sts" {
		t.Errorf("a minute later: %+v", k.LastUse)
	}
}

func BenchmarkLookupAndSubject(b *testing.B) {
	w := newWorld(b)
	ctx := context.Background()
	w.addUser(b, "bob")
	key := w.addKey(b, "bob")
	for i := range 5 {
		must(b, w.Attach(ctx, home, user("bob"), w.addPolicy(b, fmt.Sprintf("p%d", i), allow("ecr:*"))))
	}
	ask := func(b *testing.B, id string) {
		if _, err := w.Lookup(ctx, id); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Subject(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, key.ID)
		}
	})
	b.Run("warm, on all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				ask(b, key.ID)
			}
		})
	})
	b.Run("after a change", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.revisions.raise(home)
			ask(b, key.ID)
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			if w.known(b, "AKIANOBODYNOBODYNOBO") {
				b.Fatal("known")
			}
		}
	})
}
