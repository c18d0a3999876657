// Package machine is the contract between the scheduler and what runs containers.
// A machine is told to start and to stop tasks, and tells what becomes of them; it
// decides nothing about which tasks there should be.
//
// deploy/docker is a machine on the local Docker Engine, machine/simulated a fleet
// of pretended ones on a clock of their own. Both pass machine/machinetest.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// ErrUnknownTask is returned, wrapped, for a task that the machine does not have.
var ErrUnknownTask = errors.New("the machine does not have this task")

// ErrUnavailable is returned, wrapped, while a machine cannot be reached. What it
// runs may go on.
var ErrUnavailable = errors.New("the machine cannot be reached at the moment")

// Machine runs tasks. Its methods may be called from many goroutines. Errors, of
// all of them: ErrUnavailable.
type Machine interface {
	// Describe tells what the machine has to offer.
	Describe(ctx context.Context) (Description, error)
	// Start takes a task in, to be run. That it has is remembered: a second Start
	// of the same ARN does nothing, even after the machine's software was killed
	// in the midst of the first. Everything that then goes wrong is told by the
	// task's state. Errors: that the task could not be noted.
	Start(ctx context.Context, t Task) error
	// Stop has a task end: each container gets its stop signal, and is killed
	// when its StopTimeout is over. It returns at once, and may be repeated. why
	// becomes the state's Reason and code its StopCode, unless it had one. The
	// state of a task that the machine does not have is told as STOPPED.
	Stop(ctx context.Context, arn string, code StopCode, why string) error
	// Tasks tells the state of all tasks that the machine has: also of those that
	// have stopped, until Forget.
	Tasks(ctx context.Context) ([]State, error)
	// Watch calls changed with the whole state of a task each time that it has
	// changed, one call at a time, until the context ends or the machine can no
	// longer be reached. What changed before is not told: call Tasks once Watch
	// has called ready.
	Watch(ctx context.Context, ready func(), changed func(State)) error
	// Forget removes what is left of a task that has stopped. It need not be there.
	Forget(ctx context.Context, arn string) error
	// Exec runs a command in a running container and returns its exit code.
	// Errors: ErrUnknownTask, also of the container.
	Exec(ctx context.Context, arn, container string, e Exec) (code int, err error)
	// Logs copies what a container has written, as far as the machine keeps it,
	// and with follow what it writes until it ends. Errors: ErrUnknownTask.
	Logs(ctx context.Context, arn, container string, follow bool, to io.Writer) error
	// Stats is a container's use of the machine, as Docker's API tells it.
	// Errors: ErrUnknownTask.
	Stats(ctx context.Context, arn, container string) (json.RawMessage, error)
	// Close lets go of the machine. What runs goes on.
	Close() error
}

// Description is what a machine has to offer.
type Description struct {
	// ID tells machines apart and stays the same.
	ID string
	// CPU is in units of 1/1024 of a core, Memory in MiB.
	CPU, Memory int64
	// TakenTCP and TakenUDP are ports that tasks cannot have.
	TakenTCP, TakenUDP []int
	// Attributes are those of a container instance, such as ecs.os-type.
	Attributes map[string]string
	// AgentVersion and EngineVersion name the software: "1.0.0", "DockerVersion: 20.10.24".
	AgentVersion, EngineVersion string
	// GPUs are the ids of graphics processors.
	GPUs []string
	// Privileged says whether privileged containers and devices are allowed.
	Privileged bool
}

// Exec is a command for a running container.
type Exec struct {
	Command []string
	// TTY asks for a terminal, of which Resize tells the sizes.
	TTY    bool
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Resize <-chan Size
}

// Size is that of a terminal, in characters.
type Size struct{ Columns, Rows uint }
