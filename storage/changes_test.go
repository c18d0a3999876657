package storage

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// watchedEngine is an engine with a watcher that orders a line for each change of
// the repositories, or registries, that have a setting "watch", whose document is
// part of the line. woken are the queues that were.
func watchedEngine(t *testing.T) (e *engine, woken *[]string) {
	t.Helper()
	e = newEngine(t)
	woken = &[]string{}
	n := 0
	e.options.Wake = func(queue string) { *woken = append(*woken, queue) }
	e.options.Watchers = []Watcher{
		{Kinds: []string{"watch", "other"}, Decide: func(c Change, set []Setting) ([]Job, error) {
			var jobs []Job
			for _, s := range set {
				n++
				line := fmt.Sprintf("%s %s %s %v new=%v", s.Document, c.Kind, c.Ref.Name, c.Tags, c.New)
				jobs = append(jobs, Job{Queue: "lines", Key: fmt.Sprintf("%06d", n), Document: line})
			}
			return jobs, nil
		}},
		{Kinds: []string{"veto"}, Decide: func(Change, []Setting) ([]Job, error) { return nil, errors.New("not today") }},
	}
	e.restart(t)
	return e, woken
}

func (e *engine) lines(t *testing.T) []string {
	t.Helper()
	jobs, err := meta.DueJobs(t.Context(), e.options.DB.Reader(), "lines", e.clock.UnixMilli(), 100)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(jobs, func(a, b meta.Job) int { return int(a.DueAt - b.DueAt) })
	var lines []string
	for _, j := range jobs {
		lines = append(lines, j.Document)
	}
	return lines
}

func (e *engine) set(t *testing.T, ref Ref, kind, document string) {
	t.Helper()
	if _, err := e.SetSetting(t.Context(), SettingKey{Ref: ref, Kind: kind}, document); err != nil {
		t.Fatal(err)
	}
}

func TestWhatFollowsFromAChangeIsOrderedWithIt(t *testing.T) {
	e, woken := watchedEngine(t)
	ctx := t.Context()
	ref := e.repository(t, "app", Mutability{})
	e.repository(t, "unwatched", Mutability{})
	d := e.image(t, ref, "before", "early").Digest
	e.set(t, ref, "watch", "mine")
	e.set(t, Ref{Scope: ref.Scope}, "other", "ours")

	first := e.image(t, ref, "first", "v1", "latest").Digest
	m, err := e.Manifest(ctx, ref, Reference{Digest: first})
	if err != nil {
		t.Fatal(err)
	}
	e.put(t, ref, m.Content, "v1") // changes nothing
	e.put(t, ref, m.Content, "again")
	if _, err := e.DeleteTag(ctx, ref, "again"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteImage(ctx, ref, Reference{Tag: "latest"}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteImage(ctx, ref, Reference{Digest: first}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteImage(ctx, ref, Reference{Tag: "early"}); err != nil {
		t.Fatal(err) // the last tag
	}
	if _, err := e.Undelete(ctx, d); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range []string{
		"pushed app [v1 latest] new=true", "pushed app [again] new=false", "untagged app [again] new=false",
		"untagged app [latest] new=false", "deleted app [v1] new=false", "deleted app [early] new=false", "pushed app [early] new=true",
	} {
		want = append(want, "ours "+line, "mine "+line)
	}
	if got := e.lines(t); !reflect.DeepEqual(got, want) {
		t.Errorf("ordered:\n%q\nwant:\n%q", got, want)
	}
	if len(*woken) != len(want) {
		t.Errorf("the queue was woken %d times for %d jobs", len(*woken), len(want))
	}
}

func TestAChangeThatFailsOrdersNothing(t *testing.T) {
	e, woken := watchedEngine(t)
	ref := e.repository(t, "app", Mutability{Immutable: true})
	e.image(t, ref, "first", "v1")
	e.set(t, ref, "watch", "mine")
	second := imageOf(t, e.blob(t, ref, `{"of":"second"}`))
	var immutable *TagImmutableError
	if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: second, Tags: []string{"v2", "v1"}}); !errors.As(err, &immutable) {
		t.Fatalf("moving an immutable tag: %v", err)
	}
	if got := e.lines(t); got != nil || len(*woken) != 0 {
		t.Errorf("ordered %q, woken %q", got, *woken)
	}
	e.set(t, ref, "veto", "x")
	if _, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: second, Tags: []string{"v2"}}); err == nil {
		t.Fatal("a push went through though its consequences could not be decided")
	}
	if _, err := e.Manifest(t.Context(), ref, Reference{Digest: digest.FromBytes(second)}); err == nil {
		t.Error("the manifest of a push that failed is there")
	}
	if got := e.lines(t); got != nil {
		t.Errorf("ordered %q", got)
	}
}

