package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"drydock/storage/meta"
)

// How old and how far ahead events may be that are put, in milliseconds.
// Source: CloudWatch Logs API Reference, PutLogEvents.
const (
	oldest = 14 * day
	newest = 2 * 60 * 60 * 1000
)

// Refused says which events of a batch, which is in the order of their times, were
// not taken. All are places in the batch.
type Refused struct {
	// Expired are those before this place, for the retention, and TooOld those
	// before this one: 0 where there are none.
	Expired, TooOld int
	// TooNew are those from this place on: the batch's length where there are none.
	TooNew int
}

// Put adds events to a stream. They are in the order of their times, which is not
// looked at again. Once it returns they outlive the process. Errors: *UnknownError,
// ErrBehind.
func (s *Store) Put(ctx context.Context, scope Scope, group, stream string, events []Event) (Refused, error) {
	g, v, err := findStream(ctx, s.db.Reader(), scope, group, stream)
	if err != nil {
		return Refused{}, err
	}
	if err := s.admit(ctx); err != nil {
		return Refused{}, err
	}
	now := s.millis()
	refused, events := sift(events, now, g.cutoff(now))
	if len(events) == 0 {
		return refused, nil
	}
	for i := range events {
		events[i].IngestedAt, events[i].Position.Seq = now, int64(i)
	}
	blocks, err := s.pack(events, 0)
	if err != nil {
		return refused, err
	}
	chunks, stored := make([]chunk, len(blocks)), int64(0)
	for i, b := range blocks {
		chunks[i] = chunk{stream: v.id, firstAt: b.firstAt, lastAt: b.lastAt, createdAt: now, raw: int64(b.raw), stored: int64(len(b.content))}
		stored += chunks[i].stored
		if chunks[i].id, err = s.newID(); err != nil {
			return refused, err
		}
	}
	first, last := events[0].At, events[len(events)-1].At
	// Relaxed: it outlives the process, which is what is promised of logs, and what
	// others remember of the database stays good.
	err = s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		base, err := one(q.QueryRowContext(ctx, `SELECT next_seq FROM log_stream WHERE id = $1`, v.id), number)
		if errors.Is(err, meta.ErrNotFound) {
			return &UnknownError{Group: group, Stream: stream}
		}
		if err != nil {
			return fmt.Errorf("count the events of log stream %s: %w", stream, err)
		}
		for i, c := range chunks {
			c.base = base
			if err := addChunk(ctx, q, g.id, c, blocks[i].content); err != nil {
				return err
			}
		}
		return exec(ctx, q, `UPDATE log_stream SET next_seq = next_seq + $2, stored = stored + $3, last_ingestion = $4,
			first_event = CASE WHEN next_seq = 0 OR first_event > $5 THEN $5 ELSE first_event END,
			last_event = CASE WHEN last_event < $6 THEN $6 ELSE last_event END WHERE id = $1`, v.id, len(events), stored, now, first, last)
	})
	if err == nil && s.waiting.add(stored) {
		s.hurry()
	}
	return refused, err
}

// sift takes from a batch what may be put.
func sift(events []Event, now, cutoff int64) (Refused, []Event) {
	before := func(t int64) int {
		n, _ := slices.BinarySearchFunc(events, t, func(e Event, t int64) int {
			if e.At < t {
				return -1
			}
			return 1
		})
		return n
	}
	r := Refused{TooOld: before(now - oldest), TooNew: before(now + newest + 1)}
	if expired := before(cutoff); expired > r.TooOld {
		r.Expired, r.TooOld = expired, 0
	}
	from := max(r.TooOld, r.Expired)
	return r, events[min(from, r.TooNew):r.TooNew]
}

// Of chunks in the database, in bytes:
const (
	// hurryAt have been put on this server since its last round: there is something
	// to do for it.
	hurryAt = 16 << 20
	// mostWaiting is how much may wait: more is refused, so that the database stays
	// small even where files cannot be written.
	mostWaiting = 1 << 30
	// recountAfter is for how long what waits is taken for known.
	recountAfter = time.Second
)

// backlog is how much waits in the database to be put away.
type backlog struct {
	mu      sync.Mutex
	counted time.Time
	waiting int64
	since   int64 // put here since the last round of putting away
}

// add counts what was put, and reports whether it is time to put away.
func (b *backlog) add(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting += n
	b.since += n
	return b.since >= hurryAt
}

func (b *backlog) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since, b.counted = 0, time.Time{}
}

// admit refuses events while too many wait. Errors: ErrBehind.
func (s *Store) admit(ctx context.Context) error {
	b := &s.waiting
	b.mu.Lock()
	now := s.now()
	stale := now.Sub(b.counted) >= recountAfter || now.Before(b.counted)
	if stale {
		b.counted = now // one of those who come at once counts
	}
	b.mu.Unlock()
	if stale {
		n, err := one(s.db.Reader().QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(stored), 0) AS BIGINT) FROM log_chunk WHERE file_id = 0`), number)
		if err != nil {
			return fmt.Errorf("count the log events that wait: %w", err)
		}
		b.mu.Lock()
		b.waiting = n
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting > s.most {
		return ErrBehind
	}
	return nil
}

// hurry has Run look for work soon.
func (s *Store) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
