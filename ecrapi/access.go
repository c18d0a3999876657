package ecrapi

import (
	"context"
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
		for _, p := range []*policy.Attached{a.Policy, a.Registry} {
			if p != nil {
				n += policy.MaxRepository
			}
		}
		for k, v := range a.Tags {
			n += len(k) + len(v)
		}
		return n
	})}
}

// Access implements enforce.Resources. What is not a repository says nothing; for
// one that does not exist, the registry alone speaks.
func (r *Resources) Access(ctx context.Context, q auth.Request) (enforce.Access, error) {
	a, err := r.known.Get(r.engine, q.Resource, func() (enforce.Access, error) { return r.read(ctx, q.Resource) })
	if q.Principal.IsRoot() && q.Principal.Account == q.ResourceAccount && isPolicyAction(q.Action) {
		a.Policy, a.Registry = nil, nil
	}
	return a, err
}

// isPolicyAction reports whether an action is one on policies themselves. For the
// root of the owner they say nothing about those: else a policy that was forced
// could shut everybody out for ever.
func isPolicyAction(action string) bool {
	switch action {
	case "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy",
		"ecr:GetRegistryPolicy", "ecr:PutRegistryPolicy", "ecr:DeleteRegistryPolicy":
		return true
	}
	return false
}

func (r *Resources) read(ctx context.Context, resource string) (enforce.Access, error) {
	a, err := arn.Parse(resource)
	name, ok := strings.CutPrefix(a.Resource, "repository/")
	if err != nil || !ok {
		return enforce.Access{}, nil
	}
	ref := storage.Ref{Scope: storage.Scope{Account: a.Account, Region: a.Region}, Name: name}
	stored, err := r.engine.Access(ctx, ref)
	if err != nil {
		return enforce.Access{}, err
	}
	access := enforce.Access{Tags: stored.Tags}
	if access.Policy, err = compiled(stored.Policy, policy.Repository, "repository policy of "+name); err != nil {
		return enforce.Access{}, err
	}
	access.Registry, err = compiled(stored.RegistryPolicy, policy.Resource, "registry policy of "+a.Account+" in "+a.Region)
	return access, err
}

// compiled parses a stored policy; of none it makes nil. The policy was checked
// when it was set: to go on without one that cannot be read might allow what it
// denies.
func compiled(text string, use policy.Use, name string) (*policy.Attached, error) {
	if text == "" {
		return nil, nil
	}
	document, err := policy.Parse([]byte(text), use)
	if err != nil {
		return nil, fmt.Errorf("compile the %s: %w", name, err)
	}
	return &policy.Attached{Kind: policy.KindResource, Name: name, Document: document}, nil
}
