package s3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Doer carries out HTTP requests.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

const (
	// attempts is how often a request is tried before it is given up.
	attempts = 8
	// firstDelay is the longest wait before the second attempt; each further one
	// may be twice as long.
	firstDelay = 100 * time.Millisecond

	// answerTime, and for requests that make the service copy copyTime, is what an
	// attempt may take, beside the time for its body at the slowest pace, in bytes
	// per second.
	answerTime = 30 * time.Second
	copyTime   = 15 * time.Minute
	slowest    = 256 << 10
)

// newClient configures the SDK.
func newClient(ctx context.Context, o Options) (*s3.Client, error) {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 256
		t.ReadBufferSize, t.WriteBufferSize = 64<<10, 64<<10
		t.DisableCompression = true
		t.ForceAttemptHTTP2 = false
		if strings.HasPrefix(o.Endpoint, "http:") {
			t.DialContext = tapped(t.DialContext)
		}
	})
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(transport), config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration of this machine for S3: %w", err)
	}
	if cfg.Region == "" {
		if o.Endpoint == "" {
			return nil, fmt.Errorf("the region of the bucket %s is not known: add region= to --blobs, or set AWS_REGION", o.Bucket)
		}
		// Services other than Amazon's mostly do not care.
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			s.BaseEndpoint = aws.String(o.Endpoint)
		}
		if o.Wrap != nil {
			s.HTTPClient = o.Wrap(s.HTTPClient)
		}
		s.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = attempts
			r.MaxBackoff = o.Patience
			r.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return delay(attempt, o.Patience, o.Random), nil })
			// Attempts are few and far between already, and what one client may
			// not retry another would have to.
			r.RateLimiter = ratelimit.None
			r.Retryables = append(r.Retryables, retry.IsErrorRetryableFunc(brokenOff))
		})
		s.APIOptions = append(s.APIOptions, o.limitAttempts, o.observe)
		// A part is sent without asking first whether it may be.
		s.ContinueHeaderThresholdBytes = -1
		s.DisableLogOutputChecksumValidationSkipped = true
		// Uploads carry a checksum that is made while they are buffered. The SDK
		// adds one where the protocol asks for it.
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
		if o.NoChecksums {
			s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	}), nil
}

// unsigned leaves the body out of the signature, for requests that carry a
// checksum of it: over plain HTTP the SDK would read all of it to hash it.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// delay is how long to wait after an attempt, counted from 0, has failed: between
// half and all of a time that doubles.
func delay(attempt int, longest time.Duration, random io.Reader) time.Duration {
	d := longest
	if attempt < 20 {
		d = min(firstDelay<<attempt, longest)
	}
	var b [8]byte
	_, _ = io.ReadFull(random, b[:]) // where it stands in the interval matters little
	return d/2 + time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(d/2+1))
}

// brokenOff has answers that ended too early asked for again.
func brokenOff(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// attemptTimeoutError says that an attempt took too long. It must not look like
// the cancellation that it is made of, which would not be retried.
type attemptTimeoutError struct {
	operation string
	after     time.Duration
}

func (e *attemptTimeoutError) Error() string {
	return fmt.Sprintf("%s was not answered within %v", e.operation, e.after)
}

// Timeout makes the SDK try again.
func (*attemptTimeoutError) Timeout() bool { return true }

// limitAttempts gives each attempt its time. The bodies of answers to GetObject
// are read later: see reader.
func (o Options) limitAttempts(stack *middleware.Stack) error {
	if _, sends := stack.Finalize.Get("Retry"); !sends {
		return nil // it only signs
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("drydock:LimitAttempt",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			operation := awsmiddleware.GetOperationName(ctx)
			limit := o.answer
			switch operation {
			case "GetObject":
				return next.HandleFinalize(ctx, in)
			case "CompleteMultipartUpload", "UploadPartCopy", "CopyObject":
				limit = copyTime
			}
			if r, ok := in.Request.(*smithyhttp.Request); ok && r.ContentLength > 0 {
				limit += time.Duration(r.ContentLength) * time.Second / slowest
			}
			attempt, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			out, metadata, err := next.HandleFinalize(attempt, in)
			if err != nil && attempt.Err() != nil && ctx.Err() == nil {
				err = &attemptTimeoutError{operation, limit}
			}
			return out, metadata, err
		}), "Retry", middleware.After)
}
