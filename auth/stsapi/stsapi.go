// Package stsapi is the part of AWS's Security Token Service that exists here:
// who am I.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/
package stsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"drydock/awsapi"
	"drydock/awsapi/constraints"
)

// New makes the service, ready to be served. It is an error for the service not
// to fit its model.
func New() (*awsapi.Service, error) {
	model, err := constraints.Load("sts")
	if err != nil {
		return nil, err
	}
	return awsapi.NewService(model, []awsapi.Operation{
		awsapi.Op("GetCallerIdentity", getCallerIdentity, needsNothing),
	})
}

// getCallerIdentity says whose key the request was signed with.
func getCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	who := awsapi.CallFrom(ctx).Principal
	return &sts.GetCallerIdentityOutput{Account: &who.Account, Arn: &who.ARN, UserId: &who.UserID}, nil
}

// needsNothing: AWS answers GetCallerIdentity even where a policy denies it.
func needsNothing(context.Context, *sts.GetCallerIdentityInput) ([]awsapi.Need, error) {
	return nil, nil
}
