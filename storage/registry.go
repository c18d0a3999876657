package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// Registry is the engine. Its methods may be called from many goroutines.
type Registry struct {
	db     meta.DB
	blobs  *blob.Store
	now    func() time.Time
	random io.Reader
	log    *slog.Logger
	expiry time.Duration
	// grace and trash are those of Options.
	grace, trash time.Duration

	// process names this run of the server in the rows of uploads: the running
	// hash of a row that another run wrote is not trusted (see uploads.go).
	process  string
	sessions sessions
	quotas   Quotas
	// mostPassed is that of Options.
	mostPassed int
	// shards is over how many rows usage is spread, turns counts through them.
	shards   uint64
	turns    atomic.Uint64
	room     Room
	refusals refusals
	// files are locked while they are put in their place or deleted.
	files  fileLocks
	totals totals
	// verified counts what verifications did.
	verified verified
	// manifests are those that were read last.
	manifests *meta.Cache[manifestKey, Manifest]
	// watchers are those of Options, watched the kinds of settings that they go by.
	watchers []Watcher
	watched  []string
	wake     func(queue string)
	// followed are the settings that watchers went by last.
	followed        *meta.Cache[Ref, []Setting]
	settingsWritten settingsWritten
	// small is smallBlob and orphanAge that of files, for tests to change.
	small     int
	orphanAge time.Duration
}

// Options is what a Registry is made of.
type Options struct {
	DB    meta.DB
	Blobs *blob.Store
	// Now tells the time and Random yields random bytes, for ids.
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
	// UploadExpiry is how long an upload may lie untouched before it is thrown
	// away.
	UploadExpiry time.Duration
	// Grace is how long a blob may lie without an image that needs it, and Trash
	// how long what was deleted can be brought back: a day and a week when 0.
	// Less than 0 is none.
	Grace, Trash time.Duration
	// Quotas are the usual ones.
	Quotas Quotas
	// MostPassed is how many images a filter goes past at most until a page of a list
	// ends; 10,000 when 0.
	MostPassed int
	// Room is that of the disk which the server fills; nil when it fills none.
	Room Room
	// Watchers decide what follows from changes of images. Wake, which may be nil, is
	// called with the name of each queue that has got a job, after the commit.
	Watchers []Watcher
	Wake     func(queue string)
}

// The usual values of Options.
const (
	usualGrace  = 24 * time.Hour
	usualTrash  = 7 * 24 * time.Hour
	usualPassed = 10_000
)

// New makes a registry. It marks the blob folder as its own.
func New(ctx context.Context, o Options) (*Registry, error) {
	process, err := newID(o.Random)
	if err != nil {
		return nil, err
	}
	watched, err := watchedKinds(o.Watchers)
	if err != nil {
		return nil, err
	}
	if err := o.Blobs.Claim(ctx); err != nil {
		return nil, err
	}
	shards := uint64(1)
	_, alone := o.DB.Revision()
	if !alone {
		shards = usageShards
	}
	r := &Registry{
		db: o.DB, blobs: o.Blobs, now: o.Now, random: o.Random, log: o.Log, expiry: o.UploadExpiry,
		grace: max(cmp.Or(o.Grace, usualGrace), 0), trash: max(cmp.Or(o.Trash, usualTrash), 0),
		quotas: o.Quotas, shards: shards, room: o.Room, mostPassed: cmp.Or(o.MostPassed, usualPassed),
		watchers: o.Watchers, watched: watched, wake: o.Wake,
		process: process, small: smallBlob, orphanAge: orphanAge, manifests: meta.NewCache[manifestKey](rememberedManifests, weighManifest),
		followed: meta.NewCache[Ref](rememberedSettings, weighSettings),
	}
	r.settingsWritten.alone = alone
	return r, nil
}

// newID makes a random id in the form of a UUID, as the ECR API gives to
// uploads.
func newID(random io.Reader) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// Ready reports whether records can be read.
func (r *Registry) Ready(ctx context.Context) error {
	if _, err := r.Repositories(ctx, Scope{}, "", 1); err != nil {
		return fmt.Errorf("the records cannot be read: %w", err)
	}
	return nil
}

func (r *Registry) millis() int64 { return r.now().UnixMilli() }

// write runs a durable transaction.
func (r *Registry) write(ctx context.Context, fn func(meta.Querier) error) error {
	return fault(r.db.Write(ctx, meta.Durable, fn))
}

// note runs a transaction whose loss with the power harms nobody.
func (r *Registry) note(ctx context.Context, fn func(meta.Querier) error) error {
	return fault(r.db.Write(ctx, meta.Relaxed, fn))
}

// fault turns the lower packages' conditions into those of this one.
func fault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, meta.ErrFull), errors.Is(err, blob.ErrFull):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, blob.ErrUnavailable):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, meta.ErrClosed):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// repositoryID finds the id of a repository. Errors: *RepositoryUnknownError.
func repositoryID(ctx context.Context, q meta.Querier, ref Ref) (int64, error) {
	id, err := meta.RepositoryID(ctx, q, ref.Account, ref.Region, ref.Name)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return 0, &RepositoryUnknownError{ref}
	case err != nil:
		return 0, fmt.Errorf("look up repository %s: %w", ref.Name, err)
	}
	return id, nil
}

// absent explains a meta.ErrNotFound of a look-up that joins the repository:
// either the repository is missing, or else is what the caller says.
func (r *Registry) absent(ctx context.Context, ref Ref, otherwise error) error {
	if _, err := repositoryID(ctx, r.db.Reader(), ref); err != nil {
		return err
	}
	return otherwise
}

// checkDigest accepts well-formed digests of the algorithms that the OCI image
// spec registers. What passes is safe as part of a path.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 && d.Algorithm() != digest.SHA512 {
		return &DigestInvalidError{string(d)}
	}
	return nil
}
