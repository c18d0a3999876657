package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drydock/storage/meta"
)

// Query is what is read of a group.
type Query struct {
	Scope
	Group string
	// Streams are the names of the streams that are read; Prefix what those begin
	// with. Where both are empty, all are.
	Streams []string
	Prefix  string
	// The events read are those from the position From on that come before To.
	From, To Position
	// Backward reads the last ones first.
	Backward bool
	// Limit is how many events are wanted at most, and Bytes how many bytes of
	// messages; one event is returned however long it is.
	Limit, Bytes int
	// Match decides which messages are wanted; nil wants all.
	Match func(message string) bool
}

// Page is what was read.
type Page struct {
	// Events are in the order of reading.
	Events []Event
	// Next is where reading goes on: From of the next page, or To where it went
	// backward. At the end it is beside the last event that was read, or where
	// reading began, so that what is put later can be read from there.
	Next Position
	// More reports whether there may be more; there may be even where no event was
	// found.
	More bool
}

// Bounds of one page:
const (
	// mostLooked is how many bytes of events are looked at, before what was found is
	// returned, be it nothing.
	mostLooked = 64 << 20
	// firstLook is how many chunks are looked up at once, at first.
	firstLook = 128
	// mostMoves is how often reading is begun again because chunks were moved.
	mostMoves = 20
)

// Read reads a page of events. Errors: *UnknownError of the group, or of a stream that
// is named.
func (s *Store) Read(ctx context.Context, q Query) (Page, error) {
	r, err := s.newReader(ctx, q)
	if err != nil {
		return Page{}, err
	}
	for r.from.Before(r.to) {
		moves := 0
		for {
			err := r.stretch(ctx)
			if err == nil {
				break
			}
			if moves++; !errors.Is(err, errMoved) || moves > mostMoves {
				return Page{}, fmt.Errorf("read log group %s: %w", q.Group, err)
			}
		}
		if r.full || r.looked >= mostLooked {
			break
		}
	}
	return r.page(), nil
}

// reader reads one page. It knows all events that are wanted of the stretches it has
// been through, and goes on between from and to.
type reader struct {
	s        *Store
	q        Query
	group    int64
	names    map[int64]string // of streams, by id; empty for those not wanted
	closed   bool             // there are no other streams than those in names
	single   int64            // the stream where it is one alone
	from, to Position
	found    []Event
	bytes    int
	full     bool
	looked   int64
	limit    int // how many chunks are looked up at once
}

func (s *Store) newReader(ctx context.Context, q Query) (*reader, error) {
	db := s.db.Reader()
	g, err := findGroup(ctx, db, q.Scope, q.Group)
	if err != nil {
		return nil, err
	}
	r := &reader{s: s, q: q, group: g.id, from: q.From, to: q.To, limit: s.look, names: map[int64]string{}}
	// What retention forbids is not shown, though it may still be there.
	if kept := at(g.cutoff(s.millis())); r.from.Before(kept) {
		r.from = kept
	}
	if len(q.Streams) == 0 && q.Prefix == "" {
		return r, nil
	}
	r.closed = true
	for _, name := range q.Streams {
		_, v, err := findStream(ctx, db, q.Scope, q.Group, name)
		if err != nil {
			return nil, err
		}
		r.names[v.id], r.single = name, v.id
	}
	if q.Prefix != "" {
		rows, err := db.QueryContext(ctx, `SELECT `+streamColumns+` FROM log_stream
			WHERE group_id = $1 AND name >= $2 AND substr(name, 1, $3) = $2`, g.id, q.Prefix, len([]rune(q.Prefix)))
		list, err := all(rows, err, scanStream)
		if err != nil {
			return nil, fmt.Errorf("list the streams of log group %s: %w", q.Group, err)
		}
		for _, v := range list {
			r.names[v.id], r.single = v.Name, v.id
		}
		if len(list) == 0 {
			r.to = r.from
		}
	}
	if len(r.names) > 1 {
		r.single = 0
	}
	return r, nil
}

