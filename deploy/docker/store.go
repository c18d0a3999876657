package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"drydock/deploy/machine"
	"drydock/internal/atomicfile"
)

// kept is what there is to know of a task that Docker does not know.
type kept struct {
	Task  machine.Task
	State machine.State
	// Ending is set when the task is to stop.
	Ending bool
	// Pulled are the images of containers, by name, as they were pulled.
	Pulled map[string]pulledImage
	// Pause is the id of the container that holds an awsvpc task's network.
	Pause string
}

// pulledImage is an image as the Engine has it.
type pulledImage struct {
	// Reference is what containers are made of, Digest that of the manifest.
	Reference, Digest string
}

func newKept(t machine.Task) *kept {
	k := &kept{Task: t, Pulled: map[string]pulledImage{}}
	k.State = machine.State{ARN: t.ARN, Status: machine.Pending, Health: machine.Unknown}
	if t.NetworkMode == "awsvpc" {
		k.State.Status = machine.Provisioning
	}
	for _, c := range t.Containers {
		k.State.Containers = append(k.State.Containers, machine.ContainerState{Name: c.Name, Status: machine.Pending, Health: machine.Unknown})
	}
	return k
}

// recognise notes which container is the task's of a name, unless that is known: one
// may have been made, and even been given another name, just before a crash.
func (k *kept) recognise(name, id string) {
	for i := range k.State.Containers {
		if c := &k.State.Containers[i]; c.Name == name && c.RuntimeID == "" {
			c.RuntimeID = id
		}
	}
}

// store keeps tasks as files, one each.
type store struct{ folder string }

const suffix = ".task.json"

func openStore(folder string) (*store, []*kept, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the folder of tasks: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("list the tasks that are kept: %w", err)
	}
	var all []*kept
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, nil, fmt.Errorf("read a task that is kept: %w", err)
		}
		k := new(kept)
		if err := json.Unmarshal(b, k); err != nil {
			return nil, nil, fmt.Errorf("read the task in %s: %w", e.Name(), err)
		}
		all = append(all, k)
	}
	return &store{folder}, all, nil
}

// path is that of a task's file. Its name is made of no part of the ARN.
func (s *store) path(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return filepath.Join(s.folder, hex.EncodeToString(sum[:16])+suffix)
}

func (s *store) save(k *kept) error {
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep task %s: %w", k.Task.ARN, err)
	}
	if err := atomicfile.Write(s.path(k.Task.ARN), b, 0o600); err != nil {
		return fmt.Errorf("keep task %s: %w", k.Task.ARN, err)
	}
	return nil
}

func (s *store) delete(arn string) error {
	if err := os.Remove(s.path(arn)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete what was kept of task %s: %w", arn, err)
	}
	return nil
}
