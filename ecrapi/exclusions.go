package ecrapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
	"drydock/ecrapi/pulltime"
	"drydock/storage"
)

// RegisterPullTimeUpdateExclusion has pulls by a principal change no image's last
// recorded pull time.
func (s *Service) RegisterPullTimeUpdateExclusion(ctx context.Context, in *ecr.RegisterPullTimeUpdateExclusionInput) (*ecr.RegisterPullTimeUpdateExclusionOutput, error) {
	k := exclusionKey(ctx, in.PrincipalArn)
	// Two at the same time may both be the last that fits: a limit that is passed by
	// one harms nobody.
	all, err := s.engine.Settings(ctx, k.Scope, pulltime.Kind, storage.SettingKey{}, pulltime.MaxExclusions)
	if err != nil {
		return nil, exception(err, about{ref: k.Ref})
	}
	set, err := s.engine.ChangeSetting(ctx, k, func(was string) (string, []storage.Job, error) {
		switch {
		case was != "":
			return "", nil, &types.ExclusionAlreadyExistsException{Message: sentence(
				"A pull time update exclusion for the principal '%s' already exists in the registry with id '%s'", k.Key, k.Account)}
		case len(all) >= pulltime.MaxExclusions:
			return "", nil, &types.LimitExceededException{Message: sentence(
				"The registry with id '%s' has %d pull time update exclusions, which is the limit", k.Account, pulltime.MaxExclusions)}
		}
		return "{}", nil, nil
	})
	if err != nil {
		return nil, exception(err, about{ref: k.Ref})
	}
	return &ecr.RegisterPullTimeUpdateExclusionOutput{PrincipalArn: in.PrincipalArn, CreatedAt: &set.CreatedAt}, nil
}

func needsRegisterPullTimeUpdateExclusion(ctx context.Context, _ *ecr.RegisterPullTimeUpdateExclusionInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:RegisterPullTimeUpdateExclusion"), nil
}

// DeregisterPullTimeUpdateExclusion has pulls by a principal count again.
func (s *Service) DeregisterPullTimeUpdateExclusion(ctx context.Context, in *ecr.DeregisterPullTimeUpdateExclusionInput) (*ecr.DeregisterPullTimeUpdateExclusionOutput, error) {
	k := exclusionKey(ctx, in.PrincipalArn)
	_, err := s.engine.DeleteSetting(ctx, k)
	if unknown := new(storage.SettingUnknownError); errors.As(err, &unknown) {
		return nil, &types.ExclusionNotFoundException{Message: sentence(
			"There is no pull time update exclusion for the principal '%s' in the registry with id '%s'", k.Key, k.Account)}
	}
	if err != nil {
		return nil, exception(err, about{ref: k.Ref})
	}
	return &ecr.DeregisterPullTimeUpdateExclusionOutput{PrincipalArn: in.PrincipalArn}, nil
}

func needsDeregisterPullTimeUpdateExclusion(ctx context.Context, _ *ecr.DeregisterPullTimeUpdateExclusionInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:DeregisterPullTimeUpdateExclusion"), nil
}

// ListPullTimeUpdateExclusions lists the principals whose pulls do not count, by ARN.
func (s *Service) ListPullTimeUpdateExclusions(ctx context.Context, in *ecr.ListPullTimeUpdateExclusionsInput) (*ecr.ListPullTimeUpdateExclusionsOutput, error) {
	of := scopeOf(ctx, nil)
	list := listing{operation: "ListPullTimeUpdateExclusions", ref: storage.Ref{Scope: of}}
	after, err := list.after(in.NextToken, 1)
	if err != nil {
		return nil, err
	}
	size := pageSize(in.MaxResults)
	found, err := s.engine.Settings(ctx, of, pulltime.Kind, storage.SettingKey{Key: after[0]}, size+1)
	if err != nil {
		return nil, exception(err, about{ref: list.ref})
	}
	found, more := cut(found, size)
	out := &ecr.ListPullTimeUpdateExclusionsOutput{PullTimeUpdateExclusions: make([]string, 0, len(found))}
	for _, set := range found {
		out.PullTimeUpdateExclusions = append(out.PullTimeUpdateExclusions, set.Key)
	}
	if more {
		out.NextToken = list.token(found[len(found)-1].Key)
	}
	return out, nil
}

func needsListPullTimeUpdateExclusions(ctx context.Context, _ *ecr.ListPullTimeUpdateExclusionsInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:ListPullTimeUpdateExclusions"), nil
}

func exclusionKey(ctx context.Context, principal *string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: scopeOf(ctx, nil)}, Kind: pulltime.Kind, Key: deref(principal)}
}
