// Package stsapi is the part of AWS's Security Token Service that exists here,
// over the identity records: who am I, and temporary credentials for roles, for
// users, for federated users and for the bearers of other issuers' tokens.
//
// Each operation is a method of Service over the structs of Amazon's own Go SDK,
// and beside it stands what it takes to be allowed to call it. Who may assume a
// role is decided by the front's ordinary hook, in which the caller's policies and
// the role's trust policy meet.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/ and
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
package stsapi

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/oidc"
	"drydock/awsapi"
)

// Service is the STS API.
type Service struct {
	store    *identity.Store
	messages *Messages
	tokens   *oidc.Verifier
}

// Options is what a Service is made of. All are needed.
type Options struct {
	Store *identity.Store
	// Messages opens the sealed messages of refusals.
	Messages *Messages
	// Tokens checks the tokens of other issuers; there may be none.
	Tokens *oidc.Verifier
}

// New makes the API.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Messages == nil || o.Tokens == nil {
		return nil, errors.New("the STS API needs the identity records, the messages of refusals and a verifier of tokens")
	}
	return &Service{o.Store, o.Messages, o.Tokens}, nil
}

// Operations are all operations of the API that exist here.
func (s *Service) Operations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("GetCallerIdentity", s.GetCallerIdentity, needsNothing[sts.GetCallerIdentityInput]),
		awsapi.Op("AssumeRole", s.AssumeRole, s.needsToAssume),
		awsapi.OpenOp("AssumeRoleWithWebIdentity", s.bearer),
		// Who may not do anything may still have credentials to do nothing with.
		awsapi.Op("GetSessionToken", s.GetSessionToken, needsNothing[sts.GetSessionTokenInput]),
		awsapi.Op("GetFederationToken", s.GetFederationToken, needsToFederate),
		awsapi.Op("GetAccessKeyInfo", s.GetAccessKeyInfo, needsAction[sts.GetAccessKeyInfoInput]("sts:GetAccessKeyInfo")),
		awsapi.Op("DecodeAuthorizationMessage", s.DecodeAuthorizationMessage,
			needsAction[sts.DecodeAuthorizationMessageInput]("sts:DecodeAuthorizationMessage")),
	}
}

// needsNothing is for what AWS answers even where a policy denies it.
func needsNothing[I any](context.Context, *I) ([]awsapi.Need, error) { return nil, nil }

// needsAction is for an action without a resource.
func needsAction[I any](action string) func(context.Context, *I) ([]awsapi.Need, error) {
	return func(ctx context.Context, _ *I) ([]awsapi.Need, error) {
		return []awsapi.Need{{Action: action, Resource: "*", ResourceAccount: caller(ctx).Account}}, nil
	}
}

func caller(ctx context.Context) auth.Principal { return awsapi.CallFrom(ctx).Principal }

// GetCallerIdentity says whose key the request was signed with.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	who := caller(ctx)
	return &sts.GetCallerIdentityOutput{Account: &who.Account, Arn: &who.ARN, UserId: &who.UserID}, nil
}

// GetAccessKeyInfo says which account an access key belongs to.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	account, err := s.store.AccountOf(ctx, *in.AccessKeyId)
	if err != nil {
		return nil, exception(err)
	}
	return &sts.GetAccessKeyInfoOutput{Account: &account}, nil
}

// DecodeAuthorizationMessage opens the message that came with a refusal.
func (s *Service) DecodeAuthorizationMessage(_ context.Context, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	message, err := s.messages.Decode(*in.EncodedMessage)
	if err != nil {
		return nil, &types.InvalidAuthorizationMessageException{Message: aws.String("Message is not valid")}
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: &message}, nil
}

// seconds is a duration that a request asks for, or the usual one.
func seconds(asked *int32, usual time.Duration) time.Duration {
	if asked == nil {
		return usual
	}
	return time.Duration(*asked) * time.Second
}

func shown(c identity.Credentials) *types.Credentials {
	return &types.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires}
}
