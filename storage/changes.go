package storage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// ChangeKind is what has become of an image. Others than the engine's own are told
// by those who record them (Record).
type ChangeKind string

// The kinds of changes that the engine makes.
const (
	// ImagePushed: a manifest was stored, or tags point at it that did not.
	ImagePushed ChangeKind = "pushed"
	// ImageDeleted: a manifest is gone with its tags.
	ImageDeleted ChangeKind = "deleted"
	// ImageUntagged: tags are gone, the manifest is not.
	ImageUntagged ChangeKind = "untagged"
)

// Change is something that happens to an image in a transaction.
type Change struct {
	Kind   ChangeKind
	Ref    Ref
	Digest digest.Digest
	// Tags are those that the change is about, which may be none.
	Tags []string
	// New is set when the manifest was not there before. MediaType, ArtifactType and
	// Subject are told of pushed ones.
	New                     bool
	MediaType, ArtifactType string
	Subject                 digest.Digest
	// By says who pushed, as ManifestUpload has it.
	By string
	At time.Time
	// Detail is what is to be told of a change of another kind than the engine's.
	Detail map[string]any
}

// Record writes what has become of an image, which also says, and orders what
// follows from it, in one transaction. also may be nil, and be run more than once.
func (r *Registry) Record(ctx context.Context, c Change, also func(meta.Querier) error) error {
	var queues []string
	err := r.write(ctx, func(q meta.Querier) (err error) {
		if also != nil {
			if err := also(q); err != nil {
				return err
			}
		}
		queues, err = r.tell(ctx, q, c.Ref, c)
		return err
	})
	if err == nil {
		r.wakeAll(queues)
	}
	return err
}

// Job is work that a change orders, to be done after its transaction by whoever
// works off the queue (internal/jobs). Ordering the key of a job that waits
// replaces it.
type Job struct {
	Queue, Key string
	Document   string
	// After is how long it is to wait.
	After time.Duration
}

// Watcher decides what follows from changes. It is called within their transaction,
// perhaps more than once, so that what it orders is there if the change is; it sees
// nothing but the change and the settings.
type Watcher struct {
	// Kinds are the kinds of settings that it goes by. Where none of a registry and
	// a repository is set it is not called.
	Kinds []string
	// Decide says which jobs follow. Settings are those of Kinds, of the registry and
	// of the repository.
	Decide func(c Change, settings []Setting) ([]Job, error)
}

// tell has watchers decide what follows from changes, all of one repository, and
// orders it. It returns the queues to be woken after the commit.
func (r *Registry) tell(ctx context.Context, q meta.Querier, ref Ref, changes ...Change) ([]string, error) {
	if len(r.watchers) == 0 || len(changes) == 0 {
		return nil, nil
	}
	set, err := r.followed.Get(&r.settingsWritten, ref, func() ([]Setting, error) {
		rows, err := meta.SettingsFor(ctx, q, ref.Account, ref.Region, ref.Name, r.watched)
		return settings(rows), err
	})
	if err != nil {
		return nil, fmt.Errorf("read the settings of %s: %w", ref.Name, err)
	}
	if len(set) == 0 {
		return nil, nil
	}
	var jobs []Job
	for _, w := range r.watchers {
		own := ofKinds(set, w.Kinds)
		if len(own) == 0 {
			continue
		}
		for _, c := range changes {
			more, err := w.Decide(c, own)
			if err != nil {
				return nil, fmt.Errorf("decide what follows from image %s of %s: %w", c.Digest, ref.Name, err)
			}
			jobs = append(jobs, more...)
		}
	}
	return r.order(ctx, q, jobs)
}

// settingsWritten counts the transactions that write settings, for a memory of what
// watchers go by. It is raised within them, and where this server is the only one
// to write transactions come one after the other: so whoever reads settings in one
// knows of all before.
type settingsWritten struct {
	n     atomic.Uint64
	alone bool
}

// Revision is for meta.Cache.
func (w *settingsWritten) Revision() (uint64, bool) { return w.n.Load(), w.alone }

// rememberedSettings is how many bytes of settings are kept in memory.
const rememberedSettings = 1 << 20

func weighSettings(set []Setting) int {
	n := 64
	for _, s := range set {
		n += len(s.Document) + 128
	}
	return n
}

func ofKinds(set []Setting, kinds []string) []Setting {
	var own []Setting
	for _, s := range set {
		for _, k := range kinds {
			if s.Kind == k {
				own = append(own, s)
				break
			}
		}
	}
	return own
}

// order writes jobs and returns their queues.
func (r *Registry) order(ctx context.Context, q meta.Querier, jobs []Job) ([]string, error) {
	now := r.now()
	queues := make([]string, 0, len(jobs))
	for _, j := range jobs {
		row := meta.Job{Queue: j.Queue, Key: j.Key, Document: j.Document, DueAt: now.Add(j.After).UnixMilli(), CreatedAt: now.UnixMilli()}
		if err := meta.AddJob(ctx, q, row); err != nil {
			return nil, fmt.Errorf("order %s of %s: %w", j.Key, j.Queue, err)
		}
		queues = append(queues, j.Queue)
	}
	return queues, nil
}

// wakeAll has the queues looked at at once.
func (r *Registry) wakeAll(queues []string) {
	if r.wake == nil {
		return
	}
	for _, name := range queues {
		r.wake(name)
	}
}

// watchedKinds are the kinds of settings that watchers go by, each once. Errors:
// when they are more than can be asked for.
func watchedKinds(watchers []Watcher) ([]string, error) {
	var kinds []string
	seen := map[string]bool{}
	for _, w := range watchers {
		for _, k := range w.Kinds {
			if !seen[k] {
				seen[k] = true
				kinds = append(kinds, k)
			}
		}
	}
	if len(kinds) > meta.MostKinds {
		return nil, fmt.Errorf("watchers go by %d kinds of settings, and at most %d can be read at once", len(kinds), meta.MostKinds)
	}
	return kinds, nil
}
