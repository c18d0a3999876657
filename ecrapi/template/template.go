// Package template makes repositories on behalf of those who push, pull through the
// cache or replicate, as repository creation templates say.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-creation-templates.html
package template

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drydock/auth/servicerole"
	"drydock/internal/arn"
	"drydock/internal/registryhost"
	"drydock/storage"
)

// Kind is what templates are called among the settings of a registry; their key is
// the prefix.
const Kind = "creation-template"

// Root is the prefix of the template for what no other one is for.
const Root = "ROOT"

// Reason is what a repository is made for.
type Reason string

// The reasons, by the names that ECR gives them.
const (
	PullThroughCache Reason = "PULL_THROUGH_CACHE"
	Replication      Reason = "REPLICATION"
	CreateOnPush     Reason = "CREATE_ON_PUSH"
)

// Template says what repositories are like whose names begin with its prefix.
type Template struct {
	Prefix      string             `json:"prefix"`
	Description string             `json:"description,omitempty"`
	Mutability  storage.Mutability `json:"mutability"`
	Tags        map[string]string  `json:"tags,omitempty"`
	// Policy is the repositories' policy, Lifecycle their lifecycle policy.
	Policy    string   `json:"policy,omitempty"`
	Lifecycle string   `json:"lifecycle,omitempty"`
	For       []Reason `json:"for"`
	// Role is what repositories are made with, if any: then its policies decide.
	Role string `json:"role,omitempty"`

	CreatedAt time.Time `json:"-"`
	UpdatedAt time.Time `json:"-"`
}

// Key is where the template of a prefix is kept. A slash at its end means nothing:
// there is always one.
func Key(of storage.Scope, prefix string) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: Kind, Key: strings.TrimSuffix(prefix, "/")}
}

// Read reads a template as it is kept.
func Read(s storage.Setting) (Template, error) {
	t := Template{CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt}
	if err := json.Unmarshal([]byte(s.Document), &t); err != nil {
		return t, fmt.Errorf("read the creation template %s: %w", s.Key, err)
	}
	return t, nil
}

// Document is a template as it is kept.
func (t Template) Document() (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write the creation template %s: %w", t.Prefix, err)
	}
	return string(b), nil
}

// Options is what a Creator is made of. All is needed.
type Options struct {
	Engine *storage.Registry
	Roles  *servicerole.Roles
	// LifecycleKind is what lifecycle policies are called among the settings of a
	// repository.
	LifecycleKind string
}

// Creator makes repositories.
type Creator struct{ o Options }

// New makes a Creator.
func New(o Options) (*Creator, error) {
	if o.Engine == nil || o.Roles == nil || o.LifecycleKind == "" {
		return nil, errors.New("who makes repositories needs an engine, roles and where lifecycle policies are kept")
	}
	return &Creator{o}, nil
}

// ErrNone is returned where there is no template for a repository.
var ErrNone = errors.New("there is no creation template for the repository")

// Find finds the template for a repository: of those that are for the reason the one
// with the longest prefix. Errors: ErrNone.
func (c *Creator) Find(ctx context.Context, ref storage.Ref, why Reason) (Template, error) {
	for _, prefix := range prefixes(ref.Name) {
		s, err := c.o.Engine.Setting(ctx, Key(ref.Scope, prefix))
		var unknown *storage.SettingUnknownError
		if errors.As(err, &unknown) {
			continue
		}
		if err != nil {
			return Template{}, err
		}
		t, err := Read(s)
		if err != nil {
			return Template{}, err
		}
		if slices.Contains(t.For, why) {
			return t, nil
		}
	}
	return Template{}, ErrNone
}

// Foresees tells whether a repository is to be made when it is pushed to.
func (c *Creator) Foresees(ctx context.Context, ref storage.Ref) (bool, error) {
	if registryhost.Reserved(ref.Name) {
		return false, nil
	}
	_, err := c.Find(ctx, ref, CreateOnPush)
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// CreateOnPush makes a repository that is pushed to. Errors: as Create.
func (c *Creator) CreateOnPush(ctx context.Context, ref storage.Ref) error {
	return c.Create(ctx, ref, CreateOnPush)
}

// prefixes are those of a name, the longest first, and Root.
func prefixes(name string) []string {
	var all []string
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		all = append(all, name[:i])
	}
	return append(all, Root)
}

// Create makes a repository as its template says or, but for a push, as usual where
// it has none. One that somebody else has made meanwhile will do. Errors: ErrNone;
// *servicerole.RefusedError and *auth.DeniedError when the template's role cannot
// make it.
func (c *Creator) Create(ctx context.Context, ref storage.Ref, why Reason) error {
	if registryhost.Reserved(ref.Name) {
		return ErrNone
	}
	t, err := c.Find(ctx, ref, why)
	if errors.Is(err, ErrNone) && why != CreateOnPush {
		t, err = Template{}, nil
	}
	if err != nil {
		return err
	}
	if t.Role != "" {
		if err := c.allowed(ctx, ref, t); err != nil {
			return err
		}
	}
	o := storage.RepositoryOptions{Mutability: t.Mutability, Tags: t.Tags, Policy: t.Policy}
	if t.Lifecycle != "" {
		o.Settings = map[string]string{c.o.LifecycleKind: t.Lifecycle}
	}
	_, err = c.o.Engine.CreateRepository(ctx, ref, o)
	var exists *storage.RepositoryExistsError
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

// allowed decides whether a template's role may make a repository.
func (c *Creator) allowed(ctx context.Context, ref storage.Ref, t Template) error {
	actor, err := c.o.Roles.Take(ctx, t.Role, ref.Account, ref.Region, "ECRRepositoryCreationTemplate")
	if err != nil {
		return err
	}
	actions := []string{"ecr:CreateRepository"}
	if len(t.Tags) > 0 {
		actions = append(actions, "ecr:TagResource")
	}
	for _, a := range actions {
		if err := actor.May(ctx, a, arn.Repository(ref.Account, ref.Region, ref.Name)); err != nil {
			return err
		}
	}
	return nil
}
