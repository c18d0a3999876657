package inventory

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// What a Java archive may take: archives within archives, the bytes of those, the
// bytes of the list of what is in one, and the bytes of a file that names a package.
const (
	deepestJar  = 4
	mostNested  = 1 << 30
	longestList = 16 << 20
	longestPOM  = 64 << 10
)

func isJar(p string) bool {
	switch strings.ToLower(path.Ext(p)) {
	case ".jar", ".war", ".ear":
		return true
	}
	return false
}

// readJar tells which Maven packages a Java archive has in it, by the pom.properties
// that Maven puts there.
func readJar(ctx context.Context, _ *tree, f *file, _ osRelease) ([]Package, error) {
	content, err := os.Open(f.at)
	if err != nil {
		return nil, err
	}
	j := &jars{ctx: ctx, dir: filepath.Dir(f.at)}
	err = j.read(content, f.size, f.path, 0)
	return j.packages, errors.Join(err, content.Close())
}

// jars reads an archive and those within it.
type jars struct {
	ctx context.Context
	// dir is where archives in archives are kept while they are read.
	dir      string
	nested   int64
	packages []Package
}

func (j *jars) read(content io.ReaderAt, size int64, name string, depth int) error {
	opening := &limited{r: content, left: longestList}
	archive, err := zip.NewReader(opening, size)
	if err != nil {
		return err
	}
	opening.open = true
	for _, f := range archive.File {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		switch {
		case path.Base(f.Name) == "pom.properties" && strings.HasPrefix(f.Name, "META-INF/maven/"):
			if err := j.pom(f, name); err != nil {
				return err
			}
		case isJar(f.Name) && depth < deepestJar:
			if err := j.within(f, name+"/"+path.Base(f.Name), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// within reads an archive in an archive, from a file of its own.
func (j *jars) within(f *zip.File, name string, depth int) (err error) {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	inner, err := os.CreateTemp(j.dir, "jar-")
	if err != nil {
		return fmt.Errorf("keep an archive while scanning: %w", err)
	}
	defer func() { err = errors.Join(err, inner.Close(), os.Remove(inner.Name())) }()
	size, err := io.Copy(inner, &patient{j.ctx, io.LimitReader(r, mostNested-j.nested+1)})
	if err != nil {
		return err
	}
	if j.nested += size; j.nested > mostNested {
		return &BoundError{fmt.Sprintf("a Java archive %q whose archives unpack to too much", name)}
	}
	if err := j.read(inner, size, name, depth); err != nil {
		var bound *BoundError
		if errors.As(err, &bound) || j.ctx.Err() != nil {
			return err
		}
		return nil // others of the archive may be whole
	}
	return nil
}

// patient reads until a context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// pom reads what Maven says of the archive that it made.
func (j *jars) pom(f *zip.File, name string) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	var group, artifact, version string
	lines := bufio.NewScanner(io.LimitReader(r, longestPOM))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "groupId":
			group = value
		case "artifactId":
			artifact = value
		case "version":
			version = value
		}
	}
	if group != "" && artifact != "" && version != "" {
		j.packages = append(j.packages, Package{Ecosystem: "Maven", Name: group + ":" + artifact, Version: version, Manager: managerJar, Path: name})
	}
	return lines.Err()
}

// limited lets only so much be read before it is open.
type limited struct {
	r    io.ReaderAt
	left int64
	open bool
}

func (l *limited) ReadAt(p []byte, at int64) (int, error) {
	if !l.open {
		if l.left -= int64(len(p)); l.left < 0 {
			return 0, errors.New("its list of files is too long")
		}
	}
	return l.r.ReadAt(p, at)
}
