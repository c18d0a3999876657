package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"

	"github.com/distribution/distribution/v3/registry/api/errcode"

	"drydock/auth"
	"drydock/auth/servicerole"
	"drydock/storage"
)

// translations is the one table from the engine's errors to those of the spec.
// A status of 0 is the code's own.
var translations = map[reflect.Type]struct {
	code   errcode.ErrorCode
	status int
}{
	typeOf[*auth.DeniedError]():                {errcode.ErrorCodeDenied, 0},
	typeOf[*servicerole.RefusedError]():        {errcode.ErrorCodeDenied, 0},
	typeOf[*heldError]():                       {errcode.ErrorCodeTooManyRequests, 0},
	typeOf[*storage.RepositoryUnknownError]():  {errcode.ErrorCodeNameUnknown, 0},
	typeOf[*storage.ManifestUnknownError]():    {errcode.ErrorCodeManifestUnknown, 0},
	typeOf[*storage.ArchivedError]():           {errcode.ErrorCodeManifestUnknown, 0},
	typeOf[*storage.ManifestInvalidError]():    {errcode.ErrorCodeManifestInvalid, 0},
	typeOf[*storage.MissingReferencesError]():  {errcode.ErrorCodeManifestBlobUnknown, 0},
	typeOf[*storage.ManifestReferencedError](): {errcode.ErrorCodeDenied, http.StatusConflict},
	typeOf[*storage.TagImmutableError]():       {errcode.ErrorCodeTagInvalid, 0},
	typeOf[*storage.TagInvalidError]():         {errcode.ErrorCodeTagInvalid, 0},
	typeOf[*storage.DigestInvalidError]():      {errcode.ErrorCodeDigestInvalid, 0},
	typeOf[*storage.DigestMismatchError]():     {errcode.ErrorCodeDigestInvalid, 0},
	typeOf[*storage.BlobUnknownError]():        {errcode.ErrorCodeBlobUnknown, 0},
	typeOf[*storage.BlobArchivedError]():       {errcode.ErrorCodeBlobUnknown, 0},
	typeOf[*storage.BlobReferencedError]():     {errcode.ErrorCodeDenied, http.StatusConflict},
	typeOf[*storage.UploadUnknownError]():      {errcode.ErrorCodeBlobUploadUnknown, 0},
	typeOf[*storage.UploadOffsetError]():       {errcode.ErrorCodeBlobUploadInvalid, http.StatusRequestedRangeNotSatisfiable},
	typeOf[*storage.UploadTruncatedError]():    {errcode.ErrorCodeBlobUploadInvalid, http.StatusBadRequest},
	typeOf[*storage.QuotaError]():              {errcode.ErrorCodeDenied, 0},
	typeOf[*storage.LimitError]():              {errcode.ErrorCodeDenied, 0},
	typeOf[*storage.LowSpaceError]():           {errcode.ErrorCodeDenied, 0},
	typeOf[*storage.FrozenError]():             {errcode.ErrorCodeDenied, 0},
	typeOf[*rangeError]():                      {errcode.ErrorCodeBlobUploadInvalid, http.StatusBadRequest},
	typeOf[*unsatisfiableError]():              {errcode.ErrorCodeRangeInvalid, http.StatusRequestedRangeNotSatisfiable},
	typeOf[*tooLargeError]():                   {errcode.ErrorCodeManifestInvalid, http.StatusRequestEntityTooLarge},
}

func typeOf[E error]() reflect.Type { return reflect.TypeFor[E]() }

