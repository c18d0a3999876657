package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) groupOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateGroup", s.CreateGroup, needsCreateGroup),
		awsapi.Op("GetGroup", s.GetGroup, s.needsGetGroup),
		awsapi.Op("ListGroups", s.ListGroups, needsListGroups),
		awsapi.Op("UpdateGroup", s.UpdateGroup, s.needsUpdateGroup),
		awsapi.Op("DeleteGroup", s.DeleteGroup, s.needsDeleteGroup),
		awsapi.Op("AddUserToGroup", s.AddUserToGroup, s.needsAddUserToGroup),
		awsapi.Op("RemoveUserFromGroup", s.RemoveUserFromGroup, s.needsRemoveUserFromGroup),
		awsapi.Op("ListGroupsForUser", s.ListGroupsForUser, s.needsListGroupsForUser),
	}
}

// CreateGroup makes a group without members.
func (s *Service) CreateGroup(ctx context.Context, in *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
	g, err := s.store.CreateGroup(ctx, account(ctx), deref(in.GroupName), deref(in.Path))
	if err != nil {
		return nil, exception(err)
	}
	return &iam.CreateGroupOutput{Group: to(describeGroup(g))}, nil
}

func needsCreateGroup(ctx context.Context, in *iam.CreateGroupInput) ([]awsapi.Need, error) {
	return future(ctx, identity.KindGroup, in.Path, in.GroupName).needs(ctx, "CreateGroup", nil), nil
}

// GetGroup describes a group and lists its members.
func (s *Service) GetGroup(ctx context.Context, in *iam.GetGroupInput) (*iam.GetGroupOutput, error) {
	l := list(ctx, "GetGroup", deref(in.GroupName))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	g, err := s.store.Group(ctx, account(ctx), deref(in.GroupName))
	if err != nil {
		return nil, exception(err)
	}
	members, next, err := s.store.Members(ctx, account(ctx), g.Name, page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.GetGroupOutput{Group: to(describeGroup(g)), Users: each(members, listUser), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func (s *Service) needsGetGroup(ctx context.Context, in *iam.GetGroupInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetGroup", identity.KindGroup, in.GroupName, nil)
}

// ListGroups lists groups by name.
func (s *Service) ListGroups(ctx context.Context, in *iam.ListGroupsInput) (*iam.ListGroupsOutput, error) {
	l := list(ctx, "ListGroups", deref(in.PathPrefix))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.Groups(ctx, account(ctx), deref(in.PathPrefix), page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListGroupsOutput{Groups: each(found, describeGroup), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func needsListGroups(ctx context.Context, in *iam.ListGroupsInput) ([]awsapi.Need, error) {
	return folder(ctx, identity.KindGroup, in.PathPrefix).needs(ctx, "ListGroups", nil), nil
}

// UpdateGroup renames a group or moves it to another path.
func (s *Service) UpdateGroup(ctx context.Context, in *iam.UpdateGroupInput) (*iam.UpdateGroupOutput, error) {
	err := s.store.UpdateGroup(ctx, account(ctx), deref(in.GroupName), deref(in.NewGroupName), deref(in.NewPath))
	return &iam.UpdateGroupOutput{}, exception(err)
}

// As for UpdateUser, the permission is taken on both.
func (s *Service) needsUpdateGroup(ctx context.Context, in *iam.UpdateGroupInput) ([]awsapi.Need, error) {
	return s.onRenamed(ctx, "UpdateGroup", identity.KindGroup, deref(in.GroupName), in.NewPath, in.NewGroupName)
}

// DeleteGroup deletes a group that has nothing left.
func (s *Service) DeleteGroup(ctx context.Context, in *iam.DeleteGroupInput) (*iam.DeleteGroupOutput, error) {
	return &iam.DeleteGroupOutput{}, exception(s.store.DeleteGroup(ctx, account(ctx), deref(in.GroupName)))
}

func (s *Service) needsDeleteGroup(ctx context.Context, in *iam.DeleteGroupInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteGroup", identity.KindGroup, in.GroupName, nil)
}

// AddUserToGroup makes a user a member of a group.
func (s *Service) AddUserToGroup(ctx context.Context, in *iam.AddUserToGroupInput) (*iam.AddUserToGroupOutput, error) {
	return &iam.AddUserToGroupOutput{}, exception(s.store.AddUserToGroup(ctx, account(ctx), deref(in.GroupName), deref(in.UserName)))
}

func (s *Service) needsAddUserToGroup(ctx context.Context, in *iam.AddUserToGroupInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "AddUserToGroup", identity.KindGroup, in.GroupName, nil)
}

// RemoveUserFromGroup ends a membership.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *iam.RemoveUserFromGroupInput) (*iam.RemoveUserFromGroupOutput, error) {
	return &iam.RemoveUserFromGroupOutput{}, exception(s.store.RemoveUserFromGroup(ctx, account(ctx), deref(in.GroupName), deref(in.UserName)))
}

func (s *Service) needsRemoveUserFromGroup(ctx context.Context, in *iam.RemoveUserFromGroupInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "RemoveUserFromGroup", identity.KindGroup, in.GroupName, nil)
}

// ListGroupsForUser lists the groups that a user is a member of.
func (s *Service) ListGroupsForUser(ctx context.Context, in *iam.ListGroupsForUserInput) (*iam.ListGroupsForUserOutput, error) {
	l := list(ctx, "ListGroupsForUser", deref(in.UserName))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.GroupsOf(ctx, account(ctx), deref(in.UserName), page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListGroupsForUserOutput{Groups: each(found, describeGroup), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func (s *Service) needsListGroupsForUser(ctx context.Context, in *iam.ListGroupsForUserInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListGroupsForUser", identity.KindUser, in.UserName, nil)
}

func describeGroup(g identity.Group) types.Group {
	return types.Group{Arn: text(g.ARN()), GroupName: text(g.Name), GroupId: text(g.ID), Path: text(g.Path), CreateDate: &g.CreatedAt}
}
