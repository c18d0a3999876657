package meta

import "sync"

// Cache remembers what was read from a database until anything is written to it:
// then it forgets all. It is never stale: whoever asks after a durable Write has
// returned reads anew. It suits what is read far more often than the database is
// written, such as the one image that a whole fleet pulls.
type Cache[K comparable, V any] struct {
	limit int
	weigh func(V) int

	mu       sync.RWMutex
	revision uint64
	weight   int
	entries  map[K]V
}

// Revised counts what is written to it, as a DB does.
type Revised interface {
	Revision() (n uint64, ok bool)
}

// NewCache makes a cache of at most limit in the unit of weigh. A value that
// weighs more than a sixteenth of that is not kept.
func NewCache[K comparable, V any](limit int, weigh func(V) int) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, weigh: weigh, entries: map[K]V{}}
}

// Get returns the value of a key, which load reads from db where it is not
// remembered. Values are shared: nobody may change them. Errors: load's, which
// are not remembered.
func (c *Cache[K, V]) Get(db Revised, key K, load func() (V, error)) (V, error) {
	// Asked before the reading: a write meanwhile makes what is read out of date.
	now, ok := db.Revision()
	if !ok {
		return load()
	}
	c.mu.RLock()
	v, hit := c.entries[key]
	hit = hit && c.revision == now
	c.mu.RUnlock()
	if hit {
		return v, nil
	}
	v, err := load()
	if err == nil {
		c.keep(now, key, v)
	}
	return v, err
}

func (c *Cache[K, V]) keep(revision uint64, key K, v V) {
	w := c.weigh(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	if revision < c.revision || w > c.limit/16 {
		return
	}
	if _, twice := c.entries[key]; twice && revision == c.revision {
		return
	}
	if revision > c.revision || c.weight+w > c.limit {
		clear(c.entries)
		c.weight, c.revision = 0, revision
	}
	c.entries[key] = v
	c.weight += w
}
