package iamapi

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth"
	"drydock/awsapi"
)

// taken words what a call of an operation takes: action on ARN (as it is shown).
func taken(needs []awsapi.Need, err error) string {
	if err != nil {
		return refused(nil, err)
	}
	var out []string
	for _, n := range needs {
		s := strings.TrimPrefix(n.Action, "iam:") + " on " + strings.TrimPrefix(n.Resource, "arn:aws:iam::")
		if n.Shown != "" {
			s += " (" + n.Shown + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func TestEachActionIsTakenOnWhatIsActedUpon(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), asRoot(t.Context())
	bob, ci, none := aws.String("bob"), aws.String("ci"), aws.String("none")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob, Path: aws.String("/ops/")}))(t)
	key := must(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: bob}))(t).AccessKey.AccessKeyId
	must(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("g")}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: ci, Path: aws.String("/service-role/"), AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("box")}))(t)
	policyARN := must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("pull"), Path: aws.String("/team/"), PolicyDocument: aws.String(pullDocument)}))(t).Policy.Arn
	tags := []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
	s := h.Service
	session := asPrincipal(t.Context(), auth.Principal{ARN: "arn:aws:sts::123456789012:assumed-role/ci/me", Account: accountID})
	dev := asPrincipal(t.Context(), auth.Principal{ARN: "arn:aws:iam::123456789012:user/ops/bob", Account: accountID})
	for about, c := range map[string]struct{ got, want string }{
		"a new user":              {taken(needsCreateUser(ctx, &iam.CreateUserInput{UserName: none, Path: aws.String("/x/")})), "CreateUser on 123456789012:user/x/none"},
		"a new user with tags":    {taken(needsCreateUser(ctx, &iam.CreateUserInput{UserName: none, Tags: tags})), "CreateUser on 123456789012:user/none, TagUser on 123456789012:user/none"},
		"a user with a path":      {taken(s.needsGetUser(ctx, &iam.GetUserInput{UserName: bob})), "GetUser on 123456789012:user/ops/bob (user bob)"},
		"a user that is not":      {taken(s.needsGetUser(ctx, &iam.GetUserInput{UserName: none})), "GetUser on 123456789012:user/none (user none)"},
		"oneself":                 {taken(s.needsGetUser(dev, &iam.GetUserInput{})), "GetUser on 123456789012:user/ops/bob (user bob)"},
		"oneself as root":         {taken(s.needsGetUser(ctx, &iam.GetUserInput{})), "GetUser on 123456789012:root"},
		"oneself without a user":  {taken(s.needsGetUser(session, &iam.GetUserInput{})), "ValidationError: Must specify userName when calling with non-User credentials"},
		"a rename":                {taken(s.needsUpdateUser(ctx, &iam.UpdateUserInput{UserName: bob, NewUserName: none})), "UpdateUser on 123456789012:user/ops/bob (user bob), UpdateUser on 123456789012:user/ops/none (user bob)"},
		"a move":                  {taken(s.needsUpdateUser(ctx, &iam.UpdateUserInput{UserName: bob, NewPath: aws.String("/")})), "UpdateUser on 123456789012:user/ops/bob (user bob), UpdateUser on 123456789012:user/bob (user bob)"},
		"neither":                 {taken(s.needsUpdateUser(ctx, &iam.UpdateUserInput{UserName: bob})), "UpdateUser on 123456789012:user/ops/bob (user bob)"},
		"all users":               {taken(needsListUsers(ctx, &iam.ListUsersInput{})), "ListUsers on 123456789012:user/"},
		"the users of a path":     {taken(needsListUsers(ctx, &iam.ListUsersInput{PathPrefix: aws.String("/ops/")})), "ListUsers on 123456789012:user/ops/"},
		"a member":                {taken(s.needsAddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("g"), UserName: bob})), "AddUserToGroup on 123456789012:group/g (group g)"},
		"a role with a path":      {taken(s.needsDeleteRole(ctx, &iam.DeleteRoleInput{RoleName: ci})), "DeleteRole on 123456789012:role/service-role/ci (role ci)"},
		"a new policy":            {taken(needsCreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: none})), "CreatePolicy on 123456789012:policy/none (policy none)"},
		"a policy":                {taken(s.needsGetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policyARN})), "GetPolicy on 123456789012:policy/team/pull (policy " + *policyARN + ")"},
		"a policy of Amazon's":    {taken(s.needsGetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(readOnlyARN)})), "GetPolicy on aws:policy/AmazonEC2ContainerRegistryReadOnly (policy " + readOnlyARN + ")"},
		"all policies":            {taken(needsListPolicies(ctx, &iam.ListPoliciesInput{})), "ListPolicies on 123456789012:policy/ (policy path /)"},
		"an attachment":           {taken(s.needsAttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: bob, PolicyArn: policyARN})), "AttachUserPolicy on 123456789012:user/ops/bob (user bob)"},
		"a role into a profile":   {taken(s.needsAddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("box"), RoleName: ci})), "AddRoleToInstanceProfile on 123456789012:instance-profile/box (instance profile box), PassRole on 123456789012:role/service-role/ci"},
		"a key's use":             {taken(s.needsGetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: key})), "GetAccessKeyLastUsed on 123456789012:user/ops/bob (user bob)"},
		"the use of no key":       {taken(s.needsGetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: none})), "GetAccessKeyLastUsed on *"},
		"the account":             {taken(needsGetAccountSummary(ctx, &iam.GetAccountSummaryInput{})), "GetAccountSummary on *"},
		"a simulation of a role":  {taken(s.needsSimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::123456789012:role/service-role/ci")})), "SimulatePrincipalPolicy on 123456789012:role/service-role/ci (role ci)"},
		"a simulation of nothing": {taken(s.needsSimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: policyARN})), "InvalidInput: Invalid Entity Arn: " + *policyARN + " does not clearly define entity type and name."},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
}

