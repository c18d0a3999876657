package logsapi

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/awsapi"
	"drydock/deploy/logs"
)

// What a batch may be. Source: API Reference, PutLogEvents.
const (
	mostBytes = 1 << 20
	// overhead is what each event counts beside its message.
	overhead = 26
	// mostSpan is how far apart the events may be, in milliseconds.
	mostSpan = 24 * 60 * 60 * 1000
)

// sequenceToken is the same for every batch: CloudWatch no longer looks at it, but
// writers of old go on handing it back.
const sequenceToken = "00000000000000000000000000000000000000000000000000000001"

// PutLogEvents adds a batch of events to a stream. Events that are too old or too far
// ahead are told of and left out.
func (s *Service) PutLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput) (*cloudwatchlogs.PutLogEventsOutput, error) {
	size := 0
	events := make([]logs.Event, len(in.LogEvents))
	for i, e := range in.LogEvents {
		events[i] = logs.Event{At: *e.Timestamp, Message: *e.Message}
		size += len(*e.Message) + overhead
		if n := len(*e.Message) + overhead; n > mostBytes {
			return nil, invalidParameter("Log event too large: %d bytes exceeds limit of %d", n, mostBytes)
		}
		if i > 0 && events[i].At < events[i-1].At {
			return nil, invalidParameter("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > mostBytes {
		return nil, invalidParameter("Upload too large: %d bytes exceeds limit of %d", size, mostBytes)
	}
	if events[len(events)-1].At-events[0].At > mostSpan {
		return nil, invalidParameter("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	refused, err := s.store.Put(ctx, scopeOf(ctx), *in.LogGroupName, *in.LogStreamName, events)
	if err != nil {
		return nil, exception(err)
	}
	out := &cloudwatchlogs.PutLogEventsOutput{NextSequenceToken: to(sequenceToken)}
	var info types.RejectedLogEventsInfo
	if refused.Expired > 0 {
		info.ExpiredLogEventEndIndex, out.RejectedLogEventsInfo = to(int32(refused.Expired)), &info
	}
	if refused.TooOld > 0 {
		info.TooOldLogEventEndIndex, out.RejectedLogEventsInfo = to(int32(refused.TooOld)), &info
	}
	if refused.TooNew < len(events) {
		info.TooNewLogEventStartIndex, out.RejectedLogEventsInfo = to(int32(refused.TooNew)), &info
	}
	return out, nil
}

func needsPutLogEvents(ctx context.Context, in *cloudwatchlogs.PutLogEventsInput) ([]awsapi.Need, error) {
	return needOnStream(ctx, "PutLogEvents", *in.LogGroupName, *in.LogStreamName), nil
}
