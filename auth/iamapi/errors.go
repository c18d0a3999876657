package iamapi

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"drydock/auth/identity"
	"drydock/auth/policy"
	"drydock/storage/meta"
)

// exception is the one table from the records' errors to IAM's exceptions. What is
// not in it is a fault of the server and passes as it is. The sentences are the
// errors' own.
func exception(err error) error {
	if err == nil {
		return nil
	}
	var (
		missing  *identity.NoSuchError
		exists   *identity.ExistsError
		conflict *identity.DeleteConflictError
		limit    *identity.LimitError
		invalid  *identity.InvalidError
		fixed    *identity.NotModifiableError
		syntax   *policy.SyntaxError
	)
	switch {
	case errors.As(err, &missing):
		return &types.NoSuchEntityException{Message: to(missing.Error())}
	case errors.As(err, &exists):
		return &types.EntityAlreadyExistsException{Message: to(exists.Error())}
	case errors.As(err, &conflict):
		return &types.DeleteConflictException{Message: to(conflict.Error())}
	case errors.As(err, &limit):
		return &types.LimitExceededException{Message: to(limit.Error())}
	case errors.As(err, &syntax):
		return malformed("%s", syntax)
	case errors.As(err, &invalid):
		return invalidParameter("%s", invalid)
	case errors.As(err, &fixed):
		return invalidInput("%s", fixed)
	case errors.Is(err, meta.ErrFull):
		return failure(err, "The server's disk is full: free space there, then try again.")
	case errors.Is(err, meta.ErrClosed):
		return failure(err, "The server is shutting down: try again.")
	}
	return err
}

// notForIAM is what IAM answers to credentials that are good elsewhere.
func notForIAM() error {
	return &smithy.GenericAPIError{Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid.", Fault: smithy.FaultClient}
}

// invalidParameter is IAM's ValidationError, for which the SDK has no type.
func invalidParameter(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

func invalidInput(format string, args ...any) error {
	return &types.InvalidInputException{Message: to(fmt.Sprintf(format, args...))}
}

func malformed(format string, args ...any) error {
	return &types.MalformedPolicyDocumentException{Message: to(fmt.Sprintf(format, args...))}
}

func noSuchEntity(format string, args ...any) error {
	return &types.NoSuchEntityException{Message: to(fmt.Sprintf(format, args...))}
}

// failure is an error of the server's of which the client is told what to do; the
// cause is for the log.
func failure(cause error, message string) error {
	return fmt.Errorf("%w: %w", &types.ServiceFailureException{Message: &message}, cause)
}
