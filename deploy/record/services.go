package record

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/schedule"
	"drydock/storage/meta"
)

// Service is a service.
type Service struct {
	Scope
	Cluster, Name string
	// Status is ACTIVE, DRAINING or INACTIVE; LaunchType is EC2, FARGATE or EXTERNAL.
	Status, LaunchType string
	// DueAt is when the scheduler is to look at it, in milliseconds since 1970.
	DueAt   int64
	Detail  ServiceDetail
	Version int64
}

// ServiceDetail is what there is to a service.
type ServiceDetail struct {
	// Shown is as ECS shows it, with its latest events; counts follow from the
	// tasks.
	Shown types.Service
	// State is what the scheduler remembers.
	State schedule.State
}

const serviceColumns = `account, region, cluster, name, status, launch_type, due_at, doc, version`

func scanService(s scanner) (v Service, err error) {
	var doc string
	if err := s.Scan(&v.Account, &v.Region, &v.Cluster, &v.Name, &v.Status, &v.LaunchType, &v.DueAt, &doc, &v.Version); err != nil {
		return v, err
	}
	return v, decoded(doc, &v.Detail)
}

// AddService adds a service. Errors: meta.ErrExists.
func AddService(ctx context.Context, q meta.Querier, v Service) error {
	doc, err := encoded(v.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_service (`+serviceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
		ON CONFLICT (account, region, cluster, name) DO NOTHING`, v.Account, v.Region, v.Cluster, v.Name, v.Status, v.LaunchType, v.DueAt, doc))
}

// FindService finds a service, whatever its status. Errors: meta.ErrNotFound.
func FindService(ctx context.Context, q meta.Querier, s Scope, cluster, name string) (Service, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+serviceColumns+` FROM ecs_service WHERE account = $1 AND region = $2 AND cluster = $3 AND name = $4`,
		s.Account, s.Region, cluster, name), scanService)
}

// UpdateService writes a service that was read. Errors: ErrMoved.
func UpdateService(ctx context.Context, q meta.Querier, v Service) error {
	doc, err := encoded(v.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_service SET status = $5, launch_type = $6, due_at = $7, doc = $8, version = version + 1
		WHERE account = $1 AND region = $2 AND cluster = $3 AND name = $4 AND version = $9`,
		v.Account, v.Region, v.Cluster, v.Name, v.Status, v.LaunchType, v.DueAt, doc, v.Version))
}

// DeleteService deletes the record of a service. It need not be there.
func DeleteService(ctx context.Context, q meta.Querier, s Scope, cluster, name string) error {
	return exec(ctx, q, `DELETE FROM ecs_service WHERE account = $1 AND region = $2 AND cluster = $3 AND name = $4`, s.Account, s.Region, cluster, name)
}

// Services lists the services of a cluster by name, but for those that are INACTIVE.
func Services(ctx context.Context, q meta.Querier, s Scope, cluster string, p Page) ([]Service, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+serviceColumns+` FROM ecs_service
		WHERE account = $1 AND region = $2 AND cluster = $3 AND name > $4 AND status <> 'INACTIVE' ORDER BY name LIMIT $5`,
		s.Account, s.Region, cluster, p.After, p.Limit)
	return all(rows, err, scanService)
}

// DueServices lists services that the scheduler is to look at by now, of whatever
// scope, the longest due first.
func DueServices(ctx context.Context, q meta.Querier, now int64, limit int) ([]Service, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+serviceColumns+` FROM ecs_service WHERE status IN ('ACTIVE', 'DRAINING') AND due_at <= $1
		ORDER BY due_at LIMIT $2`, now, limit)
	return all(rows, err, scanService)
}

// EndedServices lists services that are INACTIVE and were due before a time.
func EndedServices(ctx context.Context, q meta.Querier, before int64, limit int) ([]Service, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+serviceColumns+` FROM ecs_service WHERE status = 'INACTIVE' AND due_at < $1 ORDER BY due_at LIMIT $2`, before, limit)
	return all(rows, err, scanService)
}

// ForgetService deletes all that is recorded of a service: itself, its revisions and
// its deployments.
func ForgetService(ctx context.Context, q meta.Querier, s Scope, cluster, name string) error {
	for _, table := range []string{"ecs_service_revision", "ecs_service_deployment"} {
		if err := exec(ctx, q, `DELETE FROM `+table+` WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4`, s.Account, s.Region, cluster, name); err != nil {
			return err
		}
	}
	return DeleteService(ctx, q, s, cluster, name)
}

// ForgetHistory deletes the deployments and the revisions of a service that were made
// before a time, in milliseconds since 1970, but for the revisions that are to be kept.
func ForgetHistory(ctx context.Context, q meta.Querier, s Scope, cluster, service string, before int64, keep []string) error {
	err := exec(ctx, q, `DELETE FROM ecs_service_deployment WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND created_at < $5`,
		s.Account, s.Region, cluster, service, before)
	if err != nil {
		return err
	}
	args, but := []any{s.Account, s.Region, cluster, service, before}, ""
	for _, id := range keep {
		args = append(args, id)
		but += fmt.Sprintf(" AND id <> $%d", len(args))
	}
	return exec(ctx, q, `DELETE FROM ecs_service_revision WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND created_at < $5`+but, args...)
}

// ServicesOf lists services of whatever cluster, but for those that are INACTIVE, those
// behind a given one.
func ServicesOf(ctx context.Context, q meta.Querier, s Scope, after Service, limit int) ([]Service, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+serviceColumns+` FROM ecs_service
		WHERE account = $1 AND region = $2 AND (cluster, name) > ($3, $4) AND status <> 'INACTIVE' ORDER BY cluster, name LIMIT $5`,
		s.Account, s.Region, after.Cluster, after.Name, limit)
	return all(rows, err, scanService)
}

// Wake makes a service due. It need not be there.
func Wake(ctx context.Context, q meta.Querier, s Scope, cluster, name string, now int64) error {
	return exec(ctx, q, `UPDATE ecs_service SET due_at = $5 WHERE account = $1 AND region = $2 AND cluster = $3 AND name = $4 AND due_at > $5`,
		s.Account, s.Region, cluster, name, now)
}

// WakeAll makes all services of a cluster due, as when its container instances have
// changed.
func WakeAll(ctx context.Context, q meta.Querier, s Scope, cluster string, now int64) error {
	return exec(ctx, q, `UPDATE ecs_service SET due_at = $4 WHERE account = $1 AND region = $2 AND cluster = $3 AND status <> 'INACTIVE' AND due_at > $4`,
		s.Account, s.Region, cluster, now)
}

// ServiceTasks is how many tasks of a rollout, by its id, have a status.
type ServiceTasks struct {
	Rollout, Status string
	N               int
}

// CountServiceTasks counts the tasks of a service that have not stopped. Tasks of
// services say in started_by which rollout they are of.
func CountServiceTasks(ctx context.Context, q meta.Querier, s Scope, cluster, service string) ([]ServiceTasks, error) {
	rows, err := q.QueryContext(ctx, `SELECT started_by, status, COUNT(*) FROM ecs_task
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND stopped_at = 0 GROUP BY started_by, status`,
		s.Account, s.Region, cluster, service)
	return all(rows, err, func(s scanner) (c ServiceTasks, err error) { return c, s.Scan(&c.Rollout, &c.Status, &c.N) })
}

// ServiceRevision is a service as it was to be from a deployment on. It does not
// change.
type ServiceRevision struct {
	Scope
	Cluster, Service, ID string
	CreatedAt            int64
	Detail               types.ServiceRevision
}

// AddServiceRevision adds a revision.
func AddServiceRevision(ctx context.Context, q meta.Querier, r ServiceRevision) error {
	doc, err := encoded(r.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_service_revision (account, region, cluster, service, id, created_at, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account, region, cluster, service, id) DO NOTHING`,
		r.Account, r.Region, r.Cluster, r.Service, r.ID, r.CreatedAt, doc))
}

