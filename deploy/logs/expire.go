package logs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/meta"
)

const (
	// portion is how many chunks are deleted in one transaction.
	portion = 500
	// abandoned is after how many milliseconds a file that was begun and not
	// recorded belongs to nobody: nothing takes so long to write.
	abandoned = 60 * 60 * 1000
)

// expire deletes the chunks whose events are all past their group's retention.
func (s *Store) expire(ctx context.Context) error {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT `+groupColumns+` FROM log_group WHERE retention_days > 0`)
	groups, err := all(rows, err, scanGroup)
	if err != nil {
		return err
	}
	now := s.millis()
	for _, g := range groups {
		err := s.deleteChunks(ctx, func(q meta.Querier) (*sql.Rows, error) {
			return q.QueryContext(ctx, `DELETE FROM log_chunk WHERE id IN (SELECT id FROM log_chunk WHERE group_id = $1 AND last_at < $2 ORDER BY last_at LIMIT $3)
				RETURNING stream_id, file_id, stored`, g.id, g.cutoff(now), portion)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clearGone deletes the chunks of groups and streams that were deleted.
func (s *Store) clearGone(ctx context.Context) error {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT id FROM log_gone ORDER BY id`)
	gone, err := all(rows, err, number)
	if err != nil {
		return err
	}
	for _, id := range gone {
		for _, query := range []string{
			`DELETE FROM log_chunk WHERE id IN (SELECT id FROM log_chunk WHERE group_id = $1 LIMIT $2) RETURNING stream_id, file_id, stored`,
			`DELETE FROM log_chunk WHERE id IN (SELECT id FROM log_chunk WHERE stream_id = $1 LIMIT $2) RETURNING stream_id, file_id, stored`,
		} {
			err := s.deleteChunks(ctx, func(q meta.Querier) (*sql.Rows, error) { return q.QueryContext(ctx, query, id, portion) })
			if err != nil {
				return err
			}
		}
		err := s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error { return exec(ctx, q, `DELETE FROM log_gone WHERE id = $1`, id) })
		if err != nil {
			return err
		}
	}
	return nil
}

// deleted is what is known of a chunk that was deleted.
type deleted struct{ stream, file, stored int64 }

func scanDeleted(s scanner) (d deleted, err error) { return d, s.Scan(&d.stream, &d.file, &d.stored) }

// deleteChunks runs a statement that deletes a portion of chunks, until there are no
// more. Files that held no others are doomed.
func (s *Store) deleteChunks(ctx context.Context, statement func(meta.Querier) (*sql.Rows, error)) error {
	for {
		n := 0
		err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
			rows, err := statement(q)
			list, err := all(rows, err, scanDeleted)
			if err != nil {
				return err
			}
			n = len(list)
			streams, files := map[int64]int64{}, map[int64]bool{}
			for _, d := range list {
				streams[d.stream] += d.stored
				if d.file != 0 {
					files[d.file] = true
				}
			}
			for id, stored := range streams {
				if err := exec(ctx, q, `UPDATE log_stream SET stored = stored - $2 WHERE id = $1`, id, stored); err != nil {
					return err
				}
			}
			for id := range files {
				if err := exec(ctx, q, `UPDATE log_file SET state = 'doomed' WHERE id = $1
					AND NOT EXISTS (SELECT 1 FROM log_chunk WHERE file_id = $1)`, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < portion {
			return err
		}
	}
}

// removeFiles removes the files that no chunk is in, and those that were begun by
// somebody who never came back.
func (s *Store) removeFiles(ctx context.Context) error {
	err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		return exec(ctx, q, `UPDATE log_file SET state = 'doomed' WHERE state = 'writing' AND created_at < $1`, s.millis()-abandoned)
	})
	if err != nil {
		return err
	}
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT id FROM log_file WHERE state = 'doomed' ORDER BY created_at`)
	doomed, err := all(rows, err, number)
	if err != nil {
		return err
	}
	for _, id := range doomed {
		var missing driver.PathNotFoundError
		if err := s.files.Delete(ctx, filePath(id)); err != nil && !errors.As(err, &missing) {
			return fmt.Errorf("delete %s: %w", filePath(id), err)
		}
		err := s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error { return exec(ctx, q, `DELETE FROM log_file WHERE id = $1`, id) })
		if err != nil {
			return err
		}
	}
	return nil
}

// addUp counts anew what groups hold.
func (s *Store) addUp(ctx context.Context) error {
	return s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		const held = `(SELECT CAST(COALESCE(SUM(v.stored), 0) AS BIGINT) FROM log_stream v WHERE v.group_id = log_group.id)`
		return exec(ctx, q, `UPDATE log_group SET stored = `+held+` WHERE stored <> `+held)
	})
}
