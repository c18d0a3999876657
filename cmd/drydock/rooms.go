package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/auth/stsapi"
	"drydock/awsapi"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/internal/registryhost"
)

const databaseFile = "records.db"

// site is what the rooms stand on.
type site struct {
	cfg          config.Config
	folder       *datadir.Folder
	names        *registryhost.Names
	keys         auth.Keys
	authorizer   auth.Authorizer
	downloadBase func(account, region string) string
	log          *slog.Logger
}

// rooms are what answers behind the front.
type rooms struct {
	registry, aws http.Handler
	ready         func(context.Context) error
	background    []func(context.Context)
	closers       []func() error
}

func (r *rooms) close() error { return closeAll(r.closers) }

// furnish opens the storage and builds the registry and the AWS APIs over it.
func furnish(ctx context.Context, s site) (*rooms, error) {
	r := new(rooms)
	verifier, err := sigv4.New(s.keys, time.Now)
	if err != nil {
		return nil, err
	}
	sts, err := stsapi.New()
	if err != nil {
		return nil, err
	}
	r.aws, err = awsapi.New(awsapi.Options{
		Services: []*awsapi.Service{sts}, Verifier: verifier, Authorizer: s.authorizer, Log: s.log, Rand: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	r.registry = http.NotFoundHandler()
	r.ready = func(context.Context) error { return nil }
	return r, nil
}
