package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/spf13/cobra"

	"drydock/deploy/session"
)

func (p program) logs() *cobra.Command {
	c := &cobra.Command{
		Use:   "logs TASK [flags]",
		Short: "Print what a container of a task has written",
		Long: `Print what a container of a task has written: from its log group where it logs with
awslogs, else from the machine that it runs on, which has it for an hour after the
task has stopped.

The server and the credentials are found as by drydock get-login-password. It takes
the permissions ecs:DescribeTasks, ecs:DescribeTaskDefinition, and logs:GetLogEvents
for a log group or ecs:ExecuteCommand for a machine.`,
		Args: exactly("a task: its id or its ARN"),
	}
	var cluster, container string
	var follow bool
	c.Flags().StringVar(&cluster, "cluster", "", "the task's cluster (default: that of the task's ARN, else \"default\")")
	c.Flags().StringVar(&container, "container", "", "the container, where the task has several")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it writes, until it ends")
	call := p.callingECS(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := call()
		if err != nil {
			return err
		}
		return server.logs(c.Context(), whereaboutsOf(cluster, args[0], container), follow, p.out)
	}
	return c
}

// logs writes what a container has written, and with follow what it goes on to write.
func (e *ecsOf) logs(ctx context.Context, at whereabouts, follow bool, out io.Writer) error {
	t, err := e.find(ctx, at)
	if err != nil {
		return err
	}
	c, err := containerOf(t, at.container)
	if err != nil {
		return err
	}
	at.container = aws.ToString(c.Name)
	d, err := e.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: t.TaskDefinitionArn})
	if err != nil {
		return said(err)
	}
	for _, definition := range d.TaskDefinition.ContainerDefinitions {
		l := definition.LogConfiguration
		if aws.ToString(definition.Name) == at.container && l != nil && l.LogDriver == types.LogDriverAwslogs {
			return e.events(ctx, at, streamOf(t, c, l.Options), follow, out)
		}
	}
	command := session.Logs
	if follow {
		command = session.LogsFollowed
	}
	_, err = e.join(ctx, at, command, session.Client{Stdout: out, Stderr: out})
	return err
}

// logStream is a stream of CloudWatch Logs.
type logStream struct{ region, group, name string }

// streamOf is the stream that a container logs to.
// Source: Amazon ECS Developer Guide, "Send Amazon ECS logs to CloudWatch".
func streamOf(t types.Task, c types.Container, options map[string]string) logStream {
	task := aws.ToString(t.TaskArn)
	s := logStream{options["awslogs-region"], options["awslogs-group"], aws.ToString(c.RuntimeId)}
	if prefix := options["awslogs-stream-prefix"]; prefix != "" {
		s.name = prefix + "/" + aws.ToString(c.Name) + "/" + task[strings.LastIndex(task, "/")+1:]
	}
	return s
}

// How often a stream is asked for more, and how often it is asked after its task has
// stopped: what was written last may still be on its way.
const (
	askAgain  = 500 * time.Millisecond
	askAtLast = 3
)

// events writes the events of a stream, and with follow goes on until the task has
// stopped.
func (e *ecsOf) events(ctx context.Context, at whereabouts, s logStream, follow bool, out io.Writer) error {
	client := cloudwatchlogs.NewFromConfig(e.settings, func(o *cloudwatchlogs.Options) {
		if s.region != "" {
			o.Region = s.region
		}
	})
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &s.group, LogStreamName: &s.name, StartFromHead: aws.Bool(true)}
	for last := 0; ; {
		if err := drain(ctx, client, in, out); err != nil {
			return err
		}
		if !follow || last == askAtLast {
			return nil
		}
		t, err := e.find(ctx, at)
		switch {
		case err != nil:
			return err
		case aws.ToString(t.LastStatus) == string(types.DesiredStatusStopped):
			last++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askAgain):
		}
	}
}

// drain writes the events that there are now. What comes after them is what the
// request asks for next.
func drain(ctx context.Context, client *cloudwatchlogs.Client, in *cloudwatchlogs.GetLogEventsInput, out io.Writer) error {
	for {
		page, err := client.GetLogEvents(ctx, in)
		var none *logstypes.ResourceNotFoundException
		if errors.As(err, &none) {
			return nil // nothing was written yet
		}
		if err != nil {
			return said(err)
		}
		for _, event := range page.Events {
			if _, err := fmt.Fprintln(out, strings.TrimSuffix(aws.ToString(event.Message), "\n")); err != nil {
				return err
			}
		}
		// The token of the end is the one that was sent.
		end := aws.ToString(page.NextForwardToken) == aws.ToString(in.NextToken)
		in.NextToken = page.NextForwardToken
		if end || in.NextToken == nil {
			return nil
		}
	}
}
