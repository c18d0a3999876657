package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage"
)

// The kinds of settings that say what is scanned: one of a registry, one of a
// repository.
const (
	RegistryKind   = "scan-registry"
	RepositoryKind = "scan-repository"
)

// The types of scanning, and how often it happens.
const (
	Basic    = "BASIC"
	Enhanced = "ENHANCED"

	OnPush     = "SCAN_ON_PUSH"
	Continuous = "CONTINUOUS_SCAN"
	Manual     = "MANUAL"
)

// Registry is how the images of a registry are scanned.
type Registry struct {
	Type  string `json:"type"`
	Rules []Rule `json:"rules,omitempty"`
}

// Rule is how often the images of some repositories are scanned.
type Rule struct {
	Frequency string `json:"frequency"`
	// Filters are names in which * is anything.
	Filters []string `json:"filters"`
}

// Repository is whether the images of a repository are scanned when they are pushed.
type Repository struct {
	OnPush bool `json:"onPush"`
}

// Applied is how the images of a repository are scanned in the end.
type Applied struct {
	Type, Frequency string
	OnPush          bool
	// Filters are those of the rules that say so.
	Filters []string
}

// applied brings together what a registry and a repository say. Where rules say
// different things the one that scans more often holds.
func applied(name string, registry Registry, repository Repository) Applied {
	a := Applied{Type: registry.Type, Frequency: Manual}
	if a.Type == "" {
		a.Type = Basic
	}
	often := map[string]int{Manual: 0, OnPush: 1, Continuous: 2}
	for _, r := range registry.Rules {
		var matching []string
		for _, f := range r.Filters {
			if Matches(f, name) {
				matching = append(matching, f)
			}
		}
		if len(matching) == 0 {
			continue
		}
		a.Filters = append(a.Filters, matching...)
		if often[r.Frequency] > often[a.Frequency] {
			a.Frequency = r.Frequency
		}
	}
	// Enhanced scanning goes by the registry's rules alone.
	if a.Frequency == Manual && a.Type == Basic && repository.OnPush {
		a.Frequency = OnPush
	}
	a.OnPush = a.Frequency != Manual
	return a
}

