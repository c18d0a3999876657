package iamapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"drydock/auth/identity"
	"drydock/awsapi"
)

func (s *Service) versionOperations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreatePolicyVersion", s.CreatePolicyVersion, s.needsCreatePolicyVersion),
		awsapi.Op("GetPolicyVersion", s.GetPolicyVersion, s.needsGetPolicyVersion),
		awsapi.Op("ListPolicyVersions", s.ListPolicyVersions, s.needsListPolicyVersions),
		awsapi.Op("SetDefaultPolicyVersion", s.SetDefaultPolicyVersion, s.needsSetDefaultPolicyVersion),
		awsapi.Op("DeletePolicyVersion", s.DeletePolicyVersion, s.needsDeletePolicyVersion),
	}
}

// CreatePolicyVersion adds a version to a policy and puts it in force if asked to.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	v, err := s.store.CreatePolicyVersion(ctx, account(ctx), *in.PolicyArn, deref(in.PolicyDocument), in.SetAsDefault)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.CreatePolicyVersionOutput{PolicyVersion: to(listVersion(v))}, nil
}

func (s *Service) needsCreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "CreatePolicyVersion", identity.KindPolicy, in.PolicyArn, nil)
}

// GetPolicyVersion shows the document of a version.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	v, err := s.store.PolicyVersion(ctx, account(ctx), *in.PolicyArn, deref(in.VersionId))
	if err != nil {
		return nil, exception(err)
	}
	return &iam.GetPolicyVersionOutput{PolicyVersion: to(describeVersion(v))}, nil
}

func (s *Service) needsGetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "GetPolicyVersion", identity.KindPolicy, in.PolicyArn, nil)
}

// ListPolicyVersions lists the versions of a policy, without their documents, the
// latest first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	l := list(ctx, "ListPolicyVersions", *in.PolicyArn)
	page, err := l.page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	found, next, err := s.store.PolicyVersions(ctx, account(ctx), *in.PolicyArn, page)
	if err != nil {
		return nil, exception(err)
	}
	return &iam.ListPolicyVersionsOutput{Versions: each(found, listVersion), IsTruncated: next != "", Marker: l.marker(next)}, nil
}

func (s *Service) needsListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "ListPolicyVersions", identity.KindPolicy, in.PolicyArn, nil)
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	err := s.store.SetDefaultPolicyVersion(ctx, account(ctx), *in.PolicyArn, deref(in.VersionId))
	return &iam.SetDefaultPolicyVersionOutput{}, exception(err)
}

func (s *Service) needsSetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "SetDefaultPolicyVersion", identity.KindPolicy, in.PolicyArn, nil)
}

// DeletePolicyVersion deletes a version that is not in force.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	if err := checkPolicyARN(in.PolicyArn); err != nil {
		return nil, err
	}
	err := s.store.DeletePolicyVersion(ctx, account(ctx), *in.PolicyArn, deref(in.VersionId))
	return &iam.DeletePolicyVersionOutput{}, exception(err)
}

func (s *Service) needsDeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) ([]awsapi.Need, error) {
	return s.onExisting(ctx, "DeletePolicyVersion", identity.KindPolicy, in.PolicyArn, nil)
}

// listVersion is a version as lists show it.
func listVersion(v identity.Version) types.PolicyVersion {
	return types.PolicyVersion{VersionId: to(v.ID()), IsDefaultVersion: v.Default, CreateDate: &v.CreatedAt}
}

func describeVersion(v identity.Version) types.PolicyVersion {
	out := listVersion(v)
	out.Document = encoded(v.Document)
	return out
}
