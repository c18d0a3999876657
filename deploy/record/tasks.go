package record

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/machine"
	"drydock/storage/meta"
)

// Task is a task.
type Task struct {
	Scope
	Cluster, ID string
	// Instance is the id of the container instance, and Machine that of the
	// machine behind it; both are empty until the task is placed.
	Instance, Machine string
	// Family, Service, StartedBy and LaunchType are what tasks are listed by.
	// Service is the name, empty for a task of RunTask.
	Family, Service, StartedBy, LaunchType string
	// Desired and Status are ECS's desiredStatus and lastStatus.
	Desired, Status string
	// StoppedAt is in milliseconds since 1970, 0 until it has stopped.
	StoppedAt int64
	Detail    TaskDetail
	Version   int64
}

// TaskDetail is what there is to a task.
type TaskDetail struct {
	// Shown is as ECS shows it.
	Shown types.Task
	// Spec is what a machine is told to run.
	Spec machine.Task
	// Deployment is the id of the service deployment that made it.
	Deployment string
	// Tags are those that it began with.
	Tags map[string]string
	// StopCode and StopReason are those of whoever asked for it to stop.
	StopCode   machine.StopCode
	StopReason string
	// ProtectedUntil is in milliseconds since 1970, 0 without protection.
	ProtectedUntil int64
}

const taskColumns = `account, region, cluster, id, instance, machine, family, service, started_by, launch_type, desired, status, stopped_at, doc, version`

func scanTask(s scanner) (t Task, err error) {
	var doc string
	if err := s.Scan(&t.Account, &t.Region, &t.Cluster, &t.ID, &t.Instance, &t.Machine, &t.Family, &t.Service, &t.StartedBy, &t.LaunchType,
		&t.Desired, &t.Status, &t.StoppedAt, &doc, &t.Version); err != nil {
		return t, err
	}
	return t, decoded(doc, &t.Detail)
}

// AddTask adds a task. Errors: meta.ErrExists.
func AddTask(ctx context.Context, q meta.Querier, t Task) error {
	doc, err := encoded(t.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_task (`+taskColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1) ON CONFLICT (account, region, cluster, id) DO NOTHING`,
		t.Account, t.Region, t.Cluster, t.ID, t.Instance, t.Machine, t.Family, t.Service, t.StartedBy, t.LaunchType, t.Desired, t.Status, t.StoppedAt, doc))
}

// FindTask finds a task. Errors: meta.ErrNotFound.
func FindTask(ctx context.Context, q meta.Querier, s Scope, cluster, id string) (Task, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+taskColumns+` FROM ecs_task WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4`,
		s.Account, s.Region, cluster, id), scanTask)
}

// UpdateTask writes a task that was read. Errors: ErrMoved.
func UpdateTask(ctx context.Context, q meta.Querier, t Task) error {
	doc, err := encoded(t.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_task SET instance = $5, machine = $6, desired = $7, status = $8, stopped_at = $9, doc = $10, version = version + 1
		WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4 AND version = $11`,
		t.Account, t.Region, t.Cluster, t.ID, t.Instance, t.Machine, t.Desired, t.Status, t.StoppedAt, doc, t.Version))
}

// TaskFilter is what tasks are listed by; empty members do not filter.
type TaskFilter struct {
	Cluster                                                   string
	Instance, Family, Service, StartedBy, LaunchType, Desired string
}

// Tasks lists tasks of a cluster by id.
func Tasks(ctx context.Context, q meta.Querier, s Scope, f TaskFilter, p Page) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND id > $4
		AND ($5 = '' OR instance = $5) AND ($6 = '' OR family = $6) AND ($7 = '' OR service = $7)
		AND ($8 = '' OR started_by = $8) AND ($9 = '' OR launch_type = $9) AND ($10 = '' OR desired = $10)
		ORDER BY id LIMIT $11`, s.Account, s.Region, f.Cluster, p.After, f.Instance, f.Family, f.Service, f.StartedBy, f.LaunchType, f.Desired, p.Limit)
	return all(rows, err, scanTask)
}

// TasksOfInstance lists the tasks of a container instance that have not stopped.
func TasksOfInstance(ctx context.Context, q meta.Querier, s Scope, cluster, instance string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND instance = $4 AND stopped_at = 0 ORDER BY id`, s.Account, s.Region, cluster, instance)
	return all(rows, err, scanTask)
}

// TasksOfService lists the tasks of a service that have not stopped.
func TasksOfService(ctx context.Context, q meta.Querier, s Scope, cluster, service string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND stopped_at = 0 ORDER BY id`, s.Account, s.Region, cluster, service)
	return all(rows, err, scanTask)
}

// TasksOfFamily lists the tasks of a family of task definitions that have not stopped.
func TasksOfFamily(ctx context.Context, q meta.Querier, s Scope, family string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task
		WHERE account = $1 AND region = $2 AND family = $3 AND stopped_at = 0 ORDER BY cluster, id`, s.Account, s.Region, family)
	return all(rows, err, scanTask)
}

// TasksOfMachine lists the tasks of a machine that have not stopped, wherever they
// belong.
func TasksOfMachine(ctx context.Context, q meta.Querier, machine string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task WHERE machine = $1 AND stopped_at = 0 ORDER BY id`, machine)
	return all(rows, err, scanTask)
}

// OutlinesOfMachine lists the tasks of a machine that have not stopped, without their
// details, of which there may be much to read.
func OutlinesOfMachine(ctx context.Context, q meta.Querier, machine string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT account, region, cluster, id, machine, desired, status, version FROM ecs_task
		WHERE machine = $1 AND stopped_at = 0 ORDER BY id`, machine)
	return all(rows, err, func(s scanner) (t Task, err error) {
		return t, s.Scan(&t.Account, &t.Region, &t.Cluster, &t.ID, &t.Machine, &t.Desired, &t.Status, &t.Version)
	})
}

// StoppedTasks lists tasks that stopped before a time, in milliseconds since 1970,
// the longest ago first.
func StoppedTasks(ctx context.Context, q meta.Querier, before int64, limit int) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM ecs_task WHERE stopped_at > 0 AND stopped_at < $1 ORDER BY stopped_at LIMIT $2`, before, limit)
	return all(rows, err, scanTask)
}

// DeleteTask deletes the record of a task. It need not be there.
func DeleteTask(ctx context.Context, q meta.Querier, s Scope, cluster, id string) error {
	return exec(ctx, q, `DELETE FROM ecs_task WHERE account = $1 AND region = $2 AND cluster = $3 AND id = $4`, s.Account, s.Region, cluster, id)
}

// CountTasks counts the tasks of a cluster that have not stopped, by status.
func CountTasks(ctx context.Context, q meta.Querier, s Scope, cluster string) (map[string]int, error) {
	rows, err := q.QueryContext(ctx, `SELECT status, COUNT(*) FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND stopped_at = 0 GROUP BY status`, s.Account, s.Region, cluster)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var status string
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			return nil, err
		}
		counts[status] = n
	}
	return counts, rows.Err()
}
