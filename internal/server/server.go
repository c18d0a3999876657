// Package server runs HTTP servers on open listeners and stops them in an orderly
// way: nothing that was begun is cut off as long as it ends in reasonable time.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Grace is how long requests under way may take to end once the server is told
// to stop.
const Grace = 30 * time.Second

// Options is what Run needs.
type Options struct {
	Listeners []net.Listener
	Handler   http.Handler
	// Draining is called once, when the server begins to stop.
	Draining func()
	// Hurry, when it is closed or sends, ends the wait for requests under way.
	Hurry <-chan struct{}
	Grace time.Duration
	Log   *slog.Logger
}

// Run serves until ctx is done, then stops: no connection is accepted any more,
// requests under way are waited for, at most for the grace, then cut off. The
// error is that of a listener that failed; an orderly stop has none. Requests do
// not see that ctx is done.
func Run(ctx context.Context, o Options) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler:   o.Handler,
		Protocols: protocols, // see listen.TLS
		// There is no limit on a request or an answer as a whole, which may be
		// a layer of many GiB. What ends a stalled one: bodies in package
		// front, answers in package listen.
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// Room for a registry password and a session token, no more.
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		BaseContext:    func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	failed := make(chan error, len(o.Listeners))
	for _, l := range o.Listeners {
		go func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving on %s: %w", l.Addr(), err)
			}
		}()
	}
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-failed:
	}
	o.Draining()
	o.stop(s)
	return failure
}

// drainer is a listener that can stop listening without turning away those who have
// connected already.
type drainer interface{ Drain() }

func (o Options) drain() {
	var all sync.WaitGroup
	for _, l := range o.Listeners {
		if d, ok := l.(drainer); ok {
			all.Go(d.Drain)
		}
	}
	all.Wait()
}

func (o Options) stop(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), o.Grace)
	defer cancel()
	go func() {
		select {
		case <-o.Hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	o.drain()
	if err := s.Shutdown(ctx); err != nil {
		o.Log.Warn("requests that did not end in time are cut off", "error", err)
		if err := s.Close(); err != nil {
			o.Log.Warn("closing connections", "error", err)
		}
	}
}
