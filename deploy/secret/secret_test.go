package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"drydock/auth/seal"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const (
	account = "1234567890"
	region  = "eu-west-1"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newStore(t *testing.T, db meta.DB, fill byte) *Store {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{DB: db, Seal: box, Now: func() time.Time { return noon }, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, name, text string) Secret {
	t.Helper()
	k, err := ParseKey(account, region, name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Put(t.Context(), k, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestASecretIsFoundByAllThatItIsCalled(t *testing.T) {
	s := newStore(t, testdb.New(t).Open(t), 1)
	db := put(t, s, "/prod/db", "hunter2")
	put(t, s, "s3://config/app.env", "A=1")
	arn := db.ARN(SecretsManager)
	for given, want := range map[string]string{
		"/prod/db": "hunter2", "prod/db": "hunter2", db.ARN(SystemsManager): "hunter2", arn: "hunter2", arn + ":key::": "hunter2",
		"arn:aws:secretsmanager:eu-west-1:1234567890:secret:prod/db": "hunter2", "arn:aws:s3:::config/app.env": "A=1",
		arn[:len(arn)-6] + "wrongs":                                    "",
		"arn:aws:secretsmanager:eu-west-2:1234567890:secret:prod/db":   "",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db": "",
		"arn:aws:s3:::config/other.env":                                "",
		"config/app.env":                                               "",
	} {
		r, err := ParseReference(account, region, given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		v, err := s.Find(t.Context(), r)
		switch {
		case want == "" && !errors.Is(err, ErrUnknown):
			t.Errorf("%s: found %v, %v", given, v.Name, err)
		case want != "" && (err != nil || v.Current.Text != want):
			t.Errorf("%s: %q, %v", given, v.Current.Text, err)
		}
	}
}

func TestTheVersionBeforeStays(t *testing.T) {
	s := newStore(t, testdb.New(t).Open(t), 1)
	one := put(t, s, "db", "one")
	put(t, s, "db", "two")
	last := put(t, s, "db", "three")
	if last.Suffix != one.Suffix || last.Suffix == "" {
		t.Errorf("the ARN has changed: %s, %s", one.Suffix, last.Suffix)
	}
	r, err := ParseReference(account, region, "db")
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Find(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ stage, id, want string }{
		{"", "", "three"}, {"AWSCURRENT", "", "three"}, {"AWSPREVIOUS", "", "two"}, {"", v.Previous.ID, "two"}, {"", v.Current.ID, "three"},
		{"AWSPREVIOUS", v.Current.ID, ""}, {"", one.Current.ID, ""}, {"AWSPENDING", "", ""},
	} {
		got, err := v.Version(c.stage, c.id)
		if got.Text != c.want || (c.want == "") != errors.Is(err, ErrUnknown) {
			t.Errorf("%+v: %q, %v", c, got.Text, err)
		}
	}
	if _, err := one.Version("AWSPREVIOUS", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("a secret that never changed: %v", err)
	}
}

func TestWhoHasTheDatabaseAloneHasNoSecret(t *testing.T) {
	db := testdb.New(t).Open(t)
	s := newStore(t, db, 1)
	put(t, s, "db", "hunter2")
	put(t, s, "other", "x")
	var sealed []byte
	if err := db.Reader().QueryRowContext(t.Context(), `SELECT sealed FROM ecs_secret WHERE name = $1`, "db").Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Error("the secret is to be read in the database")
	}
	r, err := ParseReference(account, region, "db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newStore(t, db, 2).Find(t.Context(), r); !errors.Is(err, seal.ErrOtherKey) {
		t.Errorf("with another key: %v", err)
	}
	if err := db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `UPDATE ecs_secret SET sealed = $1 WHERE name = $2`, sealed, "other")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.Name = "other"
	if _, err := s.Find(t.Context(), r); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("moved to another record: %v", err)
	}
}

func TestSecretsAreListedAndRemoved(t *testing.T) {
	s := newStore(t, testdb.New(t).Open(t), 1)
	for _, name := range []string{"b", "a", "s3://bucket/z.env", "c"} {
		put(t, s, name, "v")
	}
	var names []string
	after := Key{Account: account, Region: region}
	for {
		list, err := s.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			names = append(names, d.Name)
			after = d.Key
		}
		if len(list) < 2 {
			break
		}
	}
	if got := strings.Join(names, " "); got != "bucket/z.env a b c" {
		t.Errorf("listed %s", got)
	}
	for _, want := range []error{nil, ErrUnknown} {
		if err := s.Remove(t.Context(), Key{account, region, Value, "a"}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if _, err := s.Put(t.Context(), after, strings.Repeat("x", MaxSize+1)); err == nil {
		t.Error("a secret has no end")
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	for _, given := range []string{
		"", "a b", "name:3", "arn:aws:ssm:eu-west-1:1234567890:document/x", "arn:aws:secretsmanager:eu-west-1:1234567890:secret",
		"arn:aws:secretsmanager:eu-west-1:1234567890:secret:a:b:c:d:e", "arn:aws:iam::1234567890:role/x", "arn:aws:s3:::bucket", "s3://bucket/x.env", "arn:x",
	} {
		if r, err := ParseReference(account, region, given); err == nil {
			t.Errorf("%q was read as %+v", given, r)
		}
	}
}

func TestAFileOfEnvironmentVariablesIsTakenAsItStands(t *testing.T) {
	got, err := Environment("\ufeffA=1\r\n# B=2\n\nC=\"quoted # text\"\nD=\nE=x=y\n  \nA=again")
	want := map[string]string{"A": "again", "C": `"quoted # text"`, "D": "", "E": "x=y"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"novalue", "=x", "A=1\nB", "A=\x00"} {
		if env, err := Environment(text); err == nil {
			t.Errorf("%q: %v", text, env)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"db", "/a/b", "arn:aws:secretsmanager:eu-west-1:1234567890:secret:a-AbCdEf:k:s:v", "arn:aws:s3:::bucket/k.env", "arn:aws:ssm:eu-west-1:1234567890:parameter/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		r, err := ParseReference(account, region, given)
		if err == nil && (r.Name == "" || r.Kind == "" || r.Service == "" || !strings.HasPrefix(given, r.Asked)) {
			t.Errorf("%q was read as %+v", given, r)
		}
	})
}
