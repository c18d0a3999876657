package iamapi

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) taggingOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("TagUser", s.TagUser, s.needsTagUser),
		awsapi.Op("UntagUser", s.UntagUser, s.needsUntagUser),
		awsapi.Op("ListUserTags", s.ListUserTags, s.needsListUserTags),
		awsapi.Op("TagRole", s.TagRole, s.needsTagRole),
		awsapi.Op("UntagRole", s.UntagRole, s.needsUntagRole),
		awsapi.Op("ListRoleTags", s.ListRoleTags, s.needsListRoleTags),
		awsapi.Op("TagPolicy", s.TagPolicy, s.needsTagPolicy),
		awsapi.Op("UntagPolicy", s.UntagPolicy, s.needsUntagPolicy),
		awsapi.Op("ListPolicyTags", s.ListPolicyTags, s.needsListPolicyTags),
		awsapi.Op("TagInstanceProfile", s.TagInstanceProfile, s.needsTagInstanceProfile),
		awsapi.Op("UntagInstanceProfile", s.UntagInstanceProfile, s.needsUntagInstanceProfile),
		awsapi.Op("ListInstanceProfileTags", s.ListInstanceProfileTags, s.needsListInstanceProfileTags),
	}
}

// tag sets tags of a record; others that it has stay.
func (s *Service) tag(ctx context.Context, kind identity.Kind, name *string, tags []types.Tag) error {
	m, err := tagMap(tags)
	if err != nil {
		return err
	}
	return exception(s.store.Tag(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, m))
}

// untag removes tags of a record; keys that it does not have are no error.
func (s *Service) untag(ctx context.Context, kind identity.Kind, name *string, tagKeys []string) error {
	return exception(s.store.Untag(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, tagKeys))
}

// tags is a page of the tags of a record, by key.
func (s *Service) tags(ctx context.Context, kind identity.Kind, name, marker *string, items *int32) (_ []types.Tag, next *string, err error) {
	l := list(ctx, "ListTags", kind, deref(name))
	page, err := l.page(marker, items)
	if err != nil {
		return nil, nil, err
	}
	m, err := s.store.TagsOf(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)})
	if err != nil {
		return nil, nil, exception(err)
	}
	tags, after := slice(tagList(m), page, func(t types.Tag) string { return *t.Key })
	return tags, l.marker(after), nil
}

// untagKeys are the condition keys of a request that takes tags away.
func untagKeys(tagKeys []string) keys { return keys{"aws:tagkeys": slices.Clone(tagKeys)} }

// TagUser sets tags of an user.
func (s *Service) TagUser(ctx context.Context, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	return &iam.TagUserOutput{}, s.tag(ctx, identity.KindUser, in.UserName, in.Tags)
}

func (s *Service) needsTagUser(ctx context.Context, in *iam.TagUserInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "TagUser", identity.KindUser, in.UserName, requestTags(in.Tags))
}

// UntagUser removes tags of an user.
func (s *Service) UntagUser(ctx context.Context, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	return &iam.UntagUserOutput{}, s.untag(ctx, identity.KindUser, in.UserName, in.TagKeys)
}

func (s *Service) needsUntagUser(ctx context.Context, in *iam.UntagUserInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UntagUser", identity.KindUser, in.UserName, untagKeys(in.TagKeys))
}

// ListUserTags lists the tags of an user.
func (s *Service) ListUserTags(ctx context.Context, in *iam.ListUserTagsInput) (*iam.ListUserTagsOutput, error) {
	tags, next, err := s.tags(ctx, identity.KindUser, in.UserName, in.Marker, in.MaxItems)
	return &iam.ListUserTagsOutput{Tags: tags, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListUserTags(ctx context.Context, in *iam.ListUserTagsInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListUserTags", identity.KindUser, in.UserName, nil)
}

// TagRole sets tags of a role.
func (s *Service) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	return &iam.TagRoleOutput{}, s.tag(ctx, identity.KindRole, in.RoleName, in.Tags)
}

func (s *Service) needsTagRole(ctx context.Context, in *iam.TagRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "TagRole", identity.KindRole, in.RoleName, requestTags(in.Tags))
}

// UntagRole removes tags of a role.
func (s *Service) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	return &iam.UntagRoleOutput{}, s.untag(ctx, identity.KindRole, in.RoleName, in.TagKeys)
}

func (s *Service) needsUntagRole(ctx context.Context, in *iam.UntagRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UntagRole", identity.KindRole, in.RoleName, untagKeys(in.TagKeys))
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	tags, next, err := s.tags(ctx, identity.KindRole, in.RoleName, in.Marker, in.MaxItems)
	return &iam.ListRoleTagsOutput{Tags: tags, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListRoleTags", identity.KindRole, in.RoleName, nil)
}

// TagPolicy sets tags of a policy.
func (s *Service) TagPolicy(ctx context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	return &iam.TagPolicyOutput{}, s.tag(ctx, identity.KindPolicy, in.PolicyArn, in.Tags)
}

func (s *Service) needsTagPolicy(ctx context.Context, in *iam.TagPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "TagPolicy", identity.KindPolicy, in.PolicyArn, requestTags(in.Tags))
}

// UntagPolicy removes tags of a policy.
func (s *Service) UntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	return &iam.UntagPolicyOutput{}, s.untag(ctx, identity.KindPolicy, in.PolicyArn, in.TagKeys)
}

func (s *Service) needsUntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UntagPolicy", identity.KindPolicy, in.PolicyArn, untagKeys(in.TagKeys))
}

// ListPolicyTags lists the tags of a policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	tags, next, err := s.tags(ctx, identity.KindPolicy, in.PolicyArn, in.Marker, in.MaxItems)
	return &iam.ListPolicyTagsOutput{Tags: tags, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListPolicyTags", identity.KindPolicy, in.PolicyArn, nil)
}

// TagInstanceProfile sets tags of an instance profile.
func (s *Service) TagInstanceProfile(ctx context.Context, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	return &iam.TagInstanceProfileOutput{}, s.tag(ctx, identity.KindInstanceProfile, in.InstanceProfileName, in.Tags)
}

func (s *Service) needsTagInstanceProfile(ctx context.Context, in *iam.TagInstanceProfileInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "TagInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, requestTags(in.Tags))
}

// UntagInstanceProfile removes tags of an instance profile.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	return &iam.UntagInstanceProfileOutput{}, s.untag(ctx, identity.KindInstanceProfile, in.InstanceProfileName, in.TagKeys)
}

func (s *Service) needsUntagInstanceProfile(ctx context.Context, in *iam.UntagInstanceProfileInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UntagInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, untagKeys(in.TagKeys))
}

// ListInstanceProfileTags lists the tags of an instance profile.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *iam.ListInstanceProfileTagsInput) (*iam.ListInstanceProfileTagsOutput, error) {
	tags, next, err := s.tags(ctx, identity.KindInstanceProfile, in.InstanceProfileName, in.Marker, in.MaxItems)
	return &iam.ListInstanceProfileTagsOutput{Tags: tags, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListInstanceProfileTags(ctx context.Context, in *iam.ListInstanceProfileTagsInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListInstanceProfileTags", identity.KindInstanceProfile, in.InstanceProfileName, nil)
}
