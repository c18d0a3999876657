package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) holderOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("ListEntitiesForPolicy", s.ListEntitiesForPolicy, s.needsListEntitiesForPolicy),
	}
}

// ListEntitiesForPolicy lists who has a managed policy.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	out := &iam.ListEntitiesForPolicyOutput{PolicyGroups: []types.PolicyGroup{}, PolicyRoles: []types.PolicyRole{}, PolicyUsers: []types.PolicyUser{}}
	filter := identity.HolderFilter{Boundary: in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary, PathPrefix: deref(in.PathPrefix)}
	switch in.EntityFilter {
	case types.EntityTypeUser:
		filter.Kind = identity.KindUser
	case types.EntityTypeGroup:
		filter.Kind = identity.KindGroup
	case types.EntityTypeRole:
		filter.Kind = identity.KindRole
	case types.EntityTypeLocalManagedPolicy, types.EntityTypeAWSManagedPolicy: // no policy has a policy
		return out, nil
	}
	l := list(ctx, "ListEntitiesForPolicy", *in.PolicyArn, filter)
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.Holders(ctx, account(ctx), *in.PolicyArn, filter, page)
	if err != nil {
		return nil, exception(err)
	}
	for _, h := range found {
		switch h.Kind {
		case identity.KindUser:
			out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserName: &h.Name, UserId: &h.ID})
		case identity.KindGroup:
			out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupName: &h.Name, GroupId: &h.ID})
		case identity.KindRole:
			out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleName: &h.Name, RoleId: &h.ID})
		}
	}
	out.IsTruncated, out.Marker = next != "", l.marker(next)
	return out, nil
}

func (s *Service) needsListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListEntitiesForPolicy", identity.KindPolicy, in.PolicyArn, nil)
}
