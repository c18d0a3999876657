package iamapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) boundaryOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("PutUserPermissionsBoundary", s.PutUserPermissionsBoundary, s.needsPutUserPermissionsBoundary),
		awsapi.Op("DeleteUserPermissionsBoundary", s.DeleteUserPermissionsBoundary, s.needsDeleteUserPermissionsBoundary),
		awsapi.Op("PutRolePermissionsBoundary", s.PutRolePermissionsBoundary, s.needsPutRolePermissionsBoundary),
		awsapi.Op("DeleteRolePermissionsBoundary", s.DeleteRolePermissionsBoundary, s.needsDeleteRolePermissionsBoundary),
	}
}

// boundaryType is what IAM answers; its model has the longer
// PermissionsBoundaryPolicy.
const boundaryType types.PermissionsBoundaryAttachmentType = "Policy"

// boundary is a permissions boundary as IAM shows it, nil where there is none.
func boundary(arn string) *types.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{
		PermissionsBoundaryArn:  &arn,
		PermissionsBoundaryType: boundaryType,
	}
}

// boundaryException is the exception to the giving of a boundary, which IAM calls
// a scope where it does not exist.
func boundaryException(err error, given *string) error {
	var missing *identity.NoSuchError
	if given != nil && errors.As(err, &missing) && missing.Kind == identity.KindPolicy {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", *given)
	}
	return exception(err)
}

// PutUserPermissionsBoundary sets what a user may do at most.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, in *iam.PutUserPermissionsBoundaryInput) (*iam.PutUserPermissionsBoundaryOutput, error) {
	return &iam.PutUserPermissionsBoundaryOutput{}, s.putBoundary(ctx, identity.KindUser, in.UserName, in.PermissionsBoundary)
}

// The condition key is the boundary to be, not that which is there.
func (s *Service) needsPutUserPermissionsBoundary(ctx context.Context, in *iam.PutUserPermissionsBoundaryInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "PutUserPermissionsBoundary", identity.KindUser, in.UserName, boundaryKey(in.PermissionsBoundary))
}

// DeleteUserPermissionsBoundary takes a user's boundary away.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, in *iam.DeleteUserPermissionsBoundaryInput) (*iam.DeleteUserPermissionsBoundaryOutput, error) {
	err := s.store.SetBoundary(ctx, account(ctx), identity.Entity{Kind: identity.KindUser, Name: deref(in.UserName)}, "")
	return &iam.DeleteUserPermissionsBoundaryOutput{}, exception(err)
}

func (s *Service) needsDeleteUserPermissionsBoundary(ctx context.Context, in *iam.DeleteUserPermissionsBoundaryInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteUserPermissionsBoundary", identity.KindUser, in.UserName, nil)
}

// PutRolePermissionsBoundary sets what a role may do at most.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	return &iam.PutRolePermissionsBoundaryOutput{}, s.putBoundary(ctx, identity.KindRole, in.RoleName, in.PermissionsBoundary)
}

// The condition key is the boundary to be, not that which is there.
func (s *Service) needsPutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "PutRolePermissionsBoundary", identity.KindRole, in.RoleName, boundaryKey(in.PermissionsBoundary))
}

// DeleteRolePermissionsBoundary takes a role's boundary away.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	err := s.store.SetBoundary(ctx, account(ctx), identity.Entity{Kind: identity.KindRole, Name: deref(in.RoleName)}, "")
	return &iam.DeleteRolePermissionsBoundaryOutput{}, exception(err)
}

func (s *Service) needsDeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteRolePermissionsBoundary", identity.KindRole, in.RoleName, nil)
}

func (s *Service) putBoundary(ctx context.Context, kind identity.Kind, name, policyARN *string) error {
	if err := checkPolicyARN(policyARN); err != nil {
		return err
	}
	return boundaryException(s.store.SetBoundary(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, *policyARN), policyARN)
}
