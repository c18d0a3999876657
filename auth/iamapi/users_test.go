package iamapi

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestAUserIsMadeShownMovedAndDeleted(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	name := aws.String("Bob")
	made := must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: aws.String("/team/a/"), Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("a")}}}))(t).User
	if *made.Arn != "arn:aws:iam::123456789012:user/team/a/Bob" || !strings.HasPrefix(*made.UserId, "AIDA") || *made.Path != "/team/a/" ||
		len(made.Tags) != 1 || *made.Tags[0].Key != "Team" || time.Since(*made.CreateDate) > time.Minute {
		t.Errorf("made %+v", made)
	}
	got := must(c.GetUser(ctx, &iam.GetUserInput{UserName: name}))(t).User
	if *got.Arn != *made.Arn || *got.UserId != *made.UserId || len(got.Tags) != 1 || got.PermissionsBoundary != nil || !got.CreateDate.Equal(*made.CreateDate) {
		t.Errorf("shown as %+v", got)
	}
	must(c.UpdateUser(ctx, &iam.UpdateUserInput{UserName: name, NewUserName: aws.String("Robert"), NewPath: aws.String("/")}))(t)
	moved := must(c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("Robert")}))(t).User
	if *moved.Arn != "arn:aws:iam::123456789012:user/Robert" || *moved.UserId != *made.UserId || len(moved.Tags) != 1 {
		t.Errorf("moved to %+v", moved)
	}
	must(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("Robert")}))(t)
	wantRefusal(t, "after its deletion", refused(c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("Robert")})),
		"NoSuchEntity: The user with name Robert cannot be found.")
}

func TestWhoeverNamesNobodyMeansThemselves(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	dev := h.user(t, "dev")
	if got := must(dev.GetUser(ctx, nil))(t).User; *got.UserName != "dev" {
		t.Errorf("the user is told of %+v", got)
	}
	if got := must(h.root().GetUser(ctx, nil))(t).User; *got.Arn != "arn:aws:iam::123456789012:root" || *got.UserId != accountID || got.UserName != nil || got.CreateDate.IsZero() {
		t.Errorf("the root is told of %+v", got)
	}
	if got := must(dev.ListAccessKeys(ctx, nil))(t).AccessKeyMetadata; len(got) != 1 || *got[0].UserName != "dev" {
		t.Errorf("the keys of dev are %+v", got)
	}
	own := must(dev.CreateAccessKey(ctx, nil))(t).AccessKey
	if *own.UserName != "dev" {
		t.Errorf("a key was made for %s", *own.UserName)
	}
	must(dev.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: own.AccessKeyId}))(t)
}

func TestRefusalsOfUsersAndGroupsAreIAMs(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")}))(t)
	must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("ops")}))(t)
	must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("ops"), UserName: aws.String("bob")}))(t)
	bob, ops, nobody := aws.String("bob"), aws.String("ops"), aws.String("nobody")
	tag := func(keys ...string) (tags []types.Tag) {
		for _, k := range keys {
			tags = append(tags, types.Tag{Key: aws.String(k), Value: aws.String("v")})
		}
		return tags
	}
	for about, c := range map[string]struct{ got, want string }{
		"the name of a user is taken, in whatever case": {refused(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("BOB")})), "EntityAlreadyExists: User with name BOB already exists."},
		"a name with a blank":                           {refused(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("b b")})), "ValidationError: The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		"a path that does not end":                      {refused(c.CreateUser(ctx, &iam.CreateUserInput{UserName: nobody, Path: aws.String("/x")})), "ValidationError: The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."},
		"a user that does not exist":                    {refused(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: nobody})), "NoSuchEntity: The user with name nobody cannot be found."},
		"a member that does not exist":                  {refused(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: ops, UserName: nobody})), "NoSuchEntity: The user with name nobody cannot be found."},
		"a group that does not exist":                   {refused(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: nobody})), "NoSuchEntity: The group with name nobody cannot be found."},
		"the name of a group is taken":                  {refused(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: ops})), "EntityAlreadyExists: Group with name ops already exists."},
		"a user in a group is deleted":                  {refused(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: bob})), "DeleteConflict: Cannot delete entity, must remove users from group first."},
		"a group with users is deleted":                 {refused(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: ops})), "DeleteConflict: Cannot delete entity, must remove users from group first."},
		"a boundary that does not exist": {refused(c.CreateUser(ctx, &iam.CreateUserInput{UserName: nobody, PermissionsBoundary: aws.String("arn:aws:iam::123456789012:policy/none")})),
			"NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/none does not exist or is not attachable."},
		"one tag twice":     {refused(c.TagUser(ctx, &iam.TagUserInput{UserName: bob, Tags: tag("team", "Team")})), "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		"a tag of Amazon's": {refused(c.TagUser(ctx, &iam.TagUserInput{UserName: bob, Tags: tag("AWS:team")})), "InvalidInput: Tag keys beginning with aws: are reserved for use by AWS. Tag key: AWS:team"},
		"a marker that is none": {refused(c.ListUsers(ctx, &iam.ListUsersInput{Marker: aws.String("bob")})),
			"ValidationError: Invalid Marker."},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
}

