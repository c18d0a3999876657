package iamapi

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) attachmentOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("AttachUserPolicy", s.AttachUserPolicy, s.needsAttachUserPolicy),
		awsapi.Op("DetachUserPolicy", s.DetachUserPolicy, s.needsDetachUserPolicy),
		awsapi.Op("ListAttachedUserPolicies", s.ListAttachedUserPolicies, s.needsListAttachedUserPolicies),
		awsapi.Op("AttachGroupPolicy", s.AttachGroupPolicy, s.needsAttachGroupPolicy),
		awsapi.Op("DetachGroupPolicy", s.DetachGroupPolicy, s.needsDetachGroupPolicy),
		awsapi.Op("ListAttachedGroupPolicies", s.ListAttachedGroupPolicies, s.needsListAttachedGroupPolicies),
		awsapi.Op("AttachRolePolicy", s.AttachRolePolicy, s.needsAttachRolePolicy),
		awsapi.Op("DetachRolePolicy", s.DetachRolePolicy, s.needsDetachRolePolicy),
		awsapi.Op("ListAttachedRolePolicies", s.ListAttachedRolePolicies, s.needsListAttachedRolePolicies),
	}
}

// attach gives a managed policy to a user, group or role, who may have it already.
func (s *Service) attach(ctx context.Context, kind identity.Kind, name, policyARN *string) error {
	if err := checkPolicyARN(policyARN); err != nil {
		return err
	}
	return exception(s.store.Attach(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, *policyARN))
}

func (s *Service) detach(ctx context.Context, kind identity.Kind, name, policyARN *string) error {
	if err := checkPolicyARN(policyARN); err != nil {
		return err
	}
	return exception(s.store.Detach(ctx, account(ctx), identity.Entity{Kind: kind, Name: deref(name)}, *policyARN))
}

// attached is a page of the managed policies of a user, group or role, by name.
func (s *Service) attached(ctx context.Context, of identity.Entity, pathPrefix, marker *string, items *int32) (_ []types.AttachedPolicy, next *string, err error) {
	l := list(ctx, "ListAttachedPolicies", of, deref(pathPrefix))
	page, err := l.page(marker, items)
	if err != nil {
		return nil, nil, err
	}
	// There are few, and their ARNs may be longer than a marker.
	arns, _, err := s.store.Attached(ctx, account(ctx), of, deref(pathPrefix), identity.Page{Limit: maxItems})
	if err != nil {
		return nil, nil, exception(err)
	}
	slices.SortFunc(arns, func(a, b string) int { return strings.Compare(attachedKey(a), attachedKey(b)) })
	arns, after := slice(arns, page, attachedKey)
	return each(arns, func(arn string) types.AttachedPolicy {
		return types.AttachedPolicy{PolicyArn: &arn, PolicyName: text(identity.PolicyName(arn))}
	}), l.marker(after), nil
}

// attachedKey is the place of a policy in a list. An account may have a policy of
// the name of one of AWS's.
func attachedKey(policyARN string) string {
	if strings.HasPrefix(policyARN, "arn:aws:iam::aws:") {
		return identity.PolicyName(policyARN) + "/aws"
	}
	return identity.PolicyName(policyARN) + "/"
}

// AttachUserPolicy gives a managed policy to a user.
func (s *Service) AttachUserPolicy(ctx context.Context, in *iam.AttachUserPolicyInput) (*iam.AttachUserPolicyOutput, error) {
	return &iam.AttachUserPolicyOutput{}, s.attach(ctx, identity.KindUser, in.UserName, in.PolicyArn)
}

func (s *Service) needsAttachUserPolicy(ctx context.Context, in *iam.AttachUserPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "AttachUserPolicy", identity.KindUser, in.UserName, policyKey(in.PolicyArn))
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *iam.DetachUserPolicyInput) (*iam.DetachUserPolicyOutput, error) {
	return &iam.DetachUserPolicyOutput{}, s.detach(ctx, identity.KindUser, in.UserName, in.PolicyArn)
}

func (s *Service) needsDetachUserPolicy(ctx context.Context, in *iam.DetachUserPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DetachUserPolicy", identity.KindUser, in.UserName, policyKey(in.PolicyArn))
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *iam.ListAttachedUserPoliciesInput) (*iam.ListAttachedUserPoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindUser, Name: deref(in.UserName)}
	found, next, err := s.attached(ctx, of, in.PathPrefix, in.Marker, in.MaxItems)
	return &iam.ListAttachedUserPoliciesOutput{AttachedPolicies: found, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListAttachedUserPolicies(ctx context.Context, in *iam.ListAttachedUserPoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListAttachedUserPolicies", identity.KindUser, in.UserName, nil)
}

// AttachGroupPolicy gives a managed policy to a group, and with it to its members.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *iam.AttachGroupPolicyInput) (*iam.AttachGroupPolicyOutput, error) {
	return &iam.AttachGroupPolicyOutput{}, s.attach(ctx, identity.KindGroup, in.GroupName, in.PolicyArn)
}

func (s *Service) needsAttachGroupPolicy(ctx context.Context, in *iam.AttachGroupPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "AttachGroupPolicy", identity.KindGroup, in.GroupName, policyKey(in.PolicyArn))
}

// DetachGroupPolicy takes a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *iam.DetachGroupPolicyInput) (*iam.DetachGroupPolicyOutput, error) {
	return &iam.DetachGroupPolicyOutput{}, s.detach(ctx, identity.KindGroup, in.GroupName, in.PolicyArn)
}

func (s *Service) needsDetachGroupPolicy(ctx context.Context, in *iam.DetachGroupPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DetachGroupPolicy", identity.KindGroup, in.GroupName, policyKey(in.PolicyArn))
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *iam.ListAttachedGroupPoliciesInput) (*iam.ListAttachedGroupPoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindGroup, Name: deref(in.GroupName)}
	found, next, err := s.attached(ctx, of, in.PathPrefix, in.Marker, in.MaxItems)
	return &iam.ListAttachedGroupPoliciesOutput{AttachedPolicies: found, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListAttachedGroupPolicies(ctx context.Context, in *iam.ListAttachedGroupPoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListAttachedGroupPolicies", identity.KindGroup, in.GroupName, nil)
}

// AttachRolePolicy gives a managed policy to a role.
func (s *Service) AttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	return &iam.AttachRolePolicyOutput{}, s.attach(ctx, identity.KindRole, in.RoleName, in.PolicyArn)
}

func (s *Service) needsAttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "AttachRolePolicy", identity.KindRole, in.RoleName, policyKey(in.PolicyArn))
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	return &iam.DetachRolePolicyOutput{}, s.detach(ctx, identity.KindRole, in.RoleName, in.PolicyArn)
}

func (s *Service) needsDetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DetachRolePolicy", identity.KindRole, in.RoleName, policyKey(in.PolicyArn))
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	of := identity.Entity{Kind: identity.KindRole, Name: deref(in.RoleName)}
	found, next, err := s.attached(ctx, of, in.PathPrefix, in.Marker, in.MaxItems)
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: found, IsTruncated: next != nil, Marker: next}, err
}

func (s *Service) needsListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListAttachedRolePolicies", identity.KindRole, in.RoleName, nil)
}
