package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drydock/internal/atomicfile"
)

// Docker, and podman with it, trust for one registry what lies in the folder of
// its name. Sources: https://docs.docker.com/engine/security/certificates/ and
// containers-certs.d(5).
const certsFolder = "/etc/docker/certs.d"

// The files begin with lines that PEM readers skip: one that says whose they are,
// and one that names the folders made for them, which go when they go.
const (
	certMark = "# Put here by drydock trust --install; drydock trust --remove takes it out.\n"
	certMade = "# Folders made for it: "
)

func (s System) addRegistries(ca []byte, hosts []string) (string, error) {
	var kept []string
	for _, host := range hosts {
		path, err := s.addRegistry(ca, host)
		if err != nil {
			return "", err
		}
		kept = append(kept, path)
	}
	// What an earlier installation put there for other names is not wanted now.
	if _, err := s.removeRegistries(kept); err != nil {
		return "", err
	}
	if len(hosts) == 0 {
		return "", nil
	}
	return fmt.Sprintf("%s: %s", certsFolder, plural(len(hosts), "registry")), nil
}

func (s System) addRegistry(ca []byte, host string) (string, error) {
	folder := s.path(certsFolder + "/" + host)
	made, err := makeFolders(folder, 0o755)
	if err != nil {
		return "", fmt.Errorf("trusting %s: %w", host, err)
	}
	// A ca.crt that somebody else put there stays; all *.crt of a folder count.
	path := filepath.Join(folder, "ca.crt")
	mark, ours, err := readMark(path)
	if err == nil && !ours {
		path = filepath.Join(folder, "drydock.crt")
		mark, ours, err = readMark(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		mark = certMark
		if len(made) > 0 {
			for i := range made {
				made[i] = s.display(made[i])
			}
			mark += certMade + strings.Join(made, " ") + "\n"
		}
	case err != nil:
		return "", fmt.Errorf("trusting %s: %w", host, err)
	case !ours:
		return "", fmt.Errorf("trusting %s: %s is not drydock's: move it away", host, s.display(path))
	}
	content := append([]byte(mark), ca...)
	if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, content) {
		return path, nil
	}
	if err := atomicfile.Write(path, content, 0o644); err != nil {
		return "", fmt.Errorf("trusting %s: %w", host, err)
	}
	return path, nil
}

// readMark reads the lines in front of a certificate that say it is ours.
func readMark(path string) (mark string, ours bool, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", false, err
	}
	text := string(b)
	if !strings.HasPrefix(text, certMark) {
		return "", false, nil
	}
	mark = certMark
	if rest := text[len(certMark):]; strings.HasPrefix(rest, certMade) {
		if line, _, ended := strings.Cut(rest, "\n"); ended {
			mark += line + "\n"
		}
	}
	return mark, true, nil
}

// removeRegistries removes our files except those kept, and the folders that were
// made for them once they are empty.
func (s System) removeRegistries(keep []string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(s.path(certsFolder), "*", "*.crt"))
	if err != nil {
		return nil, fmt.Errorf("looking through %s: %w", certsFolder, err)
	}
	var done, folders []string
	for _, path := range files {
		mark, ours, err := readMark(path)
		if err != nil {
			return done, fmt.Errorf("looking through %s: %w", certsFolder, err)
		}
		if !ours || slices.Contains(keep, path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return done, fmt.Errorf("removing from %s: %w", certsFolder, err)
		}
		if _, made, ok := strings.Cut(mark, certMade); ok {
			folders = append(folders, strings.Fields(made)...)
		}
		done = append(done, s.display(path))
	}
	return done, s.removeFolders(folders, keep)
}

// removeFolders removes the deepest first. One that is not empty stays: somebody
// uses it, or one of our files that are kept lies below it. In the latter case
// that file must take over the duty to remove it.
func (s System) removeFolders(folders, keep []string) error {
	slices.SortFunc(folders, func(a, b string) int { return len(b) - len(a) })
	var left []string
	for _, f := range slices.Compact(folders) {
		if err := os.Remove(s.path(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			left = append(left, f)
		}
	}
	if len(left) == 0 || len(keep) == 0 {
		return nil
	}
	mark, _, err := readMark(keep[0])
	if err != nil {
		return fmt.Errorf("looking through %s: %w", certsFolder, err)
	}
	b, err := os.ReadFile(keep[0])
	if err != nil {
		return fmt.Errorf("looking through %s: %w", certsFolder, err)
	}
	own, made, _ := strings.Cut(mark, certMade)
	all := append(strings.Fields(made), left...)
	content := own + certMade + strings.Join(all, " ") + "\n" + string(b[len(mark):])
	return atomicfile.Write(keep[0], []byte(content), 0o644)
}
