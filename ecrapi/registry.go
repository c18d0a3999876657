package ecrapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
)

// DescribeRegistry tells the caller's registry id. Nothing is replicated.
func (s *Service) DescribeRegistry(ctx context.Context, _ *ecr.DescribeRegistryInput) (*ecr.DescribeRegistryOutput, error) {
	return &ecr.DescribeRegistryOutput{
		RegistryId:               text(scopeOf(ctx, nil).Account),
		ReplicationConfiguration: &types.ReplicationConfiguration{Rules: []types.ReplicationRule{}},
	}, nil
}

func needsDescribeRegistry(ctx context.Context, _ *ecr.DescribeRegistryInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DescribeRegistry"), nil
}
