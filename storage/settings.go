package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// SettingKey names a setting: that of a registry where Ref has no name, else of a
// repository. Key tells several of a kind apart, where there are several.
type SettingKey struct {
	Ref
	Kind, Key string
}

// Setting is a document that configures something: the engine keeps it, deletes it
// with its repository and shows it to watchers; what it means is decided by
// whoever set it.
type Setting struct {
	SettingKey
	Document             string
	CreatedAt, UpdatedAt time.Time
}

// SettingUnknownError says that something is not set.
type SettingUnknownError struct{ SettingKey }

func (e *SettingUnknownError) Error() string {
	return fmt.Sprintf("no %s %s of registry %s in %s %s", e.Kind, e.Key, e.Account, e.Region, e.Name)
}

// SettingExistsError says that something is set already.
type SettingExistsError struct{ SettingKey }

func (e *SettingExistsError) Error() string {
	return fmt.Sprintf("there is a %s %s of registry %s in %s %s", e.Kind, e.Key, e.Account, e.Region, e.Name)
}

// Setting reads a setting. Errors: *RepositoryUnknownError, *SettingUnknownError.
func (r *Registry) Setting(ctx context.Context, k SettingKey) (Setting, error) {
	q := r.db.Reader()
	row, err := meta.FindSetting(ctx, q, k.Account, k.Region, k.Kind, k.Name, k.Key)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		if k.Name != "" {
			return Setting{}, r.absent(ctx, k.Ref, &SettingUnknownError{k})
		}
		return Setting{}, &SettingUnknownError{k}
	case err != nil:
		return Setting{}, fmt.Errorf("read the %s %s of %s: %w", k.Kind, k.Key, k.Name, err)
	}
	return setting(row), nil
}

// ChangeSetting reads a setting, has change say what it is to be, and writes that,
// in one transaction. The document is "" where there is none yet; one that becomes
// "" is deleted. Orders are jobs of the same transaction. change may be run more
// than once, and what it returns as an error is returned as it is, with nothing
// written. Errors: *RepositoryUnknownError.
func (r *Registry) ChangeSetting(ctx context.Context, k SettingKey, change func(document string) (string, []Job, error)) (Setting, error) {
	var row meta.Setting
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		r.settingsWritten.n.Add(1)
		if k.Name != "" {
			if _, err := repositoryID(ctx, q, k.Ref); err != nil {
				return err
			}
		}
		now := r.millis()
		was, err := meta.FindSetting(ctx, q, k.Account, k.Region, k.Kind, k.Name, k.Key)
		if errors.Is(err, meta.ErrNotFound) {
			was, err = meta.Setting{Account: k.Account, Region: k.Region, Kind: k.Kind, Repository: k.Name, Key: k.Key, CreatedAt: now}, nil
		}
		if err != nil {
			return fmt.Errorf("read the %s %s of %s: %w", k.Kind, k.Key, k.Name, err)
		}
		document, jobs, err := change(was.Document)
		if err != nil {
			return err
		}
		row = was
		if document == "" {
			_, err = meta.DeleteSetting(ctx, q, k.Account, k.Region, k.Kind, k.Name, k.Key)
		} else {
			row.Document, row.UpdatedAt = document, now
			err = meta.SetSetting(ctx, q, row)
		}
		if err != nil {
			return fmt.Errorf("set the %s %s of %s: %w", k.Kind, k.Key, k.Name, err)
		}
		queues, err = r.order(ctx, q, jobs)
		return err
	})
	if err != nil {
		r.settingsWritten.n.Add(1) // others may have seen what is not there after all
		return Setting{}, err
	}
	r.wakeAll(queues)
	return setting(row), nil
}

// SetSetting writes a setting, whether or not there is one. Errors:
// *RepositoryUnknownError.
func (r *Registry) SetSetting(ctx context.Context, k SettingKey, document string) (Setting, error) {
	return r.ChangeSetting(ctx, k, func(string) (string, []Job, error) { return document, nil, nil })
}

// CreateSetting writes a setting that is not there yet. Errors:
// *RepositoryUnknownError, *SettingExistsError.
func (r *Registry) CreateSetting(ctx context.Context, k SettingKey, document string) (Setting, error) {
	return r.ChangeSetting(ctx, k, func(was string) (string, []Job, error) {
		if was != "" {
			return "", nil, &SettingExistsError{k}
		}
		return document, nil, nil
	})
}

// DeleteSetting takes a setting away and returns what it was. Errors:
// *RepositoryUnknownError, *SettingUnknownError.
func (r *Registry) DeleteSetting(ctx context.Context, k SettingKey) (Setting, error) {
	return r.ChangeSetting(ctx, k, func(was string) (string, []Job, error) {
		if was == "" {
			return "", nil, &SettingUnknownError{k}
		}
		return "", nil, nil
	})
}

// Settings lists what a registry and its repositories have of a kind, by repository
// and key, from behind those of after on, at most limit.
func (r *Registry) Settings(ctx context.Context, of Scope, kind string, after SettingKey, limit int) ([]Setting, error) {
	rows, err := meta.ListSettings(ctx, r.db.Reader(), of.Account, of.Region, kind, meta.Setting{Repository: after.Name, Key: after.Key}, limit)
	if err != nil {
		return nil, fmt.Errorf("list each %s of registry %s: %w", kind, of.Account, err)
	}
	return settings(rows), nil
}

// SettingsEverywhere lists the settings of a kind of all registries, from behind
// after on, at most limit.
func (r *Registry) SettingsEverywhere(ctx context.Context, kind string, after SettingKey, limit int) ([]Setting, error) {
	rows, err := meta.ListSettingsEverywhere(ctx, r.db.Reader(), kind,
		meta.Setting{Account: after.Account, Region: after.Region, Repository: after.Name, Key: after.Key}, limit)
	if err != nil {
		return nil, fmt.Errorf("list each %s: %w", kind, err)
	}
	return settings(rows), nil
}

func settings(rows []meta.Setting) []Setting {
	list := make([]Setting, len(rows))
	for i, row := range rows {
		list[i] = setting(row)
	}
	return list
}

func setting(row meta.Setting) Setting {
	return Setting{
		SettingKey: SettingKey{Ref: Ref{Scope{row.Account, row.Region}, row.Repository}, Kind: row.Kind, Key: row.Key},
		Document:   row.Document,
		CreatedAt:  time.UnixMilli(row.CreatedAt), UpdatedAt: time.UnixMilli(row.UpdatedAt),
	}
}
