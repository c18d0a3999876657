// Package faults holds the tests of what clients see while what the server stands
// on is unwell: an S3 service that fails, dawdles, breaks off or lies, a disk without
// room for layers or records. Each fault has an end, and from then on the same
// server, never started again, has to serve as before, with all that it acknowledged.
package faults

import (
	"fmt"
	"net/url"
	"testing"

	"drydock/e2e/harness"
	"drydock/storage/blob/s3/s3test"
)

// onS3 is a server whose blobs are in a bucket behind something that can spoil each
// request.
func onS3(t *testing.T, service *s3test.Server, o harness.Options) (*harness.Server, *spoiler) {
	t.Helper()
	between := newSpoiler(t, service.Endpoint)
	bucket := service.Bucket(t)
	o.Args = append(o.Args, "--blobs", fmt.Sprintf("s3://%s/drydock?endpoint=%s&region=%s&path-style=true", bucket, url.QueryEscape(between.URL()), s3test.Region))
	o.Env = append(o.Env, "DRYDOCK_S3_ACCESS_KEY_ID="+service.AccessKeyID, "DRYDOCK_S3_SECRET_ACCESS_KEY="+service.SecretAccessKey)
	return harness.Start(t, o), between
}
