package logsapi

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/deploy/logs"
	"drydock/storage/meta"
)

// exception is the one table from the store's errors to CloudWatch's exceptions. The
// sentences are Amazon's, which people know and dockerd passes on.
func exception(err error) error {
	var unknown *logs.UnknownError
	var exists *logs.ExistsError
	switch {
	case errors.As(err, &unknown) && unknown.Stream != "":
		return &types.ResourceNotFoundException{Message: to("The specified log stream does not exist.")}
	case errors.As(err, &unknown):
		return &types.ResourceNotFoundException{Message: to("The specified log group does not exist.")}
	case errors.As(err, &exists) && exists.Stream != "":
		return &types.ResourceAlreadyExistsException{Message: to("The specified log stream already exists")}
	case errors.As(err, &exists):
		return &types.ResourceAlreadyExistsException{Message: to("The specified log group already exists")}
	case errors.Is(err, logs.ErrBehind):
		return unavailable(err, "Log events come in faster than this server can store them: try again")
	case errors.Is(err, meta.ErrFull):
		return unavailable(err, "The server's disk is full: free space there, then try again")
	case errors.Is(err, meta.ErrUnavailable), errors.Is(err, meta.ErrClosed):
		return unavailable(err, "The server cannot reach its storage at the moment: try again")
	}
	return err
}

// unavailable is an error of the server's of which the client is told what to do; the
// cause is for the log.
func unavailable(cause error, message string) error {
	return fmt.Errorf("%w: %w", &types.ServiceUnavailableException{Message: &message}, cause)
}

func invalidParameter(format string, args ...any) error {
	return &types.InvalidParameterException{Message: to(fmt.Sprintf(format, args...))}
}
