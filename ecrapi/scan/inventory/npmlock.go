package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path"
	"strings"
)

// isNPMLock reports whether a file is a lock file of npm for the project around it:
// those in installed packages say nothing of what is installed.
func isNPMLock(p string) bool {
	switch path.Base(p) {
	case "package-lock.json", "npm-shrinkwrap.json":
		return !strings.Contains("/"+p, "/node_modules/")
	}
	return false
}

// npmLocked is a package in a lock file, of both versions of the format.
type npmLocked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Dev     bool   `json:"dev"`
	Link    bool   `json:"link"`
	// Dependencies are the packages below one, in the older version.
	Dependencies json.RawMessage `json:"dependencies"`
}

// readNPMLock tells which packages a lock file of npm has installed, without those
// for development.
//
// Source: https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json
func readNPMLock(_ context.Context, _ *tree, f *file, _ osRelease) (packages []Package, err error) {
	content, err := os.Open(f.at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	var lock struct {
		Packages     map[string]npmLocked `json:"packages"`
		Dependencies json.RawMessage      `json:"dependencies"`
	}
	if err := json.NewDecoder(content).Decode(&lock); err != nil {
		return nil, err
	}
	l := npmLock{path: f.path}
	if lock.Packages == nil {
		err := l.older(lock.Dependencies, 0)
		return l.packages, err
	}
	for at, p := range lock.Packages {
		// The project itself is at "", others of its workspace outside node_modules.
		if i := strings.LastIndex(at, "node_modules/"); i >= 0 {
			if p.Name == "" {
				p.Name = at[i+len("node_modules/"):]
			}
			l.add(p)
		}
	}
	return l.packages, nil
}

type npmLock struct {
	path     string
	packages []Package
}

func (l *npmLock) add(p npmLocked) {
	if p.Dev || p.Link {
		return
	}
	name, version := p.Name, p.Version
	if rest, alias := strings.CutPrefix(version, "npm:"); alias {
		if i := strings.LastIndexByte(rest, '@'); i > 0 {
			name, version = rest[:i], rest[i+1:]
		}
	}
	l.packages = append(l.packages, Package{Ecosystem: "npm", Name: name, Version: version, Manager: managerNode, Path: l.path})
}

// deepestNPM is how deep packages may be in packages.
const deepestNPM = 64

// older reads what is below a package.
func (l *npmLock) older(below json.RawMessage, depth int) error {
	if len(below) == 0 || depth == deepestNPM {
		return nil
	}
	var all map[string]npmLocked
	if err := json.Unmarshal(below, &all); err != nil {
		return err
	}
	for name, p := range all {
		p.Name = name
		l.add(p)
		if err := l.older(p.Dependencies, depth+1); err != nil {
			return err
		}
	}
	return nil
}
