package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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
	if _, ok := w.callers.keys.get(key.ID); !ok {
		t.Error("the user was forgotten")
	}
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

// names are those of a subject's identity policies.
func names(s *Subject) []string {
	var all []string
	for _, a := range s.Identity {
		all = append(all, a.Name)
	}
	return all
}

func TestASubjectHasWhatIsAttachedEmbeddedAndTheGroups(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arn := w.addPolicy(t, "push", allow("ecr:PutImage"))
	limit := w.addPolicy(t, "limit", allow("ecr:*"))
	got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "bob", Boundary: limit, Tags: map[string]string{"Team": "a"}}))
	key := w.addKey(t, "bob")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	must(t, w.AddUserToGroup(ctx, home, "devs", "bob"), w.Attach(ctx, home, user("bob"), arn), w.Attach(ctx, home, group("devs"), readOnly),
		w.PutInline(ctx, home, user("bob"), "own", allow("s3:*")), w.PutInline(ctx, home, group("devs"), "ours", allow("sts:*")))
	s := got[*Subject](t)(w.Subject(ctx, key.ID))
	want := []string{arn, `inline policy "own" of user/bob`, readOnly + " of group/devs", `inline policy "ours" of group/devs`}
	if fmt.Sprint(names(s)) != fmt.Sprint(want) {
		t.Errorf("policies: %v, want %v", names(s), want)
	}
	if s.Kind != policy.User || s.Boundary == nil || s.Boundary.Name != limit || s.Tags["Team"] != "a" || s.UserName != "bob" || s.HasSession {
		t.Errorf("%+v", s)
	}
	again := got[*Subject](t)(w.Subject(ctx, key.ID))
	if again != s {
		t.Error("nothing has changed and it was read again")
	}

	// Every change of anything shows at once.
	for name, change := range map[string]func() error{
		"detach":      func() error { return w.Detach(ctx, home, user("bob"), arn) },
		"version":     func() error { return errOf(w.CreatePolicyVersion(ctx, home, limit, allow("ecr:Get*"), true)) },
		"inline":      func() error { return w.PutInline(ctx, home, group("devs"), "more", allow("ecr:*")) },
		"membership":  func() error { return w.RemoveUserFromGroup(ctx, home, "devs", "bob") },
		"tag":         func() error { return w.Tag(ctx, home, user("bob"), map[string]string{"Team": "b"}) },
		"no boundary": func() error { return w.SetBoundary(ctx, home, user("bob"), "") },
	} {
		before := got[*Subject](t)(w.Subject(ctx, key.ID))
		must(t, change())
		if after := got[*Subject](t)(w.Subject(ctx, key.ID)); after == before {
			t.Errorf("%s: the answer from before is given", name)
		}
	}
	s = got[*Subject](t)(w.Subject(ctx, key.ID))
	if len(s.Identity) != 1 || s.Boundary != nil || s.Tags["Team"] != "b" {
		t.Errorf("in the end: %v, %v, %v", names(s), s.Boundary, s.Tags)
	}
}

func TestAChangeInOneAccountForgetsNothingOfAnother(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, theirs, err := w.CreateAccount(ctx, other, "")
	must(t, err)
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	before := got[*Subject](t)(w.Subject(ctx, key.ID))
	got[*Subject](t)(w.Subject(ctx, theirs.ID))
	got[User](t)(w.CreateUser(ctx, other, NewUser{Name: "carol"}))
	if after := got[*Subject](t)(w.Subject(ctx, key.ID)); after != before {
		t.Error("it was read again")
	}
	// Nor do sessions, which come and go.
	r := w.addRole(t, "deploy")
	before = got[*Subject](t)(w.Subject(ctx, key.ID))
	got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour}))
	if after := got[*Subject](t)(w.Subject(ctx, key.ID)); after != before {
		t.Error("a session made everything forgotten")
	}
}

// TestNoAnswerIsOlderThanACommittedChange lets many ask while one changes: who
// asks after a change has returned must see it, however long ago the asking of
// others began.
func TestNoAnswerIsOlderThanACommittedChange(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	var arns [2]string
	for i := range arns {
		arns[i] = w.addPolicy(t, fmt.Sprintf("p%d", i), allow("ecr:*"))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// The policies are exchanged one for the other: there are never two.
				if s, err := w.Subject(ctx, key.ID); err == nil && len(s.Identity) > 1 {
					t.Errorf("policies that never were together: %v", names(s))
				} else if err != nil && !errors.Is(err, auth.ErrUnknownKey) {
					t.Error(err)
				}
			}
		})
	}
	for i := range 40 {
		now, before := arns[i%2], arns[(i+1)%2]
		if i > 0 {
			must(t, w.Detach(ctx, home, user("bob"), before))
			if s := got[*Subject](t)(w.Subject(ctx, key.ID)); len(s.Identity) != 0 {
				t.Fatalf("round %d: after the detachment: %v", i, names(s))
			}
		}
		must(t, w.Attach(ctx, home, user("bob"), now))
		if s := got[*Subject](t)(w.Subject(ctx, key.ID)); len(s.Identity) != 1 || s.Identity[0].Name != now {
			t.Fatalf("round %d: after the attachment: %v", i, names(s))
		}
		must(t, w.SetAccessKeyActive(ctx, home, "bob", key.ID, false))
		if w.known(t, key.ID) {
			t.Fatalf("round %d: the key is known after it was switched off", i)
		}
		must(t, w.SetAccessKeyActive(ctx, home, "bob", key.ID, true))
		if !w.known(t, key.ID) {
			t.Fatalf("round %d: the key is unknown after it was switched on", i)
		}
	}
	close(stop)
	wg.Wait()
}

// slowDB holds a reader up between its statements, which is when a change may
// come in between.
type slowDB struct {
	meta.DB
	before func(query string)
}

type slowReader struct {
	meta.Querier
	before func(query string)
}

func (d *slowDB) Reader() meta.Querier { return slowReader{d.DB.Reader(), d.before} }

func (r slowReader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	r.before(query)
	return r.Querier.QueryContext(ctx, query, args...)
}

func TestWhatWasReadWhileItChangedIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	arn := w.addPolicy(t, "pull", allow("ecr:*"))
	must(t, w.Attach(ctx, home, user("bob"), arn))

	// The reader has read the policies and is held up before it reads the tags,
	// while the policy is taken away and that has returned.
	changed := false
	w.Store.db = &slowDB{w.db, func(query string) {
		if !changed && strings.Contains(query, "resource_tag") {
			changed = true
			w.Store.db = w.db
			must(t, w.Detach(ctx, home, user("bob"), arn))
		}
	}}
	first := got[*Subject](t)(w.Subject(ctx, key.ID))
	if !changed {
		t.Fatal("the reader was not held up")
	}
	if len(first.Identity) != 0 {
		t.Errorf("it read what no longer held: %v", names(first))
	}
	if s := got[*Subject](t)(w.Subject(ctx, key.ID)); len(s.Identity) != 0 {
		t.Errorf("what was read meanwhile was remembered: %v", names(s))
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
