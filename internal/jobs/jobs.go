// Package jobs works off what transactions have ordered to be done after them:
// rows of the table job, which storage.Registry writes in the transaction of a push
// or a deletion. A job is done at least once, however often the server dies, and
// again, after a while, when doing it fails; so doing it twice has to be as good as
// once.
//
// Of several servers on a database one works off a queue at a time: Run is to be
// called under a lease (internal/leases).
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"drydock/storage/meta"
)

// Options is what Queues are made of.
type Options struct {
	DB  meta.DB
	Now func() time.Time
	Log *slog.Logger
	// Poll is how often a queue is looked at that nobody has woken: what other servers
	// have ordered is found so. UsualPoll when 0.
	Poll time.Duration
}

// UsualPoll is how often queues are looked at.
const UsualPoll = 2 * time.Second

// Queues are those of one server. They are safe for concurrent use.
type Queues struct {
	o Options

	mu     sync.Mutex
	wakers map[string]chan struct{}
}

// New makes queues, none of which is worked off before Run.
func New(o Options) *Queues {
	if o.Poll <= 0 {
		o.Poll = UsualPoll
	}
	return &Queues{o: o, wakers: map[string]chan struct{}{}}
}

// Wake has a queue looked at at once.
func (qs *Queues) Wake(queue string) {
	select {
	case qs.waker(queue) <- struct{}{}:
	default: // it will be anyway
	}
}

func (qs *Queues) waker(queue string) chan struct{} {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	w := qs.wakers[queue]
	if w == nil {
		w = make(chan struct{}, 1)
		qs.wakers[queue] = w
	}
	return w
}

// Job is something to be done.
type Job struct {
	Key, Document string
	// Attempts is how often it has failed, Ordered when it was ordered first.
	Attempts int
	Ordered  time.Time
}

// Worker does the jobs of a queue.
type Worker struct {
	// Do does a job. After an error the job is tried again, unless it is GiveUp's.
	Do func(ctx context.Context, j Job) error
	// AtOnce is how many are done at the same time: 1 when 0.
	AtOnce int
	// Timeout ends the context of each attempt: none when 0.
	Timeout time.Duration
	// MaxDelay is the longest that a job waits after a failure: five minutes when 0.
	MaxDelay time.Duration
}

// GiveUp wraps the error of a job that is not to be tried again.
func GiveUp(err error) error { return &hopeless{err} }

type hopeless struct{ error }

func (h *hopeless) Unwrap() error { return h.error }

// Run works off a queue until ctx ends, and then returns nil. Jobs that were begun
// have their context ended too, and are done again by whoever is next.
func (qs *Queues) Run(ctx context.Context, queue string, w Worker) error {
	w.AtOnce = max(w.AtOnce, 1)
	if w.MaxDelay <= 0 {
		w.MaxDelay = 5 * time.Minute
	}
	r := &run{Queues: qs, queue: queue, worker: w, busy: map[string]bool{}, ended: make(chan string)}
	defer r.wait()
	ticks := time.NewTicker(qs.o.Poll)
	defer ticks.Stop()
	for {
		if err := r.begin(ctx); err != nil && ctx.Err() == nil {
			qs.o.Log.WarnContext(ctx, "jobs cannot be read", "queue", queue, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case key := <-r.ended:
			delete(r.busy, key)
		case <-qs.waker(queue):
		case <-ticks.C:
		}
	}
}

// run is the state of a Run. busy is touched by its loop alone.
type run struct {
	*Queues
	queue  string
	worker Worker
	busy   map[string]bool
	ended  chan string
}

// wait lets those end that were begun.
func (r *run) wait() {
	for len(r.busy) > 0 {
		delete(r.busy, <-r.ended)
	}
}

// begin starts as many due jobs as may run beside those that do.
func (r *run) begin(ctx context.Context) error {
	free := r.worker.AtOnce - len(r.busy)
	if free <= 0 {
		return nil
	}
	due, err := meta.DueJobs(ctx, r.o.DB.Reader(), r.queue, r.o.Now().UnixMilli(), r.worker.AtOnce+free)
	if err != nil {
		return err
	}
	for _, j := range due {
		if free == 0 {
			break
		}
		if r.busy[j.Key] {
			continue
		}
		free--
		r.busy[j.Key] = true
		go func() {
			r.do(ctx, j)
			r.ended <- j.Key
		}()
	}
	return nil
}

// do makes one attempt and writes down how it went.
func (r *run) do(ctx context.Context, row meta.Job) {
	err := r.attempt(ctx, Job{Key: row.Key, Document: row.Document, Attempts: int(row.Attempts), Ordered: time.UnixMilli(row.CreatedAt)})
	if ctx.Err() != nil && err != nil {
		return // it was broken off: whoever is next does it again
	}
	var no *hopeless
	switch {
	case errors.As(err, &no):
		r.o.Log.ErrorContext(ctx, "a job is given up", "queue", r.queue, "job", row.Key, "error", err)
	case err != nil:
		delay := r.delay(row.Attempts)
		r.o.Log.WarnContext(ctx, "a job has failed and is tried again", "queue", r.queue, "job", row.Key, "in", delay, "error", err)
		r.note(ctx, row, func(q meta.Querier) error {
			return meta.PutOffJob(ctx, q, row, r.o.Now().Add(delay).UnixMilli())
		})
		return
	}
	r.note(ctx, row, func(q meta.Querier) error {
		_, err := meta.EndJob(ctx, q, row)
		return err
	})
}

// attempt does a job; one that panics has failed for good, and the server goes on.
func (r *run) attempt(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = GiveUp(fmt.Errorf("panic: %v", p))
		}
	}()
	if r.worker.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.worker.Timeout)
		defer cancel()
	}
	return r.worker.Do(ctx, j)
}

// note writes down what became of a job. Where that fails the job is done again,
// which is why a loss with the power does no harm either.
func (r *run) note(ctx context.Context, row meta.Job, fn func(meta.Querier) error) {
	// Also when the server ends meanwhile, so that what was done is not done twice.
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := r.o.DB.Write(short, meta.Relaxed, fn); err != nil {
		r.o.Log.WarnContext(ctx, "what became of a job cannot be written down: it is done again", "queue", r.queue, "job", row.Key, "error", err)
	}
}

// delay doubles with each attempt, from about a second up, and is spread so that
// what has failed together is not tried again together.
func (r *run) delay(attempts int64) time.Duration {
	d := min(time.Second<<min(attempts, 20), r.worker.MaxDelay)
	return d/2 + rand.N(d/2+1)
}
