package iamapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
	"drydock/internal/arn"
)

func (s *Service) policyOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreatePolicy", s.CreatePolicy, needsCreatePolicy),
		awsapi.Op("GetPolicy", s.GetPolicy, s.needsGetPolicy),
		awsapi.Op("ListPolicies", s.ListPolicies, needsListPolicies),
		awsapi.Op("DeletePolicy", s.DeletePolicy, s.needsDeletePolicy),
	}
}

// CreatePolicy makes a managed policy with its first version.
func (s *Service) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	p, err := s.store.CreatePolicy(ctx, account(ctx), identity.NewPolicy{
		Name: deref(in.PolicyName), Path: deref(in.Path), Description: deref(in.Description), Document: deref(in.PolicyDocument), Tags: tags,
	})
	if err != nil {
		return nil, exception(err)
	}
	out := listPolicy(p)
	out.Tags = someTags(tags)
	return &iam.CreatePolicyOutput{Policy: &out}, nil
}

func needsCreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) ([]awsapi.Need, error) {
	t := future(ctx, identity.KindPolicy, in.Path, in.PolicyName)
	needs := t.needs(ctx, "CreatePolicy", requestTags(in.Tags))
	if len(in.Tags) > 0 {
		needs = append(needs, t.need(ctx, "TagPolicy", requestTags(in.Tags)))
	}
	return needs, nil
}

// GetPolicy describes a managed policy, the account's or AWS's.
func (s *Service) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	p, err := s.store.Policy(ctx, account(ctx), *in.PolicyArn)
	if err != nil {
		return nil, exception(err)
	}
	out := listPolicy(p)
	out.Description = text(p.Description)
	if !p.AWS() {
		tags, err := s.store.TagsOf(ctx, account(ctx), identity.Entity{Kind: identity.KindPolicy, Name: p.ARN()})
		if err != nil {
			return nil, exception(err)
		}
		out.Tags = tagList(tags)
	}
	return &iam.GetPolicyOutput{Policy: &out}, nil
}

func (s *Service) needsGetPolicy(ctx context.Context, in *iam.GetPolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetPolicy", identity.KindPolicy, in.PolicyArn, nil)
}

// ListPolicies lists managed policies, those of the account before AWS's. As
// IAM's, it says nothing of tags and descriptions.
func (s *Service) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	l := list(ctx, "ListPolicies", in.Scope, in.OnlyAttached, deref(in.PathPrefix), in.PolicyUsageFilter)
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.Policies(ctx, account(ctx), identity.PolicyFilter{
		Local:      in.Scope == types.PolicyScopeTypeLocal,
		AWS:        in.Scope == types.PolicyScopeTypeAws,
		Attached:   in.OnlyAttached,
		Boundary:   in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary,
		PathPrefix: deref(in.PathPrefix),
	}, page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListPoliciesOutput{Policies: each(found, listPolicy), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func needsListPolicies(ctx context.Context, in *iam.ListPoliciesInput) ([]awsapi.Need, error) {
	return folder(ctx, identity.KindPolicy, in.PathPrefix).needs(ctx, "ListPolicies", nil), nil
}

// DeletePolicy deletes a policy that nobody has.
func (s *Service) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	return &iam.DeletePolicyOutput{}, exception(s.store.DeletePolicy(ctx, account(ctx), *in.PolicyArn))
}

func (s *Service) needsDeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeletePolicy", identity.KindPolicy, in.PolicyArn, nil)
}

// listPolicy is a policy as lists show it.
func listPolicy(p identity.Policy) types.Policy {
	return types.Policy{
		Arn: text(p.ARN()), PolicyName: text(p.Name), PolicyId: text(p.ID), Path: text(p.Path),
		DefaultVersionId: to(versionID(p.DefaultVersion)), IsAttachable: true,
		AttachmentCount: to(int32(p.Attachments)), PermissionsBoundaryUsageCount: to(int32(p.Boundaries)),
		CreateDate: &p.CreatedAt, UpdateDate: &p.UpdatedAt,
	}
}

func versionID(number int) string { return "v" + strconv.Itoa(number) }

// checkPolicyARN refuses what cannot be the ARN of a policy, in IAM's words.
func checkPolicyARN(policyARN *string) error {
	a, err := arn.Parse(deref(policyARN))
	if err != nil || a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, "policy/") {
		return invalidInput("ARN %s is not valid.", deref(policyARN))
	}
	return nil
}
