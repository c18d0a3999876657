package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) profileOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateInstanceProfile", s.CreateInstanceProfile, needsCreateInstanceProfile),
		awsapi.Op("GetInstanceProfile", s.GetInstanceProfile, s.needsGetInstanceProfile),
		awsapi.Op("ListInstanceProfiles", s.ListInstanceProfiles, needsListInstanceProfiles),
		awsapi.Op("ListInstanceProfilesForRole", s.ListInstanceProfilesForRole, s.needsListInstanceProfilesForRole),
		awsapi.Op("DeleteInstanceProfile", s.DeleteInstanceProfile, s.needsDeleteInstanceProfile),
		awsapi.Op("AddRoleToInstanceProfile", s.AddRoleToInstanceProfile, s.needsAddRoleToInstanceProfile),
		awsapi.Op("RemoveRoleFromInstanceProfile", s.RemoveRoleFromInstanceProfile, s.needsRemoveRoleFromInstanceProfile),
	}
}

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.store.CreateInstanceProfile(ctx, account(ctx), deref(in.InstanceProfileName), deref(in.Path), tags)
	if err != nil {
		return nil, exception(err)
	}
	out, err := s.listProfile(ctx, p)
	out.Tags = someTags(tags)
	return &iam.CreateInstanceProfileOutput{InstanceProfile: &out}, err
}

func needsCreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) ([]awsapi.Need, error) {
	t := future(ctx, identity.KindInstanceProfile, in.Path, in.InstanceProfileName)
	needs := t.needs(ctx, "CreateInstanceProfile", requestTags(in.Tags))
	if len(in.Tags) > 0 {
		needs = append(needs, t.need(ctx, "TagInstanceProfile", requestTags(in.Tags)))
	}
	return needs, nil
}

// GetInstanceProfile describes an instance profile with the role that is in it.
func (s *Service) GetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	p, err := s.store.InstanceProfile(ctx, account(ctx), deref(in.InstanceProfileName))
	if err != nil {
		return nil, exception(err)
	}
	tags, err := s.store.TagsOf(ctx, account(ctx), identity.Entity{Kind: identity.KindInstanceProfile, Name: p.Name})
	if err != nil {
		return nil, exception(err)
	}
	out, err := s.listProfile(ctx, p)
	out.Tags = tagList(tags)
	return &iam.GetInstanceProfileOutput{InstanceProfile: &out}, err
}

func (s *Service) needsGetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, nil)
}

// ListInstanceProfiles lists instance profiles by name, without their tags.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	l := list(ctx, "ListInstanceProfiles", deref(in.PathPrefix))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.InstanceProfiles(ctx, account(ctx), deref(in.PathPrefix), page)
	if err != nil {
		return nil, exception(err)
	}
	profiles, err := s.listProfiles(ctx, found)
	return &iam.ListInstanceProfilesOutput{InstanceProfiles: profiles, IsTruncated: next != "", Marker: l.marker(next)}, err
}

func needsListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) ([]awsapi.Need, error) {
	return folder(ctx, identity.KindInstanceProfile, in.PathPrefix).needs(ctx, "ListInstanceProfiles", nil), nil
}

// ListInstanceProfilesForRole lists the instance profiles that a role is in.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	l := list(ctx, "ListInstanceProfilesForRole", deref(in.RoleName))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.InstanceProfilesOf(ctx, account(ctx), deref(in.RoleName), page)
	if err != nil {
		return nil, exception(err)
	}
	profiles, err := s.listProfiles(ctx, found)
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: profiles, IsTruncated: next != "", Marker: l.marker(next)}, err
}

func (s *Service) needsListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListInstanceProfilesForRole", identity.KindRole, in.RoleName, nil)
}

// DeleteInstanceProfile deletes an instance profile without a role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	err := s.store.DeleteInstanceProfile(ctx, account(ctx), deref(in.InstanceProfileName))
	return &iam.DeleteInstanceProfileOutput{}, exception(err)
}

func (s *Service) needsDeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, nil)
}

// AddRoleToInstanceProfile puts a role into an instance profile, which holds one.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	err := s.store.AddRoleToProfile(ctx, account(ctx), deref(in.InstanceProfileName), deref(in.RoleName))
	return &iam.AddRoleToInstanceProfileOutput{}, exception(err)
}

// Whoever puts a role where machines find it passes it to them.
// Source: IAM API Reference, AddRoleToInstanceProfile.
func (s *Service) needsAddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) ([]awsapi.Need, error) {
	needs, err := s.onExisting(ctx, "AddRoleToInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, nil)
	if err != nil {
		return nil, err
	}
	role, err := s.existing(ctx, identity.KindRole, deref(in.RoleName))
	if err != nil {
		return nil, err
	}
	role.shown = ""
	return append(needs, role.need(ctx, "PassRole", keys{"iam:passedtoservice": {"ec2.amazonaws.com"}})), nil
}

// RemoveRoleFromInstanceProfile takes a role out of an instance profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	err := s.store.RemoveRoleFromProfile(ctx, account(ctx), deref(in.InstanceProfileName), deref(in.RoleName))
	return &iam.RemoveRoleFromInstanceProfileOutput{}, exception(err)
}

func (s *Service) needsRemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "RemoveRoleFromInstanceProfile", identity.KindInstanceProfile, in.InstanceProfileName, nil)
}

// listProfile is an instance profile as lists show it, with its role.
func (s *Service) listProfile(ctx context.Context, p identity.InstanceProfile) (types.InstanceProfile, error) {
	out := types.InstanceProfile{
		Arn: text(p.ARN()), InstanceProfileName: text(p.Name), InstanceProfileId: text(p.ID), Path: text(p.Path),
		CreateDate: &p.CreatedAt, Roles: []types.Role{},
	}
	if p.Role != "" {
		r, err := s.store.Role(ctx, p.Account, p.Role)
		if err != nil {
			return out, exception(err)
		}
		out.Roles = append(out.Roles, listRole(r))
	}
	return out, nil
}

func (s *Service) listProfiles(ctx context.Context, found []identity.InstanceProfile) ([]types.InstanceProfile, error) {
	all := make([]types.InstanceProfile, 0, len(found))
	for _, p := range found {
		out, err := s.listProfile(ctx, p)
		if err != nil {
			return nil, err
		}
		all = append(all, out)
	}
	return all, nil
}
