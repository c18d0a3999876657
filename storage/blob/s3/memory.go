package s3

import (
	"container/list"
	"sync"
)

// rememberedBytes bounds what is remembered of uploads between requests.
const rememberedBytes = 64 << 20

// remembered is what a Writer knew when it was closed.
type remembered struct {
	parts []part
	// tail is what is too short to be a part that others follow; nil if nothing is.
	tail *buffer
}

func (r remembered) weight() int64 {
	w := int64(512 + 128*len(r.parts))
	if r.tail != nil {
		w += int64(len(r.tail.chunks)) * chunkSize
	}
	return w
}

// memory keeps what is remembered by mark, the latest first.
type memory struct {
	limit int64

	mu      sync.Mutex
	byMark  map[string]*list.Element
	order   list.List // of *memoryEntry
	holding int64
}

type memoryEntry struct {
	mark string
	remembered
}

// keep remembers, and forgets the oldest where that is too much.
func (m *memory) keep(mark string, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byMark == nil {
		m.byMark = map[string]*list.Element{}
	}
	m.forget(m.byMark[mark])
	m.byMark[mark] = m.order.PushFront(&memoryEntry{mark, r})
	for m.holding += r.weight(); m.holding > m.limit; {
		m.forget(m.order.Back())
	}
}

// take returns what is remembered and forgets it.
func (m *memory) take(mark string) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byMark[mark]
	if e == nil {
		return remembered{}, false
	}
	r := e.Value.(*memoryEntry).remembered
	m.drop(e)
	return r, true
}

// forget gives back what an entry holds, if there is one.
func (m *memory) forget(e *list.Element) {
	if e == nil {
		return
	}
	tail := e.Value.(*memoryEntry).tail
	m.drop(e)
	if tail != nil {
		tail.release()
	}
}

func (m *memory) drop(e *list.Element) {
	entry := m.order.Remove(e).(*memoryEntry)
	m.holding -= entry.weight()
	delete(m.byMark, entry.mark)
}
