package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"
)

// Files implements blob.Driver. The order is that of names, folder by folder.
func (d *Driver) Files(ctx context.Context, p, after string, fn func(driver.FileInfo) error) error {
	if _, err := d.file(p); err != nil {
		return err
	}
	var behind []string
	if after != "" {
		behind = strings.Split(strings.TrimPrefix(after, p+"/"), "/")
	}
	return d.files(ctx, p, behind, fn)
}

// files goes through a folder, from behind the file on to which the names lead.
func (d *Driver) files(ctx context.Context, p string, behind []string, fn func(driver.FileInfo) error) error {
	entries, err := os.ReadDir(d.root + filepath.FromSlash(p))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := p + "/" + e.Name()
		var deeper []string
		if len(behind) > 0 {
			order := strings.Compare(e.Name(), behind[0])
			if order < 0 || order == 0 && len(behind) == 1 && !e.IsDir() {
				continue
			}
			if order == 0 {
				deeper = behind[1:]
			}
		}
		switch {
		case !plain(path): // not of our making, and out of reach
		case e.IsDir():
			if err := d.files(ctx, path, deeper, fn); err != nil {
				return err
			}
		case e.Type().IsRegular():
			fi, err := d.Stat(ctx, path)
			if gone := (driver.PathNotFoundError{}); errors.As(err, &gone) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			if err := fn(fi); err != nil {
				return err
			}
		}
	}
	return nil
}
