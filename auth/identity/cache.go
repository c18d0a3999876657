package identity

import (
	"strings"
	"sync"
	"sync/atomic"
)

// cached is something that was read, good for as long as a count stands where it
// stood before the reading.
type cached[T any] struct {
	count *atomic.Uint64
	at    uint64
	value T
}

// cache remembers what was read by access key id. The zero cache is empty.
type cache[T any] struct {
	entries sync.Map // access key id to *cached[T]
	size    atomic.Int64
}

// get returns what is remembered, if it is still good.
func (c *cache[T]) get(id string) (T, bool) {
	if e, ok := c.entries.Load(id); ok {
		if e := e.(*cached[T]); e.count.Load() == e.at {
			return e.value, true
		}
	}
	var none T
	return none, false
}

// put remembers what was read after the count stood at a value. When there are
// more than limit, all are forgotten: each costs one reading to come back.
func (c *cache[T]) put(id string, limit int64, value T, count *atomic.Uint64, at uint64) {
	// A copy: the id is a part of a header, which is not to be kept with it.
	if _, replaced := c.entries.Swap(strings.Clone(id), &cached[T]{count, at, value}); replaced {
		return
	}
	if c.size.Add(1) > limit {
		c.entries.Clear()
		c.size.Store(0)
	}
}
