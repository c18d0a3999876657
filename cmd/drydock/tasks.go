package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"drydock/auth"
	"drydock/auth/token"
	"drydock/deploy"
	"drydock/deploy/docker"
	"drydock/deploy/inside"
	"drydock/deploy/keeper"
	"drydock/deploy/machine"
	"drydock/deploy/reconcile"
	"drydock/deploy/reconcile/services"
	"drydock/deploy/record"
	"drydock/deploy/role"
	"drydock/deploy/secret"
	"drydock/deploy/session"
	"drydock/ecrapi/pullthrough"
	"drydock/internal/config"
	"drydock/internal/registryhost"
	"drydock/storage"
)

const (
	// tasksFolder is where the data folder keeps the tasks of its machine.
	tasksFolder = "tasks"
	// homeCluster is where the machine registers.
	homeCluster = "default"
)

// tasks are what runs the tasks of ECS on this machine's own Docker Engine.
type tasks struct {
	sessions   *session.Sessions
	scheduler  *services.Scheduler
	reconciler *reconcile.Reconciler // nil where no tasks are to run
	repository func(image string) *machine.RepositoryImage
}

// wake has what is recorded of services and tasks looked at soon.
func (t *tasks) wake() {
	t.scheduler.Wake()
	t.recorded()
}

// recorded has the machine do what is recorded.
func (t *tasks) recorded() {
	if t.reconciler != nil {
		t.reconciler.Wake()
	}
}

// machine is the machine of this server.
func (t *tasks) machine() (machine.Machine, error) {
	if t.reconciler == nil {
		return nil, machine.ErrUnavailable
	}
	return t.reconciler.Machine()
}

// images are where images are found, here and upstream, and the secrets that tasks and
// upstreams take.
type images struct {
	engine  *storage.Registry
	cache   *pullthrough.Cache
	secrets *secret.Store
}

// openTasks prepares to run tasks. api is asked for the AWS APIs once containers ask
// for them.
func openTasks(s site, a *access, authorizer auth.Authorizer, images images, passwords *token.Issuer, api func() http.Handler) (*tasks, error) {
	t := &tasks{repository: keeper.Repository(s.names, s.ports()...)}
	var err error
	t.scheduler, err = services.New(services.Options{
		DB: s.db, Now: time.Now, Random: rand.Reader, Chance: chance{}, Settle: services.UsualSettle, Log: s.log, Recorded: t.recorded, Repository: t.repository,
	})
	if err != nil {
		return nil, err
	}
	if t.sessions, err = session.New(session.Options{Machine: t.machine, Now: time.Now, Random: rand.Reader, Log: s.log}); err != nil {
		return nil, err
	}
	if s.cfg.Engine == config.EngineNone {
		return t, nil
	}
	owner, err := s.folder.ID(rand.Reader)
	if err != nil {
		return nil, err
	}
	roles, err := role.New(role.Options{Identities: a.identities, Authorizer: authorizer, Now: time.Now})
	if err != nil {
		return nil, err
	}
	door, err := registryhost.New(s.cfg.Account, s.cfg.Region, config.PlainRegistryHost(s.addresses[0]), strconv.Itoa(s.addresses[0].Port))
	if err != nil {
		return nil, err
	}
	l := &local{site: s, owner: owner, roles: roles, images: images, passwords: passwords, door: door, api: api}
	t.reconciler, err = reconcile.New(reconcile.Options{
		DB: s.db, Open: l.open, Now: time.Now, NewID: newID, Log: s.log, Woken: t.scheduler.Wake,
		Home: reconcile.Home{Scope: record.Scope{Account: s.cfg.Account, Region: s.cfg.Region}, Cluster: homeCluster},
	})
	return t, err
}

// local is this machine: its Engine, and what containers on it find.
type local struct {
	site
	images
	owner     string
	roles     *role.Roles
	passwords *token.Issuer
	door      *registryhost.Names
	api       func() http.Handler
}

// open connects to the Engine, and answers its containers for as long as the machine
// is open.
func (l *local) open(ctx context.Context) (machine.Machine, error) {
	place := inside.Open(ctx, inside.PlaceOptions{})
	ids := inside.NewIDs(l.box)
	k, err := keeper.New(keeper.Options{
		Engine: l.engine, Upstream: l.cache, Passwords: l.passwords, Roles: l.roles, Secrets: l.secrets, Door: l.door, Place: place, IDs: ids,
		LogsEndpoint: "http://" + l.door.Host(l.cfg.Account, l.cfg.Region),
	})
	if err != nil {
		return nil, errors.Join(err, place.Close())
	}
	host := l.cfg.Engine
	if host == config.EngineAuto {
		host = ""
	}
	m, err := docker.Open(ctx, docker.Options{
		Host: host, Folder: l.folder.Path(tasksFolder), Owner: l.owner, Keeper: k, Now: time.Now, Log: l.log, Ports: l.ports(), Privileged: l.cfg.PrivilegedTasks,
		Attributes: map[string]string{"ecs.availability-zone": l.cfg.Region + "a"},
	})
	if err != nil {
		return nil, errors.Join(err, place.Close())
	}
	if err := place.Held(); err != nil {
		l.log.WarnContext(ctx, "tasks have no roles here", "error", err)
	}
	answers, err := inside.New(inside.Options{Place: place, DB: l.db, Machine: m, Roles: l.roles, IDs: ids, API: l.api(), Log: l.log})
	if err != nil {
		return nil, errors.Join(err, m.Close(), place.Close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- answers.Run(ctx) }()
	return &attended{m, func() error { stop(); return <-ended }}, nil
}

// attended is a machine whose containers are answered until it is closed.
type attended struct {
	machine.Machine
	end func() error
}

// Close implements machine.Machine.
func (a *attended) Close() error { return errors.Join(a.end(), a.Machine.Close()) }

// newID makes an id of ECS's: 32 hexadecimal digits.
func newID() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// ports are those that the server listens on.
func (s site) ports() (all []int) {
	for _, a := range s.addresses {
		all = append(all, a.Port)
	}
	return all
}

// ecs is the API of ECS.
func (t *tasks) ecs(s site) (*deploy.Service, error) {
	return deploy.New(deploy.Options{
		DB: s.db, Now: time.Now, Random: rand.Reader, Chance: chance{}, Wake: t.wake, Repository: t.repository,
		Sessions: t.sessions, SessionBase: s.downloadBase,
	})
}

// chance is the runtime's own randomness, which many goroutines may ask.
type chance struct{}

// IntN implements placement.Random.
func (chance) IntN(n int) int { return mathrand.IntN(n) }