func TestTheSDKsPaginatorsReachTheEndOfEveryList(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	one := aws.Int32(1)
	role := aws.String("role")
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	for _, n := range []string{"a", "B", "c"} {
		name := aws.String(n)
		tags := []types.Tag{{Key: name, Value: name}}
		must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
		must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name}))(t)
		must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
		p := must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, Path: aws.String("/" + strings.Repeat("long/", 100)), PolicyDocument: aws.String(pullDocument)}))(t).Policy
		must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))(t)
		must(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}))(t)
		must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("a"), UserName: name}))(t)
		must(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: name, PolicyDocument: aws.String(pullDocument)}))(t)
		must(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: p.Arn}))(t)
		must(c.TagRole(ctx, &iam.TagRoleInput{RoleName: role, Tags: tags}))(t)
	}
	for _, g := range []string{"B", "c"} {
		must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String(g), UserName: aws.String("a")}))(t)
	}
	readOnly := aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")
	must(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("a"), PolicyArn: readOnly}))(t)
	must(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String("a"), PolicyArn: readOnly}))(t)
	must(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: readOnly}))(t)

	count := map[string]int{}
	for p := iam.NewListUsersPaginator(c, &iam.ListUsersInput{MaxItems: one}); p.HasMorePages(); {
		count["users"] += len(must(p.NextPage(ctx))(t).Users)
	}
	for p := iam.NewListGroupsPaginator(c, &iam.ListGroupsInput{MaxItems: one}); p.HasMorePages(); {
		count["groups"] += len(must(p.NextPage(ctx))(t).Groups)
	}
	for p := iam.NewListRolesPaginator(c, &iam.ListRolesInput{MaxItems: one}); p.HasMorePages(); {
		count["roles"] += len(must(p.NextPage(ctx))(t).Roles)
	}
	for p := iam.NewListPoliciesPaginator(c, &iam.ListPoliciesInput{MaxItems: one, OnlyAttached: true}); p.HasMorePages(); {
		count["policies"] += len(must(p.NextPage(ctx))(t).Policies)
	}
	for p := iam.NewListInstanceProfilesPaginator(c, &iam.ListInstanceProfilesInput{MaxItems: one}); p.HasMorePages(); {
		count["profiles"] += len(must(p.NextPage(ctx))(t).InstanceProfiles)
	}
	for p := iam.NewListInstanceProfilesForRolePaginator(c, &iam.ListInstanceProfilesForRoleInput{RoleName: role, MaxItems: one}); p.HasMorePages(); {
		count["profiles of a role"] += len(must(p.NextPage(ctx))(t).InstanceProfiles)
	}
	for p := iam.NewGetGroupPaginator(c, &iam.GetGroupInput{GroupName: aws.String("a"), MaxItems: one}); p.HasMorePages(); {
		count["members"] += len(must(p.NextPage(ctx))(t).Users)
	}
	for p := iam.NewListGroupsForUserPaginator(c, &iam.ListGroupsForUserInput{UserName: aws.String("a"), MaxItems: one}); p.HasMorePages(); {
		count["groups of a user"] += len(must(p.NextPage(ctx))(t).Groups)
	}
	for p := iam.NewListRolePoliciesPaginator(c, &iam.ListRolePoliciesInput{RoleName: role, MaxItems: one}); p.HasMorePages(); {
		count["inline"] += len(must(p.NextPage(ctx))(t).PolicyNames)
	}
	for p := iam.NewListAttachedRolePoliciesPaginator(c, &iam.ListAttachedRolePoliciesInput{RoleName: role, MaxItems: one}); p.HasMorePages(); {
		count["attached"] += len(must(p.NextPage(ctx))(t).AttachedPolicies)
	}
	for p := iam.NewListRoleTagsPaginator(c, &iam.ListRoleTagsInput{RoleName: role, MaxItems: one}); p.HasMorePages(); {
		count["tags"] += len(must(p.NextPage(ctx))(t).Tags)
	}
	for p := iam.NewListEntitiesForPolicyPaginator(c, &iam.ListEntitiesForPolicyInput{PolicyArn: readOnly, MaxItems: one}); p.HasMorePages(); {
		page := must(p.NextPage(ctx))(t)
		count["holders"] += len(page.PolicyGroups) + len(page.PolicyRoles) + len(page.PolicyUsers)
	}
	for p := iam.NewGetAccountAuthorizationDetailsPaginator(c, &iam.GetAccountAuthorizationDetailsInput{MaxItems: one}); p.HasMorePages(); {
		page := must(p.NextPage(ctx))(t)
		if n := len(page.UserDetailList) + len(page.GroupDetailList) + len(page.RoleDetailList) + len(page.Policies); n > 1 {
			t.Errorf("a page of one has %d details", n)
		} else {
			count["details"] += n
		}
	}
	for what, want := range map[string]int{"users": 3, "groups": 3, "roles": 4, "policies": 4, "profiles": 3, "profiles of a role": 3, "members": 3,
		"groups of a user": 3, "inline": 3, "attached": 4, "tags": 3, "holders": 3, "details": 3 + 3 + 4 + 3 + 1} {
		if count[what] != want {
			t.Errorf("%s: %d, want %d", what, count[what], want)
		}
	}
}

