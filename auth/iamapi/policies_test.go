package iamapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const readOnlyARN = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"

func TestAPolicyGoesThroughItsVersions(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	made := must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("pull"), Path: aws.String("/team/"), Description: aws.String("may pull"),
		PolicyDocument: aws.String(pullDocument), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("")}}}))(t).Policy
	arn := made.Arn
	if *arn != "arn:aws:iam::123456789012:policy/team/pull" || *made.DefaultVersionId != "v1" || !strings.HasPrefix(*made.PolicyId, "ANPA") || !made.IsAttachable || *made.AttachmentCount != 0 {
		t.Errorf("made %+v", made)
	}
	second := must(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(anyDocument)}))(t).PolicyVersion
	if *second.VersionId != "v2" || second.IsDefaultVersion || second.Document != nil {
		t.Errorf("the second version is %+v", second)
	}
	if got := must(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t).PolicyVersion; decoded(t, got.Document) != anyDocument {
		t.Errorf("it says %s", decoded(t, got.Document))
	}
	must(c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t)
	got := must(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *got.DefaultVersionId != "v2" || *got.Description != "may pull" || len(got.Tags) != 1 {
		t.Errorf("shown as %+v", got)
	}
	for range 3 {
		must(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(pullDocument)}))(t)
	}
	for about, c := range map[string]struct{ got, want string }{
		"a sixth version": {refused(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(pullDocument)})),
			"LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."},
		"the version in force": {refused(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")})),
			"DeleteConflict: Cannot delete the default version of a policy."},
		"a version that does not exist": {refused(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v9")})),
			"NoSuchEntity: Policy arn:aws:iam::123456789012:policy/team/pull version v9 does not exist or is not attachable."},
		"a policy with versions": {refused(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})),
			"DeleteConflict: This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
	versions := must(c.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions
	if len(versions) != 5 || *versions[0].VersionId != "v5" || !versions[3].IsDefaultVersion {
		t.Errorf("the versions are %+v", versions)
	}
	for _, v := range versions {
		if !v.IsDefaultVersion {
			must(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId}))(t)
		}
	}
	must(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}))(t)
	wantRefusal(t, "after its deletion", refused(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})), "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/team/pull was not found.")
}

func TestAmazonsPoliciesAreThereForAllAndForNobodyToChange(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	arn := aws.String(readOnlyARN)
	got := must(c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn}))(t).Policy
	if *got.PolicyName != "AmazonEC2ContainerRegistryReadOnly" || *got.DefaultVersionId != "v3" || *got.PolicyId != "ANPAIFYZPA37OOHVIH7KQ" || *got.AttachmentCount != 0 {
		t.Errorf("shown as %+v", got)
	}
	v := must(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: got.DefaultVersionId}))(t).PolicyVersion
	if !strings.Contains(decoded(t, v.Document), `"ecr:BatchGetImage"`) || !v.IsDefaultVersion {
		t.Errorf("its version is %+v", v)
	}
	const fixed = "InvalidInput: Policy " + readOnlyARN + " is an AWS managed policy and cannot be changed."
	for about, got := range map[string]string{
		"a new version": refused(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(pullDocument)})),
		"its deletion":  refused(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})),
		"a default":     refused(c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v3")})),
	} {
		wantRefusal(t, about, got, fixed)
	}
}

func TestPoliciesAreListedByScopeAndUse(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	policy := func(name, path string) *string {
		return must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, Path: &path, PolicyDocument: aws.String(pullDocument)}))(t).Policy.Arn
	}
	used, bound := policy("used", "/"), policy("bound", "/team/")
	policy("unused", "/team/")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob"), PermissionsBoundary: bound}))(t)
	must(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: used}))(t)
	must(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("bob"), PolicyArn: aws.String(readOnlyARN)}))(t)
	for about, c := range map[string]struct {
		in   *iam.ListPoliciesInput
		want []string
	}{
		"the account's":         {&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}, []string{"bound", "unused", "used"}},
		"those that are in use": {&iam.ListPoliciesInput{OnlyAttached: true}, []string{"bound", "used", "AmazonEC2ContainerRegistryReadOnly"}},
		"boundaries":            {&iam.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, []string{"bound"}},
		"Amazon's in use":       {&iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, OnlyAttached: true}, []string{"AmazonEC2ContainerRegistryReadOnly"}},
		"those of a path":       {&iam.ListPoliciesInput{PathPrefix: aws.String("/team/")}, []string{"bound", "unused"}},
		"those of roles of ECS": {&iam.ListPoliciesInput{PathPrefix: aws.String("/service-role/")}, []string{"AmazonEC2ContainerServiceforEC2Role", "AmazonECSTaskExecutionRolePolicy"}},
	} {
		var got []string
		for _, p := range must(h.root().ListPolicies(ctx, c.in))(t).Policies {
			got = append(got, *p.PolicyName)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", about, got, c.want)
		}
	}
	got := must(c.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: bound, PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}))(t)
	if len(got.PolicyUsers) != 1 || *got.PolicyUsers[0].UserName != "bob" || len(got.PolicyRoles) != 0 {
		t.Errorf("who is bound: %+v", got)
	}
	if got := must(c.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: used, EntityFilter: types.EntityTypeRole}))(t); len(got.PolicyUsers)+len(got.PolicyRoles) != 0 {
		t.Errorf("roles that use it: %+v", got)
	}
}

