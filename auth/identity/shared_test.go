package identity

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drydock/auth"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// counted is a database that others may write to, and counts what is read of it.
type counted struct {
	meta.DB
	reads atomic.Int64
}

func (c *counted) Revision() (uint64, bool) { return 0, false }
func (c *counted) Reader() meta.Querier     { c.reads.Add(1); return c.DB.Reader() }

// twoServers are two stores over one database.
func twoServers(t *testing.T) (one, two *world) {
	t.Helper()
	one = newWorld(t)
	two = &world{records: one.records, now: one.now}
	if testdb.OnPostgres() {
		two.open(t, 1)
		return one, two
	}
	one.db = &counted{DB: one.db}
	two.db = &counted{DB: one.db}
	one.Store, two.Store = got[*Store](t)(one.store(1)), got[*Store](t)(two.store(1))
	return one, two
}

func TestAChangeAtOneServerIsSeenAtTheNextRequestByTheOther(t *testing.T) {
	one, two := twoServers(t)
	ctx := t.Context()
	const imported = "AKIAIMPORTEDIMPORTED"
	one.addUser(t, "bob")
	got[Group](t)(one.CreateGroup(ctx, home, "devs", ""))
	must(t, one.PutInline(ctx, home, group("devs"), "ours", allow("sts:*")))
	arn := one.addPolicy(t, "push", allow("ecr:PutImage"))
	key := one.addKey(t, "bob")
	policies := func() string {
		t.Helper()
		return strings.Join(names(got[*Subject](t)(two.Subject(ctx, key.ID))), " ")
	}
	for _, step := range []struct {
		what   string
		change func() error
		seen   func() bool
	}{
		{"attached", func() error { return one.Attach(ctx, home, user("bob"), arn) }, func() bool { return policies() == arn }},
		{"joined", func() error { return one.AddUserToGroup(ctx, home, "devs", "bob") }, func() bool { return strings.Contains(policies(), `"ours"`) }},
		{"left", func() error { return one.RemoveUserFromGroup(ctx, home, "devs", "bob") }, func() bool { return policies() == arn }},
		{"detached", func() error { return one.Detach(ctx, home, user("bob"), arn) }, func() bool { return policies() == "" }},
		{"revoked", func() error { return one.RevokeTokens(ctx, "arn:aws:iam::"+home+":user/bob") },
			func() bool { return !got[auth.Credential](t)(two.Lookup(ctx, key.ID)).TokensNotBefore.IsZero() }},
		{"imported", func() error { return errOf(one.ImportAccessKey(ctx, home, "bob", imported, strings.Repeat("s", 40))) },
			func() bool { return two.known(t, imported) }},
		{"switched off", func() error { return one.SetAccessKeyActive(ctx, home, "bob", key.ID, false) }, func() bool { return !two.known(t, key.ID) }},
		{"switched on", func() error { return one.SetAccessKeyActive(ctx, home, "bob", key.ID, true) }, func() bool { return two.known(t, key.ID) }},
		{"deleted", func() error { return one.DeleteAccessKey(ctx, home, "bob", key.ID) }, func() bool { return !two.known(t, key.ID) }},
	} {
		// Remembered at both, before and after.
		for range 2 {
			if step.seen() {
				t.Errorf("%s: seen before it was done", step.what)
			}
		}
		must(t, step.change())
		for range 2 {
			if !step.seen() {
				t.Errorf("%s: not seen by the other server", step.what)
			}
		}
	}
}

func TestWhatNothingHasChangedIsReadOnce(t *testing.T) {
	one := newWorld(t)
	db := &counted{DB: one.db}
	one.db = db
	one.Store = got[*Store](t)(one.store(1))
	ctx := t.Context()
	one.addUser(t, "bob")
	key := one.addKey(t, "bob")
	first := got[*Subject](t)(one.Subject(ctx, key.ID))
	db.reads.Store(0)
	if again := got[*Subject](t)(one.Subject(ctx, key.ID)); again != first || db.reads.Load() != 1 {
		t.Errorf("%d statements for what has not changed", db.reads.Load())
	}
}

func TestNoServerGivesAnAnswerFromBeforeAnAcknowledgedChange(t *testing.T) {
	one, two := twoServers(t)
	ctx := t.Context()
	one.addUser(t, "bob")
	key := one.addKey(t, "bob")
	var acknowledged atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acknowledged.Load()
				s, err := two.Subject(ctx, key.ID)
				if err != nil {
					t.Errorf("after %d was acknowledged: %v", least, err)
					return
				}
				if n := int64(len(s.Tags["n"])); n < least {
					t.Errorf("%d after %d was acknowledged", n, least)
					return
				}
			}
		})
	}
	for n := range 60 {
		must(t, one.Tag(ctx, home, user("bob"), map[string]string{"n": strings.Repeat("x", n)}))
		acknowledged.Store(int64(n))
		time.Sleep(time.Millisecond)
	}
	close(stop)
	wg.Wait()
}

func TestServersThatStartAtOnceAgreeOnTheSeal(t *testing.T) {
	one := newWorld(t)
	must(t, one.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `DELETE FROM seal_check`)
		return err
	}))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := one.store(1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := one.store(2); err == nil {
		t.Error("a server with another seal was let in")
	}
}
