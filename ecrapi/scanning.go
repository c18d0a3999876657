package ecrapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/ecrapi/scan"
	"drydock/storage"
)

// PutImageScanningConfiguration says whether what is pushed to a repository is scanned.
func (s *Service) PutImageScanningConfiguration(ctx context.Context, in *ecr.PutImageScanningConfigurationInput) (*ecr.PutImageScanningConfigurationOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	onPush := in.ImageScanningConfiguration != nil && in.ImageScanningConfiguration.ScanOnPush
	if err := s.scanner.PutRepository(ctx, ref, scan.Repository{OnPush: onPush}); err != nil {
		return nil, exception(err, about{ref: ref})
	}
	return &ecr.PutImageScanningConfigurationOutput{
		RegistryId: &ref.Account, RepositoryName: &ref.Name,
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: onPush},
	}, nil
}

func needsPutImageScanningConfiguration(ctx context.Context, in *ecr.PutImageScanningConfigurationInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:PutImageScanningConfiguration"), nil
}

// PutRegistryScanningConfiguration says how often the images of which repositories are
// scanned.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_RegistryScanningRule.html
func (s *Service) PutRegistryScanningConfiguration(ctx context.Context, in *ecr.PutRegistryScanningConfigurationInput) (*ecr.PutRegistryScanningConfigurationOutput, error) {
	of := scopeOf(ctx, nil)
	r := scan.Registry{Type: string(in.ScanType)}
	if r.Type == "" {
		r.Type = scan.Basic
	}
	for _, rule := range in.Rules {
		if rule.ScanFrequency == types.ScanFrequencyContinuousScan && r.Type == scan.Basic {
			return nil, invalidParameter("rules", "the scan frequency %s is supported with the scan type %s only", rule.ScanFrequency, scan.Enhanced)
		}
		kept := scan.Rule{Frequency: string(rule.ScanFrequency), Filters: []string{}}
		for _, f := range rule.RepositoryFilters {
			kept.Filters = append(kept.Filters, deref(f.Filter))
		}
		r.Rules = append(r.Rules, kept)
	}
	if err := s.scanner.PutRegistry(ctx, of, r); err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return &ecr.PutRegistryScanningConfigurationOutput{RegistryScanningConfiguration: shownScanning(r)}, nil
}

func needsPutRegistryScanningConfiguration(ctx context.Context, _ *ecr.PutRegistryScanningConfigurationInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:PutRegistryScanningConfiguration"), nil
}

// GetRegistryScanningConfiguration tells how the images of a registry are scanned.
func (s *Service) GetRegistryScanningConfiguration(ctx context.Context, _ *ecr.GetRegistryScanningConfigurationInput) (*ecr.GetRegistryScanningConfigurationOutput, error) {
	of := scopeOf(ctx, nil)
	r, err := s.scanner.Registry(ctx, of)
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return &ecr.GetRegistryScanningConfigurationOutput{RegistryId: &of.Account, ScanningConfiguration: shownScanning(r)}, nil
}

func needsGetRegistryScanningConfiguration(ctx context.Context, _ *ecr.GetRegistryScanningConfigurationInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:GetRegistryScanningConfiguration"), nil
}

// shownScanning is how a registry is scanned, as ECR shows it.
func shownScanning(r scan.Registry) *types.RegistryScanningConfiguration {
	shown := &types.RegistryScanningConfiguration{ScanType: types.ScanType(r.Type), Rules: []types.RegistryScanningRule{}}
	for _, rule := range r.Rules {
		shown.Rules = append(shown.Rules, types.RegistryScanningRule{ScanFrequency: types.ScanFrequency(rule.Frequency), RepositoryFilters: shownScanFilters(rule.Filters)})
	}
	return shown
}

func shownScanFilters(filters []string) []types.ScanningRepositoryFilter {
	shown := []types.ScanningRepositoryFilter{}
	for _, f := range filters {
		shown = append(shown, types.ScanningRepositoryFilter{Filter: &f, FilterType: types.ScanningRepositoryFilterTypeWildcard})
	}
	return shown
}

// BatchGetRepositoryScanningConfiguration tells how the images of repositories are
// scanned in the end, by what they and the registry say.
func (s *Service) BatchGetRepositoryScanningConfiguration(ctx context.Context, in *ecr.BatchGetRepositoryScanningConfigurationInput) (*ecr.BatchGetRepositoryScanningConfigurationOutput, error) {
	out := &ecr.BatchGetRepositoryScanningConfigurationOutput{
		ScanningConfigurations: []types.RepositoryScanningConfiguration{}, Failures: []types.RepositoryScanningConfigurationFailure{},
	}
	for _, name := range in.RepositoryNames {
		ref := refOf(ctx, nil, &name)
		how, err := s.scanner.Applied(ctx, ref)
		if unknown := new(storage.RepositoryUnknownError); errors.As(err, &unknown) {
			out.Failures = append(out.Failures, types.RepositoryScanningConfigurationFailure{
				RepositoryName: &name, FailureCode: types.ScanningConfigurationFailureCodeRepositoryNotFound, FailureReason: text(unknown.Error()),
			})
			continue
		}
		if err != nil {
			return nil, exception(err, about{ref: ref})
		}
		out.ScanningConfigurations = append(out.ScanningConfigurations, types.RepositoryScanningConfiguration{
			RepositoryArn: text(arnOf(ref)), RepositoryName: &name, ScanOnPush: how.OnPush,
			ScanFrequency: types.ScanFrequency(how.Frequency), AppliedScanFilters: shownScanFilters(how.Filters),
		})
	}
	return out, nil
}

func needsBatchGetRepositoryScanningConfiguration(ctx context.Context, in *ecr.BatchGetRepositoryScanningConfigurationInput) ([]awsapi.Need, error) {
	var needs []awsapi.Need
	for _, name := range in.RepositoryNames {
		needs = append(needs, needOn(refOf(ctx, nil, &name), "ecr:BatchGetRepositoryScanningConfiguration")...)
	}
	return needs, nil
}