func TestPoliciesAreGivenAndTaken(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	bob, ops, ci, arn, inline := aws.String("bob"), aws.String("ops"), aws.String("ci"), aws.String(readOnlyARN), aws.String("inline")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob}))(t)
	must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: ops}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: ci, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	for range 2 { // twice is not too often
		must(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: bob, PolicyArn: arn}))(t)
		must(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: ops, PolicyArn: arn}))(t)
		must(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: ci, PolicyArn: arn}))(t)
		must(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: bob, PolicyName: inline, PolicyDocument: aws.String(pullDocument)}))(t)
		must(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: ops, PolicyName: inline, PolicyDocument: aws.String(pullDocument)}))(t)
		must(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: ci, PolicyName: inline, PolicyDocument: aws.String(pullDocument)}))(t)
	}
	attached := [][]types.AttachedPolicy{
		must(c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: bob}))(t).AttachedPolicies,
		must(c.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: ops}))(t).AttachedPolicies,
		must(c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: ci}))(t).AttachedPolicies,
	}
	names := [][]string{
		must(c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: bob}))(t).PolicyNames,
		must(c.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: ops}))(t).PolicyNames,
		must(c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: ci}))(t).PolicyNames,
	}
	documents := []*string{
		must(c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: bob, PolicyName: inline}))(t).PolicyDocument,
		must(c.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: ops, PolicyName: inline}))(t).PolicyDocument,
		must(c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: ci, PolicyName: inline}))(t).PolicyDocument,
	}
	for i := range 3 {
		if len(attached[i]) != 1 || *attached[i][0].PolicyArn != readOnlyARN || *attached[i][0].PolicyName != "AmazonEC2ContainerRegistryReadOnly" ||
			!slices.Equal(names[i], []string{"inline"}) || decoded(t, documents[i]) != pullDocument {
			t.Errorf("%d: attached %+v, embedded %q", i, attached[i], names[i])
		}
	}
	none := aws.String("arn:aws:iam::123456789012:policy/none")
	for about, c := range map[string]struct{ got, want string }{
		"a policy that does not exist":     {refused(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: bob, PolicyArn: none})), "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable."},
		"an ARN of something else":         {refused(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: ci, PolicyArn: aws.String("arn:aws:iam::123456789012:role/ci")})), "InvalidInput: ARN arn:aws:iam::123456789012:role/ci is not valid."},
		"a policy that it does not have":   {refused(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: ci, PolicyArn: none})), "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/none was not found."},
		"an embedded one that is not":      {refused(c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: bob, PolicyName: bob})), "NoSuchEntity: The user policy with name bob cannot be found."},
		"a user with policies is deleted":  {refused(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: bob})), "DeleteConflict: Cannot delete entity, must delete policies first."},
		"a role with policies is deleted":  {refused(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: ci})), "DeleteConflict: Cannot delete entity, must detach all policies first."},
		"a group with policies is deleted": {refused(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: ops})), "DeleteConflict: Cannot delete entity, must delete policies first."},
		"too large": {refused(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: bob, PolicyName: aws.String("large"), PolicyDocument: large(2048)})),
			"LimitExceeded: Maximum policy size of 2048 bytes exceeded for user bob"},
		"a managed one too large": {refused(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("large"), PolicyDocument: large(6144)})),
			"LimitExceeded: Cannot exceed quota for PolicySize: 6144"},
		"a principal in it": {refused(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: bob, PolicyName: inline, PolicyDocument: aws.String(trustDocument)})),
			"MalformedPolicyDocument: Policy document should not specify a principal."},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
	must(c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: bob, PolicyArn: arn}))(t)
	must(c.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: ops, PolicyArn: arn}))(t)
	must(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: ci, PolicyArn: arn}))(t)
	must(c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: bob, PolicyName: inline}))(t)
	must(c.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: ops, PolicyName: inline}))(t)
	must(c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: ci, PolicyName: inline}))(t)
	must(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: bob}))(t)
	must(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: ops}))(t)
	must(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: ci}))(t)
}

// large is a policy of more than n characters.
func large(n int) *string {
	return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":["arn:aws:ecr:*:*:repository/%s"]}]}`, strings.Repeat("x", n)))
}

func TestBoundariesAreSetAndTaken(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	bob, ci, arn := aws.String("bob"), aws.String("ci"), aws.String(readOnlyARN)
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: ci, AssumeRolePolicyDocument: aws.String(trustDocument), PermissionsBoundary: arn}))(t)
	must(c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: bob, PermissionsBoundary: arn}))(t)
	must(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: ci, PermissionsBoundary: arn}))(t)
	for about, b := range map[string]*types.AttachedPermissionsBoundary{
		"user": must(c.GetUser(ctx, &iam.GetUserInput{UserName: bob}))(t).User.PermissionsBoundary,
		"role": must(c.GetRole(ctx, &iam.GetRoleInput{RoleName: ci}))(t).Role.PermissionsBoundary,
	} {
		if b == nil || *b.PermissionsBoundaryArn != readOnlyARN || b.PermissionsBoundaryType != "Policy" {
			t.Errorf("the boundary of the %s is %+v", about, b)
		}
	}
	wantRefusal(t, "a policy that does not exist",
		refused(c.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: bob, PermissionsBoundary: aws.String("arn:aws:iam::123456789012:policy/x")})),
		"NoSuchEntity: Scope ARN: arn:aws:iam::123456789012:policy/x does not exist or is not attachable.")
	must(c.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: bob}))(t)
	must(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: ci}))(t)
	if got := must(c.GetUser(ctx, &iam.GetUserInput{UserName: bob}))(t).User; got.PermissionsBoundary != nil {
		t.Errorf("the user still has %+v", got.PermissionsBoundary)
	}
}
