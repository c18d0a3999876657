// Package reconcile makes true what the records of ECS say. For each machine of this
// server it starts the tasks that are to run there, stops those that are not, and
// takes in what the machine tells of them.
//
// It can be killed at any time: all that it knows is in the records and on the
// machines, and when it begins it compares the two. A task that a machine has and no
// record tells of is stopped; one that a record has begun and the machine has lost is
// recorded as stopped, and never started twice.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"drydock/deploy/machine"
	"drydock/deploy/record"
	"drydock/storage/meta"
)

// Options is what a Reconciler is made of. All are needed.
type Options struct {
	DB meta.DB
	// Open finds the machine to look after; it is tried again where there is none
	// yet. The reconciler closes it.
	Open func(context.Context) (machine.Machine, error)
	// Home is where the machine registers when it has not: an account, a region and
	// a cluster, which is made if need be.
	Home Home
	Now  func() time.Time
	// NewID makes an id for a container instance.
	NewID func() (string, error)
	Log   *slog.Logger
	// Woken is told of a service whose tasks have changed; it may do nothing.
	Woken func()
}

// Home is where a machine belongs.
type Home struct {
	record.Scope
	Cluster string
}

// How often everything is looked at although nobody has asked for it, how long a task
// that has stopped is kept, and how long to wait for a machine that cannot be
// reached.
const (
	every     = 2 * time.Second
	keptFor   = time.Hour
	tryAgain  = 3 * time.Second
	purgeSize = 100
)

// Reconciler looks after one machine.
type Reconciler struct {
	o    Options
	wake chan struct{}

	mu      sync.Mutex
	machine machine.Machine // nil until there is one
	// id is the machine's, known what it has: the last that it told of each task.
	id    string
	known map[string]machine.State
}

// New makes a reconciler. It is an error to leave anything out.
func New(o Options) (*Reconciler, error) {
	if o.DB == nil || o.Open == nil || o.Now == nil || o.NewID == nil || o.Log == nil || o.Woken == nil || o.Home.Cluster == "" {
		return nil, errors.New("a reconciler needs a database, a machine and its home, a clock, ids, a log and somebody to wake")
	}
	return &Reconciler{o: o, wake: make(chan struct{}, 1), known: map[string]machine.State{}}, nil
}

// Wake has the records looked at soon.
func (r *Reconciler) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it is on its way already
	}
}

// Run looks after the machine until the context ends.
func (r *Reconciler) Run(ctx context.Context) error {
	m := r.open(ctx)
	if m == nil {
		return nil
	}
	for ctx.Err() == nil {
		err := r.attend(ctx)
		if ctx.Err() != nil {
			break
		}
		r.o.Log.WarnContext(ctx, "a machine cannot be looked after at the moment", "machine", r.id, "error", err)
		r.connected(ctx, false)
		select {
		case <-ctx.Done():
		case <-time.After(tryAgain):
		}
	}
	r.connected(context.WithoutCancel(ctx), false)
	return m.Close()
}

// open waits for the machine; nil when the context has ended first.
func (r *Reconciler) open(ctx context.Context) machine.Machine {
	for told := false; ctx.Err() == nil; told = true {
		m, err := r.o.Open(ctx)
		if err == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.machine = m
			return m
		}
		if !told {
			r.o.Log.InfoContext(ctx, "there is no machine to run tasks on yet", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(tryAgain):
		}
	}
	return nil
}

// Machine is the machine that is looked after. Errors: machine.ErrUnavailable while
// there is none.
func (r *Reconciler) Machine() (machine.Machine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.machine == nil {
		return nil, machine.ErrUnavailable
	}
	return r.machine, nil
}

// attend looks after the machine for as long as it can be reached.
func (r *Reconciler) attend(ctx context.Context) error {
	if err := r.register(ctx); err != nil {
		return fmt.Errorf("register the machine: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := make(chan struct{})
	var once sync.Once
	failed := make(chan error, 1)
	go func() {
		err := r.machine.Watch(ctx, func() { once.Do(func() { close(watching) }) }, func(s machine.State) { r.told(ctx, s) })
		failed <- err
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("watch the machine: %w", err)
	case <-watching:
	}
	if err := r.compare(ctx); err != nil {
		return fmt.Errorf("compare the machine with the records: %w", err)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := r.Sync(ctx); err != nil && ctx.Err() == nil {
			if errors.Is(err, machine.ErrUnavailable) {
				return err
			}
			r.o.Log.WarnContext(ctx, "tasks could not be started or stopped", "machine", r.id, "error", err)
		}
		select {
		case err := <-failed:
			return fmt.Errorf("watch the machine: %w", err)
		case <-r.wake:
		case <-tick.C:
		}
	}
}

// compare takes in all that the machine has.
func (r *Reconciler) compare(ctx context.Context) error {
	states, err := r.machine.Tasks(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.known = map[string]machine.State{}
	r.mu.Unlock()
	for _, s := range states {
		r.told(ctx, s)
	}
	return r.lost(ctx)
}

// lost records as stopped what ran on the machine and is no longer there.
func (r *Reconciler) lost(ctx context.Context) error {
	tasks, err := record.TasksOfMachine(ctx, r.o.DB.Reader(), r.id)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		begun := machine.Pending.Before(machine.Status(t.Status))
		if _, there := r.state(t.Detail.Spec.ARN); there || !begun {
			continue
		}
		r.gone(ctx, t.Detail.Spec.ARN)
	}
	return nil
}

// gone records as stopped a task that had begun and that the machine does not have.
func (r *Reconciler) gone(ctx context.Context, arn string) {
	r.told(ctx, machine.State{
		ARN: arn, Status: machine.Stopped, StoppedAt: r.o.Now(), StopCode: machine.TerminationNotice, Reason: "The machine no longer has this task.",
	})
}

func (r *Reconciler) state(arn string) (machine.State, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.known[arn]
	return s, ok
}

func (r *Reconciler) note(s machine.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[s.ARN] = s
}

func (r *Reconciler) forget(arn string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, arn)
}

// owner takes a task's ARN apart.
func owner(arn string) (s record.Scope, cluster, id string, ok bool) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 {
		return s, "", "", false
	}
	names := strings.Split(p[5], "/")
	if len(names) != 3 || names[0] != "task" {
		return s, "", "", false
	}
	return record.Scope{Account: p[4], Region: p[3]}, names[1], names[2], true
}
