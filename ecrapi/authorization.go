package ecrapi

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"drydock/awsapi"
)

// GetAuthorizationToken gives the password with which docker logs in: one for
// the caller's own registry, or one for each of the deprecated registryIds. It
// proves who the caller is; what they may do is decided at each request.
func (s *Service) GetAuthorizationToken(ctx context.Context, in *ecr.GetAuthorizationTokenInput) (*ecr.GetAuthorizationTokenOutput, error) {
	call := awsapi.CallFrom(ctx)
	//lint:ignore SA1019 deprecated, but docker's credential helper still sends it
	accounts := in.RegistryIds
	if len(accounts) == 0 {
		accounts = []string{call.Principal.Account}
	}
	out := &ecr.GetAuthorizationTokenOutput{}
	for _, account := range accounts {
		password, expires, err := s.passwords.Password(ctx, call.Principal, account, call.Region)
		if err != nil {
			return nil, fmt.Errorf("issuing the password of %s for registry %s: %w", call.Principal.ARN, account, err)
		}
		out.AuthorizationData = append(out.AuthorizationData, types.AuthorizationData{
			AuthorizationToken: text(base64.StdEncoding.EncodeToString([]byte("AWS:" + password))),
			ExpiresAt:          &expires,
			ProxyEndpoint:      text(s.names.ProxyEndpoint(account, call.Region)),
		})
	}
	return out, nil
}

func needsGetAuthorizationToken(ctx context.Context, _ *ecr.GetAuthorizationTokenInput) ([]awsapi.Need, error) {
	return needAny(ctx, "ecr:GetAuthorizationToken"), nil
}
