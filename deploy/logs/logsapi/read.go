package logsapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"drydock/awsapi"
	"drydock/deploy/logs"
	"drydock/deploy/logs/pattern"
)

// What a page of events has at most.
// Source: API Reference, GetLogEvents and FilterLogEvents.
const (
	mostEvents = 10000
	pageBytes  = 1 << 20
)

// GetLogEvents reads a stream, from its end backward or from its beginning forward.
// Its tokens lead on in both directions from wherever it has come to, and at the end
// of a direction the token is the same again, by which clients see that they are
// there.
func (s *Service) GetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	q := logs.Query{
		Scope: scopeOf(ctx), Group: group, Streams: []string{*in.LogStreamName},
		From: logs.Position{At: deref(in.StartTime)}, To: logs.End, Backward: !deref(in.StartFromHead),
		Limit: limitOf(in.Limit), Bytes: pageBytes,
	}
	if in.EndTime != nil {
		q.To = logs.Position{At: *in.EndTime}
	}
	if in.NextToken != nil {
		forward, at, err := parsePlace(*in.NextToken)
		if err != nil {
			return nil, err
		}
		if q.Backward = !forward; forward && q.From.Before(at) {
			q.From = at
		} else if !forward && at.Before(q.To) {
			q.To = at
		}
	}
	page, err := s.store.Read(ctx, q)
	if err != nil {
		return nil, exception(err)
	}
	// Both tokens are beside what was read; of nothing, where it was looked for.
	back, forth := q.From, page.Next
	if len(page.Events) > 0 {
		back = page.Events[0].Position
	}
	if q.Backward {
		slices.Reverse(page.Events)
		back, forth = page.Next, q.To
		if len(page.Events) > 0 {
			forth = behind(page.Events[len(page.Events)-1].Position)
		} else if in.NextToken == nil {
			forth = q.From
		}
	}
	out := &cloudwatchlogs.GetLogEventsOutput{
		Events: make([]types.OutputLogEvent, len(page.Events)), NextBackwardToken: to("b/" + placeText(back)), NextForwardToken: to("f/" + placeText(forth)),
	}
	for i, e := range page.Events {
		out.Events[i] = types.OutputLogEvent{Timestamp: to(e.At), IngestionTime: to(e.IngestedAt), Message: to(e.Message)}
	}
	return out, nil
}

func needsGetLogEvents(ctx context.Context, in *cloudwatchlogs.GetLogEventsInput) ([]awsapi.Need, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	return needOnStream(ctx, "GetLogEvents", group, *in.LogStreamName), err
}

// behind is the place after an event.
func behind(p logs.Position) logs.Position {
	p.Seq++
	return p
}

func limitOf(limit *int32) int {
	if limit == nil {
		return mostEvents
	}
	return int(*limit)
}

// placeText is a position in 56 digits, as the ids and tokens of CloudWatch have them.
func placeText(p logs.Position) string { return fmt.Sprintf("%019d%018d%019d", p.At, p.Stream, p.Seq) }

// parsePlace reads a token of GetLogEvents.
func parsePlace(token string) (forward bool, p logs.Position, err error) {
	direction, digits, _ := strings.Cut(token, "/")
	var failures []error
	number := func(s string) int64 {
		n, err := strconv.ParseUint(s, 10, 63)
		failures = append(failures, err)
		return int64(n)
	}
	if (direction == "f" || direction == "b") && len(digits) == 56 {
		p = logs.Position{At: number(digits[:19]), Stream: number(digits[19:37]), Seq: number(digits[37:])}
		if errors.Join(failures...) == nil {
			return direction == "f", p, nil
		}
	}
	return false, p, invalidParameter("The specified nextToken is invalid.")
}

// FilterLogEvents reads the events of a group, or of some of its streams, that a
// pattern means, by time.
func (s *Service) FilterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalidParameter("LogStreamNamePrefix and LogStreamNames are mutually exclusive parameters.")
	}
	start, end := deref(in.StartTime), int64(math.MaxInt64)
	if in.EndTime != nil && *in.EndTime < math.MaxInt64 {
		end = *in.EndTime + 1 // events at this time are wanted too
	}
	if start > end {
		return nil, invalidParameter("The start time must be before the end time.")
	}
	match, err := pattern.Compile(deref(in.FilterPattern))
	if err != nil {
		return nil, invalidParameter("Invalid filter pattern: %v", err)
	}
	streams := slices.Clone(in.LogStreamNames)
	slices.Sort(streams)
	streams = slices.Compact(streams)
	backward := in.StartFromHead != nil && !*in.StartFromHead
	q := logs.Query{
		Scope: scopeOf(ctx), Group: group, Streams: streams, Prefix: deref(in.LogStreamNamePrefix),
		From: logs.Position{At: start}, To: logs.Position{At: end}, Limit: limitOf(in.Limit), Bytes: pageBytes, Match: match,
	}
	l := listing{q.Scope, "FilterLogEvents", []any{group, streams, q.Prefix, start, deref(in.FilterPattern)}}
	at, err := place(l, in.NextToken, filterPlace{From: q.From, To: q.To, Backward: backward})
	if err != nil {
		return nil, err
	}
	q.From, q.To, q.Backward = at.From, at.To, at.Backward
	page, err := s.store.Read(ctx, q)
	if err != nil {
		return nil, exception(err)
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{Events: make([]types.FilteredLogEvent, len(page.Events)), SearchedLogStreams: []types.SearchedLogStream{}}
	for i, e := range page.Events {
		out.Events[i] = types.FilteredLogEvent{
			EventId: to(placeText(e.Position)), LogStreamName: to(e.Stream), Timestamp: to(e.At), IngestionTime: to(e.IngestedAt), Message: to(e.Message),
		}
	}
	if page.More {
		if at.Backward {
			at.To = page.Next
		} else {
			at.From = page.Next
		}
		out.NextToken = token(l, at)
	}
	return out, nil
}

// filterPlace is where FilterLogEvents goes on.
type filterPlace struct {
	From, To logs.Position
	Backward bool
}

func needsFilterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput) ([]awsapi.Need, error) {
	group, err := groupOf(ctx, in.LogGroupName, in.LogGroupIdentifier)
	return needOnGroup(ctx, "FilterLogEvents", group), err
}
