package record

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/storage/meta"
)

// TaskDefinition is a revision of a task definition.
type TaskDefinition struct {
	Scope
	Family   string
	Revision int64
	// Status is ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
	Status  string
	Detail  types.TaskDefinition
	Version int64
}

const definitionColumns = `account, region, family, revision, status, doc, version`

func scanDefinition(s scanner) (d TaskDefinition, err error) {
	var doc string
	if err := s.Scan(&d.Account, &d.Region, &d.Family, &d.Revision, &d.Status, &doc, &d.Version); err != nil {
		return d, err
	}
	return d, decoded(doc, &d.Detail)
}

// NextRevision counts a family one further and returns the number, which was never
// used before.
func NextRevision(ctx context.Context, q meta.Querier, s Scope, family string) (n int64, err error) {
	err = exec(ctx, q, `INSERT INTO ecs_family (account, region, name, revision) VALUES ($1, $2, $3, 1)
		ON CONFLICT (account, region, name) DO UPDATE SET revision = ecs_family.revision + 1`, s.Account, s.Region, family)
	if err != nil {
		return 0, fmt.Errorf("count the revisions of %s: %w", family, err)
	}
	err = q.QueryRowContext(ctx, `SELECT revision FROM ecs_family WHERE account = $1 AND region = $2 AND name = $3`,
		s.Account, s.Region, family).Scan(&n)
	return n, err
}

// AddTaskDefinition adds a revision. Errors: meta.ErrExists.
func AddTaskDefinition(ctx context.Context, q meta.Querier, d TaskDefinition) error {
	doc, err := encoded(d.Detail)
	if err != nil {
		return err
	}
	return added(q.ExecContext(ctx, `INSERT INTO ecs_task_definition (`+definitionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, 1)
		ON CONFLICT (account, region, family, revision) DO NOTHING`, d.Account, d.Region, d.Family, d.Revision, d.Status, doc))
}

// FindTaskDefinition finds a revision, whatever its status. Errors: meta.ErrNotFound.
func FindTaskDefinition(ctx context.Context, q meta.Querier, s Scope, family string, revision int64) (TaskDefinition, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+definitionColumns+` FROM ecs_task_definition
		WHERE account = $1 AND region = $2 AND family = $3 AND revision = $4`, s.Account, s.Region, family, revision), scanDefinition)
}

// LatestTaskDefinition finds the last active revision of a family. Errors:
// meta.ErrNotFound.
func LatestTaskDefinition(ctx context.Context, q meta.Querier, s Scope, family string) (TaskDefinition, error) {
	return one(q.QueryRowContext(ctx, `SELECT `+definitionColumns+` FROM ecs_task_definition
		WHERE account = $1 AND region = $2 AND status = 'ACTIVE' AND family = $3 ORDER BY revision DESC LIMIT 1`, s.Account, s.Region, family), scanDefinition)
}

// UpdateTaskDefinition writes a revision that was read. Errors: ErrMoved.
func UpdateTaskDefinition(ctx context.Context, q meta.Querier, d TaskDefinition) error {
	doc, err := encoded(d.Detail)
	if err != nil {
		return err
	}
	return moved(q.ExecContext(ctx, `UPDATE ecs_task_definition SET status = $5, doc = $6, version = version + 1
		WHERE account = $1 AND region = $2 AND family = $3 AND revision = $4 AND version = $7`,
		d.Account, d.Region, d.Family, d.Revision, d.Status, doc, d.Version))
}

// DeleteTaskDefinition deletes a revision. It need not be there.
func DeleteTaskDefinition(ctx context.Context, q meta.Querier, s Scope, family string, revision int64) error {
	return exec(ctx, q, `DELETE FROM ecs_task_definition WHERE account = $1 AND region = $2 AND family = $3 AND revision = $4`,
		s.Account, s.Region, family, revision)
}

// DeletedTaskDefinitions lists revisions in DELETE_IN_PROGRESS, of whatever scope, those
// behind a given one.
func DeletedTaskDefinitions(ctx context.Context, q meta.Querier, after TaskDefinition, limit int) ([]TaskDefinition, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+definitionColumns+` FROM ecs_task_definition
		WHERE status = 'DELETE_IN_PROGRESS' AND (account, region, family, revision) > ($1, $2, $3, $4)
		ORDER BY account, region, family, revision LIMIT $5`, after.Account, after.Region, after.Family, after.Revision, limit)
	return all(rows, err, scanDefinition)
}

// Revision names a revision of a family.
type Revision struct {
	Family string
	Number int64
}

func scanRevision(s scanner) (r Revision, err error) { return r, s.Scan(&r.Family, &r.Number) }

// Revisions lists the revisions of a status by family and number, those after a
// given one; of one family only where family is not empty.
func Revisions(ctx context.Context, q meta.Querier, s Scope, status, family string, after Revision, limit int) ([]Revision, error) {
	rows, err := q.QueryContext(ctx, `SELECT family, revision FROM ecs_task_definition
		WHERE account = $1 AND region = $2 AND status = $3 AND ($4 = '' OR family = $4) AND (family > $5 OR family = $5 AND revision > $6)
		ORDER BY family, revision LIMIT $7`, s.Account, s.Region, status, family, after.Family, after.Number, limit)
	return all(rows, err, scanRevision)
}

// RevisionsDown is Revisions in the opposite order, those before a given one, which
// is the zero Revision for the beginning.
func RevisionsDown(ctx context.Context, q meta.Querier, s Scope, status, family string, before Revision, limit int) ([]Revision, error) {
	rows, err := q.QueryContext(ctx, `SELECT family, revision FROM ecs_task_definition
		WHERE account = $1 AND region = $2 AND status = $3 AND ($4 = '' OR family = $4)
		AND ($5 = '' OR family < $5 OR family = $5 AND revision < $6)
		ORDER BY family DESC, revision DESC LIMIT $7`, s.Account, s.Region, status, family, before.Family, before.Number, limit)
	return all(rows, err, scanRevision)
}

// Families lists families that begin with a prefix, by name: those with a revision
// of the status, or with none where status is empty and none is asked of them.
func Families(ctx context.Context, q meta.Querier, s Scope, status, prefix string, p Page) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT name FROM ecs_family f
		WHERE account = $1 AND region = $2 AND name > $3 AND substr(name, 1, length($4)) = $4
		AND EXISTS (SELECT 1 FROM ecs_task_definition d WHERE d.account = f.account AND d.region = f.region AND d.family = f.name
			AND ($5 = '' OR d.status = $5))
		AND ($5 <> 'INACTIVE' OR NOT EXISTS (SELECT 1 FROM ecs_task_definition d WHERE d.account = f.account AND d.region = f.region
			AND d.family = f.name AND d.status = 'ACTIVE'))
		ORDER BY name LIMIT $6`, s.Account, s.Region, p.After, prefix, status, p.Limit)
	return all(rows, err, text)
}
