package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// period is that of the kernel's CPU quotas, in microseconds.
const period = 100_000

// controllers are the folders of cgroups where version 1 has them, by the name of
// what they control.
const hierarchy = "/sys/fs/cgroup"

// cgroup makes the cgroup in which all containers of the task are, where the task as
// a whole has limits, and returns it as Docker wants its parent named. Empty is no
// cgroup: the task has no limits of its own, or they cannot be set here, where each
// container then has those of the task.
func (r *runner) cgroup() string {
	t := &r.k.Task
	if t.CPU == 0 && t.Memory == 0 || r.m.cgroups == "" {
		return ""
	}
	id := t.ARN[strings.LastIndex(t.ARN, "/")+1:]
	var err error
	switch r.m.cgroups {
	case cgroupfs1:
		err = errors.Join(
			limit(filepath.Join(hierarchy, "memory", "drydock", id), map[string]string{"memory.limit_in_bytes": bytesOf(t.Memory)}),
			limit(filepath.Join(hierarchy, "cpu", "drydock", id), map[string]string{
				"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": quota(t.CPU, "-1")}))
	case cgroupfs2:
		parent := filepath.Join(hierarchy, "drydock")
		if err = os.MkdirAll(parent, 0o755); err == nil {
			err = errors.Join(enable(hierarchy), enable(parent))
		}
		if err == nil {
			err = limit(filepath.Join(parent, id), map[string]string{"memory.max": bytesOf(t.Memory), "cpu.max": quota(t.CPU, "max") + " " + strconv.Itoa(period)})
		}
	}
	if err != nil {
		r.m.o.Log.Warn("a task cannot be limited as a whole", "task", t.ARN, "error", err)
		return ""
	}
	return "/drydock/" + id
}

// The kinds of cgroups that tasks can have: version and Docker's driver.
const (
	cgroupfs1 = "1 cgroupfs"
	cgroupfs2 = "2 cgroupfs"
)

func enable(folder string) error {
	return os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+cpu +memory"), 0o644)
}

func limit(folder string, values map[string]string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, v := range values {
		if v == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(v), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(mib int64) string {
	if mib == 0 {
		return ""
	}
	return strconv.FormatInt(mib<<20, 10)
}

func quota(cpu int64, none string) string {
	if cpu == 0 {
		return none
	}
	return strconv.FormatInt(max(cpu*period/1024, 1000), 10)
}

// dropCgroup removes the task's cgroup, which by now is empty.
func (r *runner) dropCgroup() {
	t := &r.k.Task
	id := t.ARN[strings.LastIndex(t.ARN, "/")+1:]
	if t.CPU == 0 && t.Memory == 0 || r.m.cgroups == "" || id == "" {
		return
	}
	for _, folder := range map[string][]string{
		cgroupfs1: {filepath.Join(hierarchy, "memory", "drydock", id), filepath.Join(hierarchy, "cpu", "drydock", id)},
		cgroupfs2: {filepath.Join(hierarchy, "drydock", id)},
	}[r.m.cgroups] {
		if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.m.o.Log.Debug("a cgroup could not be removed", "task", t.ARN, "error", err)
		}
	}
}
