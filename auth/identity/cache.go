package identity

import (
	"strings"
	"sync"
	"sync/atomic"
)

// cached is something that was read of an account, good for as long as the
// account's count stands where it stood before the reading.
type cached[T any] struct {
	account string
	at      uint64
	value   T
}

// cache remembers what was read by access key id. The zero cache is empty.
type cache[T any] struct {
	entries sync.Map // access key id to *cached[T]
	size    atomic.Int64
}

// get returns what is remembered, if it is still good: stands tells where the
// count of an account stands. Errors: those of stands.
func (c *cache[T]) get(id string, stands func(account string) (uint64, error)) (value T, ok bool, err error) {
	e, ok := c.peek(id)
	if !ok {
		return value, false, nil
	}
	now, err := stands(e.account)
	if err != nil || now != e.at {
		return value, false, err
	}
	return e.value, true, nil
}

// peek returns what is remembered, be it good or not.
func (c *cache[T]) peek(id string) (*cached[T], bool) {
	e, ok := c.entries.Load(id)
	if !ok {
		return nil, false
	}
	return e.(*cached[T]), true
}

// put remembers what was read of an account after its count stood at a value. When
// there are more than limit, all are forgotten: each costs one reading to come
// back.
func (c *cache[T]) put(id string, limit int64, value T, account string, at uint64) {
	// A copy: the id is a part of a header, which is not to be kept with it.
	if _, replaced := c.entries.Swap(strings.Clone(id), &cached[T]{account, at, value}); replaced {
		return
	}
	if c.size.Add(1) > limit {
		c.entries.Clear()
		c.size.Store(0)
	}
}
