package inside

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"drydock/deploy/machine"
)

// containerStats are a container's statistics as Docker tells them.
func (s *Server) containerStats(ctx context.Context, c *caller) (any, error) {
	v, err := s.o.Machine.Stats(ctx, c.state.ARN, c.container)
	if errors.Is(err, machine.ErrUnknownTask) {
		return nil, errUnknown
	}
	return v, err
}

// taskStats are those of all containers of the task that run, by Docker's id.
func (s *Server) taskStats(ctx context.Context, c *caller) (any, error) {
	all := map[string]json.RawMessage{}
	for _, st := range c.state.Containers {
		if st.RuntimeID == "" {
			continue
		}
		all[st.RuntimeID] = json.RawMessage("null")
		if st.Status != machine.Running {
			continue
		}
		v, err := s.o.Machine.Stats(ctx, c.state.ARN, st.Name)
		switch {
		case err == nil:
			all[st.RuntimeID] = v
		case !errors.Is(err, machine.ErrUnknownTask):
			return nil, err
		}
	}
	return all, nil
}

// containerOf finds a container of a task by name. Errors: errUnknown.
func containerOf(c *caller, name string) (*machine.Container, *machine.ContainerState, error) {
	is := slices.IndexFunc(c.state.Containers, func(v machine.ContainerState) bool { return v.Name == name })
	spec := c.task.Detail.Spec.Containers
	of := slices.IndexFunc(spec, func(v machine.Container) bool { return v.Name == name })
	if is < 0 || of < 0 {
		return nil, nil, errUnknown
	}
	return &spec[of], &c.state.Containers[is], nil
}
