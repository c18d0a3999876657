package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"drydock/deploy/machine"
)

// Exec implements machine.Machine.
func (m *Machine) Exec(ctx context.Context, arn, name string, e machine.Exec) (int, error) {
	id, err := m.find(arn, name)
	if err != nil {
		return 0, err
	}
	asked, done := context.WithTimeout(ctx, long)
	defer done()
	made, err := m.engine.ContainerExecCreate(asked, id, container.ExecOptions{
		Cmd: e.Command, Tty: e.TTY, AttachStdin: e.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, fmt.Errorf("run a command in container %s: %w", name, reach(err))
	}
	at, err := m.engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: e.TTY})
	if err != nil {
		return 0, fmt.Errorf("run a command in container %s: %w", name, reach(err))
	}
	defer at.Close()
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // what the caller no longer waits for ends
		<-ctx.Done()
		at.Close()
	}()
	if e.Stdin != nil {
		go func() {
			_, _ = io.Copy(at.Conn, e.Stdin) // it ends with either side
			_ = at.CloseWrite()
		}()
	}
	if e.Resize != nil {
		go m.resize(ctx, made.ID, e.Resize)
	}
	if e.TTY {
		_, err = io.Copy(e.Stdout, at.Reader)
	} else {
		_, err = stdcopy.StdCopy(e.Stdout, e.Stderr, at.Reader)
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("follow a command in container %s: %w", name, err)
	}
	if caller.Err() != nil {
		err = fmt.Errorf("a command in container %s is no longer waited for: %w", name, caller.Err())
	}
	if err != nil {
		m.hangUp(made.ID, id)
		return 0, err
	}
	asked, done = context.WithTimeout(context.WithoutCancel(ctx), brief)
	defer done()
	v, err := m.engine.ContainerExecInspect(asked, made.ID)
	if err != nil {
		return 0, fmt.Errorf("ask how a command in container %s ended: %w", name, reach(err))
	}
	return v.ExitCode, nil
}

// patience is how long a command whose caller has gone has between the hang-up and the
// kill.
const patience = 2 * time.Second

// hangUp ends a command whose caller has gone, as a terminal does that is closed.
// Docker has no call for that and lets it run; but where the Engine is on this machine,
// its processes can be found.
func (m *Machine) hangUp(exec, container string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), brief)
	defer cancel()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL} {
		v, err := m.engine.ContainerExecInspect(ctx, exec)
		if err != nil || !v.Running {
			return
		}
		if err := signalGroup(v.Pid, container, s); err != nil {
			m.o.Log.Warn("a command whose caller has gone cannot be ended", "container", container, "pid", v.Pid, "error", err)
			return
		}
		time.Sleep(patience)
	}
}

func (m *Machine) resize(ctx context.Context, id string, sizes <-chan machine.Size) {
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-sizes:
			if !ok {
				return
			}
			_ = m.engine.ContainerExecResize(ctx, id, container.ResizeOptions{Width: s.Columns, Height: s.Rows}) // the next size may fit
		}
	}
}

// Logs implements machine.Machine.
func (m *Machine) Logs(ctx context.Context, arn, name string, follow bool, to io.Writer) error {
	id, err := m.find(arn, name)
	if err != nil {
		return err
	}
	v, err := m.inspect(ctx, id)
	if err != nil {
		return fmt.Errorf("look at container %s: %w", name, reach(err))
	}
	body, err := m.engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow})
	if err != nil {
		return fmt.Errorf("read what container %s writes: %w", name, reach(err))
	}
	defer body.Close()
	if v.Config.Tty {
		_, err = io.Copy(to, body)
	} else {
		_, err = stdcopy.StdCopy(to, to, body)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Stats implements machine.Machine.
func (m *Machine) Stats(ctx context.Context, arn, name string) (json.RawMessage, error) {
	id, err := m.find(arn, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	s, err := m.engine.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("ask for the statistics of container %s: %w", name, reach(err))
	}
	defer s.Body.Close()
	var v json.RawMessage
	if err := json.NewDecoder(s.Body).Decode(&v); err != nil {
		return nil, fmt.Errorf("read the statistics of container %s: %w", name, err)
	}
	return v, nil
}
