package record

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/storage/meta"
)

// CapacityProvider is a capacity provider of an account's own.
type CapacityProvider struct {
	Scope
	Name, Status string
	Detail       types.CapacityProvider
	Version      int64
}

const capacityColumns = `account, region, name, status, doc, version`

func scanCapacity(s scanner) (c CapacityProvider, err error) {
	var doc string
	if err := s.Scan(&c.Account, &c.Region, &c.Name, &c.Status, &doc, &c.Version); err != nil {
		return c, err
	}
	return c, decoded(doc, &c.Detail)
}

// AddCapacityProvider adds a capacity provider. Errors: meta.ErrExists.
func AddCapacityProvider(ctx context.Context, q meta.Querier, c CapacityProvider) error {
	doc, err := encoded(c.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_capacity_provider (`+capacityColumns+`) VALUES ($1, $2, $3, $4, $5, 1)
		ON CONFLICT (account, region, name) DO NOTHING`, c.Account, c.Region, c.Name, c.Status, doc))
}

// FindCapacityProvider finds one by name. Errors: meta.ErrNotFound.
func FindCapacityProvider(ctx context.Context, q meta.Querier, s Scope, name string) (CapacityProvider, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+capacityColumns+` FROM ecs_capacity_provider WHERE account = $1 AND region = $2 AND name = $3`,
		s.Account, s.Region, name), scanCapacity)
}

// UpdateCapacityProvider writes one that was read. Errors: ErrMoved.
func UpdateCapacityProvider(ctx context.Context, q meta.Querier, c CapacityProvider) error {
	doc, err := encoded(c.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_capacity_provider SET status = $4, doc = $5, version = version + 1
		WHERE account = $1 AND region = $2 AND name = $3 AND version = $6`, c.Account, c.Region, c.Name, c.Status, doc, c.Version))
}

// DeleteCapacityProvider deletes one. It need not be there.
func DeleteCapacityProvider(ctx context.Context, q meta.Querier, s Scope, name string) error {
	return exec(ctx, q, `DELETE FROM ecs_capacity_provider WHERE account = $1 AND region = $2 AND name = $3`, s.Account, s.Region, name)
}

// CapacityProviders lists them by name.
func CapacityProviders(ctx context.Context, q meta.Querier, s Scope, p Page) ([]CapacityProvider, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+capacityColumns+` FROM ecs_capacity_provider WHERE account = $1 AND region = $2 AND name > $3
		ORDER BY name LIMIT $4`, s.Account, s.Region, p.After, p.Limit)
	return all(rows, err, scanCapacity)
}
