package s3

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Attempt is a request as it was sent once. What is tried again is several.
type Attempt struct {
	// Operation is S3's name of the request, such as PutObject.
	Operation string
	// Number counts the attempts of one request, from 1 on.
	Number int
	// Result is how it went.
	Result Result
	// Took is the time until the header of the answer.
	Took time.Duration
}

// Result is how an attempt went.
type Result string

const (
	// Answered attempts have what they asked for.
	Answered Result = "answered"
	// Refused ones were answered with a status 4xx, NotFound ones with 404, which
	// is an answer as good as any.
	Refused  Result = "refused"
	NotFound Result = "not_found"
	// Failed ones were answered with a status 5xx.
	Failed Result = "failed"
	// Silent ones were not answered in time.
	Silent Result = "timeout"
	// Broken ones lost their connection, or got none.
	Broken Result = "broken"
	// GivenUp ones were ended from this side.
	GivenUp Result = "given_up"
)

type attemptsKey struct{}

// observe tells Options.Observe of every attempt. It stands outside of
// limitAttempts, so that it sees what that makes of an attempt.
func (o Options) observe(stack *middleware.Stack) error {
	if _, sends := stack.Finalize.Get("Retry"); !sends || o.Observe == nil {
		return nil
	}
	count := middleware.FinalizeMiddlewareFunc("drydock:CountAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return next.HandleFinalize(context.WithValue(ctx, attemptsKey{}, new(int)), in)
		})
	if err := stack.Finalize.Insert(count, "Retry", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("drydock:ObserveAttempt",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			number, _ := ctx.Value(attemptsKey{}).(*int)
			*number++
			begun := time.Now()
			out, metadata, err := next.HandleFinalize(ctx, in)
			o.Observe(Attempt{awsmiddleware.GetOperationName(ctx), *number, resultOf(ctx, err), time.Since(begun)})
			return out, metadata, err
		}), "Retry", middleware.After)
}

func resultOf(ctx context.Context, err error) Result {
	var late net.Error
	switch s := status(err); {
	case err == nil:
		return Answered
	case s == http.StatusNotFound:
		return NotFound
	case s >= 500:
		return Failed
	case s >= 400:
		return Refused
	case ctx.Err() != nil:
		return GivenUp
	case errors.As(err, new(*attemptTimeoutError)), errors.As(err, &late) && late.Timeout():
		return Silent
	}
	return Broken
}