// FindServiceRevision finds a revision. Errors: meta.ErrNotFound.
func FindServiceRevision(ctx context.Context, q meta.Querier, s Scope, cluster, service, id string) (ServiceRevision, error) {
	return one(q.QueryRowContext(ctx, `SELECT account, region, cluster, service, id, created_at, doc FROM ecs_service_revision
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND id = $5`, s.Account, s.Region, cluster, service, id),
		func(s scanner) (r ServiceRevision, err error) {
			var doc string
			if err := s.Scan(&r.Account, &r.Region, &r.Cluster, &r.Service, &r.ID, &r.CreatedAt, &doc); err != nil {
				return r, err
			}
			return r, decoded(doc, &r.Detail)
		})
}

// ServiceDeployment is the way of a service from one revision to another.
type ServiceDeployment struct {
	Scope
	Cluster, Service, ID, Status string
	CreatedAt                    int64
	Detail                       types.ServiceDeployment
	Version                      int64
}

const deploymentColumns = `account, region, cluster, service, id, status, created_at, doc, version`

func scanDeployment(s scanner) (d ServiceDeployment, err error) {
	var doc string
	if err := s.Scan(&d.Account, &d.Region, &d.Cluster, &d.Service, &d.ID, &d.Status, &d.CreatedAt, &doc, &d.Version); err != nil {
		return d, err
	}
	return d, decoded(doc, &d.Detail)
}

// AddServiceDeployment adds a deployment.
func AddServiceDeployment(ctx context.Context, q meta.Querier, d ServiceDeployment) error {
	doc, err := encoded(d.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_service_deployment (`+deploymentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
		ON CONFLICT (account, region, cluster, service, id) DO NOTHING`, d.Account, d.Region, d.Cluster, d.Service, d.ID, d.Status, d.CreatedAt, doc))
}

// FindServiceDeployment finds a deployment. Errors: meta.ErrNotFound.
func FindServiceDeployment(ctx context.Context, q meta.Querier, s Scope, cluster, service, id string) (ServiceDeployment, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+deploymentColumns+` FROM ecs_service_deployment
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND id = $5`, s.Account, s.Region, cluster, service, id), scanDeployment)
}

// UpdateServiceDeployment writes a deployment that was read. Errors: ErrMoved.
func UpdateServiceDeployment(ctx context.Context, q meta.Querier, d ServiceDeployment) error {
	doc, err := encoded(d.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_service_deployment SET status = $6, doc = $7, version = version + 1
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND id = $5 AND version = $8`,
		d.Account, d.Region, d.Cluster, d.Service, d.ID, d.Status, doc, d.Version))
}

// ServiceDeployments lists the deployments of a service, the latest first, those
// that were made before a time and, at that time, have a lesser id.
func ServiceDeployments(ctx context.Context, q meta.Querier, s Scope, cluster, service string, before int64, id string, limit int) ([]ServiceDeployment, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+deploymentColumns+` FROM ecs_service_deployment
		WHERE account = $1 AND region = $2 AND cluster = $3 AND service = $4 AND (created_at < $5 OR created_at = $5 AND id < $6)
		ORDER BY created_at DESC, id DESC LIMIT $7`, s.Account, s.Region, cluster, service, before, id, limit)
	return all(rows, err, scanDeployment)
}
