//go:build !linux

package docker

import (
	"errors"
	"syscall"
)

// signalGroup cannot find a container's processes here: they are on a machine of their own.
func signalGroup(int, string, syscall.Signal) error {
	return errors.New("the Engine's processes are not on this machine")
}
