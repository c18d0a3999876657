package meta

import (
	"context"
	"database/sql"
)

// Setting is a row of setting. Repository is empty for those of a registry.
type Setting struct {
	Account, Region, Kind, Repository, Key string
	Document                               string
	CreatedAt, UpdatedAt                   int64
}

const settingColumns = `account, region, kind, repository, key, document, created_at, updated_at`

func scanSetting(rows *sql.Rows) (s Setting, err error) {
	err = rows.Scan(&s.Account, &s.Region, &s.Kind, &s.Repository, &s.Key, &s.Document, &s.CreatedAt, &s.UpdatedAt)
	return s, err
}

// FindSetting reads a setting. Errors: ErrNotFound.
func FindSetting(ctx context.Context, q Querier, account, region, kind, repository, key string) (Setting, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+settingColumns+` FROM setting
		WHERE account = $1 AND region = $2 AND kind = $3 AND repository = $4 AND key = $5`, account, region, kind, repository, key)
	return first(collect(rows, err, scanSetting))
}

// SetSetting writes a setting; one that is there keeps when it was created.
func SetSetting(ctx context.Context, q Querier, s Setting) error {
	_, err := q.ExecContext(ctx, `INSERT INTO setting (`+settingColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, region, kind, repository, key) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`,
		s.Account, s.Region, s.Kind, s.Repository, s.Key, s.Document, s.CreatedAt, s.UpdatedAt)
	return err
}

// DeleteSetting deletes a setting and reports whether it was there.
func DeleteSetting(ctx context.Context, q Querier, account, region, kind, repository, key string) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM setting
		WHERE account = $1 AND region = $2 AND kind = $3 AND repository = $4 AND key = $5`, account, region, kind, repository, key))
}

// DeleteSettingsOf deletes all settings of a repository.
func DeleteSettingsOf(ctx context.Context, q Querier, account, region, repository string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM setting WHERE account = $1 AND region = $2 AND repository = $3`, account, region, repository)
	return err
}

// ListSettings lists the settings of a kind that a registry has, its repositories'
// included, by repository and key, from behind those of after on, at most limit.
func ListSettings(ctx context.Context, q Querier, account, region, kind string, after Setting, limit int) ([]Setting, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+settingColumns+` FROM setting
		WHERE account = $1 AND region = $2 AND kind = $3 AND (repository, key) > ($4, $5)
		ORDER BY repository, key LIMIT $6`, account, region, kind, after.Repository, after.Key, limit)
	return collect(rows, err, scanSetting)
}

// ListSettingsEverywhere lists the settings of a kind of all registries, by
// account, region, repository and key, from behind after on, at most limit.
func ListSettingsEverywhere(ctx context.Context, q Querier, kind string, after Setting, limit int) ([]Setting, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+settingColumns+` FROM setting
		WHERE kind = $1 AND (account, region, repository, key) > ($2, $3, $4, $5)
		ORDER BY account, region, repository, key LIMIT $6`, kind, after.Account, after.Region, after.Repository, after.Key, limit)
	return collect(rows, err, scanSetting)
}

// MostKinds is how many kinds SettingsFor can be asked for.
const MostKinds = 8

// SettingsFor reads what a registry and one of its repositories have of some
// kinds, at most MostKinds.
func SettingsFor(ctx context.Context, q Querier, account, region, repository string, kinds []string) ([]Setting, error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	args := []any{account, region, repository}
	for i := range MostKinds {
		args = append(args, kinds[min(i, len(kinds)-1)])
	}
	rows, err := q.QueryContext(ctx, `SELECT `+settingColumns+` FROM setting
		WHERE account = $1 AND region = $2 AND repository IN ('', $3) AND kind IN ($4, $5, $6, $7, $8, $9, $10, $11)
		ORDER BY kind, repository, key`, args...)
	return collect(rows, err, scanSetting)
}
