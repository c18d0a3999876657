package iamapi

import (
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestAnAccessKeyWorksUntilItIsSwitchedOff(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	bob := aws.String("bob")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: bob}))(t)
	k := must(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: bob}))(t).AccessKey
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(*k.AccessKeyId) || len(*k.SecretAccessKey) != 40 || k.Status != types.StatusTypeActive || *k.UserName != "bob" {
		t.Errorf("made %+v", k)
	}
	if used := must(c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId}))(t); *used.UserName != "bob" ||
		used.AccessKeyLastUsed.LastUsedDate != nil || *used.AccessKeyLastUsed.ServiceName != "N/A" || *used.AccessKeyLastUsed.Region != "N/A" {
		t.Errorf("before its use: %+v", used.AccessKeyLastUsed)
	}
	own := h.as(*k.AccessKeyId, *k.SecretAccessKey)
	must(own.GetUser(ctx, nil))(t)
	set := func(s types.StatusType) {
		t.Helper()
		must(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: bob, AccessKeyId: k.AccessKeyId, Status: s}))(t)
		if listed := must(c.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: bob}))(t).AccessKeyMetadata; len(listed) != 1 || listed[0].Status != s {
			t.Errorf("listed as %+v", listed)
		}
	}
	const unknown = "InvalidClientTokenId: The security token included in the request is invalid."
	set(types.StatusTypeInactive)
	wantRefusal(t, "switched off", refused(own.GetUser(ctx, nil)), unknown)
	set(types.StatusTypeActive)
	wantRefusal(t, "switched on", refused(own.GetUser(ctx, nil)), "")
	must(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: bob, AccessKeyId: k.AccessKeyId}))(t)
	wantRefusal(t, "deleted", refused(own.GetUser(ctx, nil)), unknown)
}

func TestRefusalsOfAccessKeysAreIAMs(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	bob, none := aws.String("bob"), aws.String("AKIANONEOFTHESEKEYS1")
	h.user(t, "bob")
	must(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: bob}))(t)
	for about, c := range map[string]struct{ got, want string }{
		"a third key":          {refused(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: bob})), "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"},
		"a key that is not":    {refused(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: bob, AccessKeyId: none})), "NoSuchEntity: The Access Key with id AKIANONEOFTHESEKEYS1 cannot be found."},
		"the use of none":      {refused(c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: none})), "NoSuchEntity: The Access Key with id AKIANONEOFTHESEKEYS1 cannot be found."},
		"the use of another's": {refused(h.as(rootOther, secret).GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: none})), "NoSuchEntity: The Access Key with id AKIANONEOFTHESEKEYS1 cannot be found."},
		"a user with keys":     {refused(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: bob})), "DeleteConflict: Cannot delete entity, must delete access keys first."},
		"expired on request":   {refused(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: bob, AccessKeyId: none, Status: types.StatusTypeExpired})), "InvalidInput: An access key is made Active or Inactive; Expired is none of the states that it can be given."},
		"an id too short": {refused(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: bob, AccessKeyId: bob})),
			"ValidationError: 1 validation error detected: Value 'bob' at 'accessKeyId' failed to satisfy constraint: Member must have length greater than or equal to 16"},
	} {
		wantRefusal(t, about, c.got, c.want)
	}
}

func TestTheRootHasKeysOfItsOwn(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	k := must(c.CreateAccessKey(ctx, nil))(t).AccessKey
	if got := must(h.as(*k.AccessKeyId, *k.SecretAccessKey).GetUser(ctx, nil))(t).User; *got.Arn != "arn:aws:iam::123456789012:root" {
		t.Errorf("the key is that of %s", *got.Arn)
	}
	if listed := must(c.ListAccessKeys(ctx, nil))(t).AccessKeyMetadata; len(listed) != 1 || *listed[0].AccessKeyId != *k.AccessKeyId {
		t.Errorf("listed %+v", listed)
	}
	must(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: k.AccessKeyId}))(t)
}

func TestTagsAreSetListedAndTaken(t *testing.T) {
	h := newHouse(t)
	c, ctx := h.root(), t.Context()
	name := aws.String("x")
	must(c.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	must(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustDocument)}))(t)
	must(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))(t)
	arn := must(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(pullDocument)}))(t).Policy.Arn
	tags := []types.Tag{{Key: aws.String("Team"), Value: aws.String("a")}, {Key: aws.String("env"), Value: aws.String("")}}
	again := []types.Tag{{Key: aws.String("TEAM"), Value: aws.String("b")}}
	keys := []string{"ENV", "none"}
	for kind, c := range map[string]struct {
		tag   func([]types.Tag) error
		untag func() error
		list  func() ([]types.Tag, error)
	}{
		"user": {func(tags []types.Tag) error {
			_, err := c.TagUser(ctx, &iam.TagUserInput{UserName: name, Tags: tags})
			return err
		}, func() error {
			_, err := c.UntagUser(ctx, &iam.UntagUserInput{UserName: name, TagKeys: keys})
			return err
		}, func() ([]types.Tag, error) {
			out, err := c.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: name})
			return out.Tags, err
		}},
		"role": {func(tags []types.Tag) error {
			_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags})
			return err
		}, func() error {
			_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: keys})
			return err
		}, func() ([]types.Tag, error) {
			out, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name})
			return out.Tags, err
		}},
		"policy": {func(tags []types.Tag) error {
			_, err := c.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: arn, Tags: tags})
			return err
		}, func() error {
			_, err := c.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: arn, TagKeys: keys})
			return err
		}, func() ([]types.Tag, error) {
			out, err := c.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: arn})
			return out.Tags, err
		}},
		"instance profile": {func(tags []types.Tag) error {
			_, err := c.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: tags})
			return err
		}, func() error {
			_, err := c.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: name, TagKeys: keys})
			return err
		}, func() ([]types.Tag, error) {
			out, err := c.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: name})
			return out.Tags, err
		}},
	} {
		if err := c.tag(tags); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if got := must(c.list())(t); len(got) != 2 || *got[0].Key != "Team" || *got[1].Key != "env" || *got[1].Value != "" {
			t.Errorf("%s: tagged %+v", kind, got)
		}
		if err := c.tag(again); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := c.untag(); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if got := must(c.list())(t); len(got) != 1 || *got[0].Key != "TEAM" || *got[0].Value != "b" {
			t.Errorf("%s: left with %+v", kind, got)
		}
	}
}
