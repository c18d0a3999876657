// Package vulndb keeps the vulnerabilities that are known: OSV's records, read from a
// folder of the zip files in which OSV publishes them (all.zip of each ecosystem), so
// that nothing is asked of the network.
//
// An import is written beside the one that holds and takes its place whole, in one
// transaction, once it is complete. What is known of a package is found by its
// ecosystem and name in an index.
//
// Source: https://google.github.io/osv.dev/data/, https://ossf.github.io/osv-schema/
package vulndb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// ErrNone says that no vulnerabilities were ever imported.
var ErrNone = errors.New("no database of vulnerabilities was imported: run drydock vulndb import with a folder of OSV's exports, then scan again")

// Database is the vulnerabilities that are known.
type Database struct {
	db  meta.DB
	now func() time.Time
}

// New makes a Database over records.
func New(db meta.DB, now func() time.Time) *Database { return &Database{db: db, now: now} }

// Version is an import that holds.
type Version struct {
	ID int64 `json:"id"`
	// ImportedAt is when it was imported, and SourceAt when the newest of its records
	// was written by those who publish them: that is how old it is.
	ImportedAt time.Time `json:"importedAt"`
	SourceAt   time.Time `json:"sourceAt"`
	Records    int64     `json:"records"`
	// Ecosystems are how many records each has.
	Ecosystems map[string]int64 `json:"ecosystems"`
}

// Version tells which import holds. Errors: ErrNone.
func (d *Database) Version(ctx context.Context) (Version, error) {
	row, err := meta.ActiveVulnerabilities(ctx, d.db.Reader())
	if errors.Is(err, meta.ErrNotFound) {
		return Version{}, ErrNone
	}
	if err != nil {
		return Version{}, fmt.Errorf("read which vulnerabilities are known: %w", err)
	}
	v := Version{ID: row.ID, ImportedAt: time.UnixMilli(row.FinishedAt), SourceAt: time.UnixMilli(row.SourceAt), Records: row.Records}
	if err := json.Unmarshal([]byte(row.Ecosystems), &v.Ecosystems); err != nil {
		return Version{}, fmt.Errorf("read the ecosystems of the vulnerabilities: %w", err)
	}
	return v, nil
}

// Known lists what an import says of packages of an ecosystem.
func (d *Database) Known(ctx context.Context, version int64, ecosystem string, packages []string) ([]meta.VulnerablePackage, error) {
	rows, err := meta.VulnerablePackages(ctx, d.db.Reader(), version, ecosystem, packages)
	if err != nil {
		return nil, fmt.Errorf("look up packages of %s: %w", ecosystem, err)
	}
	return rows, nil
}

// Records reads records of an import by their ids.
func (d *Database) Records(ctx context.Context, version int64, ids []string) (map[string]Record, error) {
	rows, err := meta.Vulnerabilities(ctx, d.db.Reader(), version, ids)
	if err != nil {
		return nil, fmt.Errorf("look up vulnerabilities: %w", err)
	}
	records := make(map[string]Record, len(rows))
	for _, row := range rows {
		var r Record
		if err := json.Unmarshal([]byte(row.Document), &r); err != nil {
			return nil, fmt.Errorf("read vulnerability %s: %w", row.ID, err)
		}
		r.ID = row.ID
		records[row.ID] = r
	}
	return records, nil
}
