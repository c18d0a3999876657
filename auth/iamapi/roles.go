package iamapi

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) roleOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateRole", s.CreateRole, needsCreateRole),
		awsapi.Op("GetRole", s.GetRole, s.needsGetRole),
		awsapi.Op("ListRoles", s.ListRoles, needsListRoles),
		awsapi.Op("UpdateRole", s.UpdateRole, s.needsUpdateRole),
		awsapi.Op("UpdateRoleDescription", s.UpdateRoleDescription, s.needsUpdateRoleDescription),
		awsapi.Op("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy, s.needsUpdateAssumeRolePolicy),
		awsapi.Op("DeleteRole", s.DeleteRole, s.needsDeleteRole),
	}
}

// CreateRole makes a role and says who may assume it.
func (s *Service) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.checkTrust(ctx, deref(in.AssumeRolePolicyDocument)); err != nil {
		return nil, exception(err)
	}
	r, err := s.store.CreateRole(ctx, account(ctx), identity.NewRole{
		Name: deref(in.RoleName), Path: deref(in.Path), Description: deref(in.Description), Trust: deref(in.AssumeRolePolicyDocument),
		Boundary: deref(in.PermissionsBoundary), MaxSession: time.Duration(deref(in.MaxSessionDuration)) * time.Second, Tags: tags,
	})
	if err != nil {
		return nil, boundaryException(err, in.PermissionsBoundary)
	}
	return &iam.CreateRoleOutput{Role: to(describeRole(r, tags))}, nil
}

func needsCreateRole(ctx context.Context, in *iam.CreateRoleInput) ([]awsapi.Need, error) {
	t := future(ctx, identity.KindRole, in.Path, in.RoleName)
	needs := t.needs(ctx, "CreateRole", boundaryKey(in.PermissionsBoundary).with(requestTags(in.Tags)))
	if len(in.Tags) > 0 {
		needs = append(needs, t.need(ctx, "TagRole", requestTags(in.Tags)))
	}
	return needs, nil
}

// GetRole describes a role.
func (s *Service) GetRole(ctx context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := s.role(ctx, in.RoleName)
	return &iam.GetRoleOutput{Role: r}, err
}

func (s *Service) role(ctx context.Context, name *string) (*types.Role, error) {
	r, err := s.store.Role(ctx, account(ctx), deref(name))
	if err != nil {
		return nil, exception(err)
	}
	tags, err := s.store.TagsOf(ctx, account(ctx), identity.Entity{Kind: identity.KindRole, Name: r.Name})
	if err != nil {
		return nil, exception(err)
	}
	return to(describeRole(r, tags)), nil
}

func (s *Service) needsGetRole(ctx context.Context, in *iam.GetRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetRole", identity.KindRole, in.RoleName, nil)
}

// ListRoles lists roles by name. As IAM's, it says nothing of their tags,
// boundaries and last use.
func (s *Service) ListRoles(ctx context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	l := list(ctx, "ListRoles", deref(in.PathPrefix))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.Roles(ctx, account(ctx), deref(in.PathPrefix), page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListRolesOutput{Roles: each(found, listRole), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func needsListRoles(ctx context.Context, in *iam.ListRolesInput) ([]awsapi.Need, error) {
	return folder(ctx, identity.KindRole, in.PathPrefix).needs(ctx, "ListRoles", nil), nil
}

// UpdateRole changes a role's description and how long its sessions may last; what
// is left out stays as it is.
func (s *Service) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	err := s.store.UpdateRole(ctx, account(ctx), deref(in.RoleName), in.Description, time.Duration(deref(in.MaxSessionDuration))*time.Second)
	return &iam.UpdateRoleOutput{}, exception(err)
}

func (s *Service) needsUpdateRole(ctx context.Context, in *iam.UpdateRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UpdateRole", identity.KindRole, in.RoleName, nil)
}

// UpdateRoleDescription is what UpdateRole was before it could do more.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	if err := s.store.UpdateRole(ctx, account(ctx), deref(in.RoleName), in.Description, 0); err != nil {
		return nil, exception(err)
	}
	r, err := s.role(ctx, in.RoleName)
	return &iam.UpdateRoleDescriptionOutput{Role: r}, err
}

func (s *Service) needsUpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UpdateRoleDescription", identity.KindRole, in.RoleName, nil)
}

// UpdateAssumeRolePolicy changes who may assume a role.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	if err := s.checkTrust(ctx, deref(in.PolicyDocument)); err != nil {
		return nil, exception(err)
	}
	err := s.store.UpdateTrust(ctx, account(ctx), deref(in.RoleName), deref(in.PolicyDocument))
	return &iam.UpdateAssumeRolePolicyOutput{}, exception(err)
}

func (s *Service) needsUpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "UpdateAssumeRolePolicy", identity.KindRole, in.RoleName, nil)
}

// DeleteRole deletes a role that has nothing left; its sessions end.
func (s *Service) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	return &iam.DeleteRoleOutput{}, exception(s.store.DeleteRole(ctx, account(ctx), deref(in.RoleName)))
}

func (s *Service) needsDeleteRole(ctx context.Context, in *iam.DeleteRoleInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteRole", identity.KindRole, in.RoleName, nil)
}

// listRole is a role as lists show it.
func listRole(r identity.Role) types.Role {
	return types.Role{
		Arn: text(r.ARN()), RoleName: text(r.Name), RoleId: text(r.ID), Path: text(r.Path), CreateDate: &r.CreatedAt,
		Description: text(r.Description), AssumeRolePolicyDocument: encoded(r.Trust), MaxSessionDuration: to(int32(r.MaxSession / time.Second)),
	}
}

func describeRole(r identity.Role, tags map[string]string) types.Role {
	out := listRole(r)
	out.PermissionsBoundary = boundary(r.Boundary)
	out.Tags = someTags(tags)
	out.RoleLastUsed = lastUsed(r)
	return out
}

// lastUsed is empty, but there, for a role that was never used.
func lastUsed(r identity.Role) *types.RoleLastUsed {
	if r.LastUsedAt.IsZero() {
		return &types.RoleLastUsed{}
	}
	return &types.RoleLastUsed{LastUsedDate: &r.LastUsedAt, Region: text(r.LastUsedRegion)}
}
