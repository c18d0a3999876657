package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/auth/sigv4"
)

// fault is an error as a client gets it.
type fault struct {
	code, message string
	status        int
	// exception is the SDK's struct, where it may have members of its own.
	exception any
	// cause is what the client is not told, for the operator.
	cause error
}

// invalidError says that parameters break the constraints of the model.
type invalidError struct{ message string }

func (e *invalidError) Error() string { return e.message }

// tooLargeError says that a body is longer than its operation takes, in bytes.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("Request size exceeded %d bytes", e.limit)
}

var (
	// errBusy says that too much is held in memory for other requests.
	errBusy = errors.New("Rate exceeded")
	// errGone says that the client went away before it had its answer.
	errGone = errors.New("The request was broken off")
	// errAway says that what the server needs does not answer.
	errAway = errors.New("The server cannot reach its storage at the moment. Try again.")
	// errInternal is all that a client learns of a failure.
	errInternal = errors.New("The server failed to answer this request. Its log says why, under the id of the request.")
)

// spelled is an error's code and status in the two protocols.
type spelled struct {
	json, query             string
	jsonStatus, queryStatus int
}

func (s spelled) fault(json bool, err error) fault {
	if json {
		return fault{code: s.json, message: err.Error(), status: s.jsonStatus}
	}
	return fault{code: s.query, message: err.Error(), status: s.queryStatus}
}

// The codes that AWS has for what goes wrong before an operation runs.
// Source: the "Common Errors" page of each service's API reference; the statuses
// of awsJson1.1 are those that the services are seen to answer.
var (
	refusals = map[sigv4.Kind]spelled{
		sigv4.MissingToken: {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, 403},
		sigv4.Incomplete:   {"IncompleteSignatureException", "IncompleteSignature", 400, 400},
		sigv4.UnknownKey:   {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403},
		sigv4.Mismatch:     {"InvalidSignatureException", "SignatureDoesNotMatch", 400, 403},
		sigv4.ExpiredToken: {"ExpiredTokenException", "ExpiredToken", 400, 403},
	}
	denied           = spelled{"AccessDeniedException", "AccessDenied", 400, 403}
	malformedRequest = spelled{"SerializationException", "MalformedInput", 400, 400}
	unknownOperation = spelled{"UnknownOperationException", "InvalidAction", 400, 400}
	tooLarge         = spelled{"RequestEntityTooLargeException", "RequestEntityTooLarge", 413, 413}
	busy             = spelled{"ThrottlingException", "Throttling", 400, 400}
	gone             = spelled{"ServiceUnavailable", "ServiceUnavailable", 503, 503}
	away             = spelled{"ServiceUnavailable", "ServiceUnavailable", 503, 503}
	internal         = spelled{"InternalFailure", "InternalFailure", 500, 500}
)

// unsignedQuery is what the query services say of a request without a signature,
// which the others word another way.
const unsignedQuery = "Request is missing Authentication Token"

// unmodelled are the statuses of the errors that query services answer with
// although their models do not have them.
var unmodelled = map[string]int{
	denied.query:                     denied.queryStatus,
	refusals[sigv4.UnknownKey].query: refusals[sigv4.UnknownKey].queryStatus,
	"InvalidParameterValue":          http.StatusBadRequest,
}

// faultOf is the one table from errors to what a client is answered. What is not
// in it is the server's fault, of which the client learns no more than that.
func (s *Service) faultOf(ctx context.Context, err error, json bool) fault {
	var (
		signature *sigv4.Error
		refusal   *auth.DeniedError
		stranger  *strangerError
		form      *malformedError
		parameter *invalidError
		operation *unknownOperationError
		size      *tooLargeError
		api       smithy.APIError
		storage   interface{ Unavailable() bool }
	)
	switch {
	case errors.As(err, &signature):
		f := refusals[signature.Kind].fault(json, signature)
		if signature.Kind == sigv4.MissingToken && !json {
			f.message = unsignedQuery
		}
		return f
	case errors.As(err, &refusal):
		return denied.fault(json, refusal)
	case errors.As(err, &stranger):
		return denied.fault(json, stranger)
	case errors.As(err, &form):
		return malformedRequest.fault(json, form)
	case errors.As(err, &parameter):
		return fault{code: s.model.ValidationCode, message: parameter.message, status: http.StatusBadRequest}
	case errors.As(err, &operation):
		return unknownOperation.fault(json, operation)
	case errors.As(err, &size):
		return tooLarge.fault(json, size)
	case errors.Is(err, errBusy):
		return busy.fault(json, errBusy)
	case errors.Is(err, errGone), errors.Is(ctx.Err(), context.Canceled):
		return gone.fault(json, errGone)
	case errors.As(err, &api) && s != nil:
		if f, known := s.exception(api); known {
			if f.status >= http.StatusInternalServerError {
				f.cause = err
			}
			return f
		}
	}
	if errors.As(err, &storage) && storage.Unavailable() {
		f := away.fault(json, errAway)
		f.cause = err
		return f
	}
	f := internal.fault(json, errInternal)
	if s != nil && s.internal != "" {
		f.code = s.internal
	}
	f.cause = err
	return f
}

// exception is the answer to one of the service's own errors, or to what only an
// operation could see of a parameter or a caller, for which query services have no
// exception in their models. An error of another API, met while this one was served, is none
// of the client's business.
func (s *Service) exception(api smithy.APIError) (fault, bool) {
	e, known := s.model.Exceptions[api.ErrorCode()]
	if !known && api.ErrorCode() != s.model.ValidationCode {
		status, common := unmodelled[api.ErrorCode()]
		if !common || s.isJSON() {
			return fault{}, false
		}
		e.Status = status
	}
	f := fault{code: api.ErrorCode(), message: api.ErrorMessage(), status: e.Status, exception: api}
	switch {
	case f.status != 0:
	case e.Fault:
		f.status = http.StatusInternalServerError
	default:
		f.status = http.StatusBadRequest
	}
	return f, true
}

// members returns the plan and the value of an exception's own members beside
// its message, where it has any.
func (s *Service) members(exception any) (*plan, reflect.Value, bool) {
	v := reflect.ValueOf(exception)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, v, false
	}
	if _, generic := exception.(*smithy.GenericAPIError); generic {
		return nil, v, false
	}
	p, err := s.planner.plan(v.Type())
	if err != nil {
		return nil, v, false
	}
	own := &plan{form: structure, typ: p.typ}
	for _, f := range p.fields {
		if f.goes != "Message" {
			own.fields = append(own.fields, f)
		}
	}
	return own, v.Elem(), true
}

// message is the name of an exception's message.
func (s *Service) message(code string) string {
	if s == nil {
		return "message"
	}
	if m := s.model.Exceptions[code].Message; m != "" {
		return m
	}
	return s.model.MessageName
}