func TestAMarkerIsGoodForItsOwnListOnly(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	for _, n := range []string{"a", "b"} {
		must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &n}))(t)
		must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &n}))(t)
	}
	first := must(c.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1)}))(t)
	if !first.IsTruncated || first.Marker == nil || len(first.Users) != 1 {
		t.Fatalf("the first page is %+v", first)
	}
	second := must(c.ListUsers(ctx, &iam.ListUsersInput{Marker: first.Marker}))(t)
	if second.IsTruncated || second.Marker != nil || len(second.Users) != 1 || *second.Users[0].UserName != "b" {
		t.Errorf("the second page is %+v", second)
	}
	for about, got := range map[string]string{
		"another list":      refused(c.ListGroups(ctx, &iam.ListGroupsInput{Marker: first.Marker})),
		"another prefix":    refused(c.ListUsers(ctx, &iam.ListUsersInput{Marker: first.Marker, PathPrefix: aws.String("/a/")})),
		"another account's": refused(h.as(rootOther, secret).ListUsers(ctx, &iam.ListUsersInput{Marker: first.Marker})),
	} {
		wantRefusal(t, about, got, "ValidationError: Invalid Marker.")
	}
}

func TestListsAreNarrowedByPath(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	for name, path := range map[string]string{"a": "/", "b": "/team/", "c": "/team/x/"} {
		must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Path: &path}))(t)
	}
	for prefix, want := range map[string]int{"/": 3, "/team/": 2, "/team/x": 1, "/other/": 0} {
		if got := must(c.ListUsers(ctx, &iam.ListUsersInput{PathPrefix: &prefix}))(t).Users; len(got) != want {
			t.Errorf("%s: %d users, want %d", prefix, len(got), want)
		}
	}
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.user(t, "bob")
	other := h.as(rootOther, secret)
	wantRefusal(t, "a user of another account", refused(other.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("bob")})), "NoSuchEntity: The user with name bob cannot be found.")
	if got := must(other.ListUsers(ctx, nil))(t).Users; len(got) != 0 {
		t.Errorf("it lists %+v", got)
	}
	must(other.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")}))(t)
}

func TestAGroupIsRenamedAndLeft(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	ops, crew, bob := aws.String("ops"), aws.String("crew"), aws.String("bob")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob}))(t)
	made := must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: ops}))(t).Group
	must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: ops, UserName: bob}))(t)
	must(c.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: ops, NewGroupName: crew, NewPath: aws.String("/a/")}))(t)
	got := must(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: crew}))(t)
	if *got.Group.Arn != "arn:aws:iam::123456789012:group/a/crew" || *got.Group.GroupId != *made.GroupId || len(got.Users) != 1 || *got.Users[0].UserName != "bob" {
		t.Errorf("renamed to %+v with %+v", got.Group, got.Users)
	}
	must(c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: crew, UserName: bob}))(t)
	if left := must(c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: bob}))(t).Groups; len(left) != 0 {
		t.Errorf("still in %+v", left)
	}
	must(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: crew}))(t)
}
