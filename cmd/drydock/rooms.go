package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/auth/stsapi"
	"drydock/auth/token"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/ecrapi"
	"drydock/internal/config"
	"drydock/internal/datadir"
	"drydock/internal/registryhost"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/sqlite"
)

// What the rooms keep in the data folder.
const (
	databaseFile    = "records.db"
	blobFolder      = "blobs"
	signingKeysFile = "signing-keys.json"
)

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
func furnish(ctx context.Context, s site) (_ *rooms, err error) {
	r := new(rooms)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	engine, err := r.openStorage(ctx, s)
	if err != nil {
		return nil, datadir.Explain(s.folder.Path(), err)
	}
	signing, err := token.OpenKeys(s.folder.Path(signingKeysFile), rand.Reader)
	if err != nil {
		return nil, datadir.Explain(s.folder.Path(), err)
	}
	passwords := token.New(signing, s.keys, time.Now, rand.Reader)
	if r.aws, err = apis(s, engine, passwords); err != nil {
		return nil, err
	}
	r.registry = http.NotFoundHandler()
	return r, nil
}

// apis are the AWS APIs, each a service of its own behind one handler.
func apis(s site, engine *storage.Registry, passwords *token.Issuer) (http.Handler, error) {
	verifier, err := sigv4.New(s.keys, time.Now)
	if err != nil {
		return nil, err
	}
	sts, err := stsapi.New()
	if err != nil {
		return nil, err
	}
	model, err := constraints.Load("ecr")
	if err != nil {
		return nil, err
	}
	service, err := ecrapi.New(ecrapi.Options{Engine: engine, Names: s.names, Passwords: passwords, DownloadBase: s.downloadBase})
	if err != nil {
		return nil, err
	}
	ecr, err := awsapi.NewService(model, service.Operations())
	if err != nil {
		return nil, err
	}
	return awsapi.New(awsapi.Options{
		Services: []*awsapi.Service{sts, ecr}, Verifier: verifier, Authorizer: s.authorizer, Log: s.log, Rand: rand.Reader,
	})
}

// openStorage opens records and blobs. What is open is in r.closers, also when
// the rest fails.
func (r *rooms) openStorage(ctx context.Context, s site) (*storage.Registry, error) {
	records, err := sqlite.Open(ctx, s.folder.Path(databaseFile))
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, records.Close)
	driver, err := disk.New(s.folder.Path(blobFolder))
	if err != nil {
		return nil, err
	}
	engine, err := storage.New(ctx, storage.Options{
		DB: records, Blobs: blob.NewStore(driver), Now: time.Now, Random: rand.Reader, Log: s.log, UploadExpiry: s.cfg.UploadExpiry,
	})
	if err != nil {
		return nil, err
	}
	r.background = append(r.background, func(ctx context.Context) {
		if err := engine.Run(ctx); err != nil {
			s.log.Error("the background work of the storage has ended", "error", err)
		}
	})
	r.ready = func(ctx context.Context) error {
		_, err := engine.Repositories(ctx, storage.Scope{Account: s.cfg.Account, Region: s.cfg.Region}, "", 1)
		return err
	}
	return engine, nil
}
