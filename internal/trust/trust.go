// Package trust makes a machine trust the server's certificate authority and find
// the server under the names that clients use, and takes all of it back. It knows
// three places: the system's trust store, /etc/hosts, and the folder in which
// Docker and podman look for the authorities of single registries.
//
// What it puts there is marked, so that taking it out needs no record kept
// elsewhere and leaves everything else as it was, byte for byte.
package trust

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// System is the machine to change.
type System struct {
	// Root is where its file system is found: / for this machine, else the root
	// of an image. Commands are run for / only.
	Root string
	// Run runs a command, for its effect.
	Run func(ctx context.Context, name string, args ...string) error
}

// What is to be installed.
type What struct {
	// CA is the certificate to trust, as PEM.
	CA []byte
	// Address is the IP address that Names lead to.
	Address string
	Names   []string
	// Registries are host names, with a port where it is not 443, by which
	// docker is to trust CA.
	Registries []string
}

// Install puts w in place of what an earlier Install put. Doing it again changes
// nothing. It returns what there is to know for a person, a line each. Errors name
// the file; what was done before the error stays, and Remove takes it out.
func (s System) Install(ctx context.Context, w What) ([]string, error) {
	var done []string
	for _, step := range []func() (string, error){
		func() (string, error) { return s.addToStore(ctx, w.CA) },
		func() (string, error) { return s.addHosts(w.Address, w.Names) },
		func() (string, error) { return s.addRegistries(w.CA, w.Registries) },
	} {
		line, err := step()
		if err != nil {
			return done, err
		}
		if line != "" {
			done = append(done, line)
		}
	}
	return done, nil
}

// Remove takes out what Install put in, whatever it was given. Where there is
// nothing it does nothing.
func (s System) Remove(ctx context.Context) ([]string, error) {
	var done []string
	for _, step := range []func() ([]string, error){
		func() ([]string, error) { return s.removeFromStores(ctx) },
		s.removeHosts,
		func() ([]string, error) { return s.removeRegistries(nil) },
	} {
		lines, err := step()
		done = append(done, lines...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s System) path(absolute string) string { return filepath.Join(s.Root, absolute) }

// display is a path as the machine itself has it.
func (s System) display(path string) string {
	rel, err := filepath.Rel(s.Root, path)
	if err != nil {
		return path
	}
	return "/" + rel
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// makeFolders makes a folder with those above it and returns the ones that were
// not there, the deepest first.
func makeFolders(path string, mode fs.FileMode) ([]string, error) {
	var missing []string
	for p := path; !isFolder(p) && filepath.Dir(p) != p; p = filepath.Dir(p) {
		missing = append(missing, p)
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return nil, fmt.Errorf("making the folder %s: %w", path, err)
	}
	return missing, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %s", n, strings.TrimSuffix(what, "y")+map[bool]string{true: "ies", false: "s"}[strings.HasSuffix(what, "y")])
}
