package record

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/storage/meta"
)

// Cluster is a cluster. Detail has no counts, which change with other records.
type Cluster struct {
	Scope
	Name    string
	Status  string
	Detail  types.Cluster
	Version int64
}

const clusterColumns = `account, region, name, status, doc, version`

func scanCluster(s scanner) (c Cluster, err error) {
	var doc string
	if err := s.Scan(&c.Account, &c.Region, &c.Name, &c.Status, &doc, &c.Version); err != nil {
		return c, err
	}
	return c, decoded(doc, &c.Detail)
}

// AddCluster adds a cluster. Errors: meta.ErrExists.
func AddCluster(ctx context.Context, q meta.Querier, c Cluster) error {
	doc, err := encoded(c.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_cluster (`+clusterColumns+`) VALUES ($1, $2, $3, $4, $5, 1)
		ON CONFLICT (account, region, name) DO NOTHING`, c.Account, c.Region, c.Name, c.Status, doc))
}

// FindCluster finds a cluster by name. Errors: meta.ErrNotFound.
func FindCluster(ctx context.Context, q meta.Querier, s Scope, name string) (Cluster, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+clusterColumns+` FROM ecs_cluster WHERE account = $1 AND region = $2 AND name = $3`,
		s.Account, s.Region, name), scanCluster)
}

// UpdateCluster writes a cluster that was read. Errors: ErrMoved.
func UpdateCluster(ctx context.Context, q meta.Querier, c Cluster) error {
	doc, err := encoded(c.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_cluster SET status = $4, doc = $5, version = version + 1
		WHERE account = $1 AND region = $2 AND name = $3 AND version = $6`, c.Account, c.Region, c.Name, c.Status, doc, c.Version))
}

// ClusterNames lists the active clusters of a scope by name.
func ClusterNames(ctx context.Context, q meta.Querier, s Scope, p Page) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT name FROM ecs_cluster WHERE account = $1 AND region = $2 AND name > $3 AND status = 'ACTIVE'
		ORDER BY name LIMIT $4`, s.Account, s.Region, p.After, p.Limit)
	return all(rows, err, text)
}

// ClusterCounts is how much there is in a cluster.
type ClusterCounts struct {
	// Instances are those that are not INACTIVE, Services those that are ACTIVE or
	// DRAINING.
	Instances, Services int
	// Tasks have not stopped.
	Tasks, ServicesBy []Count
}

// Count is how many things have a launch type and a status.
type Count struct {
	LaunchType, Status string
	N                  int
}

func scanCount(s scanner) (c Count, err error) { return c, s.Scan(&c.LaunchType, &c.Status, &c.N) }

// CountCluster counts what is in a cluster.
func CountCluster(ctx context.Context, q meta.Querier, s Scope, cluster string) (c ClusterCounts, err error) {
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) FROM ecs_instance WHERE account = $1 AND region = $2 AND cluster = $3 AND status <> 'INACTIVE'`,
		s.Account, s.Region, cluster).Scan(&c.Instances)
	if err != nil {
		return c, err
	}
	rows, err := q.QueryContext(ctx, `SELECT launch_type, status, COUNT(*) FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND stopped_at = 0 GROUP BY launch_type, status`, s.Account, s.Region, cluster)
	if c.Tasks, err = all(rows, err, scanCount); err != nil {
		return c, err
	}
	rows, err = q.QueryContext(ctx, `SELECT launch_type, status, COUNT(*) FROM ecs_service
		WHERE account = $1 AND region = $2 AND cluster = $3 AND status <> 'INACTIVE' GROUP BY launch_type, status`, s.Account, s.Region, cluster)
	if c.ServicesBy, err = all(rows, err, scanCount); err != nil {
		return c, err
	}
	for _, n := range c.ServicesBy {
		c.Services += n.N
	}
	return c, nil
}
