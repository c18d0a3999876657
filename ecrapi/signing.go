package ecrapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/ecrapi/signing"
	"drydock/storage"
)

// PutSigningConfiguration says which images of the caller's registry are signed when
// they are pushed, and with which profiles. Those have to be there.
func (s *Service) PutSigningConfiguration(ctx context.Context, in *ecr.PutSigningConfigurationInput) (*ecr.PutSigningConfigurationOutput, error) {
	of := scopeOf(ctx, nil)
	var conf signing.Configuration
	for i, r := range in.SigningConfiguration.Rules {
		if err := s.checkProfile(ctx, of, deref(r.SigningProfileArn)); err != nil {
			var invalid *profileError
			if errors.As(err, &invalid) {
				return nil, invalidParameter(fmt.Sprintf("signingConfiguration.rules.%d.member.signingProfileArn", i+1), "%s", invalid)
			}
			return nil, exception(err, about{ref: storage.Ref{Scope: of}})
		}
		rule := signing.Rule{Profile: deref(r.SigningProfileArn)}
		for _, f := range r.RepositoryFilters {
			rule.Repositories = append(rule.Repositories, deref(f.Filter))
		}
		conf.Rules = append(conf.Rules, rule)
	}
	document, err := conf.Document()
	if err != nil {
		return nil, err
	}
	if _, err := s.engine.SetSetting(ctx, signing.Key(of), document); err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return &ecr.PutSigningConfigurationOutput{SigningConfiguration: shownSigning(conf)}, nil
}

func needsPutSigningConfiguration(ctx context.Context, _ *ecr.PutSigningConfigurationInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:PutSigningConfiguration"), nil
}

// profileError says why images cannot be signed with a profile.
type profileError struct{ text string }

func (e *profileError) Error() string { return e.text }

// checkProfile refuses the profiles with which no image would ever be signed.
func (s *Service) checkProfile(ctx context.Context, of storage.Scope, profileARN string) error {
	at, name, ok := signing.ParseARN(profileARN)
	switch {
	case !ok:
		return &profileError{"'" + profileARN + "' is not the ARN of a signing profile of this server"}
	case at.Account != of.Account:
		return &profileError{"The signing profile " + profileARN + " belongs to another account, and profiles are not shared between accounts here"}
	case s.profiles == nil:
		return &profileError{"This server has no signing profiles"}
	}
	there, err := s.profiles.Exists(ctx, at, name)
	if err != nil {
		return err
	}
	if !there {
		return &profileError{"The signing profile " + profileARN + " does not exist: who runs the server makes it with drydock signing profile add " + name}
	}
	return nil
}

// GetSigningConfiguration tells which images of the caller's registry are signed.
func (s *Service) GetSigningConfiguration(ctx context.Context, _ *ecr.GetSigningConfigurationInput) (*ecr.GetSigningConfigurationOutput, error) {
	of := scopeOf(ctx, nil)
	set, err := s.engine.Setting(ctx, signing.Key(of))
	conf, err := readSigning(of, set, err)
	if err != nil {
		return nil, err
	}
	return &ecr.GetSigningConfigurationOutput{RegistryId: &of.Account, SigningConfiguration: shownSigning(conf)}, nil
}

func needsGetSigningConfiguration(ctx context.Context, _ *ecr.GetSigningConfigurationInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:GetSigningConfiguration"), nil
}

// DeleteSigningConfiguration has no image of the caller's registry signed any more.
// Signatures stay.
func (s *Service) DeleteSigningConfiguration(ctx context.Context, _ *ecr.DeleteSigningConfigurationInput) (*ecr.DeleteSigningConfigurationOutput, error) {
	of := scopeOf(ctx, nil)
	set, err := s.engine.DeleteSetting(ctx, signing.Key(of))
	conf, err := readSigning(of, set, err)
	if err != nil {
		return nil, err
	}
	return &ecr.DeleteSigningConfigurationOutput{RegistryId: &of.Account, SigningConfiguration: shownSigning(conf)}, nil
}

func needsDeleteSigningConfiguration(ctx context.Context, _ *ecr.DeleteSigningConfigurationInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DeleteSigningConfiguration"), nil
}

func readSigning(of storage.Scope, set storage.Setting, err error) (signing.Configuration, error) {
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return signing.Configuration{}, &types.SigningConfigurationNotFoundException{Message: sentence(
			"The signing configuration for the registry with id '%s' does not exist", of.Account)}
	}
	if err != nil {
		return signing.Configuration{}, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return signing.Read(set.Document)
}

func shownSigning(c signing.Configuration) *types.SigningConfiguration {
	shown := &types.SigningConfiguration{Rules: []types.SigningRule{}}
	for _, r := range c.Rules {
		rule := types.SigningRule{SigningProfileArn: &r.Profile}
		for _, pattern := range r.Repositories {
			rule.RepositoryFilters = append(rule.RepositoryFilters, types.SigningRepositoryFilter{
				Filter: &pattern, FilterType: types.SigningRepositoryFilterTypeWildcardMatch,
			})
		}
		shown.Rules = append(shown.Rules, rule)
	}
	return shown
}

// DescribeImageSigningStatus tells how far the signing of an image is, with each
// profile that it was to be signed with.
func (s *Service) DescribeImageSigningStatus(ctx context.Context, in *ecr.DescribeImageSigningStatusInput) (*ecr.DescribeImageSigningStatusOutput, error) {
	ref := refOf(ctx, in.RegistryId, in.RepositoryName)
	which, bad := referenceOf(*in.ImageId)
	if bad != nil {
		return nil, invalidParameter("imageId", "%s", bad.reason)
	}
	d, list, err := signing.Statuses(ctx, s.engine, ref, which)
	if err != nil {
		return nil, exception(err, about{ref: ref})
	}
	out := &ecr.DescribeImageSigningStatusOutput{
		RegistryId: &ref.Account, RepositoryName: &ref.Name,
		ImageId:         &types.ImageIdentifier{ImageDigest: text(d), ImageTag: text(which.Tag)},
		SigningStatuses: []types.ImageSigningStatus{},
	}
	for _, st := range list {
		out.SigningStatuses = append(out.SigningStatuses, types.ImageSigningStatus{
			SigningProfileArn: &st.Profile, Status: types.SigningStatus(st.State), FailureCode: text(st.Failure), FailureReason: text(st.Reason),
		})
	}
	return out, nil
}

func needsDescribeImageSigningStatus(ctx context.Context, in *ecr.DescribeImageSigningStatusInput) ([]awsapi.Need, error) {
	return needOn(refOf(ctx, in.RegistryId, in.RepositoryName), "ecr:DescribeImageSigningStatus"), nil
}
