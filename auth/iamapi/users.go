package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) userOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateUser", s.CreateUser, needsCreateUser),
		awsapi.Op("GetUser", s.GetUser, s.needsGetUser),
		awsapi.Op("ListUsers", s.ListUsers, needsListUsers),
		awsapi.Op("UpdateUser", s.UpdateUser, s.needsUpdateUser),
		awsapi.Op("DeleteUser", s.DeleteUser, s.needsDeleteUser),
	}
}

// CreateUser makes a user, who may do nothing yet.
func (s *Service) CreateUser(ctx context.Context, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	u, err := s.store.CreateUser(ctx, account(ctx), identity.NewUser{
		Name: deref(in.UserName), Path: deref(in.Path), Boundary: deref(in.PermissionsBoundary), Tags: tags,
	})
	if err != nil {
		return nil, boundaryException(err, in.PermissionsBoundary)
	}
	return &iam.CreateUserOutput{User: to(describeUser(u, tags))}, nil
}

// Tags at creation take the permission to tag as well; otherwise conditions on
// tags could be gone round.
func needsCreateUser(ctx context.Context, in *iam.CreateUserInput) ([]awsapi.Need, error) {
	t := future(ctx, identity.KindUser, in.Path, in.UserName)
	needs := t.needs(ctx, "CreateUser", boundaryKey(in.PermissionsBoundary).with(requestTags(in.Tags)))
	if len(in.Tags) > 0 {
		needs = append(needs, t.need(ctx, "TagUser", requestTags(in.Tags)))
	}
	return needs, nil
}

// GetUser describes a user, the caller where none is named. The root of an account
// is a user without a name.
func (s *Service) GetUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	name, err := ownUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return s.getRoot(ctx)
	}
	u, err := s.store.User(ctx, account(ctx), name)
	if err != nil {
		return nil, exception(err)
	}
	tags, err := s.store.TagsOf(ctx, account(ctx), identity.Entity{Kind: identity.KindUser, Name: name})
	if err != nil {
		return nil, exception(err)
	}
	return &iam.GetUserOutput{User: to(describeUser(u, tags))}, nil
}

func (s *Service) getRoot(ctx context.Context) (*iam.GetUserOutput, error) {
	a, err := s.store.Account(ctx, account(ctx))
	if err != nil {
		return nil, exception(err)
	}
	return &iam.GetUserOutput{User: &types.User{Arn: text(caller(ctx).ARN), UserId: text(a.ID), CreateDate: &a.CreatedAt}}, nil
}

func (s *Service) needsGetUser(ctx context.Context, in *iam.GetUserInput) ([]awsapi.Need, error) {
	return s.onOwnUser(ctx, "GetUser", in.UserName)
}

// ListUsers lists users by name. As IAM's, it says nothing of their tags and
// boundaries.
func (s *Service) ListUsers(ctx context.Context, in *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	l := list(ctx, "ListUsers", deref(in.PathPrefix))
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.Users(ctx, account(ctx), deref(in.PathPrefix), page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListUsersOutput{Users: each(found, listUser), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func needsListUsers(ctx context.Context, in *iam.ListUsersInput) ([]awsapi.Need, error) {
	return folder(ctx, identity.KindUser, in.PathPrefix).needs(ctx, "ListUsers", nil), nil
}

// UpdateUser renames a user or moves it to another path.
func (s *Service) UpdateUser(ctx context.Context, in *iam.UpdateUserInput) (*iam.UpdateUserOutput, error) {
	err := s.store.UpdateUser(ctx, account(ctx), deref(in.UserName), deref(in.NewUserName), deref(in.NewPath))
	return &iam.UpdateUserOutput{}, exception(err)
}

// The permission is taken on the user as it is and as it will be.
// Source: IAM API Reference, UpdateUser.
func (s *Service) needsUpdateUser(ctx context.Context, in *iam.UpdateUserInput) ([]awsapi.Need, error) {
	return s.onRenamed(ctx, "UpdateUser", identity.KindUser, deref(in.UserName), in.NewPath, in.NewUserName)
}

// DeleteUser deletes a user who has nothing left.
func (s *Service) DeleteUser(ctx context.Context, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	return &iam.DeleteUserOutput{}, exception(s.store.DeleteUser(ctx, account(ctx), deref(in.UserName)))
}

func (s *Service) needsDeleteUser(ctx context.Context, in *iam.DeleteUserInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteUser", identity.KindUser, in.UserName, nil)
}

// listUser is a user as lists show it.
func listUser(u identity.User) types.User {
	return types.User{Arn: text(u.ARN()), UserName: text(u.Name), UserId: text(u.ID), Path: text(u.Path), CreateDate: &u.CreatedAt}
}

func describeUser(u identity.User, tags map[string]string) types.User {
	out := listUser(u)
	out.PermissionsBoundary = boundary(u.Boundary)
	out.Tags = someTags(tags)
	return out
}
