package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"drydock/deploy/machine"
)

// How long the Engine may take for what it answers from memory, and for what has it
// work. One that takes longer counts as away: it may hang.
const (
	brief = 10 * time.Second
	long  = 4 * time.Minute
	// feel is how often the Engine is asked whether it is there, for one that hangs
	// breaks no connection.
	feel = 3 * time.Second
)

// lost reports that nothing is known of how a request ended, for the Engine did not
// answer it: it was restarted, or hangs.
func lost(err error) bool {
	var broken *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &broken) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// reach tells of an Engine that does not answer as the contract has it.
func reach(err error) error {
	switch {
	case err == nil:
		return nil
	case lost(err):
		return unavailable(err)
	case errdefs.IsNotFound(err):
		return errors.Join(machine.ErrUnknownTask, err)
	}
	return err
}

// plain is an error of the Engine's without what the client puts before it.
func plain(err error) error { return &plainError{err} }

type plainError struct{ err error }

func (e *plainError) Error() string {
	return strings.TrimPrefix(e.err.Error(), "Error response from daemon: ")
}

func (e *plainError) Unwrap() error { return e.err }

// pause waits before something is tried another time.
func pause(ctx context.Context) {
	t := time.NewTimer(retryConnection)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// answers reports whether the Engine does.
func (m *Machine) answers() bool {
	ctx, cancel := context.WithTimeout(m.ctx, brief)
	defer cancel()
	_, err := m.engine.Ping(ctx)
	return err == nil
}

// watchOver finds out when the Engine hangs, and when it no longer does, until the
// machine is closed.
func (m *Machine) watchOver() {
	tick := time.NewTicker(feel)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		there := m.answers()
		switch away := m.isAway(); {
		case m.ctx.Err() != nil:
			return
		case there && away:
			m.reached()
		case !there && !away:
			m.o.Log.Warn("the Docker Engine does not answer")
			m.left()
		}
	}
}

func (m *Machine) isAway() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away
}
