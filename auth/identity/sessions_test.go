package identity

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/policy"
)

func TestARolesSessionActsForTheRole(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	r := got[Role](t)(w.CreateRole(ctx, home, NewRole{Name: "Deploy", Path: "/ci/", Trust: anyone, Tags: map[string]string{"Team": "a", "stage": "prod"}}))
	limit := w.addPolicy(t, "limit", allow("ecr:Get*"))
	must(t, w.Attach(ctx, home, role("deploy"), readOnly))
	c := got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "build-7", Lifetime: time.Hour, Terms: Terms{
		Policy: allow("ecr:*"), PolicyARNs: []string{limit}, Tags: map[string]string{"team": "b", "run": "7"}, Transitive: []string{"run"}, SourceIdentity: "carol"}}))
	if !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.AccessKeyID) != 20 || !c.Expires.Equal(w.now.Add(time.Hour)) {
		t.Errorf("%s until %v", c.AccessKeyID, c.Expires)
	}
	found := got[auth.Credential](t)(w.Lookup(ctx, c.AccessKeyID))
	want := auth.Principal{ARN: "arn:aws:sts::111122223333:assumed-role/Deploy/build-7", Account: home, UserID: r.ID + ":build-7", AccessKeyID: c.AccessKeyID}
	if found.Principal != want || c.Principal != want || found.SecretAccessKey != c.SecretAccessKey || !found.Expires.Equal(c.Expires) {
		t.Errorf("%+v, %+v, want %+v", found.Principal, c.Principal, want)
	}
	for token, fits := range map[string]bool{c.SessionToken: true, "": false, c.SessionToken[1:]: false} {
		if found.CheckSessionToken(token) != fits {
			t.Errorf("a token of %d characters: fits is not %v", len(token), fits)
		}
	}
	s := got[*Subject](t)(w.Subject(ctx, c.AccessKeyID))
	if s.Kind != policy.AssumedRole || s.ARN != want.ARN || s.RoleARN != "arn:aws:iam::111122223333:role/ci/Deploy" || s.UserName != "" ||
		s.SourceIdentity != "carol" || !s.IssuedAt.Equal(w.now) || !s.HasSession || len(s.Session) != 2 || len(s.Identity) != 1 {
		t.Errorf("%+v", s)
	}
	if want := map[string]string{"team": "b", "stage": "prod", "run": "7"}; !maps.Equal(s.Tags, want) {
		t.Errorf("tags: %v, want %v", s.Tags, want)
	}
	if want := map[string]string{"run": "7"}; !maps.Equal(s.Transitive, want) {
		t.Errorf("transitive: %v, want %v", s.Transitive, want)
	}

	// A session policy that is gone allows nothing any more, and limits on.
	must(t, w.DeletePolicy(ctx, home, limit))
	if s := got[*Subject](t)(w.Subject(ctx, c.AccessKeyID)); len(s.Session) != 1 || !s.HasSession {
		t.Errorf("after the managed one was deleted: %d", len(s.Session))
	}
	must(t, w.Detach(ctx, home, role("deploy"), readOnly), w.DeleteRole(ctx, home, "Deploy"))
	if w.known(t, c.AccessKeyID) {
		t.Error("the session outlives its role")
	}
	// Nor does it come back with a role of the same name.
	w.addRole(t, "Deploy")
	if w.known(t, c.AccessKeyID) {
		t.Error("the session has another role's rights")
	}
}

func TestSessionsOfANameAreEnded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	r, other := w.addRole(t, "deploy"), w.addRole(t, "other")
	made := map[string]string{}
	for key, n := range map[string]NewSession{
		"ended": {Role: r.ARN(), Name: "a"}, "ended too": {Role: r.ARN(), Name: "a"}, "another name": {Role: r.ARN(), Name: "b"}, "another role": {Role: other.ARN(), Name: "a"},
	} {
		n.Lifetime = time.Hour
		made[key] = got[Credentials](t)(w.CreateSession(ctx, n)).AccessKeyID
		if !w.known(t, made[key]) {
			t.Fatal(key)
		}
	}
	must(t, w.EndSessions(ctx, r.ARN(), "a"))
	for key, want := range map[string]bool{"ended": false, "ended too": false, "another name": true, "another role": true} {
		if w.known(t, made[key]) != want {
			t.Errorf("%s: known is not %v", key, want)
		}
	}
	var none *NoSuchError
	if err := w.EndSessions(ctx, r.ARN()+"x", "a"); !errors.As(err, &none) {
		t.Error(err)
	}
}

func TestAServiceIsWhoItsNameSays(t *testing.T) {
	w := newWorld(t)
	s := got[*Subject](t)(w.SubjectOf(t.Context(), "ecs-tasks.amazonaws.com"))
	if s.Kind != policy.Service || s.ARN != "ecs-tasks.amazonaws.com" || s.Account != "" {
		t.Errorf("%+v", s)
	}
	if _, err := w.SubjectOf(t.Context(), "ecs-tasks.example.com"); err == nil {
		t.Error("a stranger is a service")
	}
}

