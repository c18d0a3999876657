package inventory

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Whiteouts say what of the layers below is gone.
// Source: OCI image-spec, "Image Layer Filesystem Changeset".
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// longestPath is the longest path that is looked at.
const longestPath = 4096

// mostRemovals is how many steps whiteouts may take.
const mostRemovals = 50_000_000

// walk goes through the layers of an image from the lowest up, and keeps the files
// that name packages as the image has them in the end.
type walk struct {
	bounds   Bounds
	kinds    []kind
	dir      string
	tree     *tree
	entries  int
	unpacked int64
	// kept is how many bytes of files are kept, looked how many were at any time.
	kept   int64
	looked int64
	stored int
}

// layer reads one layer.
func (w *walk) layer(ctx context.Context, n int, l Layer) error {
	content, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	plain, done, err := decompress(content)
	if err != nil {
		return &LayerError{l.Digest, err}
	}
	defer done()
	archive := tar.NewReader(&metered{ctx: ctx, r: plain, left: &w.unpacked, most: w.bounds.Unpacked})
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = w.entry(n, l.Digest, h, archive)
		}
		var bound *BoundError
		var own *os.PathError
		switch {
		case err == nil:
		case errors.As(err, &bound):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own):
			return fmt.Errorf("keep a file while scanning: %w", err)
		default:
			return &LayerError{l.Digest, err}
		}
	}
}

// entry looks at one file of a layer.
func (w *walk) entry(n int, digest string, h *tar.Header, content io.Reader) (err error) {
	if w.entries++; w.entries > w.bounds.Entries {
		return &BoundError{fmt.Sprintf("more than %d files", w.bounds.Entries)}
	}
	if w.tree.visited > mostRemovals {
		return &BoundError{"whiteouts that remove the same again and again"}
	}
	if len(h.Name) > longestPath {
		return nil
	}
	// Whatever a name says, it is below the root: it is only compared, never opened.
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == "" {
		return nil
	}
	if strings.Count(name, "/") >= w.bounds.Depth {
		return nil // no package manager is as deep
	}
	folder, base := path.Split(name)
	switch {
	case base == opaque:
		w.tree.removeBelow(folder, n)
		return nil
	case strings.HasPrefix(base, whiteout):
		w.tree.remove(folder+strings.TrimPrefix(base, whiteout), n)
		return nil
	case h.Typeflag == tar.TypeDir:
		w.tree.removeFile(name, n)
		return nil
	}
	w.tree.remove(name, n+1)
	switch h.Typeflag {
	case tar.TypeReg:
		return w.file(n, digest, name, h, content)
	case tar.TypeLink:
		target := strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		if f := w.tree.file(target); f != nil {
			linked := *f
			linked.path, linked.layer, linked.layerDigest = name, n, digest
			if linked.kind, err = w.kindOf(name, h, f.size); linked.kind != nil {
				return w.add(&linked)
			}
			return err
		}
	}
	return nil
}

// kindOf is the kind of a file, nil when it is of none or larger than those are that
// are looked into. Errors: *BoundError for one that has to be.
func (w *walk) kindOf(name string, h *tar.Header, size int64) (*kind, error) {
	for i := range w.kinds {
		k := &w.kinds[i]
		switch {
		case !k.wants(name, h):
		case size <= k.most:
			return k, nil
		case k.must:
			return nil, &BoundError{fmt.Sprintf("a list of packages %q of more than %d bytes", name, k.most)}
		}
	}
	return nil, nil
}

// file keeps a file if it may name packages.
func (w *walk) file(n int, digest, name string, h *tar.Header, content io.Reader) error {
	k, err := w.kindOf(name, h, h.Size)
	if k == nil {
		return err
	}
	buffered := bufio.NewReaderSize(content, 64<<10)
	if k.magic != "" {
		if head, err := buffered.Peek(len(k.magic)); err != nil || string(head) != k.magic {
			return nil // one that cannot be read to its end shows with the next entry
		}
	}
	if w.kept+h.Size > w.bounds.Kept {
		return &BoundError{fmt.Sprintf("more than %d bytes of files that may name packages", w.bounds.Kept)}
	}
	// A sparse file takes hardly any bytes of its layer.
	if w.looked += h.Size; w.looked > w.bounds.Unpacked {
		return &BoundError{fmt.Sprintf("more than %d bytes of files to look into", w.bounds.Unpacked)}
	}
	w.stored++
	at := filepath.Join(w.dir, strconv.Itoa(w.stored))
	has, err := store(at, buffered, k.marks)
	if err != nil {
		return err
	}
	if !has {
		return os.Remove(at)
	}
	w.kept += h.Size
	return w.add(&file{path: name, at: at, size: h.Size, kind: k, layer: n, layerDigest: digest})
}

func (w *walk) add(f *file) error {
	if w.tree.count >= w.bounds.Files {
		return &BoundError{fmt.Sprintf("more than %d files that may name packages", w.bounds.Files)}
	}
	w.tree.add(f)
	return nil
}

// store writes a file and reports whether any of the marks is in it, or none is
// asked for.
func store(at string, content io.Reader, marks []string) (has bool, err error) {
	f, err := os.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	s := &searcher{marks: marks, found: len(marks) == 0}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, s)}, struct{ io.Reader }{content}, make([]byte, 128<<10))
	return s.found, errors.Join(err, f.Close())
}

// searcher looks for marks in what is written to it.
type searcher struct {
	marks []string
	found bool
	tail  []byte
}

func (s *searcher) Write(p []byte) (int, error) {
	if s.found {
		return len(p), nil
	}
	longest := 0
	for _, m := range s.marks {
		longest = max(longest, len(m))
		// A mark may begin in what came before.
		seam := append(s.tail, p[:min(len(p), len(m))]...)
		s.found = s.found || bytes.Contains(p, []byte(m)) || bytes.Contains(seam, []byte(m))
	}
	s.tail = append(s.tail, p...)
	s.tail = append([]byte{}, s.tail[max(0, len(s.tail)-longest+1):]...)
	return len(p), nil
}

// decompress finds out how a layer is compressed and undoes it.
func decompress(r io.Reader) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 256<<10)
	head, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return b, func() {}, nil
}

// metered reads until too much was read, or too long.
type metered struct {
	ctx  context.Context
	r    io.Reader
	left *int64
	most int64
}

func (m *metered) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	if *m.left += int64(n); *m.left > m.most {
		return 0, &BoundError{fmt.Sprintf("layers that unpack to more than %d bytes", m.most)}
	}
	return n, err
}
