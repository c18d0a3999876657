package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"

	"drydock/deploy/machine"
)

// volumeName is Docker's name of a volume: a task's own volumes have the task's id.
func volumeName(t *machine.Task, v machine.Volume) string {
	if v.Shared {
		return v.Name
	}
	return fmt.Sprintf("ecs-%s-%d-%s-%s", t.Family, t.Revision, v.Name, t.ARN[strings.LastIndex(t.ARN, "/")+1:])
}

// binds are the mounts of a container. Docker makes volumes that are not there.
func (r *runner) binds(c *machine.Container) (list []string) {
	for _, m := range c.Mounts {
		i := slices.IndexFunc(r.k.Task.Volumes, func(v machine.Volume) bool { return v.Name == m.Volume })
		if i < 0 {
			continue // the task definition was checked
		}
		v := r.k.Task.Volumes[i]
		from := v.HostPath
		if from == "" {
			from = volumeName(&r.k.Task, v)
		}
		if m.ReadOnly {
			list = append(list, from+":"+m.Path+":ro")
		} else {
			list = append(list, from+":"+m.Path)
		}
	}
	return list
}

// ensureVolumes makes the volumes of which the task definition says more than a name.
func (r *runner) ensureVolumes(ctx context.Context) error {
	for _, v := range r.k.Task.Volumes {
		if v.HostPath != "" {
			continue
		}
		name := volumeName(&r.k.Task, v)
		if v.Shared && !v.Autoprovision {
			if _, err := r.m.engine.VolumeInspect(ctx, name); err != nil {
				return fmt.Errorf("volume %s, which is shared: %w", name, plain(err))
			}
			continue
		}
		if v.Driver == "" && len(v.DriverOptions)+len(v.Labels) == 0 {
			continue
		}
		if _, err := r.m.engine.VolumeCreate(ctx, volume.CreateOptions{Name: name, Driver: v.Driver, DriverOpts: v.DriverOptions, Labels: v.Labels}); err != nil {
			return fmt.Errorf("volume %s: %w", name, plain(err))
		}
	}
	return nil
}

// clear removes what is left of a task that has stopped: containers, its own volumes,
// its cgroup.
func (r *runner) clear(ctx context.Context) error {
	t := &r.k.Task
	list, err := r.m.own(ctx, t.ARN)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := r.m.remove(ctx, c.ID); err != nil {
			return err
		}
	}
	for _, v := range t.Volumes {
		if v.HostPath != "" || v.Shared {
			continue
		}
		if err := r.m.engine.VolumeRemove(ctx, volumeName(t, v), false); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove volume %s of task %s: %w", v.Name, t.ARN, reach(err))
		}
	}
	r.dropCgroup()
	return nil
}
