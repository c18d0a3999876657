// Package logsapi is the API of Amazon CloudWatch Logs over the store of deploy/logs:
// what dockerd's awslogs driver writes to, and what the aws CLI and the SDKs read from.
//
// Each operation is a method of Service over the structs of Amazon's own Go SDK, and
// beside it stands the permission it takes. The front (awsapi) has checked signature,
// permission and every constraint of the service model before an operation runs.
//
// Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
package logsapi

import (
	"context"
	"errors"
	"time"

	"drydock/awsapi"
	"drydock/deploy/logs"
	"drydock/storage/meta"
)

// Options is what a Service is made of. All are needed.
type Options struct {
	Store *logs.Store
	// DB has the tags of log groups, in the database of the store.
	DB  meta.DB
	Now func() time.Time
}

// Service is the CloudWatch Logs API.
type Service struct {
	store *logs.Store
	db    meta.DB
	now   func() time.Time
}

// New makes the API. It is an error to leave anything out.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.DB == nil || o.Now == nil {
		return nil, errors.New("the CloudWatch Logs API needs a store, its database and a clock")
	}
	return &Service{store: o.Store, db: o.DB, now: o.Now}, nil
}

// Operations are all operations of the API that exist here.
func (s *Service) Operations() []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateLogGroup", s.CreateLogGroup, needsCreateLogGroup),
		awsapi.Op("DeleteLogGroup", s.DeleteLogGroup, needsDeleteLogGroup),
		awsapi.Op("DescribeLogGroups", s.DescribeLogGroups, needsDescribeLogGroups),
		awsapi.Op("ListLogGroups", s.ListLogGroups, needsListLogGroups),
		awsapi.Op("PutRetentionPolicy", s.PutRetentionPolicy, needsPutRetentionPolicy),
		awsapi.Op("DeleteRetentionPolicy", s.DeleteRetentionPolicy, needsDeleteRetentionPolicy),
		awsapi.Op("CreateLogStream", s.CreateLogStream, needsCreateLogStream),
		awsapi.Op("DeleteLogStream", s.DeleteLogStream, needsDeleteLogStream),
		awsapi.Op("DescribeLogStreams", s.DescribeLogStreams, needsDescribeLogStreams),
		awsapi.Op("PutLogEvents", s.PutLogEvents, needsPutLogEvents),
		awsapi.Op("GetLogEvents", s.GetLogEvents, needsGetLogEvents),
		awsapi.Op("FilterLogEvents", s.FilterLogEvents, needsFilterLogEvents),
		awsapi.Op("TagResource", s.TagResource, needsTagResource),
		awsapi.Op("UntagResource", s.UntagResource, needsUntagResource),
		awsapi.Op("ListTagsForResource", s.ListTagsForResource, needsListTagsForResource),
		awsapi.Op("TagLogGroup", s.TagLogGroup, needsTagLogGroup),
		awsapi.Op("UntagLogGroup", s.UntagLogGroup, needsUntagLogGroup),
		awsapi.Op("ListTagsLogGroup", s.ListTagsLogGroup, needsListTagsLogGroup),
	}
}

// scopeOf is the account and region of a request's signature.
func scopeOf(ctx context.Context) logs.Scope {
	call := awsapi.CallFrom(ctx)
	return logs.Scope{Account: call.Principal.Account, Region: call.Region}
}

// deref is what p points at, the zero value when it points nowhere.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// to makes a pointer of a value, as the SDK's structs have them.
func to[T any](v T) *T { return &v }

// some points at a number, and nowhere where it is 0.
func some(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
