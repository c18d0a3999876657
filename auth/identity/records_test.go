package identity

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"drydock/auth/policy"
)

func TestNamesAreUniqueWhateverTheirCase(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	u := got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "Bob", Path: "/ops/"}))
	if u.ARN() != "arn:aws:iam::111122223333:user/ops/Bob" || !strings.HasPrefix(u.ID, "AIDA") || len(u.ID) != 21 {
		t.Errorf("%s has id %s", u.ARN(), u.ID)
	}
	_, err := w.CreateUser(ctx, home, NewUser{Name: "BOB"})
	says[*ExistsError](t, err, "User with name BOB already exists.")
	found := got[User](t)(w.User(ctx, home, "bOB"))
	if found != u {
		t.Errorf("found %+v, want %+v", found, u)
	}
	got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "carol"}))
	says[*ExistsError](t, w.UpdateUser(ctx, home, "carol", "boB", ""), "User with name boB already exists.")
	// Its own name in another case is free.
	must(t, w.UpdateUser(ctx, home, "bob", "bob", ""))

	w.addRole(t, "deploy")
	_, err = w.CreateRole(ctx, home, NewRole{Name: "Deploy", Trust: anyone})
	says[*ExistsError](t, err, "Role with name Deploy already exists.")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	_, err = w.CreateGroup(ctx, home, "DEVS", "/x/")
	says[*ExistsError](t, err, "Group with name DEVS already exists.")
	w.addPolicy(t, "pull", allow("ecr:*"))
	_, err = w.CreatePolicy(ctx, home, NewPolicy{Name: "Pull", Path: "/x/", Document: allow("ecr:*")})
	says[*ExistsError](t, err, "A policy called Pull already exists. Duplicate names are not allowed.")
	got[InstanceProfile](t)(w.CreateInstanceProfile(ctx, home, "box", "", nil))
	_, err = w.CreateInstanceProfile(ctx, home, "Box", "", nil)
	says[*ExistsError](t, err, "Instance Profile Box already exists.")
}

