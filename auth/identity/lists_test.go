package identity

import (
	"fmt"
	"slices"
	"testing"
)

func TestListsAreReadPageByPage(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var want []string
	got[Group](t)(w.CreateGroup(ctx, home, "all", ""))
	arn := w.addPolicy(t, "pull", allow("ecr:*"))
	for i := range 7 {
		name := fmt.Sprintf("User%d", i)
		path := "/"
		if i%2 == 0 {
			path = "/even/"
			want = append(want, name)
		}
		got[User](t)(w.CreateUser(ctx, home, NewUser{Name: name, Path: path}))
		must(t, w.AddUserToGroup(ctx, home, "all", name), w.Attach(ctx, home, user(name), arn))
		w.addRole(t, fmt.Sprintf("role%d", i))
		must(t, w.Attach(ctx, home, role(fmt.Sprintf("role%d", i)), arn))
	}
	must(t, w.Attach(ctx, home, group("all"), arn))

	names := pages(t, func(p Page) ([]User, string, error) { return w.Users(ctx, home, "/even/", p) }, func(u User) string { return u.Name })
	if !slices.Equal(names, want) {
		t.Errorf("users: %v, want %v", names, want)
	}
	if n := pages(t, func(p Page) ([]User, string, error) { return w.Users(ctx, home, "/", p) }, func(u User) string { return u.ID }); len(n) != 7 {
		t.Errorf("all users: %v", n)
	}
	if n := pages(t, func(p Page) ([]User, string, error) { return w.Members(ctx, home, "all", p) }, func(u User) string { return u.ID }); len(n) != 7 {
		t.Errorf("members: %v", n)
	}
	if n := pages(t, func(p Page) ([]Role, string, error) { return w.Roles(ctx, home, "", p) }, func(r Role) string { return r.ID }); len(n) != 7 {
		t.Errorf("roles: %v", n)
	}
	holders := func(f HolderFilter) []string {
		return pages(t, func(p Page) ([]Holder, string, error) { return w.Holders(ctx, home, arn, f, p) }, func(h Holder) string { return string(h.Kind) + h.ID })
	}
	for f, want := range map[HolderFilter]int{{}: 15, {Kind: KindUser}: 7, {PathPrefix: "/even/"}: 4, {Kind: KindGroup}: 1, {Boundary: true}: 0} {
		if n := len(holders(f)); n != want {
			t.Errorf("holders by %+v: %d, want %d", f, n, want)
		}
	}
	must(t, w.SetBoundary(ctx, home, user("User1"), arn), w.SetBoundary(ctx, home, role("role1"), arn))
	if n := len(holders(HolderFilter{Boundary: true})); n != 2 {
		t.Errorf("a boundary of %d, want 2", n)
	}
	if p := got[Policy](t)(w.Policy(ctx, home, arn)); p.Attachments != 15 || p.Boundaries != 2 {
		t.Errorf("%+v", p)
	}

	for i := range 4 {
		w.addPolicy(t, fmt.Sprintf("another%d", i), allow("ecr:*"))
	}
	must(t, w.Attach(ctx, home, user("User1"), readOnly))
	policies := func(f PolicyFilter) []string {
		return pages(t, func(p Page) ([]Policy, string, error) { return w.Policies(ctx, home, f, p) }, Policy.ARN)
	}
	everyAWS := len(w.managed.All())
	for f, want := range map[PolicyFilter]int{{}: 5 + everyAWS, {Local: true}: 5, {AWS: true}: everyAWS, {Local: true, AWS: true}: 5 + everyAWS,
		{Attached: true}: 2, {Attached: true, AWS: true}: 1, {Boundary: true}: 1, {PathPrefix: "/service-role/", Local: true}: 0} {
		if list := policies(f); len(list) != want {
			t.Errorf("policies by %+v: %d, want %d: %v", f, len(list), want, list)
		}
	}
	if p := got[Policy](t)(w.Policy(ctx, home, readOnly)); p.Attachments != 1 || !p.AWS() || p.ARN() != readOnly {
		t.Errorf("%+v", p)
	}
	attached := pages(t, func(p Page) ([]string, string, error) { return w.Attached(ctx, home, user("User1"), "/", p) }, func(s string) string { return s })
	if !slices.Equal(attached, []string{arn, readOnly}) {
		t.Errorf("attached: %v", attached)
	}
	for i := range 5 {
		must(t, w.PutInline(ctx, home, role("role0"), fmt.Sprintf("own%d", i), allow("ecr:*")))
	}
	if n := pages(t, func(p Page) ([]string, string, error) { return w.InlineNames(ctx, home, role("role0"), p) }, func(s string) string { return s }); len(n) != 5 {
		t.Errorf("inline: %v", n)
	}
}

