package logs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Of a block:
const (
	// mostRaw is how many bytes it has before compression, unless one event alone
	// has more: what reading a page holds at once.
	mostRaw = 512 << 10
	// mostSpan is how far apart in time its events are, in milliseconds: how far
	// around a time reading has to look for blocks that reach into it.
	mostSpan = 60 * 60 * 1000
	// mostEvent bounds what a damaged block can make a reader hold.
	mostEvent = 2 << 20
)

// errDamaged is returned, wrapped, for blocks that do not have the form of one.
var errDamaged = errors.New("a chunk of log events is damaged")

// block is events of one stream, encoded and compressed. The numbers of its events
// are relative to a base that the chunk's row has.
//
// The form is gzip of, for each event: the differences of its time, its number and
// its time of ingestion from those of the event before, as varints; the length of its
// message as an uvarint; the message. Before the first event all are 0.
type block struct {
	firstAt, lastAt int64
	raw             int
	content         []byte
}

// pack makes blocks of events, which are in the order of their positions. base is
// subtracted from their numbers.
func (s *Store) pack(events []Event, base int64) ([]block, error) {
	var blocks []block
	var raw []byte
	first := 0
	var before Event
	flush := func(end int) error {
		if first == end {
			return nil
		}
		content, err := s.compress(raw)
		if err != nil {
			return err
		}
		blocks = append(blocks, block{events[first].At, events[end-1].At, len(raw), content})
		first, raw, before = end, raw[:0], Event{}
		return nil
	}
	for i, e := range events {
		if len(raw) > 0 && (len(raw)+len(e.Message) > mostRaw || e.At-events[first].At > mostSpan) {
			if err := flush(i); err != nil {
				return nil, err
			}
		}
		e.Position.Seq -= base
		raw = binary.AppendVarint(raw, e.At-before.At)
		raw = binary.AppendVarint(raw, e.Position.Seq-before.Position.Seq)
		raw = binary.AppendVarint(raw, e.IngestedAt-before.IngestedAt)
		raw = binary.AppendUvarint(raw, uint64(len(e.Message)))
		raw = append(raw, e.Message...)
		before = e
	}
	return blocks, flush(len(events))
}

func (s *Store) compress(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	w, ok := s.packers.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, fmt.Errorf("compress log events: %w", err)
		}
	}
	defer s.packers.Put(w)
	w.Reset(&out)
	if _, err := w.Write(raw); err != nil {
		return nil, fmt.Errorf("compress log events: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress log events: %w", err)
	}
	return slices.Clip(out.Bytes()), nil
}

// unpack calls fn for each event of a block, in order; its message is part of the
// whole block, so that who keeps a few of them should copy these. Errors: errDamaged.
func (s *Store) unpack(content []byte, raw int64, stream, base int64, fn func(Event)) error {
	if raw < 0 || raw > mostRaw+mostEvent {
		return fmt.Errorf("%w: it cannot have %d bytes", errDamaged, raw)
	}
	text, err := s.decompress(content, int(raw))
	if err != nil {
		return err
	}
	var e Event
	e.Position.Stream = stream
	seq := int64(0)
	for rest := text; len(rest) > 0; {
		var differences [3]int64
		for i := range differences {
			v, n := varint(rest)
			if n <= 0 {
				return fmt.Errorf("%w: a number is cut off", errDamaged)
			}
			differences[i], rest = v, rest[n:]
		}
		length, n := uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return fmt.Errorf("%w: a message is cut off", errDamaged)
		}
		e.At += differences[0]
		seq += differences[1]
		e.IngestedAt += differences[2]
		e.Position.At, e.Position.Seq = e.At, base+seq
		e.Message = rest[n : n+int(length)]
		rest = rest[n+int(length):]
		fn(e)
	}
	return nil
}

func (s *Store) decompress(content []byte, raw int) (string, error) {
	r, ok := s.unpackers.Get().(*gzip.Reader)
	if !ok {
		r = new(gzip.Reader)
	}
	defer s.unpackers.Put(r)
	if err := r.Reset(bytes.NewReader(content)); err != nil {
		return "", fmt.Errorf("%w: %w", errDamaged, err)
	}
	r.Multistream(false)
	text := make([]byte, raw)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", fmt.Errorf("%w: %w", errDamaged, err)
	}
	// The end has the checksum.
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: it does not end where it should: %w", errDamaged, err)
	}
	return string(text), nil
}

// varint and uvarint are those of encoding/binary, of text.
func varint(text string) (int64, int) {
	return binary.Varint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
}

func uvarint(text string) (uint64, int) {
	return binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
}
