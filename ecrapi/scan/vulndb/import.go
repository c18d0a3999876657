package vulndb

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"drydock/storage/meta"
)

// mostZips is how many files a folder may have.
const mostZips = 1_000

// abandoned is after how long an import that gets no more records was given up.
const abandoned = time.Hour

// NoRecordsError says that a folder has no exports.
type NoRecordsError struct{ Folder string }

func (e *NoRecordsError) Error() string {
	return fmt.Sprintf("%s has no zip file with records of OSV: it should have what OSV publishes as all.zip, such as Debian/all.zip and npm/all.zip", e.Folder)
}

// Imported is what an import did.
type Imported struct {
	Version
	// Unread counts files that were no records.
	Unread int64 `json:"unread,omitempty"`
}

// Import reads zip files, and those in folders, and has them hold in place of what was
// imported before. After is run in the transaction in which that happens, with the
// new version. Errors: *NoRecordsError, and those of reading files.
func (d *Database) Import(ctx context.Context, places []string, after func(meta.Querier, int64) error) (Imported, error) {
	var zips []string
	for _, p := range places {
		more, err := zipsIn(p)
		if err != nil {
			return Imported{}, err
		}
		if zips = append(zips, more...); len(zips) > mostZips {
			return Imported{}, fmt.Errorf("there are more than %d zip files", mostZips)
		}
	}
	if len(zips) == 0 {
		return Imported{}, &NoRecordsError{strings.Join(places, ", ")}
	}
	var id int64
	err := d.db.Write(ctx, meta.Durable, func(q meta.Querier) (err error) {
		id, err = meta.BeginVulnerabilities(ctx, q, d.now().UnixMilli())
		return err
	})
	if err != nil {
		return Imported{}, fmt.Errorf("begin an import: %w", err)
	}
	w := &writer{d: d, id: id, done: Imported{Version: Version{Ecosystems: map[string]int64{}}}}
	for _, name := range zips {
		if err == nil {
			err = w.zip(ctx, name)
		}
	}
	if err == nil {
		err = w.flush(ctx)
	}
	done := w.done
	if err == nil && done.Records == 0 {
		err = &NoRecordsError{strings.Join(places, ", ")}
	}
	if err == nil {
		done.ID, done.ImportedAt = id, d.now()
		err = d.hold(ctx, done.Version, after)
	}
	// What does not hold is deleted even when nobody waits any more.
	if gone := d.drop(context.WithoutCancel(ctx), id, err != nil); gone != nil && err == nil {
		err = fmt.Errorf("delete what was imported before: %w", gone)
	}
	return done, err
}

// hold switches to an import.
func (d *Database) hold(ctx context.Context, v Version, after func(meta.Querier, int64) error) error {
	ecosystems, err := json.Marshal(v.Ecosystems)
	if err != nil {
		return fmt.Errorf("write the ecosystems of an import: %w", err)
	}
	err = d.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		err := meta.HoldVulnerabilities(ctx, q, meta.VulnerabilityImport{
			ID: v.ID, FinishedAt: v.ImportedAt.UnixMilli(), SourceAt: v.SourceAt.UnixMilli(), Records: v.Records, Ecosystems: string(ecosystems),
		})
		if err != nil || after == nil {
			return err
		}
		return after(q, v.ID)
	})
	if err != nil {
		return fmt.Errorf("switch to what was imported: %w", err)
	}
	return nil
}

// drop deletes the imports that do not hold: that of id when it failed, those before
// it, and those that were given up.
func (d *Database) drop(ctx context.Context, id int64, failed bool) error {
	all, err := meta.VulnerabilityImports(ctx, d.db.Reader())
	if err != nil {
		return err
	}
	for _, i := range all {
		begun := i.State == meta.ImportBegun
		own := i.ID == id && failed
		if i.State == meta.ImportActive || begun && !own && i.TouchedAt > d.now().Add(-abandoned).UnixMilli() {
			continue
		}
		for done := false; !done; {
			err := d.db.Write(ctx, meta.Relaxed, func(q meta.Querier) (err error) {
				done, err = meta.DropVulnerabilities(ctx, q, i.ID, batch)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// zipsIn are the zip files in a folder and those in it, or the one that it is.
func zipsIn(folder string) ([]string, error) {
	var zips []string
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, fmt.Errorf("look for exports: %w", err)
	}
	err = filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.Type().IsRegular() && strings.EqualFold(path.Ext(name), ".zip"):
			if len(zips) > mostZips {
				return filepath.SkipAll
			}
			zips = append(zips, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for exports in %s: %w", folder, err)
	}
	if len(zips) == 0 {
		return nil, &NoRecordsError{folder}
	}
	return zips, nil
}
