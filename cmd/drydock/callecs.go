package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"drydock/deploy/session"
)

// ecsOf is a server's ECS, as `drydock run`, `exec` and `logs` call it.
type ecsOf struct {
	*ecs.Client
	settings aws.Config
	// endpoint is where the server is called, and sessions joined; stream joins
	// them.
	endpoint string
	stream   *http.Client
}

// callingECS gives a command the flags of those that call ECS. The function that it
// returns reads them.
func (p program) callingECS(c *cobra.Command) func() (*ecsOf, error) {
	load := p.lookingAt(c, "region")
	return func() (*ecsOf, error) {
		v, err := load()
		if err != nil {
			return nil, err
		}
		region := ""
		if c.Flags().Changed("region") {
			region = v.Region
		}
		settings, err := p.settingsOf(c.Context(), v, region, "AWS_ENDPOINT_URL_ECS")
		if err != nil {
			return nil, err
		}
		return newECS(c.Context(), settings)
	}
}

func newECS(ctx context.Context, settings aws.Config) (*ecsOf, error) {
	e := &ecsOf{Client: ecs.NewFromConfig(settings), settings: settings, stream: &http.Client{}}
	o := e.Options()
	at, err := o.EndpointResolverV2.ResolveEndpoint(ctx, ecs.EndpointParameters{Endpoint: o.BaseEndpoint, Region: &o.Region})
	if err != nil {
		return nil, fmt.Errorf("find the server: %w", err)
	}
	e.endpoint = at.URI.String()
	if b, ok := settings.HTTPClient.(*awshttp.BuildableClient); ok {
		t := b.GetTransport()
		// A WebSocket begins as a request of HTTP/1.1.
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		t.ForceAttemptHTTP2 = false
		e.stream.Transport = t
	}
	return e, nil
}

// said is an error as the server said it, without what the SDK tells of the request.
func said(err error) error {
	var e smithy.APIError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %s", e.ErrorCode(), e.ErrorMessage())
	}
	return err
}

// whereabouts are where a container is looked for.
type whereabouts struct{ cluster, task, container string }

// whereaboutsOf reads which task is meant. An ARN tells its cluster too.
func whereaboutsOf(cluster, task, container string) whereabouts {
	if cluster == "" && strings.HasPrefix(task, "arn:") {
		if parts := strings.Split(task, "/"); len(parts) == 3 {
			cluster = parts[1]
		}
	}
	if cluster == "" {
		cluster = "default"
	}
	return whereabouts{cluster, task, container}
}

// find describes a task. Errors: there is none.
func (e *ecsOf) find(ctx context.Context, at whereabouts) (types.Task, error) {
	out, err := e.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &at.cluster, Tasks: []string{at.task}})
	if err != nil {
		return types.Task{}, said(err)
	}
	if len(out.Tasks) == 0 {
		return types.Task{}, fmt.Errorf("there is no task %s in the cluster %s", at.task, at.cluster)
	}
	return out.Tasks[0], nil
}

// containerOf is the container that is named, or the only one.
func containerOf(t types.Task, name string) (types.Container, error) {
	var names []string
	for _, c := range t.Containers {
		names = append(names, aws.ToString(c.Name))
	}
	i := slices.Index(names, name)
	switch {
	case name == "" && len(names) == 1:
		i = 0
	case i < 0 && name == "":
		return types.Container{}, fmt.Errorf("the task has the containers %s: choose one with --container", strings.Join(names, ", "))
	case i < 0:
		return types.Container{}, fmt.Errorf("the task has no container %s, but %s", name, strings.Join(names, ", "))
	}
	return t.Containers[i], nil
}

// join opens a session for a command and joins it, at the address where the API was
// called: whatever leads there, such as a tunnel, leads to the session too.
func (e *ecsOf) join(ctx context.Context, at whereabouts, command string, as session.Client) (int, error) {
	in := &ecs.ExecuteCommandInput{Cluster: &at.cluster, Task: &at.task, Command: &command, Interactive: true}
	if at.container != "" {
		in.Container = &at.container
	}
	out, err := e.ExecuteCommand(ctx, in)
	if err != nil {
		return 0, said(err)
	}
	if out.Session == nil {
		return 0, errors.New("the server's answer holds no session")
	}
	stream, err := url.Parse(aws.ToString(out.Session.StreamUrl))
	if err != nil || !strings.Contains(stream.Path, session.Path) {
		return 0, errors.New("the server's answer holds no session of drydock's")
	}
	join := strings.TrimSuffix(e.endpoint, "/") + stream.Path[strings.LastIndex(stream.Path, session.Path):]
	return as.Join(ctx, e.stream, join, aws.ToString(out.Session.TokenValue))
}

// ended is how a command ends whose container or process had an exit code.
func ended(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}
