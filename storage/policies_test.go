package storage

import (
	"maps"
	"testing"
)

func TestAccessTellsOfTheRegistryAndOfTheRepositoryAskedFor(t *testing.T) {
	e := newEngine(t)
	ctx := t.Context()
	scope := Scope{"123456789012", "eu-west-1"}
	elsewhere := Scope{scope.Account, "us-east-1"}
	ref := func(s Scope, name string) Ref { return Ref{s, name} }
	check := func(r Ref, registry, own string, tags map[string]string) {
		t.Helper()
		a, err := e.Access(ctx, r)
		if err != nil || a.RegistryPolicy != registry || a.Policy != own || !maps.Equal(a.Tags, tags) {
			t.Errorf("%v: %+v, %v", r, a, err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(ref(scope, "none"), "", "", nil)
	do(e.SetRegistryPolicy(ctx, scope, "of the registry"))
	check(ref(scope, "none"), "of the registry", "", nil)
	check(ref(elsewhere, "none"), "", "", nil)

	for _, s := range []Scope{scope, elsewhere} {
		for _, name := range []string{"one", "two"} {
			_, err := e.CreateRepository(ctx, ref(s, name), RepositoryOptions{Tags: map[string]string{"in": s.Region, "name": name, "empty": ""}})
			do(err)
		}
	}
	do(e.SetRepositoryPolicy(ctx, ref(scope, "one"), "of one"))
	for _, s := range []Scope{scope, elsewhere} {
		for _, name := range []string{"one", "two"} {
			var registry, own string
			if s == scope {
				registry = "of the registry"
			}
			if s == scope && name == "one" {
				own = "of one"
			}
			check(ref(s, name), registry, own, map[string]string{"in": s.Region, "name": name, "empty": ""})
		}
	}
	_, err := e.DeleteRegistryPolicy(ctx, scope)
	do(err)
	check(ref(scope, "one"), "", "of one", map[string]string{"in": scope.Region, "name": "one", "empty": ""})
}
