package logsapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/awsapi"
	"drydock/awsapi/apitest"
	"drydock/deploy/logs"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/testdb"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// must fails the test with an error.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks that an error is an exception of the API's, and what it says.
func refused(t *testing.T, err error, code, says string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), says) {
		t.Errorf("got %v, want %s that says %q", err, code, says)
	}
}

// newService is the API over an empty store.
func newService(t testing.TB) (*Service, *logs.Store) {
	t.Helper()
	db := testdb.New(t).Open(t)
	store := must(logs.New(logs.Options{
		DB: db, Files: must(disk.New(t.TempDir()))(t), Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}))(t)
	return must(New(Options{Store: store, DB: db, Now: time.Now}))(t), store
}

// newClient is the SDK's own client of the API behind the front.
func newClient(t testing.TB) (*cloudwatchlogs.Client, *logs.Store) {
	t.Helper()
	s, store := newService(t)
	server := apitest.NewFront(t, "logs", s.Operations()).Server(t)
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region: region, BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), RetryMaxAttempts: 1, Credentials: apitest.Credentials(),
	}), store
}

var (
	group  = to("/ecs/web")
	stream = to("web/app/1")
)

// begun is newClient with a group and a stream.
func begun(t testing.TB) (*cloudwatchlogs.Client, *logs.Store) {
	t.Helper()
	c, store := newClient(t)
	must(c.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))(t)
	must(c.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}))(t)
	return c, store
}

func events(at int64, messages ...string) (list []types.InputLogEvent) {
	for i, m := range messages {
		list = append(list, types.InputLogEvent{Timestamp: to(at + int64(i)), Message: to(m)})
	}
	return list
}

func put(t testing.TB, c *cloudwatchlogs.Client, stream string, list []types.InputLogEvent) *cloudwatchlogs.PutLogEventsOutput {
	t.Helper()
	return must(c.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: &stream, LogEvents: list}))(t)
}

// The list of what is missing is read by people, so it must be true.
func TestTheListOfUnbuiltOperationsIsTrue(t *testing.T) {
	built := map[string]bool{}
	for _, op := range (&Service{}).Operations() {
		if built[op.Name] {
			t.Errorf("%s is registered twice", op.Name)
		}
		built[op.Name] = true
	}
	var unbuilt []string
	client := reflect.TypeFor[*cloudwatchlogs.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 || !m.Type.IsVariadic() || !strings.HasSuffix(m.Type.In(2).String(), "."+m.Name+"Input") {
			continue
		}
		own, ok := reflect.TypeFor[*Service]().MethodByName(m.Name)
		if built[m.Name] && (!ok || own.Type.In(2) != m.Type.In(2)) {
			t.Errorf("%s is registered under a name that is not its method's", m.Name)
		}
		if !built[m.Name] {
			unbuilt = append(unbuilt, m.Name)
		}
	}
	slices.Sort(unbuilt)
	golden, err := os.ReadFile("testdata/unbuilt.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(unbuilt, "\n") + "\n"; got != string(golden) {
		t.Errorf("testdata/unbuilt.txt should read:\n%s", got)
	}
}

func TestGroupsLiveAreListedAndDie(t *testing.T) {
	c, _ := newClient(t)
	ctx := t.Context()
	for _, name := range []string{"/ecs/web", "/ecs/WORKER", "other"} {
		must(c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: map[string]string{"team": "a"}}))(t)
	}
	_, err := c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")
	_, err = c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: to("a b")})
	refused(t, err, "InvalidParameterException", "logGroupName")
	_, err = c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: to("x"), KmsKeyId: to("key")})
	refused(t, err, "InvalidParameterException", "KMS")
	must(c.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: to(int32(7))}))(t)
	_, err = c.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: to(int32(8))})
	refused(t, err, "InvalidParameterException", "retentionInDays")
	names := func(in *cloudwatchlogs.DescribeLogGroupsInput) (list []string) {
		in.Limit = to(int32(1))
		for {
			out := must(c.DescribeLogGroups(ctx, in))(t)
			for _, g := range out.LogGroups {
				list = append(list, *g.LogGroupName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return list
			}
		}
	}
	for want, in := range map[string]*cloudwatchlogs.DescribeLogGroupsInput{
		"/ecs/WORKER /ecs/web other": {}, "/ecs/WORKER /ecs/web": {LogGroupNamePrefix: to("/ecs/")}, "/ecs/WORKER other": {LogGroupNamePattern: to("R")}, "": {LogGroupNamePattern: to("_")},
	} {
		if got := strings.Join(names(in), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	one := must(c.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupIdentifiers: []string{"arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/web", "none"}}))(t).LogGroups
	if len(one) != 1 || *one[0].Arn != "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/web:*" || deref(one[0].RetentionInDays) != 7 || one[0].LogGroupClass != "STANDARD" {
		t.Errorf("%+v", one)
	}
	listed := must(c.ListLogGroups(ctx, &cloudwatchlogs.ListLogGroupsInput{LogGroupNamePattern: to("^/ecs|oth"), Limit: to(int32(2))}))(t)
	if len(listed.LogGroups) != 2 || listed.NextToken == nil {
		t.Errorf("%+v", listed)
	}
	must(c.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group}))(t)
	must(c.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))(t)
	_, err = c.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	_, err = c.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{NextToken: to("nonsense")})
	refused(t, err, "InvalidParameterException", "nextToken")
}

