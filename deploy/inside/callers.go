package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// errUnknown is the answer to an id that there is not, that has ended, or that is not
// the asker's: which of them it is, nobody is told.
var errUnknown = errors.New("unable to find a container with this id")

// identified are the ids of a task.
type identified struct {
	containers          map[string]string // id to name
	role, executionRole string
}

// caller is the container that asks.
type caller struct {
	version   int
	state     machine.State
	task      record.Task
	container string
}

// caller finds the container whose id is in the address. Errors: errUnknown.
func (s *Server) caller(r *http.Request) (*caller, error) {
	id := r.PathValue("id")
	c, err := s.find(r, func(i *identified) (string, bool) {
		name, ok := i.containers[id]
		return name, ok
	})
	if err != nil {
		return nil, err
	}
	return c, s.from(r, c)
}

// find finds the task of an id that runs on this machine.
func (s *Server) find(r *http.Request, has func(*identified) (string, bool)) (*caller, error) {
	states, err := s.o.Machine.Tasks(r.Context())
	if err != nil {
		return nil, err
	}
	all, err := s.identify(states)
	if err != nil {
		return nil, err
	}
	for i, st := range states {
		name, ok := has(all[i])
		if !ok || st.Status == machine.Stopped {
			continue
		}
		t, err := s.task(r.Context(), st.ARN)
		if errors.Is(err, meta.ErrNotFound) {
			return nil, errUnknown
		}
		return &caller{state: st, task: t, container: name}, err
	}
	return nil, errUnknown
}

// identify makes the ids of tasks, unless they are known, and forgets those of others.
func (s *Server) identify(states []machine.State) ([]*identified, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[string]*identified, len(states))
	all := make([]*identified, 0, len(states))
	for _, st := range states {
		i := s.ids[st.ARN]
		if i == nil || len(i.containers) != len(st.Containers) {
			var err error
			if i, err = s.o.IDs.of(st); err != nil {
				return nil, err
			}
		}
		known[st.ARN] = i
		all = append(all, i)
	}
	s.ids = known
	return all, nil
}

func (i IDs) of(st machine.State) (*identified, error) {
	v := &identified{containers: map[string]string{}}
	var errs [2]error
	v.role, errs[0] = i.Role(st.ARN)
	v.executionRole, errs[1] = i.ExecutionRole(st.ARN)
	for _, c := range st.Containers {
		id, err := i.Container(st.ARN, c.Name)
		if err != nil {
			return nil, err
		}
		v.containers[id] = c.Name
	}
	return v, errors.Join(errs[:]...)
}

// task reads the record of a task. Errors: meta.ErrNotFound.
func (s *Server) task(ctx context.Context, taskARN string) (record.Task, error) {
	a, err := arn.Parse(taskARN)
	if err != nil {
		return record.Task{}, err
	}
	p := strings.Split(a.Resource, "/")
	if len(p) != 3 {
		return record.Task{}, fmt.Errorf("%q is not the ARN of a task", taskARN)
	}
	t, err := record.FindTask(ctx, s.o.DB.Reader(), record.Scope{Account: a.Account, Region: a.Region}, p[1], p[2])
	if err != nil {
		return t, fmt.Errorf("find task %s: %w", taskARN, err)
	}
	return t, nil
}

// A container may ask before its address is known here: so long it is waited for, and
// so often it is looked.
const (
	patience = 3 * time.Second
	glance   = 50 * time.Millisecond
)

// from checks that a request comes from the task that the caller belongs to. Errors:
// errUnknown.
func (s *Server) from(r *http.Request, c *caller) error {
	source := sourceOf(r)
	err := s.patiently(r.Context(), source, func(states []machine.State) bool {
		i := slices.IndexFunc(states, func(st machine.State) bool { return st.ARN == c.state.ARN })
		if i < 0 {
			return false
		}
		c.state = states[i]
		return reaches(c.state, source) || c.task.Detail.Spec.NetworkMode == "host" && isLocal(source)
	})
	if errors.Is(err, errUnknown) {
		s.o.Log.WarnContext(r.Context(), "somebody else asked for what is a task's", "task", c.state.ARN, "from", source.String())
	}
	return err
}

// admit checks that a request comes from a task of this machine, or from the machine.
func (s *Server) admit(r *http.Request) error {
	source := sourceOf(r)
	if isLocal(source) {
		return nil
	}
	return s.patiently(r.Context(), source, func(states []machine.State) bool {
		return slices.ContainsFunc(states, func(st machine.State) bool { return reaches(st, source) })
	})
}

// patiently asks again and again whether a source may, as long as the address may be
// that of a container which is just beginning. Errors: errUnknown.
func (s *Server) patiently(ctx context.Context, source netip.Addr, may func([]machine.State) bool) error {
	for until := time.Now().Add(patience); ; {
		states, err := s.o.Machine.Tasks(ctx)
		if err != nil {
			return err
		}
		if may(states) {
			return nil
		}
		taken := slices.ContainsFunc(states, func(st machine.State) bool { return reaches(st, source) })
		if taken || !slices.ContainsFunc(states, begins) || time.Now().After(until) {
			return errUnknown
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(glance):
		}
	}
}

// begins reports whether a task has a container whose address may not be known yet.
func begins(st machine.State) bool {
	return st.Status != machine.Stopped && st.Address == "" && slices.ContainsFunc(st.Containers, func(c machine.ContainerState) bool {
		return c.Status != machine.Stopped && len(c.Addresses) == 0
	})
}

// reaches reports whether an address is a task's own.
func reaches(st machine.State, source netip.Addr) bool {
	if st.Status == machine.Stopped {
		return false
	}
	is := func(text string) bool {
		a, err := netip.ParseAddr(text)
		return err == nil && a.Unmap() == source
	}
	return is(st.Address) || slices.ContainsFunc(st.Containers, func(c machine.ContainerState) bool {
		return slices.ContainsFunc(c.Addresses, is)
	})
}

func sourceOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// isLocal reports whether an address is one of this machine's.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(v net.Addr) bool {
		p, err := netip.ParsePrefix(v.String())
		return err == nil && p.Addr().Unmap() == a
	})
}
