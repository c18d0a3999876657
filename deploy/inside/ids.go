package inside

import (
	"fmt"

	"drydock/auth/seal"
)

// IDs make the ids that stand in the addresses given to containers. They follow from
// the server's key and what they stand for, so that they are the same after a
// restart, and nobody can guess them.
type IDs struct{ box *seal.Box }

// NewIDs makes ids from the server's key.
func NewIDs(box *seal.Box) IDs { return IDs{box} }

// Container is the id of a task's container, for its metadata.
func (i IDs) Container(task, container string) (string, error) {
	return i.make("metadata of containers", task+" "+container)
}

// Role is the id of the credentials of a task's role.
func (i IDs) Role(task string) (string, error) { return i.make("credentials of tasks", task) }

// ExecutionRole is the id of the credentials of a task's execution role, for the
// machine's log driver.
func (i IDs) ExecutionRole(task string) (string, error) {
	return i.make("credentials of execution roles", task)
}

func (i IDs) make(purpose, of string) (string, error) {
	b, err := i.box.Derive(purpose, of, 16)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
