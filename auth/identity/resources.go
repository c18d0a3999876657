package identity

import (
	"context"
	"fmt"

	"drydock/storage/meta"
)

// Resource is what has to be known of a record to decide who may act on it.
type Resource struct {
	ARN string
	// Boundary is the ARN of the permissions boundary of a user or role, or
	// empty.
	Boundary string
	Tags     map[string]string
}

// Resource describes a record as something that is acted on. Errors:
// *NoSuchError.
func (s *Store) Resource(ctx context.Context, account string, of Entity) (Resource, error) {
	q := s.reader()
	e, err := find(ctx, q, account, of)
	if err != nil {
		return Resource{}, err
	}
	r := Resource{ARN: e.arn()}
	if e.kind == KindPolicy {
		r.ARN = of.Name
	}
	if r.Boundary, err = boundaryOf(ctx, q, e); err != nil {
		return Resource{}, err
	}
	r.Tags, err = readTags(ctx, q, r.ARN)
	return r, err
}

func boundaryOf(ctx context.Context, q meta.Querier, e entity) (boundary string, err error) {
	switch e.kind {
	case KindUser:
		err = one(q.QueryRowContext(ctx, `SELECT boundary FROM iam_user WHERE id = $1`, e.id), &boundary)
	case KindRole:
		err = one(q.QueryRowContext(ctx, `SELECT boundary FROM iam_role WHERE id = $1`, e.id), &boundary)
	}
	if err != nil {
		return "", fmt.Errorf("read the permissions boundary of %s %s: %w", e.kind, e.name, err)
	}
	return boundary, nil
}
