package pullthrough

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"oras.land/oras-go/v2/registry/remote/auth"

	"drydock/ecrapi/events"
	"drydock/ecrapi/template"
	"drydock/storage"
)

// Secrets are where the credentials of rules are.
type Secrets interface {
	// Secret is the text of the secret with an ARN. Errors: ErrNoSecret,
	// ErrForeignSecret.
	Secret(ctx context.Context, of storage.Scope, arn string) (string, error)
}

// Errors of Secrets.
var (
	ErrNoSecret      = errors.New("there is no such secret")
	ErrForeignSecret = errors.New("the secret is of another account or region")
	// ErrBadSecret is returned, wrapped, for a secret that is not a login.
	ErrBadSecret = errors.New("it is not JSON with a username and an accessToken")
)

// Options is what a Cache is made of. All is needed.
type Options struct {
	Engine  *storage.Registry
	Creator *template.Creator
	Secrets Secrets
	// Transport leads to upstream registries.
	Transport http.RoundTripper
	Now       func() time.Time
	Log       *slog.Logger
}

// Cache has what is not here fetched from upstream registries. Its methods may be
// called from many goroutines.
type Cache struct {
	o Options
	// manifests has one of those who ask for the same at the same time fetch it.
	manifests singleflight.Group

	mu     sync.Mutex
	layers map[layerKey]*flight
	logins map[string]auth.Cache
	// due tells when a tag is to be looked at again.
	due map[tagKey]dueAt

	hits, misses, failures atomic.Int64
}

type tagKey struct {
	ref storage.Ref
	tag string
}

type dueAt struct {
	at     time.Time
	cached bool
}

const (
	// checkEvery is how long a tag is served without asking the upstream, as in ECR.
	checkEvery = 24 * time.Hour
	// checkAgain is when an upstream is asked again that failed, and when a tag is
	// looked at again that came from none.
	checkAgain = time.Minute
	// mostDue is of how many tags it is remembered when they are due.
	mostDue = 10_000
	// fetchTime is how long fetching a manifest may take in all.
	fetchTime = 2 * time.Minute
)

// New makes a Cache.
func New(o Options) (*Cache, error) {
	if o.Engine == nil || o.Creator == nil || o.Secrets == nil || o.Transport == nil || o.Now == nil || o.Log == nil {
		return nil, errors.New("a pull-through cache needs an engine, a creator of repositories, secrets, a transport, a clock and a log")
	}
	return &Cache{o: o, layers: map[layerKey]*flight{}, logins: map[string]auth.Cache{}, due: map[tagKey]dueAt{}}, nil
}

// Counts are what a Cache did since it was made.
type Counts struct {
	// Hits are pulls of tags that came from an upstream and were here, Misses
	// manifests and layers that were fetched, Failures requests that an upstream
	// failed.
	Hits, Misses, Failures int64
}

// Counts tells what the cache did.
func (c *Cache) Counts() Counts {
	return Counts{Hits: c.hits.Load(), Misses: c.misses.Load(), Failures: c.failures.Load()}
}