func TestASessionOfAClockThatWasAheadEndsWhenThatIsRight(t *testing.T) {
	w := newWorld(t)
	r := w.addRole(t, "deploy")
	session := NewSession{Role: r.ARN(), Name: "build", Lifetime: time.Hour}
	right := w.now
	before := got[Credentials](t)(w.CreateSession(t.Context(), session))
	w.now = right.AddDate(10, 0, 0)
	ahead := got[Credentials](t)(w.CreateSession(t.Context(), session))
	if !w.known(t, ahead.AccessKeyID) {
		t.Error("a new session is not known")
	}
	w.now = right.Add(time.Minute)
	if w.known(t, ahead.AccessKeyID) {
		t.Error("a session lasts for ten years")
	}
	if !w.known(t, before.AccessKeyID) {
		t.Error("a session has ended early")
	}
	w.now = right.Add(-skew)
	if !w.known(t, before.AccessKeyID) {
		t.Error("a session is not known to a server whose clock is behind")
	}
}

func TestASessionOfAUserIsTheUser(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	u := w.addUser(t, "bob")
	key := w.addKey(t, "bob")
	must(t, w.Attach(ctx, home, user("bob"), readOnly))
	c := got[Credentials](t)(w.CreateSession(ctx, NewSession{As: key.ID, Lifetime: 12 * time.Hour}))
	s := got[*Subject](t)(w.Subject(ctx, c.AccessKeyID))
	if c.Principal.ARN != u.ARN() || s.Kind != policy.User || s.UserName != "bob" || s.UserID != u.ID || s.HasSession || len(s.Identity) != 1 || !s.Temporary() {
		t.Errorf("%+v", s)
	}
	root := got[Credentials](t)(w.CreateSession(ctx, NewSession{As: rootKey.AccessKeyID, Lifetime: time.Hour}))
	if s := got[*Subject](t)(w.Subject(ctx, root.AccessKeyID)); s.Kind != policy.Root || s.ARN != auth.RootARN(home) || !s.Temporary() {
		t.Errorf("%+v", s)
	}
	if _, err := w.CreateSession(ctx, NewSession{As: c.AccessKeyID, Lifetime: time.Hour}); err == nil {
		t.Error("a session made another one of its own")
	}
	if _, err := w.CreateSession(ctx, NewSession{As: "AKIANOBODY", Lifetime: time.Hour}); !errors.Is(err, auth.ErrUnknownKey) {
		t.Errorf("for nobody: %v", err)
	}
	must(t, w.DeleteAccessKey(ctx, home, "bob", key.ID), w.Detach(ctx, home, user("bob"), readOnly), w.DeleteUser(ctx, home, "bob"))
	if w.known(t, c.AccessKeyID) {
		t.Error("the session outlives its user")
	}
}

func TestAFederatedUserHasWhatUserAndSessionPolicyBothAllow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "broker", Tags: map[string]string{"Team": "a"}}))
	key := w.addKey(t, "broker")
	must(t, w.Attach(ctx, home, user("broker"), readOnly))
	c := got[Credentials](t)(w.CreateSession(ctx, NewSession{Federated: key.ID, Name: "Dave", Lifetime: time.Hour, Terms: Terms{Tags: map[string]string{"team": "b"}}}))
	s := got[*Subject](t)(w.Subject(ctx, c.AccessKeyID))
	if s.Kind != policy.FederatedUser || s.ARN != "arn:aws:sts::111122223333:federated-user/Dave" || s.UserID != "111122223333:Dave" ||
		s.UserARN != "arn:aws:iam::111122223333:user/broker" || !s.HasSession || len(s.Session) != 0 || len(s.Identity) != 1 || s.Tags["team"] != "b" || len(s.Tags) != 1 {
		t.Errorf("%+v", s)
	}
	byRoot := got[Credentials](t)(w.CreateSession(ctx, NewSession{Federated: rootKey.AccessKeyID, Name: "Dave", Lifetime: time.Hour}))
	if s := got[*Subject](t)(w.Subject(ctx, byRoot.AccessKeyID)); s.UserARN != auth.RootARN(home) || s.Kind != policy.FederatedUser {
		t.Errorf("%+v", s)
	}
}

