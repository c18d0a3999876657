package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"drydock/storage/meta"
)

// When the chunks of a stream that are rows are put together:
const (
	// enoughRaw bytes of them go into a file, however new they are.
	enoughRaw = mostRaw / 2
	// enoughOld is after how many milliseconds the first of them takes all there.
	enoughOld = 24 * 60 * 60 * 1000
	// enoughRows of them become one row.
	enoughRows = 16
	// crowded is how many bytes of all streams together send everything to files.
	crowded = 64 << 20
)

// Bounds of the work:
const (
	// gatherRaw is how many bytes of a stream are put together at once, and gatherRows
	// how many rows.
	gatherRaw  = 4 << 20
	gatherRows = 2000
	// fullFile is with how many bytes a file is large enough.
	fullFile = 8 << 20
)

// crowd is what a stream has in rows.
type crowd struct {
	group, stream     int64
	retention         int
	rows, raw, stored int64
	oldest, latest    int64
}

// crumbled reports whether it is worth making fewer rows of those there are. None
// spans more than mostSpan, so that some have to stay.
func (c crowd) crumbled() bool {
	return c.rows >= enoughRows+2*((c.latest-c.oldest)/mostSpan)
}

func scanCrowd(s scanner) (c crowd, err error) {
	return c, s.Scan(&c.group, &c.stream, &c.retention, &c.rows, &c.raw, &c.stored, &c.oldest, &c.latest)
}

// putAway puts together the chunks that are rows, and moves what is worth it into
// files. Streams whose events are kept for the same time share files, so that these
// end at one time.
func (s *Store) putAway(ctx context.Context) error {
	s.waiting.reset()
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT v.group_id, v.id, g.retention_days, w.n, w.raw, w.stored, w.oldest, w.latest
		FROM (SELECT stream_id, COUNT(*) AS n, CAST(SUM(raw) AS BIGINT) AS raw, CAST(SUM(stored) AS BIGINT) AS stored, MIN(created_at) AS oldest, MAX(created_at) AS latest
			FROM log_chunk WHERE file_id = 0 GROUP BY stream_id) w
		JOIN log_stream v ON v.id = w.stream_id JOIN log_group g ON g.id = v.group_id ORDER BY g.retention_days, v.group_id, v.id`)
	crowds, err := all(rows, err, scanCrowd)
	if err != nil {
		return err
	}
	total, now := int64(0), s.millis()
	for _, c := range crowds {
		total += c.stored
	}
	var failures []error
	var f *file
	for _, c := range crowds {
		if f != nil && (len(f.content) >= fullFile || f.retention != c.retention) {
			failures = append(failures, s.keep(ctx, f))
			f = nil
		}
		switch {
		case c.raw >= enoughRaw || total >= crowded || now-c.oldest >= enoughOld:
			for ctx.Err() == nil {
				if f == nil {
					f = &file{retention: c.retention}
				}
				more, err := s.gather(ctx, c, f)
				if err != nil {
					failures = append(failures, err)
					break
				}
				if !more {
					break
				}
				if len(f.content) >= fullFile {
					failures = append(failures, s.keep(ctx, f))
					f = nil
				}
			}
		case c.crumbled():
			failures = append(failures, s.merge(ctx, c))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if f != nil {
		failures = append(failures, s.keep(ctx, f))
	}
	return errors.Join(failures...)
}

// file is a file in the making.
type file struct {
	retention int
	content   []byte
	chunks    []placed
	// old are the rows that it takes the place of.
	old []int64
	// upTo is how far each stream was gathered, by the base of its chunks.
	upTo map[int64]int64
}

// placed is a chunk of a group.
type placed struct {
	chunk
	group   int64
	content []byte
}

// gather adds to a file the next of what a stream has in rows, and reports whether
// there is more.
func (s *Store) gather(ctx context.Context, c crowd, f *file) (more bool, err error) {
	if f.upTo == nil {
		f.upTo = map[int64]int64{}
	}
	old, made, last, more, err := s.together(ctx, c, f.upTo[c.stream], gatherRaw)
	if err != nil || len(old) == 0 {
		return false, err
	}
	f.upTo[c.stream] = last + 1
	f.old = append(f.old, old...)
	for _, p := range made {
		p.place = int64(len(f.content))
		f.content = append(f.content, p.content...)
		p.content = nil
		f.chunks = append(f.chunks, p)
	}
	return more, nil
}

// merge makes one row, or a few, of those of a stream that has written little.
func (s *Store) merge(ctx context.Context, c crowd) error {
	old, made, _, _, err := s.together(ctx, c, 0, gatherRaw)
	if err != nil || len(old) == 0 {
		return err
	}
	change := map[int64]int64{}
	if err := s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error { return replace(ctx, q, old, made, change) }); err != nil {
		return err
	}
	return s.adjust(ctx, change)
}

// together makes new chunks of those rows of a stream whose base is from or more, up
// to most bytes of them. last is the greatest base among them.
func (s *Store) together(ctx context.Context, c crowd, from, most int64) (old []int64, made []placed, last int64, more bool, err error) {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT `+chunkColumns+` FROM log_chunk c LEFT JOIN log_file f ON f.id = c.file_id
		WHERE c.file_id = 0 AND c.stream_id = $1 AND c.base_seq >= $2 ORDER BY c.base_seq, c.first_at LIMIT $3`, c.stream, from, gatherRows)
	chunks, err := all(rows, err, scanChunk)
	if err != nil || len(chunks) == 0 {
		return nil, nil, 0, false, err
	}
	var events []Event
	raw, created := int64(0), chunks[0].createdAt
	more = len(chunks) == gatherRows
	for _, k := range chunks {
		// Those of one base came together and stay so.
		if raw > 0 && raw+k.raw > most && k.base != last {
			more = true
			break
		}
		content, err := s.load(ctx, k)
		if err != nil {
			return nil, nil, 0, false, err
		}
		if err := s.unpack(content, k.raw, k.stream, k.base, func(e Event) { events = append(events, e) }); err != nil {
			return nil, nil, 0, false, fmt.Errorf("chunk %d: %w", k.id, err)
		}
		old, raw, last, created = append(old, k.id), raw+k.raw, k.base, min(created, k.createdAt)
	}
	slices.SortFunc(events, func(a, b Event) int { return a.Position.compare(b.Position) })
	base := chunks[0].base
	blocks, err := s.pack(events, base)
	if err != nil {
		return nil, nil, 0, false, err
	}
	for _, b := range blocks {
		id, err := s.newID()
		if err != nil {
			return nil, nil, 0, false, err
		}
		made = append(made, placed{chunk{
			id: id, stream: c.stream, firstAt: b.firstAt, lastAt: b.lastAt, base: base, createdAt: created, raw: int64(b.raw), stored: int64(len(b.content)),
		}, c.group, b.content})
	}
	return old, made, last, more, nil
}