// Covers tells whether a repository is one of an upstream's.
func (c *Cache) Covers(ctx context.Context, ref storage.Ref) (bool, error) {
	_, err := c.find(ctx, ref)
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Actions that it takes to have something fetched, as in ECR.
const (
	importAction = "ecr:BatchImportUpstreamImage"
	createAction = "ecr:CreateRepository"
)

// admit decides whether something may be fetched that is missing here. Errors:
// missing where there is no rule for it, *storage.FrozenError, and those of allow.
func (c *Cache) admit(ctx context.Context, ref storage.Ref, missing error, allow func(action string) error) (Rule, error) {
	rule, err := c.find(ctx, ref)
	if errors.Is(err, ErrNone) {
		return rule, missing
	}
	if err != nil {
		return rule, err
	}
	if err := allow(importAction); err != nil {
		return rule, err
	}
	frozen, err := c.Frozen(ctx)
	if err == nil && frozen {
		err = &storage.FrozenError{Missing: missing}
	}
	return rule, err
}

// Manifest fetches an image that is missing here, and the reason why it is. The
// repository is made where it is not there. Errors: missing where there is no rule
// for it, or the upstream has it neither; *storage.UpstreamError,
// *storage.FrozenError; those of allow, which decides what the sender may do, of
// template.Creator.Create and of storage.Registry.PutManifest.
func (c *Cache) Manifest(ctx context.Context, ref storage.Ref, which storage.Reference, missing error, allow func(action string) error) (storage.Manifest, error) {
	rule, err := c.admit(ctx, ref, missing, allow)
	if err != nil {
		return storage.Manifest{}, err
	}
	var noRepository *storage.RepositoryUnknownError
	create := errors.As(missing, &noRepository)
	if create {
		if err := allow(createAction); err != nil {
			return storage.Manifest{}, err
		}
	}
	m, err := c.once(ctx, fmt.Sprintf("fetch %q %q", ref, which), func(ctx context.Context) (storage.Manifest, error) {
		// Who was just too late to share a fetch finds what it brought.
		if m, err := c.o.Engine.Manifest(ctx, ref, which); err == nil {
			return m, nil
		}
		return c.fetch(ctx, ref, which, rule, create)
	})
	if isAbsent(err) {
		return m, missing
	}
	return m, err
}

// once has one of those who ask for the same do it for all. It goes on when who
// asked first goes.
func (c *Cache) once(ctx context.Context, key string, do func(context.Context) (storage.Manifest, error)) (storage.Manifest, error) {
	done := c.manifests.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		return do(ctx)
	})
	select {
	case r := <-done:
		m, _ := r.Val.(storage.Manifest)
		return m, r.Err
	case <-ctx.Done():
		return storage.Manifest{}, ctx.Err()
	}
}

// fetch fetches a manifest and keeps it.
func (c *Cache) fetch(ctx context.Context, ref storage.Ref, which storage.Reference, rule Rule, create bool) (storage.Manifest, error) {
	c.misses.Add(1)
	up, err := c.dial(ctx, ref.Scope, rule)
	if err != nil {
		return storage.Manifest{}, c.failed(ctx, ref, err)
	}
	m, err := up.manifest(ctx, rule.upstreamName(ref.Name), which)
	if err != nil {
		return m, c.failed(ctx, ref, err)
	}
	if create {
		if err := c.o.Creator.Create(ctx, ref, template.PullThroughCache); err != nil {
			return m, err
		}
	}
	upload := storage.ManifestUpload{
		Content: m.Content, MediaType: m.MediaType, Digest: m.Digest, Cached: true, Also: []storage.Change{c.told(ref, which, m, rule)},
	}
	if which.Tag != "" {
		upload.Tags = []string{which.Tag}
	}
	stored, err := c.o.Engine.PutManifest(ctx, ref, upload)
	var invalid *storage.ManifestInvalidError
	if errors.As(err, &invalid) {
		return m, c.failed(ctx, ref, &storage.UpstreamError{Host: up.url.Host, Cause: err})
	}
	if err != nil {
		return m, err
	}
	m.MediaType = stored.MediaType
	if which.Tag != "" {
		if err := c.checked(ctx, tagKey{ref, which.Tag}); err != nil {
			return m, err
		}
	}
	return m, nil
}

// told is what webhooks are told of an image that came.
func (c *Cache) told(ref storage.Ref, which storage.Reference, m storage.Manifest, rule Rule) storage.Change {
	detail := map[string]any{
		"rule-version": "1", "sync-status": "SUCCESS", "ecr-repository-prefix": rule.Prefix, "upstream-registry-url": rule.URL,
	}
	if which.Tag != "" {
		detail["image-tag"] = which.Tag
	}
	return storage.Change{Kind: events.Cached, Ref: ref, Digest: m.Digest, At: c.o.Now(), Detail: detail}
}

// failed counts and logs what an upstream failed to do.
func (c *Cache) failed(ctx context.Context, ref storage.Ref, err error) error {
	if !isAbsent(err) {
		c.failures.Add(1)
		c.o.Log.WarnContext(ctx, "an upstream registry failed", "repository", ref.Name, "error", err)
	}
	return err
}

// isAbsent tells whether an upstream says that it has no such thing.
func isAbsent(err error) bool {
	var up *storage.UpstreamError
	return errors.As(err, &up) && up.Status == http.StatusNotFound
}
