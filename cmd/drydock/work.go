package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"

	"drydock/internal/leases"
	"drydock/storage/meta"
)

// The names of leases, which are labels of metrics too.
const (
	leaseOfCollection = "collection"
	leaseOfUploads    = "uploads"
	leaseOfScrub      = "scrub"
	leaseOfLogs       = "logs"
	leaseOfServices   = "services"
)

// leased is work that one server at a time does of all on a database. It takes a
// lease where two at it would do the same twice. What each server does for itself
// takes none: to write down what it has noted, or to read what others have written.
type leased struct {
	name string
	run  func(context.Context) error
}

// openLeases makes the leases of a server on a database, under a name that tells
// people which one it is and that no other run of it has.
func openLeases(s site, db meta.DB) (*leases.Leases, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the name of this machine: %w", err)
	}
	l, err := leases.New(leases.Options{DB: db, Holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()), Log: s.log})
	if err != nil {
		return nil, err
	}
	return l, s.counts.Leases(l.Held)
}

// work runs what goes on beside requests until working ends; what takes a lease
// ends with serving, so that another server goes on with it while this one waits
// for its last requests. The channel is closed when all of it has ended.
func (h *house) work(serving, working context.Context) <-chan struct{} {
	var all sync.WaitGroup
	for _, run := range h.rooms.background {
		all.Go(func() { run(working) })
	}
	both, stop := context.WithCancel(working)
	context.AfterFunc(serving, stop)
	for _, w := range h.rooms.leased {
		all.Go(func() {
			if err := h.rooms.leases.Run(both, w.name, w.run); err != nil {
				h.rooms.log.Error("background work is not done", "work", w.name, "error", err)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		stop()
		close(ended)
	}()
	return ended
}
