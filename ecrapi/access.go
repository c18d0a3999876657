package ecrapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drydock/auth"
	"drydock/auth/enforce"
	"drydock/auth/policy"
	"drydock/internal/arn"
	"drydock/storage"
	"drydock/storage/meta"
)

// Resources tells what repositories say about who may use them: their policies,
// compiled, and their tags.
type Resources struct {
	engine *storage.Registry
	known  *meta.Cache[string, enforce.Access]
}

var _ enforce.Resources = (*Resources)(nil)

// rememberedAccess is how many bytes of policies and tags are kept compiled,
// counted as text.
const rememberedAccess = 2 << 20

// NewResources makes the Resources of an engine's repositories.
func NewResources(engine *storage.Registry) *Resources {
	return &Resources{engine: engine, known: meta.NewCache[string](rememberedAccess, func(a enforce.Access) int {
		n := 256
		if a.Policy != nil {
			n += policy.MaxRepository
		}
		for k, v := range a.Tags {
			n += len(k) + len(v)
		}
		return n
	})}
}

// Access implements enforce.Resources. What is not a repository, or does not
// exist, says nothing.
func (r *Resources) Access(ctx context.Context, q auth.Request) (enforce.Access, error) {
	return r.known.Get(r.engine, q.Resource, func() (enforce.Access, error) { return r.read(ctx, q.Resource) })
}

func (r *Resources) read(ctx context.Context, resource string) (enforce.Access, error) {
	a, err := arn.Parse(resource)
	name, ok := strings.CutPrefix(a.Resource, "repository/")
	if err != nil || !ok {
		return enforce.Access{}, nil
	}
	ref := storage.Ref{Scope: storage.Scope{Account: a.Account, Region: a.Region}, Name: name}
	stored, err := r.engine.Access(ctx, ref)
	var unknown *storage.RepositoryUnknownError
	switch {
	case errors.As(err, &unknown):
		return enforce.Access{}, nil
	case err != nil:
		return enforce.Access{}, err
	}
	access := enforce.Access{Tags: stored.Tags}
	if stored.Policy != "" {
		document, err := policy.Parse([]byte(stored.Policy), policy.Repository)
		if err != nil {
			// It was checked when it was set. To go on without it might allow
			// what it denies.
			return enforce.Access{}, fmt.Errorf("compile the policy of repository %s: %w", name, err)
		}
		access.Policy = &policy.Attached{Kind: policy.KindResource, Name: "repository policy of " + name, Document: document}
	}
	return access, nil
}
