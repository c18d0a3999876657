package inventory

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/requirements"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
	"github.com/google/osv-scalibr/extractor/filesystem/language/ruby/gemspec"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	"github.com/google/osv-scalibr/extractor/filesystem/os/rpm"
)

// ManagerOS is the manager of packages of the operating system.
const ManagerOS = "OS"

// Managers, as Amazon Inspector spells them.
const (
	managerNode   = "NODE"
	managerPython = "PYTHON"
	managerGem    = "BUNDLER"
	managerJar    = "JAR"
	managerGo     = "GOBINARY"
	managerRust   = "CARGO"
)

// kind is a kind of file that names packages.
type kind struct {
	wants func(path string, h *tar.Header) bool
	// most is the largest that is looked into.
	most int64
	// magic is how it begins and marks are strings of which one is in it, where that is
	// known: others are not kept.
	magic string
	marks []string
	// must is set when nothing can be said of the image without it.
	must bool
	read func(ctx context.Context, t *tree, f *file, os osRelease) ([]Package, error)
}

// kindsOfFiles are all, the first of which wants a file gets it.
func kindsOfFiles(b Bounds) ([]kind, error) {
	kinds := []kind{{
		wants: func(p string, _ *tar.Header) bool { return p == etcRelease || p == usrRelease }, most: b.Text,
		read: func(context.Context, *tree, *file, osRelease) ([]Package, error) { return nil, nil },
	}}
	for _, x := range []struct {
		make func(*cpb.PluginConfig) (filesystem.Extractor, error)
		// within narrows what the extractor wants.
		within func(p string) bool
		most   int64
		must   bool
		// direct is set for one that opens the file by itself.
		direct bool
	}{
		{make: dpkg.New, within: anywhere, most: b.List, must: true},
		{make: apk.New, within: anywhere, most: b.List, must: true},
		{make: rpm.New, within: anywhere, most: b.List, must: true, direct: true},
		{make: packagejson.New, within: anywhere, most: b.Text},
		{make: requirements.New, within: anywhere, most: b.Text},
		// Not archives of Python, which unpack to anything.
		{make: wheelegg.New, within: func(p string) bool { return path.Ext(p) != ".egg" && path.Ext(p) != ".whl" }, most: b.Text},
		// Those of installed gems, not of every source tree.
		{make: gemspec.New, within: func(p string) bool { return strings.Contains("/"+p, "/specifications/") }, most: b.Text},
	} {
		e, err := x.make(&cpb.PluginConfig{})
		if err != nil {
			return nil, fmt.Errorf("make a reader of lists of packages: %w", err)
		}
		kinds = append(kinds, kind{
			wants: func(p string, h *tar.Header) bool { return x.within(p) && e.FileRequired(asked{p, h}) },
			most:  x.most, must: x.must, read: extracted(e, x.direct),
		})
	}
	return append(kinds,
		kind{wants: func(p string, _ *tar.Header) bool { return isNPMLock(p) }, most: b.Lock, read: readNPMLock},
		kind{wants: func(p string, _ *tar.Header) bool { return isJar(p) }, most: b.Program, magic: "PK", read: readJar},
		kind{wants: isProgram, most: b.Program, magic: "\x7fELF", marks: []string{goMark, rustMark}, read: readProgram},
	), nil
}

func anywhere(string) bool { return true }

// asked is a file that an extractor is asked about.
type asked struct {
	path string
	h    *tar.Header
}

func (a asked) Path() string               { return a.path }
func (a asked) Stat() (fs.FileInfo, error) { return a.h.FileInfo(), nil }

// extracted reads a file with an extractor of osv-scalibr.
func extracted(e filesystem.Extractor, direct bool) func(context.Context, *tree, *file, osRelease) ([]Package, error) {
	return func(ctx context.Context, t *tree, f *file, release osRelease) (packages []Package, err error) {
		defer func() {
			// What comes from anybody may lead a reader anywhere.
			if p := recover(); p != nil {
				packages, err = nil, fmt.Errorf("its reader has failed: %v", p)
			}
		}()
		content, err := os.Open(f.at)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, content.Close()) }()
		in := &filesystem.ScanInput{FS: t, Path: f.path, Info: info{name: path.Base(f.path), size: f.size}, Reader: content}
		if direct {
			in.Root, in.Path = filepath.Split(f.at)
		}
		found, err := e.Extract(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, p := range found.Packages {
			packages = append(packages, converted(p, f.path, release))
		}
		return packages, nil
	}
}
