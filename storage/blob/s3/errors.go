package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/blob"
)

// code is the service's name for an error, or "".
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// status is the HTTP status of an answer that is an error, or 0.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// isMissing reports whether an object or a multipart upload is not there. A
// missing bucket is another matter; where it cannot be told apart, which is in
// answers to HEAD, Check would have.
func isMissing(err error) bool {
	switch code(err) {
	case "NoSuchKey", "NoSuchUpload", "NotFound":
		return true
	case "NoSuchBucket":
		return false
	}
	return status(err) == http.StatusNotFound
}

// isLost reports whether a multipart upload cannot be completed, because it is not
// there or its parts are not those that were sent: another writer has sent its own
// in their place.
func isLost(err error) bool { return isMissing(err) || code(err) == "InvalidPart" }

// isUnable reports whether the service does not know the request.
func isUnable(err error) bool {
	switch code(err) {
	case "NotImplemented", "MethodNotAllowed":
		return true
	}
	s := status(err)
	return s == http.StatusNotImplemented || s == http.StatusMethodNotAllowed
}

// failed wraps an error with what was being done.
func failed(doing, key string, err error) error {
	err = fmt.Errorf("%s %s in S3: %w", doing, key, err)
	switch code(err) {
	case "QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "XMinioStorageFull", "StorageFull":
		return fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	if status(err) == http.StatusInsufficientStorage {
		return fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	var exhausted *retry.MaxAttemptsError
	if errors.As(err, &exhausted) || status(err) >= 500 && !isUnable(err) {
		return fmt.Errorf("%w: %w", blob.ErrUnavailable, err)
	}
	return err
}

// gone is the error for a file whose bytes are not there.
func gone(path string) error { return driver.PathNotFoundError{Path: path, DriverName: name} }

// lost is gone as a Writer tells it, with the reason.
func lost(path string, err error) error {
	return fmt.Errorf("%w: %w: %w", blob.ErrNotFound, gone(path), err)
}

func badPath(path string) error { return driver.InvalidPathError{Path: path, DriverName: name} }

// Is makes it blob.ErrDamaged.
func (e *otherError) Is(target error) bool { return target == blob.ErrDamaged }
