package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// Reader reads inventories.
type Reader struct {
	folder string
	bounds Bounds
	kinds  []kind
}

// New makes a reader, which keeps the files that it looks into in folders of its own
// below folder while it does.
func New(folder string, b Bounds) (*Reader, error) {
	kinds, err := kindsOfFiles(b.orUsual())
	if err != nil {
		return nil, err
	}
	return &Reader{folder: folder, bounds: b.orUsual(), kinds: kinds}, nil
}

// Read reads the layers of an image, the lowest first. Errors: *BoundError,
// *LayerError, *ListError, and those of opening layers as they are.
func (r *Reader) Read(ctx context.Context, layers []Layer) (_ Inventory, err error) {
	if len(layers) > r.bounds.Layers {
		return Inventory{}, &BoundError{fmt.Sprintf("%d layers, and %d are read at most", len(layers), r.bounds.Layers)}
	}
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return Inventory{}, fmt.Errorf("make a folder to scan in: %w", err)
	}
	dir, err := os.MkdirTemp(r.folder, "scan-")
	if err != nil {
		return Inventory{}, fmt.Errorf("make a folder to scan in: %w", err)
	}
	defer func() {
		if gone := os.RemoveAll(dir); gone != nil && err == nil {
			err = fmt.Errorf("clean up after a scan: %w", gone)
		}
	}()
	w := &walk{bounds: r.bounds, kinds: r.kinds, dir: dir, tree: newTree()}
	for i, l := range layers {
		if err := w.layer(ctx, i, l); err != nil {
			return Inventory{}, err
		}
	}
	return r.extract(ctx, w.tree)
}

// extract has each file that was kept say which packages it names.
func (r *Reader) extract(ctx context.Context, t *tree) (Inventory, error) {
	release := t.release()
	found := Inventory{OS: release.String(), Packages: []Package{}}
	seen := map[Package]bool{}
	for _, f := range t.files() {
		if err := ctx.Err(); err != nil {
			return Inventory{}, err
		}
		packages, err := f.kind.read(ctx, t, f, release)
		var bound *BoundError
		switch {
		case ctx.Err() != nil:
			return Inventory{}, ctx.Err()
		case errors.As(err, &bound):
			return Inventory{}, err
		case err != nil && f.kind.must:
			return Inventory{}, &ListError{f.path, err}
		case err != nil:
			found.Unread++
			continue
		}
		for _, p := range packages {
			if p.Layer = f.layerDigest; !p.sound() || seen[p] {
				continue
			}
			if len(found.Packages) == r.bounds.Packages {
				return Inventory{}, &BoundError{fmt.Sprintf("more than %d packages", r.bounds.Packages)}
			}
			seen[p] = true
			found.Packages = append(found.Packages, p)
		}
	}
	slices.SortFunc(found.Packages, func(a, b Package) int {
		return slices.Compare([]string{a.Ecosystem, a.Name, a.Version, a.Path}, []string{b.Ecosystem, b.Name, b.Version, b.Path})
	})
	return found, nil
}

// The longest names and versions that are believed. Comparing versions takes time
// that grows faster than their length.
const (
	longestName    = 512
	longestVersion = 256
)

func (p Package) sound() bool {
	for _, s := range []string{p.Name, p.Source} {
		if len(s) > longestName {
			return false
		}
	}
	all := p.Ecosystem + p.Name + p.Source + p.Version + p.SourceVersion + p.Path + p.Arch
	return p.Name != "" && p.Version != "" && len(p.Version) <= longestVersion && len(p.SourceVersion) <= longestVersion &&
		utf8.ValidString(all) && !strings.ContainsRune(all, 0)
}
