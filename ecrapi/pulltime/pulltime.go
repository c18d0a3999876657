// Package pulltime writes down when images were last pulled, and by whom that does
// not count. Pulls are gathered in memory and written every few seconds, so that a
// pull itself writes nothing; a server that is killed forgets those of the last
// seconds.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-time-update-exclusions.html
package pulltime

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/internal/arn"
	"drydock/storage"
)

// Kind is what exclusions are called among the settings of a registry; the ARN of
// the principal is their key.
const Kind = "pull-time-exclusion"

// MaxExclusions is how many principals a registry can exclude.
const MaxExclusions = 100

const (
	// every is how often pulls are written, and lastWrite how long the last writing
	// may take when the server stops.
	every     = 5 * time.Second
	lastWrite = 5 * time.Second
	// batch is how many pulls are written in one transaction, gathered how many wait
	// at most: those beyond are not recorded.
	batch    = 500
	gathered = 100_000
)

// Engine is what a Recorder writes to.
type Engine interface {
	RecordPulls(ctx context.Context, pulls []storage.Pull) error
	Settings(ctx context.Context, of storage.Scope, kind string, after storage.SettingKey, limit int) ([]storage.Setting, error)
}

// Recorder gathers pulls. Its methods may be called from many goroutines.
type Recorder struct {
	engine  Engine
	now     func() time.Time
	log     *slog.Logger
	mu      sync.Mutex
	waiting map[pull]time.Time
	dropped int
}

// pull is an image and who pulled it.
type pull struct {
	ref    storage.Ref
	digest digest.Digest
	who    string
}

// New makes a recorder. It is an error to leave anything out.
func New(engine Engine, now func() time.Time, log *slog.Logger) (*Recorder, error) {
	if engine == nil || now == nil || log == nil {
		return nil, errors.New("a recorder of pulls needs an engine, a clock and a log")
	}
	return &Recorder{engine: engine, now: now, log: log, waiting: map[pull]time.Time{}}, nil
}

// Pulled notes that a principal has pulled an image.
func (r *Recorder) Pulled(ref storage.Ref, d digest.Digest, who auth.Principal) {
	p := pull{ref, d, principal(who.ARN)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.waiting[p]; !ok && len(r.waiting) >= gathered {
		r.dropped++
		return
	}
	r.waiting[p] = r.now()
}

// Run writes what is gathered until the context ends, and then once more.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			return r.Write(last)
		case <-tick.C:
		}
		if err := r.Write(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "could not write down when images were pulled", "error", err)
		}
	}
}

// Write writes what is gathered. What cannot be written now waits for the next time.
func (r *Recorder) Write(ctx context.Context) error {
	r.mu.Lock()
	waiting, dropped := r.waiting, r.dropped
	r.waiting, r.dropped = map[pull]time.Time{}, 0
	r.mu.Unlock()
	if dropped > 0 {
		r.log.WarnContext(ctx, "more images were pulled than can be written down", "pulls", dropped)
	}
	excluded := map[storage.Scope]map[string]bool{}
	var pulls []storage.Pull
	for p, at := range waiting {
		not, ok := excluded[p.ref.Scope]
		if !ok {
			var err error
			if not, err = r.excluded(ctx, p.ref.Scope); err != nil {
				r.again(waiting)
				return err
			}
			excluded[p.ref.Scope] = not
		}
		if not[p.who] {
			delete(waiting, p)
			continue
		}
		pulls = append(pulls, storage.Pull{Ref: p.ref, Digest: p.digest, At: at})
	}
	for len(pulls) > 0 {
		n := min(len(pulls), batch)
		if err := r.engine.RecordPulls(ctx, pulls[:n]); err != nil {
			r.again(waiting) // those that are written already are not written again: they are no later
			return err
		}
		pulls = pulls[n:]
	}
	return nil
}

// again puts back what could not be written, unless it was pulled once more since.
func (r *Recorder) again(waiting map[pull]time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, at := range waiting {
		if r.waiting[p].Before(at) && len(r.waiting) < gathered {
			r.waiting[p] = at
		}
	}
}

// excluded are the principals whose pulls do not count in a registry.
func (r *Recorder) excluded(ctx context.Context, of storage.Scope) (map[string]bool, error) {
	set, err := r.engine.Settings(ctx, of, Kind, storage.SettingKey{}, MaxExclusions)
	if err != nil {
		return nil, err
	}
	not := map[string]bool{}
	for _, s := range set {
		not[principal(s.Key)] = true
	}
	return not, nil
}

// principal is what is compared of a principal's ARN: of a session that of its role,
// which says nothing of the role's path.
func principal(of string) string {
	a, err := arn.Parse(of)
	if err != nil {
		return of
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case kind == "assumed-role":
		rest, _, _ = strings.Cut(rest, "/")
		return a.Account + " role " + rest
	case kind == "role":
		return a.Account + " role " + rest[strings.LastIndexByte(rest, '/')+1:]
	}
	return of
}
