package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/opencontainers/go-digest"

	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/ecrapi/scan/match"
	"drydock/storage"
	"drydock/storage/meta"
)

// page is how many images are looked at before anything else is asked of the records.
const page = 50

// compareAll compares what is known of all images with the import that holds.
func (s *Scanner) compareAll(ctx context.Context) error {
	v, err := s.known.Version(ctx)
	if err != nil {
		return err
	}
	var failed error
	how := map[storage.Ref]Applied{}
	for after := (meta.ScanPlace{ImportID: -1}); ; {
		rows, err := meta.StaleScans(ctx, s.o.DB.Reader(), v.ID, after, page)
		if err != nil {
			return fmt.Errorf("list images that were compared with other vulnerabilities: %w", err)
		}
		if len(rows) == 0 {
			return failed
		}
		for _, row := range rows {
			after = row.Place()
			if err := s.compareOne(ctx, row, how); errors.Is(err, errMoved) || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			} else if err != nil {
				failed = errors.Join(failed, fmt.Errorf("compare image %s of %s: %w", row.Digest, row.Name, err))
			}
		}
	}
}

// compareOne compares the packages of an image anew. Of one that is scanned
// continuously others are told when there is something new.
func (s *Scanner) compareOne(ctx context.Context, row meta.Scan, how map[storage.Ref]Applied) error {
	ref := storage.Ref{Scope: storage.Scope{Account: row.Account, Region: row.Region}, Name: row.Name}
	found, err := inventory.Unpack(row.Inventory)
	if err != nil {
		return err
	}
	made, err := s.judge(ctx, found)
	if err != nil {
		return err
	}
	applied, asked := how[ref]
	if !asked {
		if applied, err = s.Applied(ctx, ref); errors.As(err, new(*storage.RepositoryUnknownError)) {
			return nil
		}
		if err != nil {
			return err
		}
		how[ref] = applied
	}
	changed := string(made.status) != row.Status || !maps.Equal(findings.Counts(made.findings), countsOf(row))
	return s.write(ctx, ref, row, made, changed && applied.Frequency == Continuous)
}

// countsOf are the findings of each severity that are on record.
func countsOf(row meta.Scan) map[match.Severity]int {
	counts := map[match.Severity]int{}
	// What was written here can be read; and else it counts as none.
	_ = json.Unmarshal([]byte(row.Counts), &counts)
	return counts
}

// register orders scans of the images of a registry that are to be scanned
// continuously, and were not.
func (s *Scanner) register(ctx context.Context, of storage.Scope) error {
	for after := ""; ; {
		repositories, err := s.o.Engine.Repositories(ctx, of, after, page)
		if err != nil || len(repositories) == 0 {
			return err
		}
		for _, r := range repositories {
			after = r.Name
			how, err := s.Applied(ctx, r.Ref)
			if errors.As(err, new(*storage.RepositoryUnknownError)) {
				continue
			}
			if err == nil && how.Frequency == Continuous {
				err = s.registerImages(ctx, r.Ref)
			}
			if err != nil && !errors.As(err, new(*storage.RepositoryUnknownError)) {
				return err
			}
		}
	}
}

func (s *Scanner) registerImages(ctx context.Context, ref storage.Ref) error {
	for after := digest.Digest(""); ; {
		images, err := s.o.Engine.Images(ctx, ref, storage.AnyImage, after, page)
		if err != nil || len(images) == 0 {
			return err
		}
		first, last := images[0].Digest, images[len(images)-1].Digest
		after = last
		known, err := s.States(ctx, ref, first, last)
		if err != nil {
			return err
		}
		var list []storage.Job
		for _, i := range images {
			if _, there := known[i.Digest]; there || !scannable(i.MediaType, i.ArtifactType) {
				continue
			}
			job, err := jobOf(ref, i.Digest, s.o.Now())
			if err != nil {
				return err
			}
			list = append(list, job)
		}
		if err := s.order(ctx, list); err != nil {
			return err
		}
	}
}

// order orders scans.
func (s *Scanner) order(ctx context.Context, list []storage.Job) error {
	if len(list) == 0 {
		return nil
	}
	now := s.o.Now().UnixMilli()
	err := s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		for _, j := range list {
			if err := meta.AddJob(ctx, q, meta.Job{Queue: j.Queue, Key: j.Key, Document: j.Document, DueAt: now, CreatedAt: now}); err != nil {
				return fmt.Errorf("order a scan: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		s.o.Wake(Queue)
	}
	return err
}
