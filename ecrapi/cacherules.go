package ecrapi

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/ecrapi/pullthrough"
	"drydock/storage"
)

// CreatePullThroughCacheRule has the repositories of a prefix come from an upstream
// registry, which may be any that serves the distribution API.
func (s *Service) CreatePullThroughCacheRule(ctx context.Context, in *ecr.CreatePullThroughCacheRuleInput) (*ecr.CreatePullThroughCacheRuleOutput, error) {
	of := scopeOf(ctx, in.RegistryId)
	r := pullthrough.Rule{
		Prefix: deref(in.EcrRepositoryPrefix), URL: deref(in.UpstreamRegistryUrl), Registry: string(in.UpstreamRegistry),
		Credential: deref(in.CredentialArn), UpstreamPrefix: deref(in.UpstreamRepositoryPrefix),
	}
	if r.UpstreamPrefix == "" {
		r.UpstreamPrefix = pullthrough.Root
	}
	u, err := pullthrough.ParseURL(r.URL)
	if err != nil {
		return nil, &types.UnsupportedUpstreamRegistryException{Message: text(err.Error())}
	}
	known := pullthrough.NameOf(u.Hostname())
	if r.Registry != "" && known != r.Registry {
		return nil, &types.UnsupportedUpstreamRegistryException{Message: sentence("The upstream registry URL '%s' is not that of %s", r.URL, r.Registry)}
	}
	if r.Registry == "" {
		r.Registry = known
	}
	if err := s.checkCredential(ctx, of, in.CredentialArn, in.CustomRoleArn); err != nil {
		return nil, err
	}
	document, err := r.Document()
	if err != nil {
		return nil, err
	}
	there, err := s.engine.Settings(ctx, of, pullthrough.Kind, storage.SettingKey{}, pullthrough.Most)
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	fresh := !slices.ContainsFunc(there, func(v storage.Setting) bool { return v.SettingKey == pullthrough.Key(of, r.Prefix) })
	if fresh && len(there) >= pullthrough.Most {
		return nil, &types.LimitExceededException{Message: sentence("A registry can have at most %d pull through cache rules", pullthrough.Most)}
	}
	set, err := s.engine.CreateSetting(ctx, pullthrough.Key(of, r.Prefix), document)
	var exists *storage.SettingExistsError
	if errors.As(err, &exists) {
		return nil, &types.PullThroughCacheRuleAlreadyExistsException{Message: sentence(
			"A pull through cache rule with prefix '%s' already exists in the registry with id '%s'", r.Prefix, of.Account)}
	}
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return &ecr.CreatePullThroughCacheRuleOutput{
		RegistryId: &of.Account, EcrRepositoryPrefix: &r.Prefix, UpstreamRegistryUrl: &r.URL, UpstreamRegistry: types.UpstreamRegistry(r.Registry),
		CredentialArn: text(r.Credential), UpstreamRepositoryPrefix: &r.UpstreamPrefix, CreatedAt: &set.CreatedAt,
	}, nil
}

func needsCreatePullThroughCacheRule(ctx context.Context, in *ecr.CreatePullThroughCacheRuleInput) ([]awsapi.Need, error) {
	return needsRule(ctx, "ecr:CreatePullThroughCacheRule", in.RegistryId), nil
}

