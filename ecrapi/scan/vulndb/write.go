package vulndb

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"drydock/storage/meta"
)

// What an import may take: a record, and all records together.
const (
	longestRecord = 16 << 20
	mostRecords   = 5_000_000
)

const (
	// batch is how many rows a transaction has: few enough that a push need not wait.
	batch = 1_000
	// readers is how many records are read at a time.
	readers = 4
)

// writer writes the records of an import.
type writer struct {
	d    *Database
	id   int64
	done Imported
	read int64
	// records and packages are those to be written next, by what tells them apart.
	records  map[string]meta.Vulnerability
	packages map[meta.VulnerablePackage]string
}

// zip reads the records of a zip file, several at a time, and writes them.
func (w *writer) zip(ctx context.Context, name string) (err error) {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer archive.Close()
	var records []*zip.File
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, ".json") {
			records = append(records, f)
		}
	}
	if w.read += int64(len(records)); w.read > mostRecords {
		return fmt.Errorf("there are more than %d records", mostRecords)
	}
	g, ctx := errgroup.WithContext(ctx)
	found := make(chan rows, 4*readers)
	unread := make([]int64, readers)
	g.Go(func() error {
		defer close(found)
		reading, ctx := errgroup.WithContext(ctx)
		for i := range readers {
			reading.Go(func() error {
				for n := i; n < len(records); n += readers {
					r, err := readRecord(records[n])
					if err != nil {
						return err
					}
					if r == nil {
						unread[i]++
						continue
					}
					select {
					case found <- *r:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			})
		}
		return reading.Wait()
	})
	g.Go(func() error {
		for r := range found {
			if err := w.add(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for _, n := range unread {
		w.done.Unread += n
	}
	return nil
}

// readRecord reads one record, nil when it is none: that is no reason to go without
// the others.
func readRecord(f *zip.File) (*rows, error) {
	content, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Name, err)
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, longestRecord+1))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	if len(text) > longestRecord {
		return nil, nil
	}
	made, err := read(text)
	if err != nil {
		return nil, nil
	}
	return &made, nil
}

// add writes a record, or puts it to those that are written next.
func (w *writer) add(ctx context.Context, r rows) error {
	if r.modified.After(w.done.SourceAt) {
		w.done.SourceAt = r.modified
	}
	if len(r.packages) == 0 {
		return nil
	}
	w.done.Records++
	for _, e := range r.ecosystems {
		w.done.Ecosystems[e]++
	}
	if w.records == nil {
		w.records, w.packages = map[string]meta.Vulnerability{}, map[meta.VulnerablePackage]string{}
	}
	// One that stands in the exports of several ecosystems is written once.
	w.records[r.record.ID] = r.record
	for _, p := range r.packages {
		affected := p.Affected
		p.Affected = ""
		w.packages[p] = affected
	}
	if len(w.records)+len(w.packages) < batch {
		return nil
	}
	return w.flush(ctx)
}

func (w *writer) flush(ctx context.Context) error {
	records := make([]meta.Vulnerability, 0, len(w.records))
	for _, r := range w.records {
		records = append(records, r)
	}
	packages := make([]meta.VulnerablePackage, 0, len(w.packages))
	for p, affected := range w.packages {
		p.Affected = affected
		packages = append(packages, p)
	}
	err := w.d.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		return meta.AddVulnerabilities(ctx, q, w.id, w.d.now().UnixMilli(), records, packages)
	})
	if err != nil {
		return fmt.Errorf("write vulnerabilities: %w", err)
	}
	clear(w.records)
	clear(w.packages)
	return nil
}
