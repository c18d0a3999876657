package storage

import (
	"context"
	"sync"
)

// sessions lets one request at a time work on an upload.
type sessions struct {
	mu   sync.Mutex
	held map[string]*turn
}

// turn is the right to work on one upload: a token in its channel.
type turn struct {
	token   chan struct{}
	waiting int
}

// enter waits until nobody else works on the upload and returns the function
// that ends the turn.
func (s *sessions) enter(ctx context.Context, id string) (leave func(), err error) {
	s.mu.Lock()
	if s.held == nil {
		s.held = map[string]*turn{}
	}
	t := s.held[id]
	if t == nil {
		t = &turn{token: make(chan struct{}, 1)}
		s.held[id] = t
	}
	t.waiting++
	s.mu.Unlock()
	done := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(s.held, id)
		}
	}
	select {
	case t.token <- struct{}{}:
		return func() { <-t.token; done() }, nil
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
}
