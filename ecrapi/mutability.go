package ecrapi

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/storage"
)

// maxWildcards is how many asterisks an exclusion filter may hold.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
const maxWildcards = 2

// PutImageTagMutability decides from now on which tags may be moved.
func (s *Service) PutImageTagMutability(ctx context.Context, in *ecr.PutImageTagMutabilityInput) (*ecr.PutImageTagMutabilityOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	m, err := mutabilityOf(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err != nil {
		return nil, err
	}
	r, err := s.engine.SetMutability(ctx, ref, m)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	mode, filters := mutabilityAs(r.Mutability)
	return &ecr.PutImageTagMutabilityOutput{
		RegistryId:                         text(ref.Account),
		RepositoryName:                     text(ref.Name),
		ImageTagMutability:                 mode,
		ImageTagMutabilityExclusionFilters: filters,
	}, nil
}

func needsPutImageTagMutability(ctx context.Context, in *ecr.PutImageTagMutabilityInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:PutImageTagMutability"), nil
}

// mutabilityOf reads ECR's four modes and their filters. Without a mode tags
// are mutable.
func mutabilityOf(mode types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) (storage.Mutability, error) {
	if mode == "" {
		mode = types.ImageTagMutabilityMutable
	}
	m := storage.Mutability{
		Immutable: mode == types.ImageTagMutabilityImmutable || mode == types.ImageTagMutabilityImmutableWithExclusion,
	}
	excludes := mode == types.ImageTagMutabilityImmutableWithExclusion || mode == types.ImageTagMutabilityMutableWithExclusion
	const parameter = "imageTagMutabilityExclusionFilters"
	switch {
	case excludes && len(filters) == 0:
		return m, invalidParameter(parameter, "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as %s", mode)
	case !excludes && len(filters) > 0:
		return m, invalidParameter(parameter, "ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as %s", mode)
	}
	for _, f := range filters {
		pattern := deref(f.Filter)
		if strings.Count(pattern, "*") > maxWildcards {
			return m, invalidParameter(parameter, "the filter %s has more than %d wildcards", pattern, maxWildcards)
		}
		m.Except = append(m.Except, pattern)
	}
	return m, nil
}

// mutabilityAs is mutabilityOf the other way round.
func mutabilityAs(m storage.Mutability) (types.ImageTagMutability, []types.ImageTagMutabilityExclusionFilter) {
	var filters []types.ImageTagMutabilityExclusionFilter
	for _, pattern := range m.Except {
		filters = append(filters, types.ImageTagMutabilityExclusionFilter{
			Filter:     text(pattern),
			FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard,
		})
	}
	switch excludes := len(filters) > 0; {
	case m.Immutable && excludes:
		return types.ImageTagMutabilityImmutableWithExclusion, filters
	case m.Immutable:
		return types.ImageTagMutabilityImmutable, nil
	case excludes:
		return types.ImageTagMutabilityMutableWithExclusion, filters
	default:
		return types.ImageTagMutabilityMutable, nil
	}
}