// keep writes a file, and then has its chunks take the place of the rows.
func (s *Store) keep(ctx context.Context, f *file) error {
	if len(f.chunks) == 0 {
		return nil
	}
	id, err := s.newID()
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		return exec(ctx, q, `INSERT INTO log_file (id, state, size, created_at) VALUES ($1, 'writing', $2, $3)`, id, len(f.content), s.millis())
	})
	if err != nil {
		return fmt.Errorf("record a file of log events: %w", err)
	}
	if err := s.files.PutContent(ctx, filePath(id), f.content); err != nil {
		return fmt.Errorf("write %s: %w", filePath(id), err)
	}
	for i := range f.chunks {
		f.chunks[i].file = id
	}
	change := map[int64]int64{}
	err = s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		ours, err := changed(q.ExecContext(ctx, `UPDATE log_file SET state = 'kept' WHERE id = $1 AND state = 'writing'`, id))
		if err != nil {
			return err
		}
		if !ours {
			return fmt.Errorf("%s: it took so long to write that it was taken for abandoned", filePath(id))
		}
		return replace(ctx, q, f.old, f.chunks, change)
	})
	if err != nil {
		return err
	}
	return s.adjust(ctx, change)
}

// replace has new chunks take the place of old ones, and notes by how much that changes
// what streams hold. Errors: errMoved where one of
// those is no longer there.
func replace(ctx context.Context, q meta.Querier, old []int64, made []placed, change map[int64]int64) error {
	clear(change) // it may be the second attempt
	for _, id := range old {
		d, err := one(q.QueryRowContext(ctx, `DELETE FROM log_chunk WHERE id = $1 AND file_id = 0 RETURNING stream_id, file_id, stored`, id), scanDeleted)
		if errors.Is(err, meta.ErrNotFound) {
			return errMoved
		}
		if err != nil {
			return fmt.Errorf("replace log events: %w", err)
		}
		change[d.stream] -= d.stored
	}
	for _, p := range made {
		change[p.stream] += p.stored
		if err := addChunk(ctx, q, p.group, p.chunk, p.content); err != nil {
			return err
		}
	}
	return nil
}

// adjust counts how much streams hold less since chunks were replaced. That is done by
// itself, so that the replacement does not wait for those who put events; where it
// is not done, as the process dies, a little too much is shown.
func (s *Store) adjust(ctx context.Context, change map[int64]int64) error {
	return s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		for stream, n := range change {
			if err := exec(ctx, q, `UPDATE log_stream SET stored = stored + $2 WHERE id = $1`, stream, n); err != nil {
				return fmt.Errorf("count what log streams hold: %w", err)
			}
		}
		return nil
	})
}