func TestSessionsThatCannotBeAreNotMade(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	r := w.addRole(t, "deploy")
	_, err := w.CreateSession(ctx, NewSession{Role: r.ARN() + "2", Name: "s1", Lifetime: time.Hour})
	says[*NoSuchError](t, err, "")
	_, err = w.CreateSession(ctx, NewSession{Role: strings.ToUpper(r.ARN()), Name: "s1", Lifetime: time.Hour})
	says[*InvalidError](t, err, "")
	_, err = w.CreateSession(ctx, NewSession{Role: strings.Replace(r.ARN(), "deploy", "DEPLOY", 1), Name: "s1", Lifetime: time.Hour})
	says[*NoSuchError](t, err, "")
	_, err = w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour, Terms: Terms{Policy: "{}"}})
	says[*policy.SyntaxError](t, err, "")
	_, err = w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour, Terms: Terms{PolicyARNs: []string{ARN(home, KindPolicy, "/", "none")}}})
	says[*NoSuchError](t, err, "")
	var sessions int
	must(t, w.db.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM iam_session`).Scan(&sessions))
	if sessions != 0 {
		t.Errorf("%d sessions were stored", sessions)
	}
}

func TestEndedSessionsAreSweptWhenNoPasswordOfTheirsIsLeft(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	r := w.addRole(t, "deploy")
	c := got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s1", Lifetime: time.Hour}))
	longer := got[Credentials](t)(w.CreateSession(ctx, NewSession{Role: r.ARN(), Name: "s2", Lifetime: 2 * time.Hour}))
	w.now = w.now.Add(time.Hour)
	if found := got[auth.Credential](t)(w.Lookup(ctx, c.AccessKeyID)); found.Expires.After(w.now) {
		t.Errorf("it has not ended: %v", found.Expires)
	}
	for _, wait := range []time.Duration{0, afterlife} {
		w.now = w.now.Add(wait)
		if n := got[int64](t)(w.SweepSessions(ctx)); n != 0 {
			t.Errorf("after %v: %d were swept", wait, n)
		}
	}
	w.now = w.now.Add(time.Millisecond)
	if n := got[int64](t)(w.SweepSessions(ctx)); n != 1 {
		t.Errorf("%d swept, want 1", n)
	}
	if !w.known(t, longer.AccessKeyID) {
		t.Error("a session was swept too early")
	}
}

func TestWhoWouldAskIsToldByARN(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "bob", Path: "/ops/"}))
	w.addRole(t, "deploy")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	must(t, w.Attach(ctx, home, user("bob"), readOnly), w.Attach(ctx, home, role("deploy"), readOnly), w.Attach(ctx, home, group("devs"), readOnly))
	for arn, want := range map[string]struct {
		kind     policy.SubjectKind
		arn      string
		policies int
	}{
		"arn:aws:iam::111122223333:user/ops/bob":                {policy.User, "arn:aws:iam::111122223333:user/ops/bob", 1},
		"arn:aws:iam::111122223333:group/devs":                  {policy.User, "arn:aws:iam::111122223333:group/devs", 1},
		"arn:aws:iam::111122223333:role/deploy":                 {policy.AssumedRole, "arn:aws:sts::111122223333:assumed-role/deploy/drydock", 1},
		"arn:aws:sts::111122223333:assumed-role/deploy/build-7": {policy.AssumedRole, "arn:aws:sts::111122223333:assumed-role/deploy/build-7", 1},
		"arn:aws:iam::111122223333:root":                        {policy.Root, "arn:aws:iam::111122223333:root", 0},
		ProviderARN(home, "https://gitlab.example/path"):        {policy.WebIdentity, "arn:aws:iam::111122223333:oidc-provider/gitlab.example/path", 0},
	} {
		s, err := w.SubjectOf(ctx, arn)
		if err != nil || s.Kind != want.kind || s.ARN != want.arn || len(s.Identity) != want.policies {
			t.Errorf("%s: %+v, %v", arn, s, err)
		}
	}
	for _, arn := range []string{"arn:aws:iam::111122223333:user/eve", "arn:aws:iam::999999999999:root", "arn:aws:iam::999999999999:user/bob"} {
		_, err := w.SubjectOf(ctx, arn)
		says[*NoSuchError](t, err, "")
	}
	for _, arn := range []string{"", "bob", "arn:aws:iam::111122223333:policy/x", "arn:aws:iam::x:user/bob", "arn:aws:iam::111122223333:user/", "arn:aws:s3:::bucket"} {
		_, err := w.SubjectOf(ctx, arn)
		says[*InvalidError](t, err, "")
	}
}

func TestTheTrustPolicyIsFoundCompiled(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made := w.addRole(t, "deploy")
	r, trust, err := w.Trust(ctx, made.ARN())
	must(t, err)
	if r.ID != made.ID || trust.Kind != policy.KindTrust || len(trust.Statements) != 1 || trust.Name != "trust policy of role/deploy" {
		t.Errorf("%+v", trust)
	}
	must(t, w.UpdateTrust(ctx, home, "deploy", strings.Replace(anyone, "Allow", "Deny", 1)))
	_, trust, err = w.Trust(ctx, made.ARN())
	must(t, err)
	if trust.Statements[0].Effect != policy.Deny {
		t.Error("the trust policy from before is given")
	}
	_, _, err = w.Trust(ctx, made.ARN()+"s")
	says[*NoSuchError](t, err, "")
}
