package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"drydock/auth"
	"drydock/auth/iamapi"
	"drydock/auth/sigv4"
	"drydock/auth/stsapi"
	"drydock/auth/throttle"
	"drydock/auth/token"
	"drydock/awsapi"
	"drydock/awsapi/constraints"
	"drydock/deploy/logs"
	"drydock/deploy/logs/logsapi"
	"drydock/deploy/secret"
	"drydock/ecrapi"
	"drydock/ecrapi/pullthrough"
	"drydock/ecrapi/pulltime"
	"drydock/ecrapi/scan"
	"drydock/ecrapi/signing"
	"drydock/internal/config"
	"drydock/internal/control"
	"drydock/internal/datadir"
	"drydock/internal/jobs"
	"drydock/internal/leases"
	"drydock/internal/metrics"
	"drydock/internal/registryhost"
	"drydock/registry"
	"drydock/storage"
	"drydock/storage/blob"
)

// site is what the rooms stand on.
type site struct {
	cfg    config.Config
	folder *datadir.Folder
	records
	names *registryhost.Names
	roots []auth.Credential
	// watched makes an authorizer count and log what it decides.
	watched      func(auth.Authorizer) auth.Authorizer
	counts       *metrics.Metrics
	downloadBase func(account, region string) string
	// addresses are the open ports.
	addresses []*net.TCPAddr
	log       *slog.Logger
}

// rooms are what answers behind the front.
type rooms struct {
	registry, aws http.Handler
	sessions      http.Handler
	control       *control.Server
	files         blob.Driver
	ready         func(context.Context) error
	background    []func(context.Context)
	leases        *leases.Leases
	leased        []leased
	queues        *jobs.Queues
	log           *slog.Logger
	closers       []func() error
}

func (r *rooms) close() error { return closeAll(r.closers) }

