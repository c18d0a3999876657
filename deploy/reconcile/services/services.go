// Package services keeps services as they are to be: it looks at each service that
// is due, has deploy/schedule decide, and records what that says. Tasks that are
// recorded are then started and stopped by deploy/reconcile on their machines.
//
// What is decided is decided and recorded in one transaction, so that it can be
// killed at any time, and nothing is done twice. A service that is as it should be
// is not due: it becomes so when the API or one of its tasks changes it.
package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/placement"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// UsualSettle is for how long a task without a health check has to run before it
// counts as healthy, at ECS.
// Source: API reference, DeploymentConfiguration, minimumHealthyPercent.
const UsualSettle = 40 * time.Second

// Options is what a Scheduler is made of. All are needed, but for Settle.
type Options struct {
	DB  meta.DB
	Now func() time.Time
	// Random yields random bytes, for ids, and Chance decides where a placement
	// strategy is random; only the scheduler may use it.
	Random io.Reader
	Chance placement.Random
	// Settle is for how long a task without a health check has to run before it
	// counts as healthy: see UsualSettle.
	Settle time.Duration
	Log    *slog.Logger
	// Repository tells images of this server's own registry from others, for which
	// it gives nil. Where it is nil itself, there are none.
	Repository func(image string) *machine.RepositoryImage
	// Recorded is told when tasks were recorded that are to be started or stopped.
	Recorded func()
}

// How often due services are looked for although nobody has woken the scheduler, how
// many are dealt with in one transaction at most, after which time a service is
// looked at although nothing has changed, and when again after it failed.
const (
	every    = time.Second
	batch    = 64
	gather   = 10 * time.Millisecond
	net      = time.Hour
	tryAgain = 30 * time.Second
	// sweepEvery is how often it is forgotten what has ended.
	sweepEvery = 5 * time.Minute
)

// Scheduler looks after all services of a database.
type Scheduler struct {
	o    Options
	wake chan struct{}
}

// New makes a scheduler. It is an error to leave anything out but Settle.
func New(o Options) (*Scheduler, error) {
	if o.DB == nil || o.Now == nil || o.Random == nil || o.Chance == nil || o.Log == nil || o.Recorded == nil || o.Settle < 0 {
		return nil, errors.New("the service scheduler needs a database, a clock, sources of randomness, a log and somebody to tell")
	}
	return &Scheduler{o: o, wake: make(chan struct{}, 1)}, nil
}

// Wake has due services looked for at once.
func (s *Scheduler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is on its way already
	}
}

// Run looks after services until the context ends. It is work for a lease: where
// two do it, neither does harm.
func (s *Scheduler) Run(ctx context.Context) error {
	tick, sweep := time.NewTicker(every), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		for {
			n, err := s.Round(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				s.o.Log.WarnContext(ctx, "services cannot be looked after at the moment", "error", err)
			}
			if n == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			// What wakes it often wakes it again at once, and much can be done together.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gather):
			}
		case <-tick.C:
		case <-sweep.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.WarnContext(ctx, "what has ended cannot be forgotten at the moment", "error", err)
			}
		}
	}
}

// place is where a service belongs.
type place struct {
	record.Scope
	cluster string
}

// Round looks once at services that are due, and reports at how many.
func (s *Scheduler) Round(ctx context.Context) (int, error) {
	due, err := record.DueServices(ctx, s.o.DB.Reader(), s.o.Now().UnixMilli(), batch)
	if err != nil {
		return 0, fmt.Errorf("list the services that are due: %w", err)
	}
	together := map[place][]string{}
	var order []place
	for _, v := range due {
		p := place{v.Scope, v.Cluster}
		if together[p] == nil {
			order = append(order, p)
		}
		together[p] = append(together[p], v.Name)
	}
	for _, p := range order {
		if err := s.attend(ctx, p, together[p]); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// attend looks at services of one cluster, together if that is possible, for they
// share what has to be read of the cluster. One that cannot be looked at does not
// keep the others from it.
func (s *Scheduler) attend(ctx context.Context, p place, names []string) error {
	err := s.decide(ctx, p, names)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, meta.ErrUnavailable) || errors.Is(err, meta.ErrClosed) || errors.Is(err, meta.ErrFull) {
		return err
	}
	if len(names) > 1 {
		for _, name := range names {
			if err := s.attend(ctx, p, []string{name}); err != nil {
				return err
			}
		}
		return nil
	}
	s.o.Log.ErrorContext(ctx, "a service cannot be looked after", "cluster", p.cluster, "service", names[0], "error", err)
	return s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		v, err := record.FindService(ctx, q, p.Scope, p.cluster, names[0])
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		v.DueAt = s.o.Now().Add(tryAgain).UnixMilli()
		return record.UpdateService(ctx, q, v)
	})
}

// decide decides about services of one cluster and records it, in one transaction.
func (s *Scheduler) decide(ctx context.Context, p place, names []string) error {
	told := false
	err := s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		told = false
		c := &cluster{s: s, q: q, place: p, now: s.o.Now(), instances: map[string]record.Instance{}}
		for _, name := range names {
			v, err := record.FindService(ctx, q, p.Scope, p.cluster, name)
			if errors.Is(err, meta.ErrNotFound) || err == nil && (v.Status == "INACTIVE" || v.DueAt > c.now.UnixMilli()) {
				continue
			}
			if err == nil {
				err = c.see(ctx, v)
			}
			if err != nil {
				return fmt.Errorf("look after service %s: %w", name, err)
			}
		}
		told = c.recorded
		return nil
	})
	if err == nil && told {
		s.o.Recorded()
	}
	return err
}
