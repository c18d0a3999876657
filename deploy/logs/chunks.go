package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// chunk is the row of a block.
type chunk struct {
	id, stream      int64
	firstAt, lastAt int64
	base            int64
	createdAt       int64
	raw, stored     int64
	// file is 0 where the content is in the row.
	file, place int64
	// fileSize is that of the file.
	fileSize int64
}

const chunkColumns = `c.id, c.stream_id, c.first_at, c.last_at, c.base_seq, c.created_at, c.raw, c.stored, c.file_id, c.place, COALESCE(f.size, 0)`

func scanChunk(s scanner) (c chunk, err error) {
	return c, s.Scan(&c.id, &c.stream, &c.firstAt, &c.lastAt, &c.base, &c.createdAt, &c.raw, &c.stored, &c.file, &c.place, &c.fileSize)
}

// addChunk adds the row of a block; content is nil where a file has it.
func addChunk(ctx context.Context, q meta.Querier, group int64, c chunk, content []byte) error {
	err := exec(ctx, q, `INSERT INTO log_chunk (id, group_id, stream_id, first_at, last_at, base_seq, created_at, raw, stored, file_id, place, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		c.id, group, c.stream, c.firstAt, c.lastAt, c.base, c.createdAt, c.raw, c.stored, c.file, c.place, content)
	if err != nil {
		return fmt.Errorf("record log events: %w", err)
	}
	return nil
}

// errMoved is returned when a chunk that was listed is no longer there: its events
// are in another one now, or are gone.
var errMoved = errors.New("a chunk of log events has been moved meanwhile")

// load returns the block of a chunk. Errors: errMoved.
func (s *Store) load(ctx context.Context, c chunk) ([]byte, error) {
	if c.file == 0 {
		content, err := one(s.db.Reader().QueryRowContext(ctx, `SELECT content FROM log_chunk WHERE id = $1 AND file_id = 0`, c.id), func(r scanner) (b []byte, err error) {
			return b, r.Scan(&b)
		})
		if errors.Is(err, meta.ErrNotFound) {
			return nil, errMoved
		}
		if err != nil {
			return nil, fmt.Errorf("read log events: %w", err)
		}
		return content, nil
	}
	content, err := s.loadFile(ctx, c)
	if err == nil {
		return content, nil
	}
	// A file goes after its rows: where the row is still there, the file is lost.
	_, gone := one(s.db.Reader().QueryRowContext(ctx, `SELECT id FROM log_chunk WHERE id = $1`, c.id), number)
	if errors.Is(gone, meta.ErrNotFound) {
		return nil, errMoved
	}
	return nil, fmt.Errorf("read log events from file %s: %w", filePath(c.file), err)
}

func (s *Store) loadFile(ctx context.Context, c chunk) ([]byte, error) {
	f, err := s.files.Open(ctx, filePath(c.file), c.fileSize)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if ranged, ok := f.(blob.Fetcher); ok {
		err = ranged.Fetch(c.place, c.stored)
	} else {
		_, err = f.Seek(c.place, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	content := make([]byte, c.stored)
	_, err = io.ReadFull(f, content)
	return content, err
}

// filePath is where a file is; the folders in between keep each from becoming large.
func filePath(id int64) string {
	name := fmt.Sprintf("%018d", id)
	return "/logs/" + strconv.FormatInt(id%1000, 10) + "/" + name
}
