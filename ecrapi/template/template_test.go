package template

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"drydock/auth/servicerole"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/testdb"
)

var scope = storage.Scope{Account: "123456789012", Region: "eu-west-1"}

func newCreator(t *testing.T) (*Creator, *storage.Registry) {
	t.Helper()
	files, err := disk.New(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := storage.New(t.Context(), storage.Options{
		DB: testdb.New(t).Open(t), Blobs: blob.NewStore(files), Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Engine: engine, Roles: &servicerole.Roles{}, LifecycleKind: "lifecycle-policy"})
	if err != nil {
		t.Fatal(err)
	}
	return c, engine
}

func set(t *testing.T, engine *storage.Registry, templates ...Template) {
	t.Helper()
	for _, v := range templates {
		document, err := v.Document()
		if err == nil {
			_, err = engine.CreateSetting(t.Context(), Key(scope, v.Prefix), document)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheTemplateOfTheLongestPrefixForTheReasonIsFound(t *testing.T) {
	c, engine := newCreator(t)
	all := []Reason{CreateOnPush, PullThroughCache, Replication}
	set(t, engine,
		Template{Prefix: "team", For: all}, Template{Prefix: "team/app/", For: []Reason{Replication}},
		Template{Prefix: "tea", For: all}, Template{Prefix: Root, For: []Reason{CreateOnPush}})
	for _, v := range []struct {
		name string
		why  Reason
		want string
	}{
		{"team/x", CreateOnPush, "team"}, {"team/app/x", Replication, "team/app/"}, {"team/app/x", CreateOnPush, "team"},
		{"team/app", Replication, "team"}, {"team", CreateOnPush, Root}, {"teams/x", CreateOnPush, Root}, {"x", CreateOnPush, Root},
		{"x", Replication, ""}, {"tea/x/y/z", PullThroughCache, "tea"},
	} {
		got, err := c.Find(t.Context(), storage.Ref{Scope: scope, Name: v.name}, v.why)
		if errors.Is(err, ErrNone) {
			err = nil
		}
		if err != nil || got.Prefix != v.want {
			t.Errorf("for %s of %s: %q (%v), want %q", v.why, v.name, got.Prefix, err, v.want)
		}
	}
}

func TestARepositoryIsMadeAsItsTemplateSays(t *testing.T) {
	c, engine := newCreator(t)
	ctx := t.Context()
	set(t, engine, Template{
		Prefix: "team", For: []Reason{CreateOnPush, Replication}, Mutability: storage.Mutability{Immutable: true, Except: []string{"dev-*"}},
		Policy: `{"Version":"2012-10-17"}`, Lifecycle: `{"rules":[]}`, Tags: map[string]string{"owner": "team"},
	})
	ref := storage.Ref{Scope: scope, Name: "team/app"}
	for range 2 { // somebody else may have made it
		if err := c.Create(ctx, ref, Replication); err != nil {
			t.Fatal(err)
		}
	}
	r, err := engine.Repository(ctx, ref)
	if err != nil || !r.Mutability.Locks("v1") || r.Mutability.Locks("dev-1") {
		t.Errorf("made %+v, %v", r, err)
	}
	if p, err := engine.RepositoryPolicy(ctx, ref); err != nil || p != `{"Version":"2012-10-17"}` {
		t.Errorf("its policy is %q, %v", p, err)
	}
	if tags, err := engine.ResourceTags(ctx, ref); err != nil || tags["owner"] != "team" {
		t.Errorf("its tags are %v, %v", tags, err)
	}
	if s, err := engine.Setting(ctx, storage.SettingKey{Ref: ref, Kind: "lifecycle-policy"}); err != nil || s.Document != `{"rules":[]}` {
		t.Errorf("its lifecycle policy is %q, %v", s.Document, err)
	}
}

func TestWithoutATemplateNothingIsMadeForAPushOnly(t *testing.T) {
	c, engine := newCreator(t)
	ctx := t.Context()
	ref := storage.Ref{Scope: scope, Name: "app"}
	if err := c.CreateOnPush(ctx, ref); !errors.Is(err, ErrNone) {
		t.Errorf("a push: %v", err)
	}
	if made, err := c.Foresees(ctx, ref); made || err != nil {
		t.Errorf("foreseen: %v, %v", made, err)
	}
	if err := c.Create(ctx, ref, PullThroughCache); err != nil {
		t.Errorf("a pull through the cache: %v", err)
	}
	if _, err := engine.Repository(ctx, ref); err != nil {
		t.Error(err)
	}
	set(t, engine, Template{Prefix: Root, For: []Reason{CreateOnPush}})
	if made, err := c.Foresees(ctx, storage.Ref{Scope: scope, Name: "123456789012.eu-west-1/app"}); made || err != nil {
		t.Errorf("a name that is an address of another registry is foreseen: %v, %v", made, err)
	}
}
