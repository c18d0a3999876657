package record

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/storage/meta"
)

// Instance is a container instance: a machine that has registered with a cluster.
type Instance struct {
	Scope
	Cluster, ID string
	// Machine is the ID of the machine's description.
	Machine string
	// Status is ACTIVE, DRAINING, REGISTERING, DEREGISTERING or INACTIVE.
	Status  string
	Detail  InstanceDetail
	Version int64
}

// InstanceDetail is what there is to a container instance.
type InstanceDetail struct {
	// Shown is as ECS shows it, with the resources that were registered; what
	// remains of them follows from the tasks.
	Shown types.ContainerInstance
	// Described is what the machine told of itself.
	Described machine.Description
}

const instanceColumns = `account, region, cluster, id, machine, status, doc, version`

func scanInstance(s scanner) (i Instance, err error) {
	var doc string
	if err := s.Scan(&i.Account, &i.Region, &i.Cluster, &i.ID, &i.Machine, &i.Status, &doc, &i.Version); err != nil {
		return i, err
	}
	return i, decoded(doc, &i.Detail)
}

// AddInstance adds a container instance. Errors: meta.ErrExists.
func AddInstance(ctx context.Context, q meta.Querier, i Instance) error {
	doc, err := encoded(i.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_instance (`+instanceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 1)
		ON CONFLICT (account, region, cluster, id) DO NOTHING`, i.Account, i.Region, i.Cluster, i.ID, i.Machine, i.Status, doc))
}

// FindInstance finds a container instance. Errors: meta.ErrNotFound.
func FindInstance(ctx context.Context, q meta.Querier, s Scope, cluster, id string) (Instance, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+instanceColumns+` FROM ecs_instance WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4`,
		s.Account, s.Region, cluster, id), scanInstance)
}

// InstanceOf finds the container instance as which a machine is registered. Errors:
// meta.ErrNotFound.
func InstanceOf(ctx context.Context, q meta.Querier, machine string) (Instance, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+instanceColumns+` FROM ecs_instance WHERE machine = $1 AND status <> 'INACTIVE' LIMIT 1`, machine), scanInstance)
}

// UpdateInstance writes a container instance that was read. Errors: ErrMoved.
func UpdateInstance(ctx context.Context, q meta.Querier, i Instance) error {
	doc, err := encoded(i.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_instance SET status = $5, doc = $6, version = version + 1
		WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4 AND version = $7`, i.Account, i.Region, i.Cluster, i.ID, i.Status, doc, i.Version))
}

// DeleteInstance deletes a container instance. It need not be there.
func DeleteInstance(ctx context.Context, q meta.Querier, s Scope, cluster, id string) error {
	return exec(ctx, q, `DELETE FROM ecs_instance WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4`, s.Account, s.Region, cluster, id)
}

// Instances lists the container instances of a cluster by id, of one status where
// status is not empty.
func Instances(ctx context.Context, q meta.Querier, s Scope, cluster, status string, p Page) ([]Instance, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+instanceColumns+` FROM ecs_instance
		WHERE account = $1 AND region = $2 AND cluster = $3 AND id > $4 AND ($5 = '' OR status = $5) AND status <> 'INACTIVE'
		ORDER BY id LIMIT $6`, s.Account, s.Region, cluster, p.After, status, p.Limit)
	return all(rows, err, scanInstance)
}