// Matches reports whether a filter takes a name in: one without * is in names anywhere,
// as ECR has it.
//
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html
func Matches(filter, name string) bool {
	if !strings.Contains(filter, "*") {
		return strings.Contains(name, filter)
	}
	parts := strings.Split(filter, "*")
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(name, first) || len(name) < len(first)+len(last) || !strings.HasSuffix(name, last) {
		return false
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return true
}

// Watcher orders scans of what is pushed.
func Watcher() storage.Watcher {
	return storage.Watcher{Kinds: []string{RegistryKind, RepositoryKind}, Decide: func(c storage.Change, settings []storage.Setting) ([]storage.Job, error) {
		if c.Kind != storage.ImagePushed || !c.New || !scannable(c.MediaType, c.ArtifactType) {
			return nil, nil
		}
		var registry Registry
		var repository Repository
		for _, s := range settings {
			var err error
			switch s.Kind {
			case RegistryKind:
				err = json.Unmarshal([]byte(s.Document), &registry)
			case RepositoryKind:
				err = json.Unmarshal([]byte(s.Document), &repository)
			}
			if err != nil {
				return nil, fmt.Errorf("read how %s is scanned: %w", c.Ref.Name, err)
			}
		}
		if !applied(c.Ref.Name, registry, repository).OnPush {
			return nil, nil
		}
		job, err := jobOf(c.Ref, c.Digest, c.At)
		return []storage.Job{job}, err
	}}
}

// scannable reports whether a manifest may be that of a container image.
func scannable(mediaType, artifactType string) bool {
	switch mediaType {
	case v1.MediaTypeImageManifest, "application/vnd.docker.distribution.manifest.v2+json":
	default:
		return false
	}
	switch artifactType {
	case "", v1.MediaTypeImageConfig, "application/vnd.docker.container.image.v1+json":
		return true
	}
	return false
}

// Registry tells how a registry is scanned: basic, without rules, where nothing was
// put.
func (s *Scanner) Registry(ctx context.Context, of storage.Scope) (r Registry, err error) {
	err = s.setting(ctx, registryKey(of), &r)
	if r.Type == "" {
		r.Type = Basic
	}
	return r, err
}

// PutRegistry says how a registry is scanned. Images that are there are scanned too
// where that is to happen continuously.
func (s *Scanner) PutRegistry(ctx context.Context, of storage.Scope, r Registry) error {
	var list []storage.Job
	if slices.ContainsFunc(r.Rules, func(r Rule) bool { return r.Frequency == Continuous }) {
		document, err := json.Marshal(order{Account: of.Account, Region: of.Region})
		if err != nil {
			return fmt.Errorf("order a search for images to scan: %w", err)
		}
		list = append(list, storage.Job{Queue: Queue, Key: strings.Join([]string{registration, of.Account, of.Region}, "/"), Document: string(document)})
	}
	return s.put(ctx, registryKey(of), r, list...)
}

// Repository tells whether a repository itself asks for scans. It is no error when
// there is none.
func (s *Scanner) Repository(ctx context.Context, ref storage.Ref) (r Repository, err error) {
	err = s.setting(ctx, repositoryKey(ref), &r)
	return r, err
}

// OnPush tells which repositories of a registry ask for scans themselves, of those
// whose names lie behind one, at most limit of them that were ever told.
func (s *Scanner) OnPush(ctx context.Context, of storage.Scope, after string, limit int) (map[string]bool, error) {
	all, err := s.o.Engine.Settings(ctx, of, RepositoryKind, storage.SettingKey{Ref: storage.Ref{Scope: of, Name: after}}, limit)
	if err != nil {
		return nil, err
	}
	on := map[string]bool{}
	for _, set := range all {
		var r Repository
		if err := json.Unmarshal([]byte(set.Document), &r); err != nil {
			return nil, fmt.Errorf("read how %s is scanned: %w", set.Name, err)
		}
		on[set.Name] = r.OnPush
	}
	return on, nil
}

// Document is the setting as it is kept.
func (r Repository) Document() (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("write how a repository is scanned: %w", err)
	}
	return string(b), nil
}

// PutRepository says whether what is pushed to a repository is scanned. Errors:
// *storage.RepositoryUnknownError.
func (s *Scanner) PutRepository(ctx context.Context, ref storage.Ref, r Repository) error {
	return s.put(ctx, repositoryKey(ref), r)
}

// Applied tells how the images of a repository are scanned. Errors:
// *storage.RepositoryUnknownError.
func (s *Scanner) Applied(ctx context.Context, ref storage.Ref) (Applied, error) {
	if _, err := s.o.Engine.Repository(ctx, ref); err != nil {
		return Applied{}, err
	}
	registry, err := s.Registry(ctx, ref.Scope)
	if err != nil {
		return Applied{}, err
	}
	repository, err := s.Repository(ctx, ref)
	return applied(ref.Name, registry, repository), err
}

func registryKey(of storage.Scope) storage.SettingKey {
	return storage.SettingKey{Ref: storage.Ref{Scope: of}, Kind: RegistryKind}
}

func repositoryKey(ref storage.Ref) storage.SettingKey {
	return storage.SettingKey{Ref: ref, Kind: RepositoryKind}
}

// setting reads a setting, which stays as it is where there is none.
func (s *Scanner) setting(ctx context.Context, k storage.SettingKey, into any) error {
	set, err := s.o.Engine.Setting(ctx, k)
	var unset *storage.SettingUnknownError
	var gone *storage.RepositoryUnknownError
	if errors.As(err, &unset) || errors.As(err, &gone) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(set.Document), into)
	}
	if err != nil {
		return fmt.Errorf("read the %s of %s %s: %w", k.Kind, k.Account, k.Name, err)
	}
	return nil
}

func (s *Scanner) put(ctx context.Context, k storage.SettingKey, value any, list ...storage.Job) error {
	document, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the %s of %s: %w", k.Kind, k.Name, err)
	}
	_, err = s.o.Engine.ChangeSetting(ctx, k, func(string) (string, []storage.Job, error) { return string(document), list, nil })
	return err
}
