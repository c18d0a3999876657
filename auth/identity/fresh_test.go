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
	"drydock/storage/meta"
)

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
