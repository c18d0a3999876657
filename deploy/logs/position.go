package logs

import (
	"cmp"
	"math"
)

// Event is a log event. Times are in milliseconds since 1970.
type Event struct {
	At, IngestedAt int64
	Message        string
	// Stream is the name of the stream, where events are read.
	Stream string
	// Position is its place among all, where events are read.
	Position Position
}

// Position is the place of an event among those of a group, or the place between two:
// before the event that has it.
type Position struct{ At, Stream, Seq int64 }

// End is behind all events.
var End = Position{At: math.MaxInt64}

// Before reports whether p comes before o.
func (p Position) Before(o Position) bool { return p.compare(o) < 0 }

func (p Position) compare(o Position) int {
	if c := cmp.Compare(p.At, o.At); c != 0 {
		return c
	}
	if c := cmp.Compare(p.Stream, o.Stream); c != 0 {
		return c
	}
	return cmp.Compare(p.Seq, o.Seq)
}

// next is the place behind the event at p.
func (p Position) next() Position { return Position{p.At, p.Stream, p.Seq + 1} }

// at is the place before all events of a time.
func at(millis int64) Position { return Position{At: millis} }
