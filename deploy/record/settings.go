package record

import (
	"context"

	"drydock/storage/meta"
)

// Setting is an account setting of a principal, or the default of the account where
// Principal is empty.
type Setting struct {
	Scope
	Principal, Name, Value string
}

func scanSetting(s scanner) (v Setting, err error) {
	return v, s.Scan(&v.Account, &v.Region, &v.Principal, &v.Name, &v.Value)
}

// PutSetting sets a setting.
func PutSetting(ctx context.Context, q meta.Querier, v Setting) error {
	return exec(ctx, q, `INSERT INTO ecs_setting (account, region, principal, name, value) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, region, principal, name) DO UPDATE SET value = excluded.value`, v.Account, v.Region, v.Principal, v.Name, v.Value)
}

// DeleteSetting takes a setting back. Errors: meta.ErrNotFound.
func DeleteSetting(ctx context.Context, q meta.Querier, v Setting) error {
	res, err := q.ExecContext(ctx, `DELETE FROM ecs_setting WHERE account = $1 AND region = $2 AND principal = $3 AND name = $4`,
		v.Account, v.Region, v.Principal, v.Name)
	return touched(res, err, meta.ErrNotFound)
}

// Settings lists the settings of a principal; they are few.
func Settings(ctx context.Context, q meta.Querier, s Scope, principal string) ([]Setting, error) {
	rows, err := q.QueryContext(ctx, `SELECT account, region, principal, name, value FROM ecs_setting
		WHERE account = $1 AND region = $2 AND principal = $3 ORDER BY name`, s.Account, s.Region, principal)
	return all(rows, err, scanSetting)
}