func TestTagsAreThoseOfALogGroup(t *testing.T) {
	c, _ := begun(t)
	ctx := t.Context()
	arn := to("arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/web")
	must(c.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	//lint:ignore SA1019 clients of old have nothing else
	must(c.TagLogGroup(ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: group, Tags: map[string]string{"c": "3"}}))(t)
	//lint:ignore SA1019 clients of old have nothing else
	must(c.UntagLogGroup(ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: group, Tags: []string{"a"}}))(t)
	must(c.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"none"}}))(t)
	got := must(c.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags
	//lint:ignore SA1019 clients of old have nothing else
	old := must(c.ListTagsLogGroup(ctx, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: group}))(t).Tags
	if want := map[string]string{"b": "2", "c": "3"}; !reflect.DeepEqual(got, want) || !reflect.DeepEqual(old, want) {
		t.Errorf("%v, %v", got, old)
	}
	_, err := c.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: to("arn:aws:logs:eu-west-2:123456789012:log-group:/ecs/web"), Tags: map[string]string{"a": "1"}})
	refused(t, err, "InvalidParameterException", "another account or region")
	_, err = c.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: to("arn:aws:logs:eu-west-1:123456789012:log-group:none")})
	refused(t, err, "ResourceNotFoundException", "log group")
	// Those of a group that is gone are not those of the next one of its name.
	must(c.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))(t)
	must(c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))(t)
	if tags := must(c.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags; len(tags) != 0 {
		t.Errorf("%v", tags)
	}
}

func TestStreamsAreListedByNameOrByTheirLastEvent(t *testing.T) {
	c, _ := begun(t)
	ctx := t.Context()
	now := time.Now().UnixMilli()
	for i, name := range []string{"z", "web/app/2", "a"} {
		must(c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &name}))(t)
		put(t, c, name, events(now+int64(i), "first", "last"))
	}
	_, err := c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
	refused(t, err, "ResourceAlreadyExistsException", "The specified log stream already exists")
	_, err = c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: to("none"), LogStreamName: stream})
	refused(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
	yes := to(true)
	for want, in := range map[string]cloudwatchlogs.DescribeLogStreamsInput{
		"a web/app/1 web/app/2 z": {},
		"z web/app/2 web/app/1 a": {Descending: yes},
		"web/app/1 web/app/2":     {LogStreamNamePrefix: to("web/")},
		"web/app/1 z web/app/2 a": {OrderBy: "LastEventTime"},
		"a web/app/2 z web/app/1": {OrderBy: "LastEventTime", Descending: yes},
		"web/app/2 web/app/1":     {LogStreamNamePrefix: to("web/"), Descending: yes},
	} {
		in.LogGroupName, in.Limit = group, to(int32(1))
		var got []string
		for {
			out := must(c.DescribeLogStreams(ctx, &in))(t)
			for _, v := range out.LogStreams {
				got = append(got, *v.LogStreamName)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				break
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	v := must(c.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: group, LogStreamNamePrefix: to("z")}))(t).LogStreams[0]
	if *v.FirstEventTimestamp != now || *v.LastEventTimestamp != now+1 || *v.LastIngestionTime < now || *v.Arn != "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/web:log-stream:z" {
		t.Errorf("%+v", v)
	}
	_, err = c.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogStreamNamePrefix: to("z"), OrderBy: "LastEventTime"})
	refused(t, err, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	must(c.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: to("z")}))(t)
	_, err = c.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: to("z")})
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
}