func TestEachAccountHasItsOwnNames(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.CreateAccount(ctx, other, "the other")
	must(t, err)
	mine := w.addUser(t, "bob")
	theirs := got[User](t)(w.CreateUser(ctx, other, NewUser{Name: "bob"}))
	if mine.ID == theirs.ID || theirs.ARN() != "arn:aws:iam::1234567890:user/bob" {
		t.Errorf("%+v, %+v", mine, theirs)
	}
	arn := w.addPolicy(t, "pull", allow("ecr:*"))
	err = w.Attach(ctx, other, user("bob"), arn)
	says[*NoSuchError](t, err, "Policy arn:aws:iam::111122223333:policy/pull does not exist or is not attachable.")
	key := w.addKey(t, "bob")
	says[*NoSuchError](t, w.DeleteAccessKey(ctx, other, "bob", key.ID), "The Access Key with id "+key.ID+" cannot be found.")
	says[*NoSuchError](t, w.SetAccessKeyActive(ctx, other, "bob", key.ID, false), "")
	_, err = w.AccessKey(ctx, other, key.ID)
	says[*NoSuchError](t, err, "")
	_, err = w.CreateUser(ctx, "999999999999", NewUser{Name: "bob"})
	says[*NoSuchError](t, err, "There is no account 999999999999 here.")
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	arn := "arn:aws:iam::111122223333:policy/none"
	for want, err := range map[string]error{
		"The user with name eve cannot be found.":                                                            w.DeleteUser(ctx, home, "eve"),
		"The group with name eves cannot be found.":                                                          w.DeleteGroup(ctx, home, "eves"),
		"The role with name eve cannot be found.":                                                            w.UpdateTrust(ctx, home, "eve", anyone),
		"Instance Profile none cannot be found.":                                                             w.DeleteInstanceProfile(ctx, home, "none"),
		"Policy " + arn + " was not found.":                                                                  w.DeletePolicy(ctx, home, arn),
		"Policy " + arn + " does not exist or is not attachable.":                                            w.Attach(ctx, home, user("bob"), arn),
		"Policy " + arn + "2 was not found.":                                                                 w.Detach(ctx, home, user("bob"), arn+"2"),
		"The user policy with name none cannot be found.":                                                    w.DeleteInline(ctx, home, user("bob"), "none"),
		"The Access Key with id AKIANONE cannot be found.":                                                   w.DeleteAccessKey(ctx, home, "bob", "AKIANONE"),
		"The user bob does not have a permissions boundary.":                                                 w.SetBoundary(ctx, home, user("bob"), ""),
		"Policy arn:aws:iam::aws:policy/AdministratorAcces does not exist or is not attachable.":             w.SetBoundary(ctx, home, user("bob"), "arn:aws:iam::aws:policy/AdministratorAcces"),
		"Policy arn:aws:iam::111122223333:policy/ does not exist or is not attachable.":                      w.Attach(ctx, home, user("bob"), "arn:aws:iam::111122223333:policy/"),
		"Policy arn:aws:iam::1234567890:policy/none does not exist or is not attachable.":                    w.Attach(ctx, home, user("bob"), "arn:aws:iam::1234567890:policy/none"),
		"Policy arn:aws:ecr:eu-west-1:111122223333:repository/none does not exist or is not attachable.":     w.Attach(ctx, home, user("bob"), "arn:aws:ecr:eu-west-1:111122223333:repository/none"),
		"Policy arn:aws:iam::111122223333:policy/a/b/c does not exist or is not attachable.":                 w.Attach(ctx, home, user("bob"), "arn:aws:iam::111122223333:policy/a/b/c"),
		"Policy arn:aws:iam::aws:policy/AdministratorAccess version v9 does not exist or is not attachable.": errOf(w.PolicyVersion(ctx, home, "arn:aws:iam::aws:policy/AdministratorAccess", "v9")),
	} {
		says[*NoSuchError](t, err, want)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestNothingIsDeletedThatStillHasSomething(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	arn := w.addPolicy(t, "pull", allow("ecr:*"))
	w.addUser(t, "bob")
	w.addRole(t, "deploy")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	key := w.addKey(t, "bob")
	got[InstanceProfile](t)(w.CreateInstanceProfile(ctx, home, "box", "", map[string]string{"a": "b"}))
	must(t, w.Attach(ctx, home, user("bob"), arn), w.Attach(ctx, home, group("devs"), readOnly), w.Attach(ctx, home, role("deploy"), arn),
		w.PutInline(ctx, home, user("bob"), "own", allow("ecr:*")), w.PutInline(ctx, home, group("devs"), "own", allow("ecr:*")),
		w.PutInline(ctx, home, role("deploy"), "own", allow("ecr:*")), w.AddUserToGroup(ctx, home, "devs", "bob"),
		w.AddRoleToProfile(ctx, home, "box", "deploy"), w.SetBoundary(ctx, home, user("bob"), arn), w.SetBoundary(ctx, home, role("deploy"), arn))
	got[Version](t)(w.CreatePolicyVersion(ctx, home, arn, allow("s3:*"), false))

	const (
		keysFirst     = "Cannot delete entity, must delete access keys first."
		detachFirst   = "Cannot delete entity, must detach all policies first."
		policiesFirst = "Cannot delete entity, must delete policies first."
		groupFirst    = "Cannot delete entity, must remove users from group first."
		profileFirst  = "Cannot delete entity, must remove roles from instance profile first."
		attached      = "Cannot delete a policy attached to entities."
	)
	deleteUser := func() error { return w.DeleteUser(ctx, home, "bob") }
	deleteGroup := func() error { return w.DeleteGroup(ctx, home, "devs") }
	deleteRole := func() error { return w.DeleteRole(ctx, home, "deploy") }
	deleteProfile := func() error { return w.DeleteInstanceProfile(ctx, home, "box") }
	deletePolicy := func() error { return w.DeletePolicy(ctx, home, arn) }
	steps := []struct {
		name string
		try  func() error
		want string
		then func() error
	}{
		{"profile", deleteProfile, profileFirst, nil},
		{"role", deleteRole, profileFirst, func() error { return w.RemoveRoleFromProfile(ctx, home, "box", "deploy") }},
		{"user", deleteUser, keysFirst, func() error { return w.DeleteAccessKey(ctx, home, "bob", key.ID) }},
		{"user", deleteUser, policiesFirst, func() error { return w.DeleteInline(ctx, home, user("bob"), "own") }},
		{"policy", deletePolicy, attached, nil},
		{"user", deleteUser, detachFirst, func() error { return w.Detach(ctx, home, user("bob"), arn) }},
		{"group", deleteGroup, groupFirst, nil},
		{"user", deleteUser, groupFirst, func() error { return w.RemoveUserFromGroup(ctx, home, "devs", "bob") }},
		{"user", deleteUser, "", nil},
		{"group", deleteGroup, policiesFirst, func() error { return w.DeleteInline(ctx, home, group("devs"), "own") }},
		{"group", deleteGroup, detachFirst, func() error { return w.Detach(ctx, home, group("devs"), readOnly) }},
		{"group", deleteGroup, "", nil},
		{"role", deleteRole, detachFirst, func() error { return w.Detach(ctx, home, role("deploy"), arn) }},
		{"policy, a boundary now", deletePolicy, attached, func() error { return w.SetBoundary(ctx, home, role("deploy"), "") }},
		{"role", deleteRole, policiesFirst, func() error { return w.DeleteInline(ctx, home, role("deploy"), "own") }},
		{"role", deleteRole, "", nil},
		{"profile", deleteProfile, "", nil},
		{"policy", deletePolicy, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
			func() error { return w.DeletePolicyVersion(ctx, home, arn, "v2") }},
		{"policy", deletePolicy, "", nil},
	}
	for _, s := range steps {
		err := s.try()
		if s.want == "" {
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			continue
		}
		says[*DeleteConflictError](t, err, s.want)
		if s.then != nil {
			must(t, s.then())
		}
	}
	if n := got[Summary](t)(w.Summary(ctx, home)); n != (Summary{RootKeys: 1}) {
		t.Errorf("left over: %+v", n)
	}
	tags := 0
	must(t, w.db.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM resource_tag`).Scan(&tags))
	if tags != 0 {
		t.Errorf("%d tags are left", tags)
	}
}

func TestAProfileKeepsItsRole(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addRole(t, "deploy")
	w.addRole(t, "test")
	got[InstanceProfile](t)(w.CreateInstanceProfile(ctx, home, "box", "/a/", nil))
	must(t, w.AddRoleToProfile(ctx, home, "box", "deploy"))
	says[*LimitError](t, w.AddRoleToProfile(ctx, home, "box", "test"), "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	says[*DeleteConflictError](t, w.DeleteInstanceProfile(ctx, home, "box"), "")
	says[*DeleteConflictError](t, w.DeleteRole(ctx, home, "deploy"), "")
	says[*NoSuchError](t, w.RemoveRoleFromProfile(ctx, home, "box", "test"), "")
	list, next, err := w.InstanceProfilesOf(ctx, home, "deploy", Page{Limit: 10})
	must(t, err)
	if len(list) != 1 || next != "" || list[0].Role != "deploy" || list[0].ARN() != "arn:aws:iam::111122223333:instance-profile/a/box" {
		t.Errorf("%+v, %q", list, next)
	}
}

func TestThereIsNoMoreThanThereMayBe(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	w.addRole(t, "deploy")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	for range AccessKeysPerUser {
		w.addKey(t, "bob")
	}
	_, err := w.CreateAccessKey(ctx, home, "bob")
	says[*LimitError](t, err, "Cannot exceed quota for AccessKeysPerUser: 2")
	if list, _, err := w.AccessKeys(ctx, home, "bob", Page{Limit: 10}); err != nil || len(list) != 2 {
		t.Errorf("%d keys, %v", len(list), err)
	}

	var arns []string
	for i := range PoliciesPerEntity + 1 {
		arns = append(arns, w.addPolicy(t, fmt.Sprintf("p%d", i), allow("ecr:*")))
	}
	for _, e := range []Entity{user("bob"), role("deploy"), group("devs")} {
		for _, a := range arns[:PoliciesPerEntity] {
			must(t, w.Attach(ctx, home, e, a))
		}
		must(t, w.Attach(ctx, home, e, arns[0])) // it is there already
		want := map[Kind]string{KindUser: "PoliciesPerUser", KindRole: "PoliciesPerRole", KindGroup: "PoliciesPerGroup"}[e.Kind]
		says[*LimitError](t, w.Attach(ctx, home, e, arns[PoliciesPerEntity]), "Cannot exceed quota for "+want+": 10")
	}

	for i := range GroupsPerUser + 1 {
		name := fmt.Sprintf("g%d", i)
		got[Group](t)(w.CreateGroup(ctx, home, name, ""))
		err := w.AddUserToGroup(ctx, home, name, "bob")
		if i < GroupsPerUser {
			must(t, err, w.AddUserToGroup(ctx, home, name, "bob"))
			continue
		}
		says[*LimitError](t, err, "Cannot exceed quota for GroupsPerUser: 10")
	}

	for range VersionsPerPolicy - 1 {
		got[Version](t)(w.CreatePolicyVersion(ctx, home, arns[0], allow("ecr:*"), false))
	}
	_, err = w.CreatePolicyVersion(ctx, home, arns[0], allow("ecr:*"), true)
	says[*LimitError](t, err, "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")

	tags := map[string]string{}
	for i := range TagsPerEntity {
		tags[fmt.Sprintf("key%d", i)] = "value"
	}
	must(t, w.Tag(ctx, home, user("bob"), tags))
	says[*LimitError](t, w.Tag(ctx, home, user("bob"), map[string]string{"one": "more"}), "")
	must(t, w.Tag(ctx, home, user("bob"), map[string]string{"KEY7": "in its place"}))
	now := got[map[string]string](t)(w.TagsOf(ctx, home, user("bob")))
	if _, old := now["key7"]; old || now["KEY7"] != "in its place" || len(now) != TagsPerEntity {
		t.Errorf("%d tags, KEY7 is %q", len(now), now["KEY7"])
	}
}

func TestDocumentsHaveTheirSizesAndForms(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	w.addRole(t, "deploy")
	got[Group](t)(w.CreateGroup(ctx, home, "devs", ""))
	// White space does not count.
	long := func(characters int) string {
		d := allow("ecr:*")
		return strings.Replace(d, "ecr:*", strings.Repeat("e", characters-policy.Size([]byte(d)))+"ecr:*", 1) + strings.Repeat(" \n", 1000)
	}
	for e, limit := range map[Entity]int{user("bob"): 2048, role("deploy"): 10240, group("devs"): 5120} {
		must(t, w.PutInline(ctx, home, e, "first", long(limit/2)), w.PutInline(ctx, home, e, "second", long(limit/2)),
			w.PutInline(ctx, home, e, "second", long(limit/2)))
		says[*LimitError](t, w.PutInline(ctx, home, e, "second", long(limit/2+1)),
			fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", limit, e.Kind, e.Name))
		if d := got[string](t)(w.Inline(ctx, home, e, "second")); d != long(limit/2) {
			t.Errorf("%s keeps another document", e.Kind)
		}
	}
	w.addPolicy(t, "long", long(6144))
	_, err := w.CreatePolicy(ctx, home, NewPolicy{Name: "longer", Document: long(6145)})
	says[*LimitError](t, err, "Cannot exceed quota for PolicySize: 6144")
	for name, err := range map[string]error{
		"policy":  errOf(w.CreatePolicy(ctx, home, NewPolicy{Name: "wrong", Document: `{"Statement":[]`})),
		"version": errOf(w.CreatePolicyVersion(ctx, home, ARN(home, KindPolicy, "/", "long"), anyone, false)),
		"inline":  w.PutInline(ctx, home, user("bob"), "wrong", anyone),
		"trust":   w.UpdateTrust(ctx, home, "deploy", allow("sts:AssumeRole")),
		"role":    errOf(w.CreateRole(ctx, home, NewRole{Name: "wrong", Trust: "{}"})),
	} {
		t.Run(name, func(t *testing.T) { says[*policy.SyntaxError](t, err, "") })
	}
}

func TestARenamedUserKeepsEverything(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	u := got[User](t)(w.CreateUser(ctx, home, NewUser{Name: "bob", Tags: map[string]string{"team": "a"}}))
	key := w.addKey(t, "bob")
	must(t, w.Attach(ctx, home, user("bob"), readOnly), w.UpdateUser(ctx, home, "bob", "robert", "/ops/"))
	says[*NoSuchError](t, errOf(w.User(ctx, home, "bob")), "")
	after := got[User](t)(w.User(ctx, home, "robert"))
	if after.ID != u.ID || after.ARN() != "arn:aws:iam::111122223333:user/ops/robert" {
		t.Errorf("%+v", after)
	}
	if tags := got[map[string]string](t)(w.TagsOf(ctx, home, user("robert"))); !maps.Equal(tags, map[string]string{"team": "a"}) {
		t.Errorf("tags: %v", tags)
	}
	s := got[*Subject](t)(w.Subject(ctx, key.ID))
	if s.ARN != after.ARN() || s.UserName != "robert" || len(s.Identity) != 1 || s.Tags["team"] != "a" {
		t.Errorf("%+v", s)
	}
	must(t, w.Untag(ctx, home, user("robert"), []string{"TEAM", "none"}))
	if tags := got[map[string]string](t)(w.TagsOf(ctx, home, user("robert"))); len(tags) != 0 {
		t.Errorf("tags: %v", tags)
	}
}

func TestRecordsThatCannotBeAreRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.addUser(t, "bob")
	w.addRole(t, "deploy")
	for name, err := range map[string]error{
		"empty name":        errOf(w.CreateUser(ctx, home, NewUser{})),
		"space in name":     errOf(w.CreateUser(ctx, home, NewUser{Name: "a b"})),
		"slash in name":     errOf(w.CreateGroup(ctx, home, "a/b", "")),
		"letter beyond":     errOf(w.CreateUser(ctx, home, NewUser{Name: "böb"})),
		"65 letters":        errOf(w.CreateUser(ctx, home, NewUser{Name: strings.Repeat("a", 65)})),
		"path without end":  errOf(w.CreateUser(ctx, home, NewUser{Name: "x", Path: "/a"})),
		"path with space":   errOf(w.CreateRole(ctx, home, NewRole{Name: "x", Path: "/a b/", Trust: anyone})),
		"short session":     w.UpdateRole(ctx, home, "deploy", nil, time.Minute),
		"long session":      w.UpdateRole(ctx, home, "deploy", nil, 13*time.Hour),
		"account of 9":      errOf3(w.CreateAccount(ctx, "123456789", "")),
		"account of 13":     errOf3(w.CreateAccount(ctx, "1234567890123", "")),
		"account of words":  errOf3(w.CreateAccount(ctx, "onetwothree", "")),
		"temporary key":     errOf(w.ImportAccessKey(ctx, home, "bob", "ASIAIMPORTEDIMPORTED", strings.Repeat("s", 40))),
		"short key":         errOf(w.ImportAccessKey(ctx, home, "bob", "AKIA", strings.Repeat("s", 40))),
		"short secret":      errOf(w.ImportAccessKey(ctx, home, "bob", "AKIAIMPORTEDIMPORTED", "s")),
		"no role":           errOf(w.RoleByARN(ctx, "arn:aws:iam::111122223333:user/bob")),
		"no ARN":            errOf(w.RoleByARN(ctx, "deploy")),
		"group's passwords": w.RevokeTokens(ctx, "arn:aws:iam::111122223333:group/devs"),
	} {
		t.Run(name, func(t *testing.T) { says[*InvalidError](t, err, "") })
	}
}

func errOf3[A, B any](_ A, _ B, err error) error { return err }