// UpdatePullThroughCacheRule changes the credentials of a rule.
func (s *Service) UpdatePullThroughCacheRule(ctx context.Context, in *ecr.UpdatePullThroughCacheRuleInput) (*ecr.UpdatePullThroughCacheRuleOutput, error) {
	of, prefix := scopeOf(ctx, in.RegistryId), deref(in.EcrRepositoryPrefix)
	if _, err := s.cacheRule(ctx, of, prefix); err != nil {
		return nil, err
	}
	if err := s.checkCredential(ctx, of, in.CredentialArn, in.CustomRoleArn); err != nil {
		return nil, err
	}
	var r pullthrough.Rule
	set, err := s.engine.ChangeSetting(ctx, pullthrough.Key(of, prefix), func(was string) (string, []storage.Job, error) {
		if was == "" {
			return "", nil, cacheRuleNotFound(of, prefix)
		}
		var err error
		if r, err = pullthrough.Read(storage.Setting{Document: was}); err != nil {
			return "", nil, err
		}
		if in.CredentialArn != nil {
			r.Credential = *in.CredentialArn
		}
		document, err := r.Document()
		return document, nil, err
	})
	if err != nil {
		return nil, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return &ecr.UpdatePullThroughCacheRuleOutput{
		RegistryId: &of.Account, EcrRepositoryPrefix: &r.Prefix, CredentialArn: text(r.Credential), UpstreamRepositoryPrefix: text(r.UpstreamPrefix), UpdatedAt: &set.UpdatedAt,
	}, nil
}

func needsUpdatePullThroughCacheRule(ctx context.Context, in *ecr.UpdatePullThroughCacheRuleInput) ([]awsapi.Need, error) {
	return needsRule(ctx, "ecr:UpdatePullThroughCacheRule", in.RegistryId), nil
}

// DescribePullThroughCacheRules describes the rules of the prefixes named, or all of
// the registry in the order of their prefixes.
func (s *Service) DescribePullThroughCacheRules(ctx context.Context, in *ecr.DescribePullThroughCacheRulesInput) (*ecr.DescribePullThroughCacheRulesOutput, error) {
	of := scopeOf(ctx, in.RegistryId)
	out := &ecr.DescribePullThroughCacheRulesOutput{PullThroughCacheRules: []types.PullThroughCacheRule{}}
	if len(in.EcrRepositoryPrefixes) > 0 {
		for _, prefix := range in.EcrRepositoryPrefixes {
			r, err := s.cacheRule(ctx, of, prefix)
			if err != nil {
				return nil, err
			}
			out.PullThroughCacheRules = append(out.PullThroughCacheRules, shownCacheRule(of, r))
		}
		return out, nil
	}
	list := listing{operation: "DescribePullThroughCacheRules", ref: storage.Ref{Scope: of}}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	found, err := s.engine.Settings(ctx, of, pullthrough.Kind, storage.SettingKey{Key: after[0]}, size+1)
	if err != nil {
		return nil, exception(err, about{ref: list.ref})
	}
	found, more := cut(found, size)
	for _, set := range found {
		r, err := pullthrough.Read(set)
		if err != nil {
			return nil, err
		}
		out.PullThroughCacheRules = append(out.PullThroughCacheRules, shownCacheRule(of, r))
	}
	if more {
		out.NextToken = list.token(found[len(found)-1].Key)
	}
	return out, nil
}

func needsDescribePullThroughCacheRules(ctx context.Context, in *ecr.DescribePullThroughCacheRulesInput) ([]awsapi.Need, error) {
	return needsRule(ctx, "ecr:DescribePullThroughCacheRules", in.RegistryId), nil
}

// DeletePullThroughCacheRule deletes a rule. What was cached by it stays.
func (s *Service) DeletePullThroughCacheRule(ctx context.Context, in *ecr.DeletePullThroughCacheRuleInput) (*ecr.DeletePullThroughCacheRuleOutput, error) {
	of, prefix := scopeOf(ctx, in.RegistryId), deref(in.EcrRepositoryPrefix)
	set, err := s.engine.DeleteSetting(ctx, pullthrough.Key(of, prefix))
	r, err := readCacheRule(of, prefix, set, err)
	if err != nil {
		return nil, err
	}
	return &ecr.DeletePullThroughCacheRuleOutput{
		RegistryId: &of.Account, EcrRepositoryPrefix: &r.Prefix, UpstreamRegistryUrl: &r.URL, CredentialArn: text(r.Credential),
		UpstreamRepositoryPrefix: text(r.UpstreamPrefix), CreatedAt: &r.CreatedAt,
	}, nil
}

func needsDeletePullThroughCacheRule(ctx context.Context, in *ecr.DeletePullThroughCacheRuleInput) ([]awsapi.Need, error) {
	return needsRule(ctx, "ecr:DeletePullThroughCacheRule", in.RegistryId), nil
}

// ValidatePullThroughCacheRule tells whether the upstream of a rule can be reached
// and takes its credentials.
func (s *Service) ValidatePullThroughCacheRule(ctx context.Context, in *ecr.ValidatePullThroughCacheRuleInput) (*ecr.ValidatePullThroughCacheRuleOutput, error) {
	of := scopeOf(ctx, in.RegistryId)
	r, err := s.cacheRule(ctx, of, deref(in.EcrRepositoryPrefix))
	if err != nil {
		return nil, err
	}
	out := &ecr.ValidatePullThroughCacheRuleOutput{
		RegistryId: &of.Account, EcrRepositoryPrefix: &r.Prefix, UpstreamRegistryUrl: &r.URL, CredentialArn: text(r.Credential),
		UpstreamRepositoryPrefix: text(r.UpstreamPrefix), IsValid: true,
	}
	if err := s.cache.Validate(ctx, of, r); err != nil {
		out.IsValid, out.Failure = false, text(err.Error())
	}
	return out, nil
}

func needsValidatePullThroughCacheRule(ctx context.Context, in *ecr.ValidatePullThroughCacheRuleInput) ([]awsapi.Need, error) {
	return needsRule(ctx, "ecr:ValidatePullThroughCacheRule", in.RegistryId), nil
}

// needsRule is the permission to do something to the rules of a registry.
func needsRule(ctx context.Context, action string, registryID *string) []awsapi.Need {
	return []awsapi.Need{{Action: action, Resource: "*", ResourceAccount: scopeOf(ctx, registryID).Account}}
}

// checkCredential refuses a secret that cannot be read.
func (s *Service) checkCredential(ctx context.Context, of storage.Scope, credential, role *string) error {
	if deref(role) != "" {
		return invalidParameter("customRoleArn", "this registry logs in to upstream registries with the credentials of a secret: give credentialArn")
	}
	if deref(credential) == "" {
		return nil
	}
	err := s.cache.CheckCredential(ctx, of, *credential)
	switch {
	case errors.Is(err, pullthrough.ErrNoSecret):
		return &types.SecretNotFoundException{Message: sentence("The ARN of the secret specified in the pull through cache rule was not found: '%s'", *credential)}
	case errors.Is(err, pullthrough.ErrForeignSecret):
		return &types.UnableToAccessSecretException{Message: sentence("The secret '%s' is not one of the account and region of the registry", *credential)}
	case errors.Is(err, pullthrough.ErrBadSecret):
		return &types.UnableToAccessSecretException{Message: text(err.Error())}
	}
	return err
}

func (s *Service) cacheRule(ctx context.Context, of storage.Scope, prefix string) (pullthrough.Rule, error) {
	set, err := s.engine.Setting(ctx, pullthrough.Key(of, prefix))
	return readCacheRule(of, prefix, set, err)
}

func readCacheRule(of storage.Scope, prefix string, set storage.Setting, err error) (pullthrough.Rule, error) {
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return pullthrough.Rule{}, cacheRuleNotFound(of, prefix)
	}
	if err != nil {
		return pullthrough.Rule{}, exception(err, about{ref: storage.Ref{Scope: of}})
	}
	return pullthrough.Read(set)
}

func cacheRuleNotFound(of storage.Scope, prefix string) error {
	return &types.PullThroughCacheRuleNotFoundException{Message: sentence(
		"The pull through cache rule with prefix '%s' does not exist in the registry with id '%s'", prefix, of.Account)}
}

// shownCacheRule is a rule as ECR shows it.
func shownCacheRule(of storage.Scope, r pullthrough.Rule) types.PullThroughCacheRule {
	return types.PullThroughCacheRule{
		RegistryId: &of.Account, EcrRepositoryPrefix: &r.Prefix, UpstreamRegistryUrl: &r.URL, UpstreamRegistry: types.UpstreamRegistry(r.Registry),
		CredentialArn: text(r.Credential), UpstreamRepositoryPrefix: text(r.UpstreamPrefix), CreatedAt: &r.CreatedAt, UpdatedAt: &r.UpdatedAt,
	}
}
