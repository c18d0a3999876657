package ecs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/rogpeppe/go-internal/testscript"

	"drydock/e2e/harness"
	"drydock/e2e/transcript"
)

// TestWhatAUserTypes runs the transcripts of testdata. They have one more command:
//
//	asking begin SERVICE   asks all healthy tasks of a service, over and over
//	asking end ANSWER      expects that each answered, the last ones so
func TestWhatAUserTypes(t *testing.T) {
	harness.EndToEnd(t)
	a := &asker{}
	transcript.Run(t, transcript.Options{Engine: startEngine(t), Commands: map[string]func(*testscript.TestScript, bool, []string){
		"asking": a.command, "upstream": transcript.Upstream(harness.Tool(t, "registry")),
	}})
}

// asker is a client of a service's tasks.
type asker struct {
	client *ecs.Client
	stop   func()

	mu       sync.Mutex
	asked    int
	problems []string
	last     []string
}

func (a *asker) command(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case len(args) == 2 && args[0] == "begin":
		a.client = ecs.New(ecs.Options{Region: ts.Getenv("REGION"), BaseEndpoint: aws.String(ts.Getenv("URL")),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: harness.RootKey, SecretAccessKey: harness.RootSecret}, nil
			})})
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() {
			for ctx.Err() == nil {
				a.round(args[1])
				time.Sleep(50 * time.Millisecond)
			}
		})
		a.stop = func() { cancel(); done.Wait() }
		ts.Defer(a.stop)
	case len(args) == 2 && args[0] == "end":
		a.stop()
		if len(a.problems) > 0 || a.asked < 10 || len(a.last) == 0 || slices.ContainsFunc(a.last, func(s string) bool { return s != args[1] }) {
			ts.Fatalf("of %d questions these failed: %s; the last answers: %q", a.asked, strings.Join(a.problems, "; "), a.last)
		}
		ts.Logf("%d questions, all of them answered", a.asked)
	default:
		ts.Fatalf("usage: asking begin SERVICE, asking end ANSWER")
	}
}

// round asks each healthy task once. Nobody answering is a problem too, and so is no
// answer of a task that is not on its way out.
func (a *asker) round(service string) {
	ctx := context.Background()
	tasks, err := a.healthy(ctx, service)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || len(tasks) == 0 {
		a.problems = append(a.problems, fmt.Sprintf("%d healthy tasks, %v", len(tasks), err))
		return
	}
	a.last = nil
	for _, t := range tasks {
		a.asked++
		answer, err := ask(*t.Containers[0].NetworkBindings[0].HostPort)
		if err == nil {
			a.last = append(a.last, answer)
			continue
		}
		now, derr := a.client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: []string{*t.TaskArn}})
		if derr != nil || len(now.Tasks) != 1 || *now.Tasks[0].DesiredStatus != "STOPPED" {
			a.problems = append(a.problems, err.Error())
		}
	}
}

func (a *asker) healthy(ctx context.Context, service string) ([]types.Task, error) {
	list, err := a.client.ListTasks(ctx, &ecs.ListTasksInput{ServiceName: &service})
	if err != nil || len(list.TaskArns) == 0 {
		return nil, err
	}
	out, err := a.client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: list.TaskArns})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out.Tasks, func(t types.Task) bool {
		return *t.LastStatus != "RUNNING" || *t.DesiredStatus != "RUNNING" || t.HealthStatus != types.HealthStatusHealthy
	}), nil
}

func ask(port int32) (string, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return strings.TrimSpace(string(b)), err
}
