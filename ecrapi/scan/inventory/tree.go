package inventory

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one that may name packages.
type file struct {
	path string
	// at is where it is kept.
	at          string
	size        int64
	kind        *kind
	layer       int
	layerDigest string
}

// tree has the files that are kept, by their paths in the image. Other files are not
// in it.
type tree struct {
	root  *node
	count int
	// visited counts the steps of removals, which a layer can ask for without end.
	visited int
}

type node struct {
	file  *file
	below map[string]*node
}

func newTree() *tree { return &tree{root: &node{}} }

func (t *tree) add(f *file) {
	n := t.root
	for part := range strings.SplitSeq(f.path, "/") {
		if n.below == nil {
			n.below = map[string]*node{}
		}
		next := n.below[part]
		if next == nil {
			next = &node{}
			n.below[part] = next
		}
		n = next
	}
	if n.file == nil {
		t.count++
	}
	n.file = f
}

// find is the node of a path, nil when there is none, and the one above it.
func (t *tree) find(name string) (n, above *node, base string) {
	n = t.root
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		if part == "" {
			continue
		}
		above, base = n, part
		if n = n.below[part]; n == nil {
			return nil, nil, ""
		}
	}
	return n, above, base
}

func (t *tree) file(name string) *file {
	if n, _, _ := t.find(name); n != nil {
		return n.file
	}
	return nil
}

// remove takes away a path, and all below it, as layers before one have them.
func (t *tree) remove(name string, before int) {
	n, above, base := t.find(name)
	if n == nil || above == nil {
		return
	}
	if t.prune(n, before) {
		delete(above.below, base)
	}
}

// removeBelow takes away all below a path, as layers before one have it.
func (t *tree) removeBelow(name string, before int) {
	if n, _, _ := t.find(name); n != nil {
		for base, b := range n.below {
			if t.prune(b, before) {
				delete(n.below, base)
			}
		}
	}
}

// removeFile takes away a file of a layer before one, where a folder has come.
func (t *tree) removeFile(name string, before int) {
	if n, _, _ := t.find(name); n != nil && n.file != nil && n.file.layer < before {
		n.file = nil
		t.count--
	}
}

// prune takes away what layers before one have, and reports whether nothing is left.
func (t *tree) prune(n *node, before int) (empty bool) {
	t.visited++
	if n.file != nil && n.file.layer < before {
		n.file = nil
		t.count--
	}
	for base, b := range n.below {
		if t.prune(b, before) {
			delete(n.below, base)
		}
	}
	return n.file == nil && len(n.below) == 0
}

// files are all that are there, by path.
func (t *tree) files() []*file {
	var all []*file
	var walk func(*node)
	walk = func(n *node) {
		if n.file != nil {
			all = append(all, n.file)
		}
		for _, b := range n.below {
			walk(b)
		}
	}
	walk(t.root)
	slices.SortFunc(all, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	return all
}

// The tree is a file system for readers that look for another file beside theirs.

func (t *tree) Open(name string) (fs.File, error) {
	f := t.file(name)
	if f == nil || !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return os.Open(f.at)
}

// Stat knows folders too, by what is in them.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	n, _, _ := t.find(name)
	if n == nil || !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if n.file == nil {
		return info{name: path.Base(name), folder: true}, nil
	}
	return info{name: path.Base(name), size: n.file.size}, nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

// info is what is told of a file of the tree.
type info struct {
	name   string
	size   int64
	folder bool
}

func (i info) Name() string     { return i.name }
func (i info) Size() int64      { return i.size }
func (info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool      { return i.folder }
func (info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o500
	}
	return 0o400
}
