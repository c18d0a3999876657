package logs

import (
	"context"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// Stream is a log stream. All times are in milliseconds since 1970; those of events
// are 0 until there was one.
type Stream struct {
	Name                                              string
	CreatedAt, FirstEvent, LastEvent, LastIngestionAt int64

	id, group, nextSeq int64
}

const streamColumns = `id, group_id, name, created_at, first_event, last_event, last_ingestion, next_seq`

func scanStream(s scanner) (v Stream, err error) {
	return v, s.Scan(&v.id, &v.group, &v.Name, &v.CreatedAt, &v.FirstEvent, &v.LastEvent, &v.LastIngestionAt, &v.nextSeq)
}

// findStream finds a stream and its group. Errors: *UnknownError.
func findStream(ctx context.Context, q meta.Querier, scope Scope, group, name string) (Group, Stream, error) {
	g, err := findGroup(ctx, q, scope, group)
	if err != nil {
		return g, Stream{}, err
	}
	v, err := one(q.QueryRowContext(ctx, `SELECT `+streamColumns+` FROM log_stream WHERE group_id = $1 AND name = $2`, g.id, name), scanStream)
	if errors.Is(err, meta.ErrNotFound) {
		return g, v, &UnknownError{Group: group, Stream: name}
	}
	if err != nil {
		return g, v, fmt.Errorf("find log stream %s: %w", name, err)
	}
	return g, v, nil
}

// CreateStream makes an empty stream. Errors: *UnknownError of the group,
// *ExistsError.
func (s *Store) CreateStream(ctx context.Context, scope Scope, group, name string) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	return s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		g, err := findGroup(ctx, q, scope, group)
		if err != nil {
			return err
		}
		made, err := changed(q.ExecContext(ctx, `INSERT INTO log_stream (`+streamColumns+`, stored) VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0)
			ON CONFLICT (group_id, name) DO NOTHING`, id, g.id, name, s.millis()))
		if err != nil {
			return fmt.Errorf("create log stream %s: %w", name, err)
		}
		if !made {
			return &ExistsError{Group: group, Stream: name}
		}
		return nil
	})
}

// DeleteStream deletes a stream and its events. Errors: *UnknownError.
func (s *Store) DeleteStream(ctx context.Context, scope Scope, group, name string) error {
	err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		_, v, err := findStream(ctx, q, scope, group, name)
		if err != nil {
			return err
		}
		for _, statement := range []string{`INSERT INTO log_gone (id) VALUES ($1)`, `DELETE FROM log_stream WHERE id = $1`} {
			if err := exec(ctx, q, statement, v.id); err != nil {
				return fmt.Errorf("delete log stream %s: %w", name, err)
			}
		}
		return nil
	})
	s.hurry()
	return err
}

// StreamList is which streams of a group are listed, and how.
type StreamList struct {
	// Prefix is what names begin with.
	Prefix string
	// ByEvent lists by the time of the last event, then by name, else by name.
	ByEvent bool
	// Descending lists backwards.
	Descending bool
	// After is the stream behind which the list goes on; of it the name and
	// LastEvent are needed. At the beginning these are empty and -1.
	After Stream
	Limit int
}

// Streams lists streams of a group. Errors: *UnknownError.
func (s *Store) Streams(ctx context.Context, scope Scope, group string, l StreamList) ([]Stream, error) {
	g, err := findGroup(ctx, s.db.Reader(), scope, group)
	if err != nil {
		return nil, err
	}
	const from = `SELECT ` + streamColumns + ` FROM log_stream WHERE group_id = $1 AND substr(name, 1, $2) = $3 AND `
	const byName, byEvent = `CAST($4 AS BIGINT) >= -1 AND name`, `(last_event, name)`
	var query string
	switch {
	case l.ByEvent && l.Descending:
		query = from + `($5 = '' OR ` + byEvent + ` < ($4, $5)) ORDER BY last_event DESC, name DESC LIMIT $6`
	case l.ByEvent:
		query = from + byEvent + ` > ($4, $5) ORDER BY last_event, name LIMIT $6`
	case l.Descending:
		query = from + `name >= $3 AND ($5 = '' OR ` + byName + ` < $5) ORDER BY name DESC LIMIT $6`
	default:
		query = from + `name >= $3 AND ` + byName + ` > $5 ORDER BY name LIMIT $6`
	}
	rows, err := s.db.Reader().QueryContext(ctx, query, g.id, len([]rune(l.Prefix)), l.Prefix, l.After.LastEvent, l.After.Name, l.Limit)
	list, err := all(rows, err, scanStream)
	if err != nil {
		return nil, fmt.Errorf("list the streams of log group %s: %w", group, err)
	}
	return list, nil
}
