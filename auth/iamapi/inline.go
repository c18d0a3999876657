package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) inlineOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("PutUserPolicy", s.PutUserPolicy, s.needsPutUserPolicy),
		awsapi.Op("GetUserPolicy", s.GetUserPolicy, s.needsGetUserPolicy),
		awsapi.Op("DeleteUserPolicy", s.DeleteUserPolicy, s.needsDeleteUserPolicy),
		awsapi.Op("ListUserPolicies", s.ListUserPolicies, s.needsListUserPolicies),
		awsapi.Op("PutGroupPolicy", s.PutGroupPolicy, s.needsPutGroupPolicy),
		awsapi.Op("GetGroupPolicy", s.GetGroupPolicy, s.needsGetGroupPolicy),
		awsapi.Op("DeleteGroupPolicy", s.DeleteGroupPolicy, s.needsDeleteGroupPolicy),
		awsapi.Op("ListGroupPolicies", s.ListGroupPolicies, s.needsListGroupPolicies),
		awsapi.Op("PutRolePolicy", s.PutRolePolicy, s.needsPutRolePolicy),
		awsapi.Op("GetRolePolicy", s.GetRolePolicy, s.needsGetRolePolicy),
		awsapi.Op("DeleteRolePolicy", s.DeleteRolePolicy, s.needsDeleteRolePolicy),
		awsapi.Op("ListRolePolicies", s.ListRolePolicies, s.needsListRolePolicies),
	}
}

func (s *Service) putInline(ctx context.Context, kind identity.Kind, name, policyName, document *string) error {
	return exception(s.store.PutInline(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, deref(policyName), deref(document)))
}

// inline is the document of an embedded policy, as IAM answers it.
func (s *Service) inline(ctx context.Context, kind identity.Kind, name, policyName *string) (*string, error) {
	document, err := s.store.Inline(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, deref(policyName))
	if err != nil {
		return nil, exception(err)
	}
	return encoded(document), nil
}

func (s *Service) deleteInline(ctx context.Context, kind identity.Kind, name, policyName *string) error {
	return exception(s.store.DeleteInline(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, deref(policyName)))
}

// inlineNames is a page of the names of the policies embedded in a user, group or
// role.
func (s *Service) inlineNames(ctx context.Context, of identity.Entity, marker *string, items *int32) (names []string, next *string, err error) {
	l := list(ctx, "ListInlinePolicies", of)
	page, err := l.page(marker, items)
	if err != nil {
		return nil, nil, err
	}
	names, after, err := s.store.InlineNames(ctx, account(ctx), of, page)
	if err != nil {
		return nil, nil, exception(err)
	}
	if names == nil {
		names = []string{}
	}
	return names, l.marker(after), nil
}

// PutUserPolicy embeds a policy in a user, in the place of one of the same name.
func (s *Service) PutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	return &iam.PutUserPolicyOutput{}, s.putInline(ctx, identity.KindUser, in.UserName, in.PolicyName, in.PolicyDocument)
}

func (s *Service) needsPutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "PutUserPolicy", identity.KindUser, in.UserName, nil)
}

// GetUserPolicy shows a policy that is embedded in a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	document, err := s.inline(ctx, identity.KindUser, in.UserName, in.PolicyName)
	return &iam.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) needsGetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetUserPolicy", identity.KindUser, in.UserName, nil)
}

// DeleteUserPolicy removes a policy from a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	return &iam.DeleteUserPolicyOutput{}, s.deleteInline(ctx, identity.KindUser, in.UserName, in.PolicyName)
}

func (s *Service) needsDeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteUserPolicy", identity.KindUser, in.UserName, nil)
}

// ListUserPolicies lists the names of the policies that are embedded in a user.
func (s *Service) ListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) (*iam.ListUserPoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindUser, Name: deref(in.UserName)}
	names, next, err := s.inlineNames(ctx, of, in.Marker, in.MaxItems)
	return &iam.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListUserPolicies", identity.KindUser, in.UserName, nil)
}

// PutGroupPolicy embeds a policy in a group, in the place of one of the same name.
func (s *Service) PutGroupPolicy(ctx context.Context, in *iam.PutGroupPolicyInput) (*iam.PutGroupPolicyOutput, error) {
	return &iam.PutGroupPolicyOutput{}, s.putInline(ctx, identity.KindGroup, in.GroupName, in.PolicyName, in.PolicyDocument)
}

func (s *Service) needsPutGroupPolicy(ctx context.Context, in *iam.PutGroupPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "PutGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

// GetGroupPolicy shows a policy that is embedded in a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *iam.GetGroupPolicyInput) (*iam.GetGroupPolicyOutput, error) {
	document, err := s.inline(ctx, identity.KindGroup, in.GroupName, in.PolicyName)
	return &iam.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) needsGetGroupPolicy(ctx context.Context, in *iam.GetGroupPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

// DeleteGroupPolicy removes a policy from a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *iam.DeleteGroupPolicyInput) (*iam.DeleteGroupPolicyOutput, error) {
	return &iam.DeleteGroupPolicyOutput{}, s.deleteInline(ctx, identity.KindGroup, in.GroupName, in.PolicyName)
}

func (s *Service) needsDeleteGroupPolicy(ctx context.Context, in *iam.DeleteGroupPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteGroupPolicy", identity.KindGroup, in.GroupName, nil)
}

// ListGroupPolicies lists the names of the policies that are embedded in a group.
func (s *Service) ListGroupPolicies(ctx context.Context, in *iam.ListGroupPoliciesInput) (*iam.ListGroupPoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindGroup, Name: deref(in.GroupName)}
	names, next, err := s.inlineNames(ctx, of, in.Marker, in.MaxItems)
	return &iam.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListGroupPolicies(ctx context.Context, in *iam.ListGroupPoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListGroupPolicies", identity.KindGroup, in.GroupName, nil)
}

// PutRolePolicy embeds a policy in a role, in the place of one of the same name.
func (s *Service) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	return &iam.PutRolePolicyOutput{}, s.putInline(ctx, identity.KindRole, in.RoleName, in.PolicyName, in.PolicyDocument)
}

func (s *Service) needsPutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "PutRolePolicy", identity.KindRole, in.RoleName, nil)
}

// GetRolePolicy shows a policy that is embedded in a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	document, err := s.inline(ctx, identity.KindRole, in.RoleName, in.PolicyName)
	return &iam.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) needsGetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetRolePolicy", identity.KindRole, in.RoleName, nil)
}

// DeleteRolePolicy removes a policy from a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	return &iam.DeleteRolePolicyOutput{}, s.deleteInline(ctx, identity.KindRole, in.RoleName, in.PolicyName)
}

func (s *Service) needsDeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeleteRolePolicy", identity.KindRole, in.RoleName, nil)
}

// ListRolePolicies lists the names of the policies that are embedded in a role.
func (s *Service) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindRole, Name: deref(in.RoleName)}
	names, next, err := s.inlineNames(ctx, of, in.Marker, in.MaxItems)
	return &iam.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListRolePolicies", identity.KindRole, in.RoleName, nil)
}
