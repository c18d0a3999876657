package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"drydock/internal/arn"
	"drydock/storage/meta"
)

// CreateRepository creates a repository. Errors: *RepositoryExistsError, *LimitError.
func (r *Registry) CreateRepository(ctx context.Context, ref Ref, o RepositoryOptions) (Repository, error) {
	var id [8]byte
	if _, err := io.ReadFull(r.random, id[:]); err != nil {
		return Repository{}, fmt.Errorf("make an id: %w", err)
	}
	row := meta.Repository{
		ID:      int64(binary.BigEndian.Uint64(id[:]) >> 1),
		Account: ref.Account, Region: ref.Region, Name: ref.Name,
		CreatedAt: r.millis(),
		Immutable: o.Mutability.Immutable, Except: o.Mutability.Except,
	}
	err := r.write(ctx, func(q meta.Querier) error {
		err := meta.InsertRepository(ctx, q, row)
		if errors.Is(err, meta.ErrExists) {
			return &RepositoryExistsError{ref}
		}
		if err != nil {
			return fmt.Errorf("create repository %s: %w", ref.Name, err)
		}
		if err := r.mayCreate(ctx, q, ref); err != nil {
			return err
		}
		if err := setResourceTags(ctx, q, ref, o.Tags); err != nil {
			return err
		}
		return r.configure(ctx, q, row, o)
	})
	if err != nil {
		return Repository{}, err
	}
	return repository(row), nil
}

// configure gives a new repository its policy and its settings.
func (r *Registry) configure(ctx context.Context, q meta.Querier, row meta.Repository, o RepositoryOptions) error {
	if o.Policy != "" {
		if err := meta.SetRepositoryPolicy(ctx, q, row.ID, o.Policy); err != nil {
			return fmt.Errorf("set the policy of %s: %w", row.Name, err)
		}
	}
	if len(o.Settings) > 0 {
		r.settingsWritten.n.Add(1)
	}
	for kind, document := range o.Settings {
		err := meta.SetSetting(ctx, q, meta.Setting{
			Account: row.Account, Region: row.Region, Kind: kind, Repository: row.Name, Document: document,
			CreatedAt: row.CreatedAt, UpdatedAt: row.CreatedAt,
		})
		if err != nil {
			return fmt.Errorf("set the %s of %s: %w", kind, row.Name, err)
		}
	}
	return nil
}

func repository(row meta.Repository) Repository {
	return Repository{
		Ref:        Ref{Scope{row.Account, row.Region}, row.Name},
		CreatedAt:  time.UnixMilli(row.CreatedAt),
		Mutability: Mutability{row.Immutable, row.Except},
	}
}

// Repository reads a repository's record. Errors: *RepositoryUnknownError.
func (r *Registry) Repository(ctx context.Context, ref Ref) (Repository, error) {
	row, err := findRepository(ctx, r.db.Reader(), ref)
	if err != nil {
		return Repository{}, err
	}
	return repository(row), nil
}

func findRepository(ctx context.Context, q meta.Querier, ref Ref) (meta.Repository, error) {
	row, err := meta.FindRepository(ctx, q, ref.Account, ref.Region, ref.Name)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return row, &RepositoryUnknownError{ref}
	case err != nil:
		return row, fmt.Errorf("read repository %s: %w", ref.Name, err)
	}
	return row, nil
}

// Repositories lists the repositories of a scope by name, from behind after on,
// at most limit.
func (r *Registry) Repositories(ctx context.Context, s Scope, after string, limit int) ([]Repository, error) {
	rows, err := meta.ListRepositories(ctx, r.db.Reader(), s.Account, s.Region, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list repositories: %w", err)
	}
	list := make([]Repository, len(rows))
	for i, row := range rows {
		list[i] = repository(row)
	}
	return list, nil
}

