package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// checkAttempts gives a service that is starting too a few seconds.
const checkAttempts = 6

// Check asks the service whether the bucket can be used. Errors are sentences that
// say what to do.
func (d *Driver) Check(ctx context.Context) error {
	if _, err := d.client.Options().Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("there are no credentials for the bucket %s: set DRYDOCK_S3_ACCESS_KEY_ID and DRYDOCK_S3_SECRET_ACCESS_KEY, or give this machine a role: %w", d.o.Bucket, err)
	}
	_, err := d.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &d.o.Bucket, Prefix: aws.String(folder(d.o.Prefix)), MaxKeys: aws.Int32(1)},
		func(o *s3.Options) { o.RetryMaxAttempts = checkAttempts })
	if err != nil {
		return fmt.Errorf("%s (%s)", d.advise(err), cause(err))
	}
	return nil
}

// cause is what is wrong without how often and by what request that was found out.
func cause(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ".")
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		err = send.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return err.Error()
}

// advise says what to do about an error of the first request.
func (d *Driver) advise(err error) string {
	where := "Amazon S3"
	if d.o.Endpoint != "" {
		where = d.o.Endpoint
	}
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Sprintf("there is no bucket %s at %s: create it, or correct --blobs", d.o.Bucket, where)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "XAdminUserNotFound":
		return fmt.Sprintf("%s does not accept the credentials for the bucket %s: check the access key and its secret", where, d.o.Bucket)
	case "AccessDenied", "Forbidden", "AllAccessDisabled":
		return fmt.Sprintf("%s does not allow these credentials to use the bucket %s: they need s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts", where, d.o.Bucket)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Sprintf("the bucket %s is not in this region%s: correct region= in --blobs", d.o.Bucket, itsRegion(err))
	case "RequestTimeTooSkewed":
		return fmt.Sprintf("the clocks of this machine and of %s differ too much: set the right time", where)
	}
	switch {
	case status(err) == http.StatusMovedPermanently || status(err) == http.StatusTemporaryRedirect:
		return fmt.Sprintf("the bucket %s is elsewhere%s: correct region= or endpoint= in --blobs", d.o.Bucket, itsRegion(err))
	case status(err) != 0:
		return fmt.Sprintf("%s does not let the bucket %s be listed: check --blobs", where, d.o.Bucket)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Sprintf("%s speaks plain HTTP: write endpoint=http://… in --blobs", where)
	}
	hint := "check endpoint= in --blobs, and the network"
	if !d.o.PathStyle && d.o.Endpoint != "" {
		hint = "check endpoint= in --blobs, and add path-style=true if the service does not give each bucket a host name"
	}
	return fmt.Sprintf("%s cannot be reached: %s", where, hint)
}

// itsRegion is where the service says that the bucket is.
func itsRegion(err error) string {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if region := answer.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return " but in " + region
		}
	}
	return ""
}