func TestSettingsAreKeptAndGoWithTheirRepository(t *testing.T) {
	e := newEngine(t)
	ctx := t.Context()
	ref := e.repository(t, "app", Mutability{})
	registry := Ref{Scope: ref.Scope}
	key := func(ref Ref, name string) SettingKey { return SettingKey{Ref: ref, Kind: "rule", Key: name} }

	var unknown *SettingUnknownError
	var noRepository *RepositoryUnknownError
	if _, err := e.Setting(ctx, key(ref, "")); !errors.As(err, &unknown) {
		t.Errorf("a setting that is not there: %v", err)
	}
	if _, err := e.Setting(ctx, key(Ref{ref.Scope, "none"}, "")); !errors.As(err, &noRepository) {
		t.Errorf("a setting of a repository that is not there: %v", err)
	}
	if _, err := e.SetSetting(ctx, key(Ref{ref.Scope, "none"}, ""), "x"); !errors.As(err, &noRepository) {
		t.Errorf("setting one of a repository that is not there: %v", err)
	}
	if _, err := e.DeleteSetting(ctx, key(registry, "a")); !errors.As(err, &unknown) {
		t.Errorf("deleting what is not there: %v", err)
	}
	created := e.clock
	for _, k := range []SettingKey{key(registry, "b"), key(registry, "a"), key(ref, "")} {
		if _, err := e.CreateSetting(ctx, k, "1"); err != nil {
			t.Fatal(err)
		}
	}
	var exists *SettingExistsError
	if _, err := e.CreateSetting(ctx, key(registry, "a"), "2"); !errors.As(err, &exists) {
		t.Errorf("creating one twice: %v", err)
	}
	e.clock = e.clock.Add(uploadExpiry)
	s, err := e.SetSetting(ctx, key(registry, "a"), "2")
	if err != nil || s.Document != "2" || !s.CreatedAt.Equal(created) || !s.UpdatedAt.Equal(e.clock) {
		t.Errorf("changed: %+v, %v", s, err)
	}
	all := func() (names []string) {
		t.Helper()
		var after SettingKey
		for {
			page, err := e.SettingsEverywhere(ctx, "rule", after, 1)
			if err != nil {
				t.Fatal(err)
			}
			own, err := e.Settings(ctx, ref.Scope, "rule", after, 1)
			if err != nil || !reflect.DeepEqual(own, page) {
				t.Errorf("of the registry %v, of all %v, %v", own, page, err)
			}
			if len(page) == 0 {
				return names
			}
			after = page[0].SettingKey
			names = append(names, after.Name+"/"+after.Key+"="+page[0].Document)
		}
	}
	if got, want := all(), []string{"/a=2", "/b=1", "app/=1"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if _, err := e.DeleteRepository(ctx, ref, true); err != nil {
		t.Fatal(err)
	}
	if was, err := e.DeleteSetting(ctx, key(registry, "b")); err != nil || was.Document != "1" {
		t.Errorf("deleted %+v, %v", was, err)
	}
	if got, want := all(), []string{"/a=2"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}
