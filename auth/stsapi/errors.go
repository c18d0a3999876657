package stsapi

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/oidc"
	"drydock/auth/policy"
)

// exception is the one table from the errors of the rooms below to STS's. What is
// not in it is a fault of the server and passes as it is.
func exception(err error) error {
	var (
		missing *identity.NoSuchError
		invalid *identity.InvalidError
		syntax  *policy.SyntaxError
		token   *oidc.Error
	)
	switch {
	case errors.Is(err, auth.ErrUnknownKey):
		// Deleted since the signature was checked.
		return &smithy.GenericAPIError{Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid.", Fault: smithy.FaultClient}
	case errors.As(err, &token):
		return tokenException(token)
	case errors.As(err, &missing), errors.As(err, &invalid):
		return invalidParameter("%v", err)
	case errors.As(err, &syntax):
		return &types.MalformedPolicyDocumentException{Message: text(syntax.Error())}
	}
	return err
}

// tokenException keeps the cause, which is for the operator.
func tokenException(e *oidc.Error) error {
	switch e.Kind {
	case oidc.Expired:
		return &types.ExpiredTokenException{Message: text(e.Message)}
	case oidc.Rejected:
		return &types.IDPRejectedClaimException{Message: text(e.Message)}
	case oidc.Unreachable:
		return fmt.Errorf("%w (%w)", &types.IDPCommunicationErrorException{Message: text(e.Message)}, e)
	}
	return &types.InvalidIdentityTokenException{Message: text(e.Message)}
}

// invalidParameter is STS's ValidationError, for which the SDK has no type.
func invalidParameter(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// invalidTag is STS's InvalidParameterValue, which it has for session tags only.
func invalidTag(message string) error {
	return &smithy.GenericAPIError{Code: "InvalidParameterValue", Message: message, Fault: smithy.FaultClient}
}

// refuse is STS's AccessDenied where it is not by policy.
func refuse(message string) error {
	return &smithy.GenericAPIError{Code: "AccessDenied", Message: message, Fault: smithy.FaultClient}
}

// tooLarge says that what a session was to carry does not fit.
func tooLarge(format string, args ...any) error {
	return &types.PackedPolicyTooLargeException{Message: text(fmt.Sprintf(format, args...))}
}

func text(s string) *string { return &s }
