package logsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/awsapi"
	"drydock/deploy/logs"
)

// CreateLogStream makes an empty stream.
func (s *Service) CreateLogStream(ctx context.Context, in *cloudwatchlogs.CreateLogStreamInput) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	err := s.store.CreateStream(ctx, scopeOf(ctx), *in.LogGroupName, *in.LogStreamName)
	return &cloudwatchlogs.CreateLogStreamOutput{}, exception(err)
}

func needsCreateLogStream(ctx context.Context, in *cloudwatchlogs.CreateLogStreamInput) ([]awsapi.Need, error) {
	return needOnStream(ctx, "CreateLogStream", *in.LogGroupName, *in.LogStreamName), nil
}

// DeleteLogStream deletes a stream with its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *cloudwatchlogs.DeleteLogStreamInput) (*cloudwatchlogs.DeleteLogStreamOutput, error) {
	err := s.store.DeleteStream(ctx, scopeOf(ctx), *in.LogGroupName, *in.LogStreamName)
	return &cloudwatchlogs.DeleteLogStreamOutput{}, exception(err)
}

func needsDeleteLogStream(ctx context.Context, in *cloudwatchlogs.DeleteLogStreamInput) ([]awsapi.Need, error) {
	return needOnStream(ctx, "DeleteLogStream", *in.LogGroupName, *in.LogStreamName), nil
}

// streamPlace is where a list of streams goes on.
type streamPlace struct {
	Name  string `json:"n"`
	Event int64  `json:"e"`
}

// DescribeLogStreams describes the streams of a group, by name or by the time of their
// last event.
func (s *Service) DescribeLogStreams(ctx context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) (*cloudwatchlogs.DescribeLogStreamsOutput, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byEvent := in.OrderBy == types.OrderByLastEventTime
	if byEvent && in.LogStreamNamePrefix != nil {
		return nil, invalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	l := listing{scopeOf(ctx), "DescribeLogStreams", []any{group, deref(in.LogStreamNamePrefix), byEvent, deref(in.Descending)}}
	after, err := place(l, in.NextToken, streamPlace{Event: -1})
	if err != nil {
		return nil, err
	}
	size := describeSize
	if in.Limit != nil {
		size = int(*in.Limit)
	}
	found, err := s.store.Streams(ctx, scopeOf(ctx), group, logs.StreamList{
		Prefix: deref(in.LogStreamNamePrefix), ByEvent: byEvent, Descending: deref(in.Descending),
		After: logs.Stream{Name: after.Name, LastEvent: after.Event}, Limit: size + 1,
	})
	if err != nil {
		return nil, exception(err)
	}
	found, more := cut(found, size)
	out := &cloudwatchlogs.DescribeLogStreamsOutput{LogStreams: make([]types.LogStream, 0, len(found))}
	for _, v := range found {
		d := types.LogStream{
			LogStreamName: to(v.Name), Arn: to(streamARN(scopeOf(ctx), group, v.Name)), CreationTime: to(v.CreatedAt),
			FirstEventTimestamp: some(v.FirstEvent), LastEventTimestamp: some(v.LastEvent), LastIngestionTime: some(v.LastIngestionAt),
		}
		//lint:ignore SA1019 CloudWatch still sends it, always 0
		d.StoredBytes = to(int64(0))
		if v.LastIngestionAt != 0 {
			d.UploadSequenceToken = to(sequenceToken)
		}
		out.LogStreams = append(out.LogStreams, d)
	}
	if more {
		last := found[len(found)-1]
		out.NextToken = token(l, streamPlace{last.Name, last.LastEvent})
	}
	return out, nil
}

func needsDescribeLogStreams(ctx context.Context, in *cloudwatchlogs.DescribeLogStreamsInput) ([]awsapi.Need, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	return needOnGroup(ctx, "DescribeLogStreams", group), err
}
