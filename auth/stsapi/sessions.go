package stsapi

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/awsapi"
)

// Sessions of users last half a day unless they are asked for otherwise, those of
// a root an hour at most.
const (
	usualUserSession = 12 * time.Hour
	maxRootSession   = time.Hour
)

// GetSessionToken makes temporary credentials that stand for the caller.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	subject, err := s.longTerm(ctx, "GetSessionToken")
	if err != nil {
		return nil, err
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, refuse(noMFA)
	}
	size, err := tokenSize(in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	made, err := s.store.CreateSession(ctx, identity.NewSession{As: caller(ctx).AccessKeyID,
		Lifetime: lifetime(in.DurationSeconds, subject), TokenSize: size})
	if err != nil {
		return nil, exception(err)
	}
	out := &sts.GetSessionTokenOutput{Credentials: shown(made)}
	out.SessionTokenSize, out.SessionTokenUtilization = tokenUse(made)
	return out, nil
}

// GetFederationToken makes temporary credentials for somebody who is no user, on
// the caller's behalf.
func (s *Service) GetFederationToken(ctx context.Context, in *sts.GetFederationTokenInput) (*sts.GetFederationTokenOutput, error) {
	subject, err := s.longTerm(ctx, "GetFederationToken")
	if err != nil {
		return nil, err
	}
	t, err := federation(in)
	if err != nil {
		return nil, err
	}
	size, err := tokenSize(in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	made, err := s.store.CreateSession(ctx, identity.NewSession{Federated: caller(ctx).AccessKeyID, Name: *in.Name,
		Lifetime: lifetime(in.DurationSeconds, subject), TokenSize: size, Terms: t.Terms})
	if err != nil {
		return nil, exception(err)
	}
	out := &sts.GetFederationTokenOutput{Credentials: shown(made),
		FederatedUser: &types.FederatedUser{Arn: &made.Principal.ARN, FederatedUserId: &made.Principal.UserID}}
	//lint:ignore SA1019 clients older than its replacement read it
	out.PackedPolicySize = t.packedSize()
	out.SessionTokenSize, out.SessionTokenUtilization = tokenUse(made)
	return out, nil
}

func federation(in *sts.GetFederationTokenInput) (terms, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return terms{}, err
	}
	return request{policy: in.Policy, policyARNs: in.PolicyArns, tags: tags}.terms()
}

// needsToFederate are the permissions that GetFederationToken takes.
func needsToFederate(ctx context.Context, in *sts.GetFederationTokenInput) ([]awsapi.Need, error) {
	t, err := federation(in)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	t.keys(keys)
	account := caller(ctx).Account
	need := awsapi.Need{Action: "sts:GetFederationToken", Resource: identity.FederatedUserARN(account, *in.Name), ResourceAccount: account, Keys: keys}
	needs := []awsapi.Need{need}
	if len(t.Tags) > 0 {
		need.Action = "sts:TagSession"
		needs = append(needs, need)
	}
	return needs, nil
}

// longTerm finds out who calls, and refuses temporary credentials.
func (s *Service) longTerm(ctx context.Context, operation string) (*identity.Subject, error) {
	subject, err := s.store.Subject(ctx, caller(ctx).AccessKeyID)
	switch {
	case err != nil:
		return nil, exception(err)
	case subject.Temporary():
		return nil, refuse("Cannot call " + operation + " with session credentials")
	}
	return subject, nil
}

// lifetime is how long a session of a user or root lasts.
func lifetime(asked *int32, subject *identity.Subject) time.Duration {
	d := seconds(asked, usualUserSession)
	if subject.Kind == policy.Root {
		d = min(d, maxRootSession)
	}
	return d
}
