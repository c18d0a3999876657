package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// launcher runs tasks for somebody who looks on.
type launcher struct {
	*ecsOf
	out, err io.Writer
	// interrupts are those of who looks on.
	interrupts <-chan os.Signal
}

// lookAgain is how often a task is looked at.
const lookAgain = 200 * time.Millisecond

// interrupted is the exit code of a program that is left with Ctrl-C.
const interrupted = 130

// launch runs an image as a task, follows it and returns its exit code.
func (l launcher) launch(ctx context.Context, o launching) (code int, err error) {
	definition, container, err := l.register(ctx, o)
	if err != nil {
		return 0, err
	}
	if o.remove {
		defer func() {
			_, failure := l.DeregisterTaskDefinition(context.WithoutCancel(ctx), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &definition})
			if err == nil && failure != nil {
				err = said(failure)
			}
		}()
	}
	out, err := l.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: &o.cluster, TaskDefinition: &definition, EnableExecuteCommand: o.commands, StartedBy: aws.String("drydock run"),
	})
	if err != nil {
		return 0, said(err)
	}
	if len(out.Tasks) == 0 {
		var why []string
		for _, f := range out.Failures {
			why = append(why, aws.ToString(f.Reason))
		}
		return 0, fmt.Errorf("there is no place for the task in the cluster %s: %s", o.cluster, strings.Join(why, ", "))
	}
	at := whereabouts{o.cluster, aws.ToString(out.Tasks[0].TaskArn), container}
	if o.detach {
		_, err := fmt.Fprintln(l.out, at.task)
		return 0, err
	}
	fmt.Fprintln(l.err, "drydock: running", at.task)
	return l.attend(ctx, at)
}

// attend follows a task until it has stopped, which an interrupt asks it to do.
func (l launcher) attend(ctx context.Context, at whereabouts) (int, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	left := make(chan struct{})
	go func() {
		defer close(left)
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-l.interrupts:
			}
			if n == 2 {
				leave()
				return
			}
			if _, err := l.StopTask(ctx, &ecs.StopTaskInput{Cluster: &at.cluster, Task: &at.task, Reason: aws.String("Stopped by drydock run")}); err != nil {
				fmt.Fprintln(l.err, "drydock: the task could not be stopped:", said(err))
			}
		}
	}()
	t, err := l.until(ctx, at, func(t types.Task) bool { return t.StartedAt != nil })
	if err == nil && t.StartedAt != nil {
		// What it writes is not all that there is to know: how it ended is told all the same.
		if err := l.logs(ctx, at, true, l.out); err != nil && ctx.Err() == nil {
			fmt.Fprintln(l.err, "drydock: what the task writes cannot be followed:", err)
		}
		t, err = l.until(ctx, at, func(types.Task) bool { return false })
	}
	select {
	case <-left:
		return interrupted, nil // before the parent's end, only the second interrupt does this
	default:
	}
	if err != nil {
		return 0, err
	}
	return outcome(t, at.container)
}

// until waits until a task is as it should be, or has stopped.
func (l launcher) until(ctx context.Context, at whereabouts, is func(types.Task) bool) (types.Task, error) {
	for {
		t, err := l.find(ctx, at)
		if err != nil || is(t) || aws.ToString(t.LastStatus) == string(types.DesiredStatusStopped) {
			return t, err
		}
		select {
		case <-ctx.Done():
			return t, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// outcome is the exit code of a container whose task has stopped. Errors: why it has
// none.
func outcome(t types.Task, container string) (int, error) {
	c, err := containerOf(t, container)
	if err != nil {
		return 0, err
	}
	if c.ExitCode != nil {
		return int(*c.ExitCode), nil
	}
	why := aws.ToString(t.StoppedReason)
	if more := aws.ToString(c.Reason); more != "" && !strings.Contains(why, more) {
		why += ": " + more
	}
	return 0, errors.New("the task has stopped: " + why)
}
