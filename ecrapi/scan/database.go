package scan

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"drydock/ecrapi/scan/vulndb"
	"drydock/storage/meta"
)

// Import reads OSV's exports, zip files or folders with them, and has them hold in
// place of what was imported before. The packages of all images are then compared
// anew, which is ordered in the same transaction. Errors: *vulndb.NoRecordsError, and
// those of reading files.
func (s *Scanner) Import(ctx context.Context, places []string) (vulndb.Imported, error) {
	done, err := s.known.Import(ctx, places, func(q meta.Querier, _ int64) error {
		now := s.o.Now().UnixMilli()
		if err := meta.AddJob(ctx, q, meta.Job{Queue: Queue, Key: comparison, Document: "{}", DueAt: now, CreatedAt: now}); err != nil {
			return fmt.Errorf("order that images are compared: %w", err)
		}
		return nil
	})
	if err == nil {
		s.o.Wake(Queue)
	}
	return done, err
}

// Version tells which vulnerabilities are known. Errors: vulndb.ErrNone.
func (s *Scanner) Version(ctx context.Context) (vulndb.Version, error) { return s.known.Version(ctx) }

// Comparing reports whether images are still to be compared with what was imported
// last.
func (s *Scanner) Comparing(ctx context.Context) (bool, error) {
	return meta.HasJob(ctx, s.o.DB.Reader(), Queue, comparison)
}

// Counts is what a server has scanned since it was started.
type Counts struct{ Completed, Failed, Unsupported int64 }

type counts struct{ completed, failed, unsupported atomic.Int64 }

func (c *counts) count(s Status) {
	switch s {
	case Complete:
		c.completed.Add(1)
	case Unsupported:
		c.unsupported.Add(1)
	default:
		c.failed.Add(1)
	}
}

// Counts tells what this server has scanned, and compared anew.
func (s *Scanner) Counts() Counts {
	return Counts{s.counts.completed.Load(), s.counts.failed.Load(), s.counts.unsupported.Load()}
}

// SourceAt tells how new the newest of the vulnerabilities known is, zero where none
// are known or that cannot be told now.
func (s *Scanner) SourceAt(ctx context.Context) time.Time {
	v, err := s.known.Version(ctx)
	if err != nil {
		return time.Time{}
	}
	return v.SourceAt
}
