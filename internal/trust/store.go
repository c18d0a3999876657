package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"drydock/internal/atomicfile"
)

// store is one way in which systems keep the authorities that they trust: a
// folder for the administrator's own, and a command that takes it up.
type store struct {
	folder, file string
	update       []string // after adding
	refresh      []string // after removing
}

// stores are the ways that are known: Debian, Ubuntu and Alpine; Fedora and its
// kin; openSUSE; Arch.
func stores() []store {
	debian := []string{"update-ca-certificates"}
	fedora := []string{"update-ca-trust", "extract"}
	return []store{
		// Without --fresh, Debian's command leaves links to a file that is gone.
		{"/usr/local/share/ca-certificates", "drydock.crt", debian, append(debian, "--fresh")},
		{"/etc/pki/ca-trust/source/anchors", "drydock.pem", fedora, fedora},
		{"/etc/pki/trust/anchors", "drydock.pem", debian, debian},
		{"/etc/ca-certificates/trust-source/anchors", "drydock.crt", fedora, fedora},
	}
}

func (s System) addToStore(ctx context.Context, ca []byte) (string, error) {
	for _, st := range stores() {
		folder := s.path(st.folder)
		if !isFolder(folder) {
			continue
		}
		path := filepath.Join(folder, st.file)
		line := "the system's trust store: " + s.display(path)
		before, err := os.ReadFile(path)
		if err == nil && bytes.Equal(before, ca) {
			return line, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("reading the trust store: %w", err)
		}
		if err := atomicfile.Write(path, ca, 0o644); err != nil {
			return "", fmt.Errorf("adding to the trust store: %w", err)
		}
		ran, err := s.run(ctx, st.update)
		if err != nil {
			// Else doing it again would find the file there and stop.
			return "", errors.Join(err, os.Remove(path))
		}
		return line + ran, nil
	}
	return "the system's trust store: left alone, because it is none that drydock knows (is the package ca-certificates installed?)", nil
}

func (s System) removeFromStores(ctx context.Context) ([]string, error) {
	var done []string
	for _, st := range stores() {
		path := filepath.Join(s.path(st.folder), st.file)
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("removing from the trust store: %w", err)
		}
		ran, err := s.run(ctx, st.refresh)
		if err != nil {
			return done, err
		}
		done = append(done, "the system's trust store: "+s.display(path)+ran)
	}
	return done, nil
}

// run runs the command on this machine, and for another root says which to run.
func (s System) run(ctx context.Context, command []string) (note string, err error) {
	if filepath.Clean(s.Root) != "/" {
		return fmt.Sprintf(" (run %s in it)", strings.Join(command, " ")), nil
	}
	if err := s.Run(ctx, command[0], command[1:]...); err != nil {
		return "", fmt.Errorf("taking up the change of the trust store with %s: %w", strings.Join(command, " "), err)
	}
	return "", nil
}
