package iamapi

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestARoleIsMadeShownChangedAndDeleted(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	name := aws.String("task")
	made := must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, Path: aws.String("/service-role/"), Description: aws.String("runs tasks"),
		AssumeRolePolicyDocument: aws.String(trustDocument), MaxSessionDuration: aws.Int32(7200)}))(t).Role
	if *made.Arn != "arn:aws:iam::123456789012:role/service-role/task" || decoded(t, made.AssumeRolePolicyDocument) != trustDocument {
		t.Errorf("made %+v", made)
	}
	got := must(c.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role
	if *got.MaxSessionDuration != 7200 || *got.Description != "runs tasks" || got.RoleLastUsed == nil || got.RoleLastUsed.LastUsedDate != nil {
		t.Errorf("shown as %+v", got)
	}
	must(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String(""), MaxSessionDuration: aws.Int32(3600)}))(t)
	if got := must(c.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("again")}))(t).Role; *got.Description != "again" || *got.MaxSessionDuration != 3600 {
		t.Errorf("changed to %+v", got)
	}
	const another = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`
	must(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(another)}))(t)
	if got := must(c.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role; decoded(t, got.AssumeRolePolicyDocument) != another {
		t.Errorf("trusts by %s", decoded(t, got.AssumeRolePolicyDocument))
	}
	must(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
	wantRefusal(t, "after its deletion", refused(c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})), "NoSuchEntity: The role with name task cannot be found.")
}

func TestDocumentsAreEncodedAsIAMDoes(t *testing.T) {
	got := *encoded("{\"a\": [\"*\", \"~x-y_z.é\"]}\n")
	if want := "%7B%22a%22%3A%20%5B%22%2A%22%2C%20%22~x-y_z.%C3%A9%22%5D%7D%0A"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// trusting is a trust policy for an AWS principal.
func trusting(principal string) *string {
	return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}]}`, principal))
}

func TestRolesTrustOnlyWhoExists(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob"), Path: aws.String("/ops/")}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("ci"), AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	must(h.as(rootOther, secret).CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve")}))(t)
	for principal, good := range map[string]bool{
		"*":                                            true,
		"123456789012":                                 true,
		"222233334444":                                 true,
		"999999999999":                                 false,
		"arn:aws:iam::123456789012:root":               true,
		"arn:aws:iam::999999999999:root":               false,
		"arn:aws:iam::123456789012:user/ops/bob":       true,
		"arn:aws:iam::123456789012:user/bob":           false,
		"arn:aws:iam::123456789012:user/ops/alice":     false,
		"arn:aws:iam::222233334444:user/eve":           true,
		"arn:aws:iam::123456789012:role/ci":            true,
		"arn:aws:iam::123456789012:role/x":             false, // itself, before it is there
		"arn:aws:sts::123456789012:assumed-role/ci/me": true,
		"arn:aws:sts::123456789012:assumed-role/no/me": false,
	} {
		got, want := refused(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("x"), AssumeRolePolicyDocument: trusting(principal)})), ""
		if !good {
			want = `MalformedPolicyDocument: Invalid principal in policy: "AWS":"` + principal + `"`
		}
		wantRefusal(t, principal, got, want)
		if good {
			must(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("x"), PolicyDocument: trusting(principal)}))(t)
			must(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("x")}))(t)
		}
	}
	wantRefusal(t, "a change", refused(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("ci"), PolicyDocument: trusting("arn:aws:iam::123456789012:user/no")})),
		`MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/no"`)
}

func TestRefusalsOfRolesAreIAMs(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	role, profile, none := aws.String("ci"), aws.String("box"), aws.String("none")
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile}))(t)
	must(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role}))(t)
	for about, c := range map[string]struct{ got, want string }{
		"the name is taken":             {refused(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("CI"), AssumeRolePolicyDocument: aws.String(trustDocument)})), "EntityAlreadyExists: Role with name CI already exists."},
		"a role in a profile":           {refused(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role})), "DeleteConflict: Cannot delete entity, must remove roles from instance profile first."},
		"a profile with a role":         {refused(c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: profile})), "DeleteConflict: Cannot delete entity, must remove roles from instance profile first."},
		"a second role in a profile":    {refused(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role})), "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"},
		"a profile that does not exist": {refused(c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: none})), "NoSuchEntity: Instance Profile none cannot be found."},
		"the name of a profile is taken": {refused(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile})),
			"EntityAlreadyExists: Instance Profile box already exists."},
		"a boundary taken that is not there": {refused(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})),
			"NoSuchEntity: The role ci does not have a permissions boundary."},
		"an identity policy as trust": {refused(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: none, AssumeRolePolicyDocument: aws.String(pullDocument)})),
			"MalformedPolicyDocument: Missing required field Principal"},
		"trust with a resource": {refused(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: none,
			AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}]}`)})),
			"MalformedPolicyDocument: Has prohibited field Resource"},
		"no JSON": {refused(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: none, AssumeRolePolicyDocument: aws.String("{")})),
			"MalformedPolicyDocument: This policy contains invalid Json"},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
	got := must(c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: profile}))(t).InstanceProfile
	if len(got.Roles) != 1 || *got.Roles[0].Arn != "arn:aws:iam::123456789012:role/ci" || *got.Arn != "arn:aws:iam::123456789012:instance-profile/box" {
		t.Errorf("the profile is %+v", got)
	}
	must(c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: role}))(t)
	must(c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: profile}))(t)
}