// furnish puts the engine over the records and the blobs, and builds the registry
// and the AWS APIs over it. The records are closed with the rooms, and where they
// cannot be furnished.
func furnish(ctx context.Context, s site) (_ *rooms, err error) {
	r := &rooms{log: s.log, closers: []func() error{s.db.Close}}
	defer func() {
		if err != nil {
			_ = r.close() // what could not be opened matters more
		}
	}()
	engine, err := r.openStorage(ctx, s)
	if err != nil {
		return nil, err
	}
	access, err := openAccess(ctx, s, engine, s.roots)
	if err != nil {
		return nil, err
	}
	r.background = append(r.background, func(ctx context.Context) {
		if err := access.identities.Run(ctx, s.log); err != nil {
			s.log.Error("the last uses of access keys could not be written", "error", err)
		}
	}, func(ctx context.Context) {
		if err := access.signing.Run(ctx); err != nil {
			s.log.Error("the keys of passwords are no longer looked after", "error", err)
		}
	})
	authorizer := s.watched(access.authorizer)
	passwords := token.New(access.signing, access.identities, time.Now, rand.Reader)
	held, err := throttle.New(throttle.Options{Now: time.Now, Refused: s.counts.Throttled})
	if err != nil {
		return nil, err
	}
	creator, err := openTemplates(engine, access, authorizer)
	if err != nil {
		return nil, err
	}
	pulls, err := r.openPulls(s, engine)
	if err != nil {
		return nil, err
	}
	secrets, err := secret.New(secret.Options{DB: s.db, Seal: s.box, Now: time.Now, Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	cache, err := openCache(s, engine, creator, secrets)
	if err != nil {
		return nil, err
	}
	tasks, err := openTasks(s, access, authorizer, images{engine, cache, secrets}, passwords, func() http.Handler { return r.aws })
	if err != nil {
		return nil, err
	}
	if r.registry, err = registry.New(registry.Options{
		Engine: engine, Tokens: passwords, Throttle: held.Door("registry"), Authorizer: authorizer, Names: s.names, Log: s.log,
		Redirect: s.cfg.Redirect, Creator: creator, Upstream: cache, Pulled: pulls.Pulled, Mounts: ecrapi.Mounts(engine),
	}); err != nil {
		return nil, err
	}
	hooks, err := r.openEvents(s, engine)
	if err != nil {
		return nil, err
	}
	r.openArchive(engine)
	profiles, err := r.openSigning(s, engine, authorizer)
	if err != nil {
		return nil, err
	}
	scanner, err := r.openScanner(s, engine)
	if err != nil {
		return nil, err
	}
	r.control = control.New(control.Options{
		Identities: access.identities, Signing: access.signing, Explainer: access.authorizer, Trail: access.trail, Collection: engine, Quotas: engine, Verifier: engine,
		Secrets: secrets, Webhooks: hooks, Profiles: profiles, Upstreams: cache, Vulnerabilities: scanner, Region: s.cfg.Region, Log: s.log,
	})
	r.sessions, r.closers = tasks.sessions, append(r.closers, tasks.sessions.Close)
	if tasks.reconciler != nil {
		r.background = append(r.background, func(ctx context.Context) {
			if err := tasks.reconciler.Run(ctx); err != nil {
				s.log.Error("tasks are no longer looked after", "error", err)
			}
		})
	}
	events, err := logs.New(logs.Options{DB: s.db, Files: r.files, Now: time.Now, Random: rand.Reader, Log: s.log})
	if err != nil {
		return nil, err
	}
	r.leased = append(r.leased, leased{leaseOfLogs, events.Run}, leased{leaseOfServices, tasks.scheduler.Run})
	apis, err := apis(s, engine, access, passwords, tasks, events, pulls, cache, profiles, scanner)
	if err != nil {
		return nil, err
	}
	verifier, err := sigv4.New(access.identities, time.Now)
	if err != nil {
		return nil, err
	}
	r.aws, err = awsapi.New(awsapi.Options{
		Services: apis, Verifier: verifier, Throttle: held.Door("aws"), Authorizer: authorizer, Log: s.log, Rand: rand.Reader,
	})
	return r, err
}

// openStorage opens the blobs and puts the engine over them and the records.
func (r *rooms) openStorage(ctx context.Context, s site) (*storage.Registry, error) {
	files, err := openBlobs(ctx, s)
	if err != nil {
		return nil, err
	}
	r.files = files
	blobs := blob.NewStore(files)
	if err := checkPlace(ctx, blobs, s.shared); err != nil {
		return nil, err
	}
	r.queues = jobs.New(jobs.Options{DB: s.db, Now: time.Now, Log: s.log})
	engine, err := storage.New(ctx, storage.Options{
		DB: s.db, Blobs: blobs,
		Now: time.Now, Random: rand.Reader, Log: s.log, UploadExpiry: s.cfg.UploadExpiry,
		Grace: s.cfg.GCGrace, Trash: s.cfg.GCTrash,
		Quotas: storage.Quotas{
			Account: storage.Amount(s.cfg.AccountQuota), Repository: storage.Amount(s.cfg.RepositoryQuota), Repositories: s.cfg.RegistryRepositories, Tags: s.cfg.ImageTags,
		},
		Room:     roomIn(s.cfg),
		Watchers: watchers(), Wake: r.queues.Wake,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.counts.Collection(engine, time.Now), s.counts.Refusals(engine), s.counts.Verifications(engine)); err != nil {
		return nil, err
	}
	r.ready = engine.Ready
	if r.leases, err = openLeases(s, s.db); err != nil {
		return nil, err
	}
	r.leased = append(r.leased, leased{leaseOfUploads, engine.Run}, leased{leaseOfCollection, engine.RunCollector})
	if period := s.cfg.ScrubPeriod; period > 0 {
		r.leased = append(r.leased, leased{leaseOfScrub, func(ctx context.Context) error { return engine.RunScrub(ctx, period) }})
	}
	return engine, nil
}

// apis are the AWS APIs that exist here.
func apis(s site, engine *storage.Registry, access *access, passwords *token.Issuer, tasks *tasks, events *logs.Store, pulls *pulltime.Recorder, cache *pullthrough.Cache, profiles *signing.Profiles, scanner *scan.Scanner) ([]*awsapi.Service, error) {
	ecr, err := ecrapi.New(ecrapi.Options{
		Engine: engine, Names: s.names, Passwords: passwords, Policies: access.authorizer, Scanner: scanner, Cache: cache, Profiles: profiles, DownloadBase: s.downloadBase, Pulled: pulls.Pulled,
	})
	if err != nil {
		return nil, err
	}
	iam, err := iamapi.New(iamapi.Options{Store: access.identities, Guardrails: access.guardrails})
	if err != nil {
		return nil, err
	}
	sts, err := stsapi.New(stsapi.Options{Store: access.identities, Messages: access.messages, Tokens: access.tokens})
	if err != nil {
		return nil, err
	}
	ecs, err := tasks.ecs(s)
	if err != nil {
		return nil, err
	}
	cloudwatch, err := logsapi.New(logsapi.Options{Store: events, DB: s.db, Now: time.Now})
	if err != nil {
		return nil, err
	}
	var all []*awsapi.Service
	for _, api := range []struct {
		model      string
		operations []awsapi.Operation
	}{{"ecr", ecr.Operations()}, {"ecs", ecs.Operations()}, {"iam", iam.Operations()}, {"logs", cloudwatch.Operations()}, {"sts", sts.Operations()}} {
		model, err := constraints.Load(api.model)
		if err != nil {
			return nil, fmt.Errorf("load the model of %s: %w", api.model, err)
		}
		service, err := awsapi.NewService(model, api.operations)
		if err != nil {
			return nil, err
		}
		all = append(all, service)
	}
	return all, nil
}