// fail writes an error as the spec's JSON. What is not in the table is a fault of
// the server: the operator reads its cause, the client does not.
func (h *Handler) fail(x *exchange, err error) {
	spec, status := h.translate(x, err)
	if spec.Code == errcode.ErrorCodeUnauthorized {
		challenge(x.w, x.http.Host)
	}
	var offset *storage.UploadOffsetError
	var truncated *storage.UploadTruncatedError
	var held *heldError
	switch {
	case errors.As(err, &held):
		x.w.Header().Set("Retry-After", itoa(held.seconds()))
	case errors.Is(err, storage.ErrUnavailable):
		x.w.Header().Set("Retry-After", "1")
	case errors.As(err, &offset):
		x.uploadHeaders(offset.Upload)
	case errors.As(err, &truncated):
		x.uploadHeaders(truncated.Upload)
	}
	if x.seen.Error == "" {
		x.seen.Error = spec.Code.String()
	}
	body, merr := json.Marshal(errcode.Errors{spec})
	if merr != nil {
		h.warn(x, "an error could not be written", merr)
	}
	_ = x.json(status, "application/json", body)
}

func (h *Handler) translate(x *exchange, err error) (errcode.Error, int) {
	var spec errcode.Error
	if errors.As(err, &spec) {
		return spec, spec.Code.Descriptor().HTTPStatusCode
	}
	for e := range chain(err) {
		if _, is := e.(*storage.UpstreamError); is {
			break // what made it fail is not this registry's
		}
		t, known := translations[reflect.TypeOf(e)]
		if !known {
			continue
		}
		status := t.status
		if status == 0 {
			status = t.code.Descriptor().HTTPStatusCode
		}
		if denied, ok := e.(*auth.DeniedError); ok && denied.Message != "" {
			x.w.Header().Set(auth.MessageHeader, denied.Message)
		}
		return t.code.WithMessage(e.Error()), status
	}
	var upstream *storage.UpstreamError
	switch {
	case errors.As(err, &upstream) && upstream.Status == http.StatusTooManyRequests:
		return errcode.ErrorCodeTooManyRequests.WithMessage(upstream.Error()), http.StatusTooManyRequests
	case errors.As(err, &upstream):
		return errcode.ErrorCodeUnavailable.WithMessage(upstream.Error()), http.StatusBadGateway
	case errors.Is(err, storage.ErrFull):
		h.warn(x, "there is no room for what a client sends", err)
		// Not 507: docker would try again for a minute and then show the number
		// alone. What is denied it shows at once, in these words.
		return errcode.ErrorCodeDenied.WithMessage("the registry has no space left; free some and push again"), http.StatusForbidden
	case errors.Is(err, storage.ErrUnavailable):
		h.warn(x, "the storage cannot be reached", err)
		return errcode.ErrorCodeUnavailable.WithMessage("the registry cannot reach its storage at the moment; try again"), http.StatusServiceUnavailable
	case errors.Is(err, storage.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errcode.ErrorCodeUnavailable.WithMessage("the registry is shutting down or the request was given up"), http.StatusServiceUnavailable
	}
	x.seen.Error = err.Error()
	h.warn(x, "a request failed", err)
	return errcode.ErrorCodeUnknown.WithMessage("the registry failed; its log has the cause under the request id"), http.StatusInternalServerError
}

// chain yields an error and all that it wraps, outermost first.
func chain(err error) func(yield func(error) bool) {
	return func(yield func(error) bool) { walk(err, yield) }
}

func walk(err error, yield func(error) bool) bool {
	if err == nil {
		return true
	}
	if !yield(err) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !walk(inner, yield) {
				return false
			}
		}
	}
	return true
}

// rangeError says that a Content-Range is malformed or does not fit the body.
type rangeError struct{ reason string }

func (e *rangeError) Error() string { return "Content-Range: " + e.reason }

// unsatisfiableError says that a Range lies behind the end of a blob.
type unsatisfiableError struct {
	header string
	size   int64
}

func (e *unsatisfiableError) Error() string {
	return "Range: " + e.header + " lies outside of a blob of " + itoa(e.size) + " bytes"
}

// tooLargeError says that a manifest is larger than any may be.
type tooLargeError struct{ limit int }

func (e *tooLargeError) Error() string {
	return "the manifest has more than the " + itoa(int64(e.limit)) + " bytes that are allowed"
}
