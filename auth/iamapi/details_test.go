package iamapi

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// lab fills an account: a user in a group, a role in a profile, a policy, a policy
// of Amazon's in use.
func lab(t *testing.T, h *house) (policyARN *string) {
	t.Helper()
	c, ctx := h.root(), t.Context()
	bob, ops, ci, box, pull := aws.String("bob"), aws.String("ops"), aws.String("ci"), aws.String("box"), aws.String("pull")
	policyARN = must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: pull, PolicyDocument: aws.String(pullDocument)}))(t).Policy.Arn
	must(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policyARN, PolicyDocument: aws.String(anyDocument)}))(t)
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob, PermissionsBoundary: aws.String(readOnlyARN), Tags: []types.Tag{{Key: bob, Value: ops}}}))(t)
	must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: ops}))(t)
	must(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: ops, UserName: bob}))(t)
	must(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: ops, PolicyName: pull, PolicyDocument: aws.String(pullDocument)}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: ci, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	must(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: ci, PolicyArn: policyARN}))(t)
	must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: box}))(t)
	must(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: box, RoleName: ci}))(t)
	return policyARN
}

func TestTheDetailsOfAnAccountAreAllThatDecidesWhatIsAllowed(t *testing.T) {
	h := newHouse(t)
	arn := lab(t, h)
	c, ctx := h.root(), t.Context()
	all := must(c.GetAccountAuthorizationDetails(ctx, nil))(t)
	if len(all.UserDetailList) != 1 || len(all.GroupDetailList) != 1 || len(all.RoleDetailList) != 1 || len(all.Policies) != 2 || all.IsTruncated {
		t.Fatalf("all is %+v", all)
	}
	u, g, r, p := all.UserDetailList[0], all.GroupDetailList[0], all.RoleDetailList[0], all.Policies
	if !slices.Equal(u.GroupList, []string{"ops"}) || u.PermissionsBoundary == nil || len(u.Tags) != 1 || len(u.UserPolicyList) != 0 || len(u.AttachedManagedPolicies) != 0 {
		t.Errorf("the user is %+v", u)
	}
	if len(g.GroupPolicyList) != 1 || *g.GroupPolicyList[0].PolicyName != "pull" || decoded(t, g.GroupPolicyList[0].PolicyDocument) != pullDocument {
		t.Errorf("the group is %+v", g)
	}
	if len(r.AttachedManagedPolicies) != 1 || *r.AttachedManagedPolicies[0].PolicyArn != *arn || len(r.InstanceProfileList) != 1 ||
		decoded(t, r.AssumeRolePolicyDocument) != trustDocument || r.RoleLastUsed == nil {
		t.Errorf("the role is %+v", r)
	}
	if *p[0].PolicyName != "pull" || len(p[0].PolicyVersionList) != 2 || decoded(t, p[0].PolicyVersionList[0].Document) != anyDocument || *p[0].AttachmentCount != 1 ||
		*p[1].Arn != readOnlyARN || *p[1].PermissionsBoundaryUsageCount != 1 {
		t.Errorf("the policies are %+v", p)
	}
	for filter, want := range map[types.EntityType][4]int{
		types.EntityTypeUser: {1, 0, 0, 0}, types.EntityTypeGroup: {0, 1, 0, 0}, types.EntityTypeRole: {0, 0, 1, 0},
		types.EntityTypeLocalManagedPolicy: {0, 0, 0, 1}, types.EntityTypeAWSManagedPolicy: {0, 0, 0, 1},
	} {
		got := must(c.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{filter}}))(t)
		if n := [4]int{len(got.UserDetailList), len(got.GroupDetailList), len(got.RoleDetailList), len(got.Policies)}; n != want {
			t.Errorf("%s: %v, want %v", filter, n, want)
		}
	}
}

func TestTheSummaryOfAnAccountCounts(t *testing.T) {
	h := newHouse(t)
	lab(t, h)
	got := must(h.root().GetAccountSummary(t.Context(), nil))(t).SummaryMap
	for name, want := range map[string]int32{"Users": 1, "Groups": 1, "Roles": 1, "Policies": 1, "PolicyVersionsInUse": 2, "InstanceProfiles": 1,
		"AccountAccessKeysPresent": 1, "AccessKeysPerUserQuota": 2, "PolicySizeQuota": 6144, "VersionsPerPolicyQuota": 5, "AccountMFAEnabled": 0} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %d (there: %v), want %d", name, n, ok, want)
		}
	}
}

func TestTheAliasOfAnAccount(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	lab, home := aws.String("my-lab"), aws.String("home")
	if got := must(c.ListAccountAliases(ctx, nil))(t); len(got.AccountAliases) != 0 || got.IsTruncated {
		t.Errorf("at first: %+v", got)
	}
	must(c.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: lab}))(t)
	must(c.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: home}))(t)
	if got := must(c.ListAccountAliases(ctx, nil))(t).AccountAliases; !slices.Equal(got, []string{"home"}) {
		t.Errorf("given two: %q", got)
	}
	wantRefusal(t, "another's", refused(h.as(rootOther, secret).CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: home})),
		"EntityAlreadyExists: The account alias home already exists.")
	wantRefusal(t, "one that it has not", refused(c.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: lab})),
		"NoSuchEntity: The account alias my-lab cannot be found.")
	must(c.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: home}))(t)
}