// DeleteRepository deletes a repository; force deletes its images with it.
// Errors: *RepositoryUnknownError, *RepositoryNotEmptyError.
func (r *Registry) DeleteRepository(ctx context.Context, ref Ref, force bool) (Repository, error) {
	var row meta.Repository
	var uploads []string
	err := r.write(ctx, func(q meta.Querier) (err error) {
		if row, err = findRepository(ctx, q, ref); err != nil {
			return err
		}
		if !force {
			holds, err := meta.HasAnyManifest(ctx, q, row.ID)
			if err != nil {
				return fmt.Errorf("look for images in %s: %w", ref.Name, err)
			}
			if holds {
				return &RepositoryNotEmptyError{ref}
			}
		}
		if uploads, err = meta.UploadsOf(ctx, q, row.ID); err != nil {
			return fmt.Errorf("list the uploads of %s: %w", ref.Name, err)
		}
		if err := meta.ReviewEverywhere(ctx, q, row.ID, r.due()); err != nil {
			return fmt.Errorf("note what %s held: %w", ref.Name, err)
		}
		if err := meta.DeleteResourceTags(ctx, q, resourceARN(ref)); err != nil {
			return fmt.Errorf("delete the tags of %s: %w", ref.Name, err)
		}
		r.settingsWritten.n.Add(1)
		if err := meta.DeleteSettingsOf(ctx, q, ref.Account, ref.Region, ref.Name); err != nil {
			return fmt.Errorf("delete the settings of %s: %w", ref.Name, err)
		}
		used, err := meta.EndUsage(ctx, q, scopeOf(ref))
		if err == nil {
			err = meta.Discharge(ctx, q, ref.Account, r.shard(), used)
		}
		if err != nil {
			return fmt.Errorf("charge account %s for no more of %s: %w", ref.Account, ref.Name, err)
		}
		if err := meta.DeleteRepository(ctx, q, row.ID); err != nil {
			return fmt.Errorf("delete repository %s: %w", ref.Name, err)
		}
		return nil
	})
	if err != nil {
		return Repository{}, err
	}
	for _, id := range uploads {
		// The records are gone; a file that stays is swept by Run.
		if err := r.blobs.Discard(ctx, id); err != nil {
			r.log.WarnContext(ctx, "could not discard an upload of a deleted repository", "upload", id, "error", err)
		}
	}
	return repository(row), nil
}

// SetMutability changes which tags of a repository may be moved. Errors:
// *RepositoryUnknownError.
func (r *Registry) SetMutability(ctx context.Context, ref Ref, m Mutability) (Repository, error) {
	var row meta.Repository
	err := r.write(ctx, func(q meta.Querier) (err error) {
		if row, err = findRepository(ctx, q, ref); err != nil {
			return err
		}
		if err := meta.SetMutability(ctx, q, row.ID, m.Immutable, m.Except); err != nil {
			return fmt.Errorf("set the tag mutability of %s: %w", ref.Name, err)
		}
		row.Immutable, row.Except = m.Immutable, m.Except
		return nil
	})
	return repository(row), err
}

// Locks reports whether a tag that is set may not be moved.
func (m Mutability) Locks(tag string) bool {
	for _, pattern := range m.Except {
		// path.Match knows more than *, but a tag pattern has only letters,
		// digits, dots, dashes, underscores and *, and a tag has no slash.
		if ok, err := path.Match(pattern, tag); err == nil && ok {
			return !m.Immutable
		}
	}
	return m.Immutable
}

func resourceARN(ref Ref) string { return arn.Repository(ref.Account, ref.Region, ref.Name) }

func setResourceTags(ctx context.Context, q meta.Querier, ref Ref, tags map[string]string) error {
	for k, v := range tags {
		if err := meta.SetResourceTag(ctx, q, resourceARN(ref), k, v); err != nil {
			return fmt.Errorf("tag repository %s: %w", ref.Name, err)
		}
	}
	return nil
}

// ResourceTags reads the resource tags of a repository. Errors:
// *RepositoryUnknownError.
func (r *Registry) ResourceTags(ctx context.Context, ref Ref) (map[string]string, error) {
	q := r.db.Reader()
	if _, err := repositoryID(ctx, q, ref); err != nil {
		return nil, err
	}
	tags, err := meta.ResourceTags(ctx, q, resourceARN(ref))
	if err != nil {
		return nil, fmt.Errorf("read the tags of %s: %w", ref.Name, err)
	}
	return tags, nil
}

// TagRepository sets resource tags of a repository, which may then have at most
// limit. Errors: *RepositoryUnknownError, *TooManyTagsError.
func (r *Registry) TagRepository(ctx context.Context, ref Ref, tags map[string]string, limit int) error {
	return r.write(ctx, func(q meta.Querier) error {
		if _, err := repositoryID(ctx, q, ref); err != nil {
			return err
		}
		if err := setResourceTags(ctx, q, ref, tags); err != nil {
			return err
		}
		all, err := meta.ResourceTags(ctx, q, resourceARN(ref))
		if err != nil {
			return fmt.Errorf("read the tags of %s: %w", ref.Name, err)
		}
		if len(all) > limit {
			return &TooManyTagsError{limit}
		}
		return nil
	})
}

// UntagRepository removes resource tags of a repository; they need not be there.
// Errors: *RepositoryUnknownError.
func (r *Registry) UntagRepository(ctx context.Context, ref Ref, keys []string) error {
	return r.write(ctx, func(q meta.Querier) error {
		if _, err := repositoryID(ctx, q, ref); err != nil {
			return err
		}
		for _, k := range keys {
			if err := meta.DeleteResourceTag(ctx, q, resourceARN(ref), k); err != nil {
				return fmt.Errorf("untag repository %s: %w", ref.Name, err)
			}
		}
		return nil
	})
}
