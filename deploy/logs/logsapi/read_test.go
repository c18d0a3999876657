package logsapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

func TestTokensOfAStreamLeadBothWaysAndStayAtTheEnd(t *testing.T) {
	c, store := begun(t)
	now := time.Now().UnixMilli()
	in := func() *cloudwatchlogs.GetLogEventsInput {
		return &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, Limit: to(int32(3))}
	}
	get := func(in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, string) {
		t.Helper()
		out := must(c.GetLogEvents(t.Context(), in))(t)
		var list []string
		for _, e := range out.Events {
			list = append(list, *e.Message)
		}
		return out, strings.Join(list, " ")
	}
	empty, _ := get(in())
	put(t, c, *stream, events(now, "0", "1", "2", "3", "4", "5", "6", "7"))
	follow := in()
	follow.NextToken = empty.NextForwardToken
	if _, got := get(follow); got != "0 1 2" {
		t.Errorf("from before the first event on: %s", got)
	}
	if err := store.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, got := get(in())
	if got != "5 6 7" {
		t.Errorf("the end is %s", got)
	}
	back := in()
	for _, want := range []string{"2 3 4", "0 1", "", ""} {
		back.NextToken = last.NextBackwardToken
		if last, got = get(back); got != want {
			t.Errorf("before that is %s, want %s", got, want)
		}
	}
	if *last.NextBackwardToken != *back.NextToken {
		t.Errorf("at the beginning, %s became %s", *back.NextToken, *last.NextBackwardToken)
	}
	forth := in()
	for _, want := range []string{"0 1 2", "3 4 5", "6 7", ""} {
		forth.NextToken = last.NextForwardToken
		if last, got = get(forth); got != want {
			t.Errorf("after that is %s, want %s", got, want)
		}
	}
	if *last.NextForwardToken != *forth.NextToken {
		t.Errorf("at the end, %s became %s", *forth.NextToken, *last.NextForwardToken)
	}
	put(t, c, *stream, events(now+7, "8", "9"))
	if _, got := get(forth); got != "8 9" {
		t.Errorf("then came %s", got)
	}
	part := in()
	part.StartTime, part.EndTime, part.StartFromHead = to(now+2), to(now+4), to(true)
	if _, got := get(part); got != "2 3" {
		t.Errorf("a part is %s", got)
	}
	for _, token := range []string{"x/1", "f/1", "f/" + strings.Repeat("9", 56), "f/" + strings.Repeat("x", 56)} {
		_, err := c.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, NextToken: &token})
		refused(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
	}
	_, err := c.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogStreamName: stream})
	refused(t, err, "InvalidParameterException", "logGroupIdentifier")
}

func TestFilteringInterleavesStreamsByTime(t *testing.T) {
	c, _ := begun(t)
	ctx := t.Context()
	now := time.Now().UnixMilli()
	must(c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: to("web/app/2")}))(t)
	must(c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: to("job/1")}))(t)
	for i := range 9 {
		name := []string{*stream, "web/app/2", "job/1"}[i%3]
		put(t, c, name, events(now+int64(10*i), fmt.Sprintf(`{"n": %d}`, i)))
	}
	filter := func(in cloudwatchlogs.FilterLogEventsInput) string {
		t.Helper()
		in.LogGroupName, in.Limit = group, to(int32(2))
		var got []string
		ids := map[string]bool{}
		for {
			out := must(c.FilterLogEvents(ctx, &in))(t)
			for _, e := range out.Events {
				got = append(got, strings.Trim(*e.Message, `{"n: }`))
				ids[*e.EventId] = true
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if len(ids) != len(got) {
			t.Errorf("%d ids of %d events", len(ids), len(got))
		}
		return strings.Join(got, "")
	}
	for want, in := range map[string]cloudwatchlogs.FilterLogEventsInput{
		"012345678": {},
		"876543210": {StartFromHead: to(false), StartTime: &now},
		"0134 67":   {LogStreamNamePrefix: to("web/")},
		"25 8":      {LogStreamNames: []string{"job/1", "job/1"}},
		"1234":      {StartTime: to(now + 10), EndTime: to(now + 40)},
		"5678":      {FilterPattern: to("{ $.n > 4 }")},
		"":          {LogStreamNamePrefix: to("none")},
		"578":       {FilterPattern: to(`?5 ?7 ?8`), LogStreamNamePrefix: to("")},
	} {
		if in.LogStreamNamePrefix != nil && *in.LogStreamNamePrefix == "" {
			in.LogStreamNamePrefix = nil
		}
		if got := filter(in); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	_, err := c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: to("{ $.n > }")})
	refused(t, err, "InvalidParameterException", "Invalid filter pattern")
	_, err = c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: to("none")})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNames: []string{"none"}})
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	first := must(c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: to(int32(1))}))(t)
	_, err = c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, NextToken: first.NextToken, FilterPattern: to("other")})
	refused(t, err, "InvalidParameterException", "nextToken")
	_, err = c.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNames: []string{"a"}, LogStreamNamePrefix: to("a")})
	refused(t, err, "InvalidParameterException", "mutually exclusive")
}