// stretch reads as far as the chunks go that one look-up finds, or until there is
// enough. Errors: errMoved, after which it may be called again.
func (r *reader) stretch(ctx context.Context) error {
	chunks, err := r.look(ctx)
	if err != nil {
		return err
	}
	from, to := r.from, r.to
	// Chunks that were not listed may have events from here on.
	if len(chunks) == r.limit {
		last := chunks[len(chunks)-1]
		edge := at(last.firstAt)
		if r.q.Backward {
			edge = at(last.lastAt + 1)
		}
		if !from.Before(edge) && !r.q.Backward || !edge.Before(to) && r.q.Backward {
			r.limit *= 4 // they all lie across one time
			return nil
		}
		if r.q.Backward {
			from = edge
		} else {
			to = edge
		}
	}
	if err := r.name(ctx, chunks); err != nil {
		return err
	}
	found, bytes, full, looked := slices.Clone(r.found), r.bytes, false, r.looked
	cut := func() { found, bytes, from, to, full = r.cut(found, bytes, from, to, full) }
	for _, c := range chunks {
		if !at(c.firstAt).Before(to) || !from.Before(at(c.lastAt+1)) || r.names[c.stream] == "" {
			continue
		}
		// Enough was looked at: what is left of the stretch is for the next page.
		if edge := at(c.firstAt); !r.q.Backward && looked >= mostLooked && from.Before(edge) {
			to = edge
			break
		}
		if edge := at(c.lastAt + 1); r.q.Backward && looked >= mostLooked && edge.Before(to) {
			from = edge
			break
		}
		content, err := r.s.load(ctx, c)
		if err != nil {
			return err
		}
		looked += c.raw
		err = r.s.unpack(content, c.raw, c.stream, c.base, func(e Event) {
			if e.Position.Before(from) || !e.Position.Before(to) || r.q.Match != nil && !r.q.Match(e.Message) {
				return
			}
			e.Message, e.Stream = strings.Clone(e.Message), r.names[c.stream]
			found, bytes = append(found, e), bytes+len(e.Message)
			if len(found) >= 2*r.q.Limit+16 || bytes >= 2*r.q.Bytes+mostEvent {
				cut()
			}
		})
		if err != nil {
			return err
		}
	}
	cut()
	r.found, r.bytes, r.full, r.looked = found, bytes, full, looked
	if r.q.Backward {
		r.to = from
	} else {
		r.from = to
	}
	return nil
}

// cut sorts what was found, and takes away what is more than is wanted: then the
// stretch ends there.
func (r *reader) cut(found []Event, bytes int, from, to Position, full bool) ([]Event, int, Position, Position, bool) {
	slices.SortFunc(found, func(a, b Event) int {
		if r.q.Backward {
			return b.Position.compare(a.Position)
		}
		return a.Position.compare(b.Position)
	})
	n, size := 0, 0
	for n < len(found) && n < r.q.Limit && (n == 0 || size+len(found[n].Message) <= r.q.Bytes) {
		size += len(found[n].Message)
		n++
	}
	if n == len(found) {
		return found, bytes, from, to, full
	}
	if r.q.Backward {
		from = found[n].Position.next()
	} else {
		to = found[n].Position
	}
	clear(found[n+1:]) // so that their messages are not held
	return found[:n], size, from, to, true
}

// name finds the names of the streams that chunks are of. A stream that was deleted
// has none, though some of its chunks may be left.
func (r *reader) name(ctx context.Context, chunks []chunk) error {
	if r.closed {
		return nil
	}
	for _, c := range chunks {
		if _, known := r.names[c.stream]; known {
			continue
		}
		name, err := one(r.s.db.Reader().QueryRowContext(ctx, `SELECT name FROM log_stream WHERE id = $1`, c.stream), func(row scanner) (n string, err error) {
			return n, row.Scan(&n)
		})
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("find the stream of log events: %w", err)
		}
		r.names[c.stream] = name
	}
	return nil
}

// look finds the chunks that reach between from and to, those first that are read
// first.
func (r *reader) look(ctx context.Context) ([]chunk, error) {
	const (
		from     = `SELECT ` + chunkColumns + ` FROM log_chunk c LEFT JOIN log_file f ON f.id = c.file_id WHERE `
		stream   = `c.stream_id = $1`
		group    = `c.group_id = $1`
		forward  = ` AND c.first_at BETWEEN $2 AND $3 AND c.last_at >= $4 ORDER BY c.first_at, c.last_at LIMIT $5`
		backward = ` AND c.last_at BETWEEN $2 AND $3 AND c.first_at <= $4 ORDER BY c.last_at DESC, c.first_at DESC LIMIT $5`
	)
	id, low, high, edge := r.group, max(r.from.At, mostSpan)-mostSpan, r.to.At, r.from.At
	if r.q.Backward {
		low, high, edge = r.from.At, min(r.to.At, End.At-mostSpan)+mostSpan, r.to.At
	}
	var query string
	switch {
	case r.single != 0 && r.q.Backward:
		id, query = r.single, from+stream+backward
	case r.single != 0:
		id, query = r.single, from+stream+forward
	case r.q.Backward:
		query = from + group + backward
	default:
		query = from + group + forward
	}
	rows, err := r.s.db.Reader().QueryContext(ctx, query, id, low, high, edge, r.limit)
	chunks, err := all(rows, err, scanChunk)
	if err != nil {
		return nil, fmt.Errorf("look up log events: %w", err)
	}
	return chunks, nil
}

// page is what was read.
func (r *reader) page() Page {
	p := Page{Events: r.found, More: r.from.Before(r.to)}
	switch {
	case p.More && r.q.Backward:
		p.Next = r.to
	case p.More:
		p.Next = r.from
	case len(r.found) > 0 && r.q.Backward:
		p.Next = r.found[len(r.found)-1].Position
	case len(r.found) > 0:
		p.Next = r.found[len(r.found)-1].Position.next()
	case r.q.Backward:
		p.Next = r.q.To
	default:
		p.Next = r.q.From
	}
	return p
}
