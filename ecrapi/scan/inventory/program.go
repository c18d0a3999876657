package inventory

import (
	"archive/tar"
	"bytes"
	"compress/zlib"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// What programs of Go, and of Rust that were built with cargo auditable, have in them.
const (
	goMark   = "\xff Go buildinf:"
	rustMark = ".dep-v0"
)

// isProgram reports whether a file may be a program.
func isProgram(p string, h *tar.Header) bool {
	return h.Mode&0o111 != 0 && h.Size >= 4<<10 && path.Ext(p) != ".ko"
}

// readProgram tells what a program was built from.
func readProgram(_ context.Context, _ *tree, f *file, _ osRelease) (packages []Package, err error) {
	defer func() {
		if p := recover(); p != nil {
			packages, err = nil, fmt.Errorf("its reader has failed: %v", p)
		}
	}()
	content, err := os.Open(f.at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if built, notGo := buildinfo.Read(content); notGo == nil {
		version, _, _ := strings.Cut(strings.TrimPrefix(built.GoVersion, "go"), " ")
		version, _, _ = strings.Cut(version, "-")
		packages = append(packages, Package{Ecosystem: "Go", Name: "stdlib", Version: version, Manager: managerGo, Path: f.path})
		for _, m := range built.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			packages = append(packages, Package{Ecosystem: "Go", Name: m.Path, Version: strings.TrimPrefix(m.Version, "v"), Manager: managerGo, Path: f.path})
		}
		if v := built.Main.Version; v != "" && v != "(devel)" {
			packages = append(packages, Package{Ecosystem: "Go", Name: built.Main.Path, Version: strings.TrimPrefix(v, "v"), Manager: managerGo, Path: f.path})
		}
		return packages, nil
	}
	return readRust(content, f.path)
}

// mostCrates is how much the list of a Rust program may unpack to.
const mostCrates = 16 << 20

// readRust reads the list that cargo auditable leaves in a program.
//
// Source: https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
func readRust(content io.ReaderAt, path string) ([]Package, error) {
	program, err := elf.NewFile(content)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	section := program.Section(rustMark)
	if section == nil {
		return nil, nil // the mark was something else
	}
	if section.FileSize > mostCrates {
		return nil, fmt.Errorf("its list of crates has %d bytes", section.FileSize)
	}
	packed := make([]byte, section.FileSize)
	if _, err := io.ReadFull(io.NewSectionReader(section.ReaderAt, 0, int64(len(packed))), packed); err != nil {
		return nil, err
	}
	plain, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var list struct {
		Packages []struct{ Name, Version, Kind string } `json:"packages"`
	}
	if err := json.NewDecoder(io.LimitReader(plain, mostCrates)).Decode(&list); err != nil {
		return nil, err
	}
	var packages []Package
	for _, c := range list.Packages {
		if c.Kind == "" || c.Kind == "runtime" {
			packages = append(packages, Package{Ecosystem: "crates.io", Name: c.Name, Version: c.Version, Manager: managerRust, Path: path})
		}
	}
	return packages, nil
}
