package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/auth/servicerole"
	"drydock/ecrapi/events"
	"drydock/ecrapi/pulltime"
	"drydock/ecrapi/scan"
	"drydock/ecrapi/signing"
	"drydock/ecrapi/template"
	"drydock/internal/jobs"
	"drydock/storage"
)

// watchers decide what follows from what becomes of images. Each orders jobs of a
// queue, which is worked off by what its part of the house opens below.
func watchers() []storage.Watcher {
	return []storage.Watcher{events.Watcher(rand.Reader), scan.Watcher(), signing.Watcher()}
}

// workOff has one server at a time do the jobs of a queue.
func (r *rooms) workOff(queue string, w jobs.Worker) {
	r.leased = append(r.leased, leased{queue, func(ctx context.Context) error { return r.queues.Run(ctx, queue, w) }})
}

// openEvents opens what tells others of images.
func (r *rooms) openEvents(s site, engine *storage.Registry) (*events.Webhooks, error) {
	hooks, err := events.New(events.Options{Engine: engine, Box: s.box, Now: time.Now, Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	r.workOff(events.Queue, hooks.Worker())
	return hooks, nil
}

// openSigning opens what signs images.
func (r *rooms) openSigning(s site, engine *storage.Registry, authorizer auth.Authorizer) (*signing.Profiles, error) {
	profiles, err := signing.NewProfiles(signing.ProfilesOptions{Engine: engine, Box: s.box, Now: time.Now, Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	signer, err := signing.New(signing.Options{Engine: engine, Profiles: profiles, Authorizer: authorizer, Now: time.Now})
	if err != nil {
		return nil, err
	}
	r.workOff(signing.Queue, signer.Worker())
	return profiles, nil
}

// openArchive has layers moved into the archive and out of it. What is restored does not
// wait for what is archived.
func (r *rooms) openArchive(engine *storage.Registry) {
	work := func(ctx context.Context, err error) error {
		if errors.Is(err, storage.ErrHopeless) && ctx.Err() == nil {
			return jobs.GiveUp(err)
		}
		return err
	}
	r.workOff(storage.ArchiveQueue, jobs.Worker{Do: func(ctx context.Context, j jobs.Job) error {
		return work(ctx, engine.Freeze(ctx, digest.Digest(j.Key)))
	}})
	r.workOff(storage.RestoreQueue, jobs.Worker{AtOnce: 2, Do: func(ctx context.Context, j jobs.Job) error {
		return work(ctx, engine.Thaw(ctx, j.Document))
	}})
}

// openPulls opens what writes down when images are pulled.
func (r *rooms) openPulls(s site, engine *storage.Registry) (*pulltime.Recorder, error) {
	pulls, err := pulltime.New(engine, time.Now, s.log)
	if err != nil {
		return nil, err
	}
	r.background = append(r.background, func(ctx context.Context) {
		if err := pulls.Run(ctx); err != nil {
			s.log.Error("the last pulls could not be written", "error", err)
		}
	})
	return pulls, nil
}

// openTemplates opens what makes repositories on behalf of others.
func openTemplates(engine *storage.Registry, a *access, authorizer auth.Authorizer) (*template.Creator, error) {
	roles, err := servicerole.New(servicerole.Options{Identities: a.identities, Authorizer: authorizer, Now: time.Now, Service: servicerole.ForECR})
	if err != nil {
		return nil, err
	}
	return template.New(template.Options{Engine: engine, Roles: roles, LifecycleKind: lifecycleKind})
}

// lifecycleKind is what lifecycle policies are called among the settings of a
// repository.
const lifecycleKind = "lifecycle-policy"