// pages reads a list in pages of every size, which have to agree, and returns it.
func pages[T any](t *testing.T, read func(Page) ([]T, string, error), name func(T) string) []string {
	t.Helper()
	var whole []string
	for limit := range 9 {
		var all []string
		for p := (Page{Limit: limit + 1}); ; {
			list, next, err := read(p)
			must(t, err)
			if len(list) > p.Limit || next != "" && len(list) != p.Limit {
				t.Fatalf("a page of %d has %d entries", p.Limit, len(list))
			}
			for _, v := range list {
				all = append(all, name(v))
			}
			if next == "" {
				break
			}
			p.After = next
		}
		if limit > 0 && !slices.Equal(all, whole) {
			t.Fatalf("in pages of %d: %v, want %v", limit+1, all, whole)
		}
		whole = all
	}
	seen := map[string]bool{}
	for _, n := range whole {
		if seen[n] {
			t.Errorf("%s is listed twice", n)
		}
		seen[n] = true
	}
	return whole
}

func TestVersionsAreCountedOnAndOneIsInForce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arn := w.addPolicy(t, "pull", allow("ecr:A"))
	v2 := got[Version](t)(w.CreatePolicyVersion(ctx, home, arn, allow("ecr:B"), true))
	if v2.ID() != "v2" || !v2.Default {
		t.Errorf("%+v", v2)
	}
	says[*DeleteConflictError](t, w.DeletePolicyVersion(ctx, home, arn, "v2"), "Cannot delete the default version of a policy.")
	must(t, w.SetDefaultPolicyVersion(ctx, home, arn, "v1"), w.DeletePolicyVersion(ctx, home, arn, "v2"))
	if v3 := got[Version](t)(w.CreatePolicyVersion(ctx, home, arn, allow("ecr:C"), false)); v3.ID() != "v3" {
		t.Errorf("the number of a deleted version was given again: %s", v3.ID())
	}
	ids := pages(t, func(p Page) ([]Version, string, error) { return w.PolicyVersions(ctx, home, arn, p) }, Version.ID)
	if !slices.Equal(ids, []string{"v3", "v1"}) {
		t.Errorf("%v", ids)
	}
	for _, none := range []string{"v2", "v0", "v01", "1", "v", "", "v+1", "V1", "v99999999999999999999"} {
		says[*NoSuchError](t, w.SetDefaultPolicyVersion(ctx, home, arn, none), "")
	}
	if v := got[Version](t)(w.PolicyVersion(ctx, home, arn, "v1")); !v.Default || v.Document != allow("ecr:A") {
		t.Errorf("%+v", v)
	}
	for name, err := range map[string]error{
		"delete":  w.DeletePolicy(ctx, home, readOnly),
		"version": errOf(w.CreatePolicyVersion(ctx, home, readOnly, allow("ecr:*"), true)),
		"default": w.SetDefaultPolicyVersion(ctx, home, readOnly, "v1"),
		"prune":   w.DeletePolicyVersion(ctx, home, readOnly, "v1"),
	} {
		t.Run(name, func(t *testing.T) { says[*NotModifiableError](t, err, "") })
	}
}