func TestBatchesKeepToCloudWatchsLimits(t *testing.T) {
	c, _ := begun(t)
	now := time.Now().UnixMilli()
	const day = 24 * 60 * 60 * 1000
	for _, bad := range []struct {
		events []types.InputLogEvent
		says   string
	}{
		{append(events(now, "b"), events(now-1, "a")...), "chronological order"},
		{append(events(now-day-1, "a"), events(now, "b")...), "24 hours"},
		{events(now, strings.Repeat("x", mostBytes-overhead+1)), "too large: 1048577 bytes exceeds limit of 1048576"},
		{events(now, strings.Repeat("x", mostBytes/2), strings.Repeat("x", mostBytes/2)), "Upload too large"},
		{events(now, make([]string, 10001)...), "logEvents"},
	} {
		_, err := c.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: bad.events})
		refused(t, err, "InvalidParameterException", bad.says)
	}
	_, err := c.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: to("none"), LogEvents: events(now, "x")})
	refused(t, err, "ResourceNotFoundException", "The specified log stream does not exist.")
	out := put(t, c, *stream, events(now, strings.Repeat("\x01", mostBytes-overhead)))
	if out.NextSequenceToken == nil || out.RejectedLogEventsInfo != nil {
		t.Errorf("%+v", out)
	}
	info := put(t, c, *stream, append(events(now-14*day-60_000, "old"), events(now-14*day+60_000, "x")...)).RejectedLogEventsInfo
	if info == nil || deref(info.TooOldLogEventEndIndex) != 1 || info.TooNewLogEventStartIndex != nil || info.ExpiredLogEventEndIndex != nil {
		t.Errorf("%+v", info)
	}
	info = put(t, c, *stream, append(events(now, "x"), events(now+3*60*60*1000, "ahead")...)).RejectedLogEventsInfo
	if info == nil || deref(info.TooNewLogEventStartIndex) != 1 {
		t.Errorf("%+v", info)
	}
	must(c.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: to(int32(1))}))(t)
	info = put(t, c, *stream, events(now-2*day, "a", "b")).RejectedLogEventsInfo
	if info == nil || deref(info.ExpiredLogEventEndIndex) != 2 {
		t.Errorf("%+v", info)
	}
}

// Policies are written for these names of resources.
func TestPermissionsNameGroupsAndStreams(t *testing.T) {
	ctx := awsapi.WithCall(t.Context(), &awsapi.Call{Principal: auth.Principal{Account: account}, Region: region})
	const prefix = "arn:aws:logs:eu-west-1:123456789012:log-group:"
	for want, needs := range map[string]func() ([]awsapi.Need, error){
		"logs:CreateLogStream " + prefix + "/ecs/web:log-stream:web/app/1": func() ([]awsapi.Need, error) {
			return needsCreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
		},
		"logs:PutLogEvents " + prefix + "/ecs/web:log-stream:web/app/1": func() ([]awsapi.Need, error) {
			return needsPutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream})
		},
		"logs:FilterLogEvents " + prefix + "/ecs/web:log-stream:": func() ([]awsapi.Need, error) {
			return needsFilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupIdentifier: to(prefix + "/ecs/web:*")})
		},
		"logs:DescribeLogGroups " + prefix + ":log-stream:": func() ([]awsapi.Need, error) {
			return needsDescribeLogGroups(ctx, nil)
		},
		"logs:TagResource " + prefix + "/ecs/web": func() ([]awsapi.Need, error) {
			return needsTagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: to(prefix + "/ecs/web")})
		},
		"logs:CreateLogGroup " + prefix + "/ecs/web:log-stream:; logs:TagResource " + prefix + "/ecs/web": func() ([]awsapi.Need, error) {
			return needsCreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group, Tags: map[string]string{"a": "b"}})
		},
	} {
		var got []string
		for _, n := range must(needs())(t) {
			got = append(got, n.Action+" "+n.Resource)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// How many bytes of lines a second go through the API, from several writers with a
// stream each, while they are put away.
func BenchmarkPutLogEvents(b *testing.B) {
	c, store := begun(b)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go func() { _ = store.Run(ctx) }()
	line := `172.18.0.1 - - [24/Nov/2026:03:00:00 +0000] "GET /item/%d?token=%s HTTP/1.1" 200 %d "-" "curl/8.5.0"`
	batch := make([]types.InputLogEvent, 5000)
	size := 0
	for i := range batch {
		batch[i] = types.InputLogEvent{Timestamp: to(time.Now().UnixMilli()), Message: to(fmt.Sprintf(line, i, rand.Text(), i*37%9999))}
		size += len(*batch[i].Message)
	}
	b.SetBytes(int64(size))
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		name := fmt.Sprint("writer/", n.Add(1))
		must(c.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &name}))(b)
		for pb.Next() {
			put(b, c, name, batch)
		}
	})
}

func TestEveryInputThatTheModelForbidsIsRefused(t *testing.T) {
	s, _ := newService(t)
	apitest.Violations(t, "logs", s.Operations())
}
