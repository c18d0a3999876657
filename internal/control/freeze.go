package control

import (
	"context"
	"net/http"
)

// Upstreams are the registries that pull-through cache rules name.
// *pullthrough.Cache asks them.
type Upstreams interface {
	Freeze(ctx context.Context, on bool) error
	Frozen(ctx context.Context) (bool, error)
}

// Freeze tells whether upstream registries are left alone.
type Freeze struct {
	Frozen bool `json:"frozen"`
}

func (s *Server) freeze(ctx context.Context, in Freeze) (Freeze, error) {
	return in, s.o.Upstreams.Freeze(ctx, in.Frozen)
}

func (s *Server) frozen(ctx context.Context, _ nothing) (Freeze, error) {
	on, err := s.o.Upstreams.Frozen(ctx)
	return Freeze{on}, err
}

// Freeze has upstream registries left alone, by all servers, or asked again.
func (c *Client) Freeze(ctx context.Context, on bool) error {
	_, err := call[Freeze](ctx, c, http.MethodPost, "/freeze", Freeze{on})
	return err
}

// Frozen tells whether upstream registries are left alone.
func (c *Client) Frozen(ctx context.Context) (bool, error) {
	f, err := call[Freeze](ctx, c, http.MethodGet, "/freeze", nil)
	return f.Frozen, err
}
