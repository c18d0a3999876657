package identity

import (
	"context"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// entity is a user, group, role, policy or instance profile as it is stored.
type entity struct {
	id, account, name, path string
	kind                    Kind
}

func (e entity) arn() string { return ARN(e.account, e.kind, e.path, e.name) }

// find finds an entity by its name, or a policy by its ARN. Errors:
// *NoSuchError.
func find(ctx context.Context, q meta.Querier, account string, e Entity) (entity, error) {
	var query string
	name := fold(e.Name)
	switch e.Kind {
	case KindUser:
		query = `SELECT id, name, path FROM iam_user WHERE account = $1 AND folded = $2`
	case KindGroup:
		query = `SELECT id, name, path FROM iam_group WHERE account = $1 AND folded = $2`
	case KindRole:
		query = `SELECT id, name, path FROM iam_role WHERE account = $1 AND folded = $2`
	case KindInstanceProfile:
		query = `SELECT id, name, path FROM iam_instance_profile WHERE account = $1 AND folded = $2`
	case KindPolicy:
		p, err := findPolicy(ctx, q, account, e.Name)
		return entity{p.ID, account, p.Name, p.Path, KindPolicy}, err
	default:
		return entity{}, fmt.Errorf("find a record: %q is no kind of entity", e.Kind)
	}
	found := entity{account: account, kind: e.Kind}
	err := one(q.QueryRowContext(ctx, query, account, name), &found.id, &found.name, &found.path)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return found, noSuch(e.Kind, e.Name)
	case err != nil:
		return found, fmt.Errorf("find %s %s: %w", e.Kind, e.Name, err)
	}
	return found, nil
}

// free makes sure that no record of a kind has a name yet. Errors: *ExistsError.
func free(ctx context.Context, q meta.Querier, account string, kind Kind, name string) error {
	_, err := find(ctx, q, account, Entity{kind, name})
	var missing *NoSuchError
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		return err
	}
	return &ExistsError{kind, name}
}

// count counts rows by a statement that takes one argument.
func count(ctx context.Context, q meta.Querier, query, of string) (n int, err error) {
	if err = one(q.QueryRowContext(ctx, query, of), &n); err != nil {
		return 0, fmt.Errorf("count records: %w", err)
	}
	return n, nil
}

// within refuses one more record where there are as many as there may be.
// Errors: *LimitError.
func within(ctx context.Context, q meta.Querier, query, of, quota string, limit int) error {
	n, err := count(ctx, q, query, of)
	if err == nil && n >= limit {
		err = exceeded(quota, limit)
	}
	return err
}

// none refuses to go on while a statement finds rows. Errors:
// *DeleteConflictError with the text given.
func none(ctx context.Context, q meta.Querier, query, of, text string) error {
	var found bool
	err := one(q.QueryRowContext(ctx, query, of), &found)
	switch {
	case err != nil:
		return fmt.Errorf("look for what hangs on a record: %w", err)
	case found:
		return conflict(text)
	}
	return nil
}
