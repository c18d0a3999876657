package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"drydock/auth/policy"
	"drydock/storage/meta"
)

// PutInline embeds a policy in a user, group or role, in the place of the one of
// that name. Errors: *InvalidError, *policy.SyntaxError, *NoSuchError,
// *LimitError.
func (s *Store) PutInline(ctx context.Context, account string, in Entity, name, document string) error {
	if err := checkInlineName(name); err != nil {
		return err
	}
	if _, err := policy.Parse([]byte(document), policy.Identity); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, in)
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, `INSERT INTO iam_inline_policy (entity_id, name, document) VALUES ($1, $2, $3)
			ON CONFLICT (entity_id, name) DO UPDATE SET document = excluded.document`, e.id, name, document)
		if err != nil {
			return fmt.Errorf("embed policy %s in %s %s: %w", name, e.kind, e.name, err)
		}
		return checkInlineSize(ctx, q, e)
	})
}

// checkInlineSize refuses more policies in an entity than fit. Errors:
// *LimitError.
func checkInlineSize(ctx context.Context, q meta.Querier, e entity) error {
	list, err := inlinePolicies(ctx, q, e)
	if err != nil {
		return err
	}
	limit := map[Kind]int{KindUser: policy.MaxUserInline, KindGroup: policy.MaxGroupInline, KindRole: policy.MaxRoleInline}[e.kind]
	size := 0
	for _, i := range list {
		size += policy.Size([]byte(i.document))
	}
	if size > limit {
		return &LimitError{fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", limit, e.kind, e.name)}
	}
	return nil
}

// Inline returns a policy embedded in a user, group or role, as it was given.
// Errors: *NoSuchError.
func (s *Store) Inline(ctx context.Context, account string, in Entity, name string) (document string, err error) {
	q := s.reader()
	e, err := find(ctx, q, account, in)
	if err != nil {
		return "", err
	}
	err = one(q.QueryRowContext(ctx, `SELECT document FROM iam_inline_policy WHERE entity_id = $1 AND name = $2`, e.id, name), &document)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return "", noSuchInline(e.kind, name)
	case err != nil:
		return "", fmt.Errorf("read policy %s of %s %s: %w", name, e.kind, e.name, err)
	}
	return document, nil
}

// InlineNames lists the names of the policies embedded in a user, group or role,
// in their order. Errors: *NoSuchError.
func (s *Store) InlineNames(ctx context.Context, account string, in Entity, p Page) (names []string, next string, err error) {
	q := s.reader()
	e, err := find(ctx, q, account, in)
	if err != nil {
		return nil, "", err
	}
	names, err = texts(q.QueryContext(ctx, `SELECT name FROM iam_inline_policy WHERE entity_id = $1 AND name > $2 ORDER BY name LIMIT $3`, e.id, p.After, p.fetch()))
	if err != nil {
		return nil, "", fmt.Errorf("list the policies embedded in %s %s: %w", e.kind, e.name, err)
	}
	names, next = cut(p, names, func(n string) string { return n })
	return names, next, nil
}

// DeleteInline removes a policy from a user, group or role. Errors:
// *NoSuchError.
func (s *Store) DeleteInline(ctx context.Context, account string, in Entity, name string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, in)
		if err != nil {
			return err
		}
		there, err := changed(q.ExecContext(ctx, `DELETE FROM iam_inline_policy WHERE entity_id = $1 AND name = $2`, e.id, name))
		switch {
		case err != nil:
			return fmt.Errorf("remove policy %s from %s %s: %w", name, e.kind, e.name, err)
		case !there:
			return noSuchInline(e.kind, name)
		}
		return nil
	})
}

// inline is a policy embedded in an entity.
type inline struct{ name, document string }

func inlinePolicies(ctx context.Context, q meta.Querier, e entity) ([]inline, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, document FROM iam_inline_policy WHERE entity_id = $1 ORDER BY name`, e.id)
	list, err := collect(rows, err, func(rows *sql.Rows) (i inline, err error) {
		err = rows.Scan(&i.name, &i.document)
		return i, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies embedded in %s %s: %w", e.kind, e.name, err)
	}
	return list, nil
}
