package docker

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// signalGroup sends a signal to a process of a container and to the group that it
// leads, as every command does that Docker runs in a container. Errors: that this
// machine has no such process in that container.
func signalGroup(pid int, container string, s syscall.Signal) error {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err
	}
	if pid <= 1 || !bytes.Contains(groups, []byte(container)) {
		return fmt.Errorf("process %d is not in container %s", pid, container)
	}
	return syscall.Kill(-pid, s)
}