func TestConditionKeysComeWithTheCallThatHasThem(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), asRoot(t.Context())
	bob, boundary := aws.String("bob"), aws.String(readOnlyARN)
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob, PermissionsBoundary: boundary, Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("a")}}}))(t)
	tags := []types.Tag{{Key: aws.String("Env"), Value: aws.String("lab")}, {Key: aws.String("x"), Value: aws.String("")}}
	other := aws.String("arn:aws:iam::aws:policy/AdministratorAccess")
	own := map[string][]string{"iam:resourcetag/team": {"a"}, "aws:resourcetag/team": {"a"}, "iam:permissionsboundary": {readOnlyARN}}
	with := func(more map[string][]string) map[string][]string {
		all := map[string][]string{}
		for _, m := range []map[string][]string{own, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	s := h.Service
	for about, c := range map[string]struct {
		needs func() ([]awsapi.Need, error)
		want  map[string][]string
	}{
		"a creation with all there is": {func() ([]awsapi.Need, error) {
			return needsCreateUser(ctx, &iam.CreateUserInput{UserName: bob, PermissionsBoundary: boundary, Tags: tags})
		}, map[string][]string{"iam:permissionsboundary": {readOnlyARN}, "aws:requesttag/env": {"lab"}, "aws:requesttag/x": {""}, "aws:tagkeys": {"Env", "x"}}},
		"a creation with nothing": {func() ([]awsapi.Need, error) { return needsCreateUser(ctx, &iam.CreateUserInput{UserName: bob}) }, nil},
		"a look":                  {func() ([]awsapi.Need, error) { return s.needsGetUser(ctx, &iam.GetUserInput{UserName: bob}) }, own},
		"an attachment": {func() ([]awsapi.Need, error) {
			return s.needsAttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: bob, PolicyArn: other})
		}, with(map[string][]string{"iam:policyarn": {*other}})},
		"another boundary": {func() ([]awsapi.Need, error) {
			return s.needsPutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: bob, PermissionsBoundary: other})
		}, with(map[string][]string{"iam:permissionsboundary": {*other}})},
		"tags": {func() ([]awsapi.Need, error) {
			return s.needsTagUser(ctx, &iam.TagUserInput{UserName: bob, Tags: tags[1:]})
		}, with(map[string][]string{"aws:requesttag/x": {""}, "aws:tagkeys": {"x"}})},
		"tags taken": {func() ([]awsapi.Need, error) {
			return s.needsUntagUser(ctx, &iam.UntagUserInput{UserName: bob, TagKeys: []string{"Team"}})
		}, with(map[string][]string{"aws:tagkeys": {"Team"}})},
	} {
		needs := must(c.needs())(t)
		if got := needs[0].Keys; len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", about, got, c.want)
		}
	}
}

// What the front is given is what the authorizer is asked.
func TestTheAuthorizerIsAskedBeforeAnythingHappens(t *testing.T) {
	h := newHouse(t)
	must(h.root().CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String("ops"), Path: aws.String("/a/")}))(t)
	must(h.root().GetGroup(t.Context(), &iam.GetGroupInput{GroupName: aws.String("ops")}))(t)
	want := auth.Request{Action: "iam:GetGroup", Resource: "arn:aws:iam::123456789012:group/a/ops", ResourceAccount: accountID, Region: "us-east-1", Shown: "group ops"}
	got := h.asked[len(h.asked)-1]
	if got.Principal.AccessKeyID != rootKey {
		t.Errorf("asked for %+v", got.Principal)
	}
	got.Principal, got.Keys = auth.Principal{}, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}

// Every operation's action has the operation's name, or is one that goes with it.
func TestNoOperationTakesThePermissionOfAnother(t *testing.T) {
	h := newHouse(t)
	service := reflect.ValueOf(h.Service)
	ctx := asRoot(context.Background())
	for _, op := range h.Operations() {
		in := reflect.New(service.MethodByName(op.Name).Type().In(1).Elem())
		for _, f := range []string{"UserName", "GroupName", "RoleName", "InstanceProfileName", "PolicyName"} {
			if v := in.Elem().FieldByName(f); v.IsValid() && v.Kind() == reflect.Pointer {
				v.Set(reflect.ValueOf(aws.String("x")))
			}
		}
		if v := in.Elem().FieldByName("PolicyArn"); v.IsValid() {
			v.Set(reflect.ValueOf(aws.String(readOnlyARN)))
		}
		if v := in.Elem().FieldByName("PolicySourceArn"); v.IsValid() {
			v.Set(reflect.ValueOf(aws.String("arn:aws:iam::123456789012:user/x")))
		}
		needs, err := op.Needs(ctx, in.Interface())
		if err != nil || len(needs) == 0 || needs[0].Action != "iam:"+op.Name || needs[0].ResourceAccount != accountID || needs[0].Resource == "" {
			t.Errorf("%s takes %+v (%v)", op.Name, needs, err)
		}
		for _, n := range needs[min(1, len(needs)):] {
			if !slices.Contains([]string{"iam:PassRole"}, n.Action) {
				t.Errorf("%s takes %s", op.Name, n.Action)
			}
		}
	}
}
