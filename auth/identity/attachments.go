package identity

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"drydock/storage/meta"
)

// Attach gives a user, group or role a managed policy, which it may have
// already. Errors: *NoSuchError, *LimitError.
func (s *Store) Attach(ctx context.Context, account string, to Entity, policyARN string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, to)
		if err != nil {
			return err
		}
		if policyARN == "" {
			return notAttachable(policyARN)
		}
		if err := s.attachable(ctx, q, account, policyARN); err != nil {
			return err
		}
		added, err := changed(q.ExecContext(ctx, `INSERT INTO iam_attachment (entity_id, policy_arn, account, kind) VALUES ($1, $2, $3, $4)
			ON CONFLICT (entity_id, policy_arn) DO NOTHING`, e.id, policyARN, account, string(e.kind)))
		switch {
		case err != nil:
			return fmt.Errorf("attach %s to %s %s: %w", policyARN, e.kind, e.name, err)
		case !added:
			return nil
		}
		return within(ctx, q, `SELECT COUNT(*) - 1 FROM iam_attachment WHERE entity_id = $1`, e.id,
			"PoliciesPer"+e.kind.title(), PoliciesPerEntity)
	})
}

// Detach takes a managed policy from a user, group or role. Errors:
// *NoSuchError, also when it does not have it.
func (s *Store) Detach(ctx context.Context, account string, from Entity, policyARN string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, from)
		if err != nil {
			return err
		}
		there, err := changed(q.ExecContext(ctx, `DELETE FROM iam_attachment WHERE entity_id = $1 AND policy_arn = $2`, e.id, policyARN))
		switch {
		case err != nil:
			return fmt.Errorf("detach %s from %s %s: %w", policyARN, e.kind, e.name, err)
		case !there:
			return noSuch(KindPolicy, policyARN)
		}
		return nil
	})
}

// Attached lists the ARNs of the managed policies that a user, group or role
// has, in their order. Only those whose path begins with a prefix are listed.
// Errors: *NoSuchError.
func (s *Store) Attached(ctx context.Context, account string, of Entity, pathPrefix string, p Page) (list []string, next string, err error) {
	q := s.reader()
	e, err := find(ctx, q, account, of)
	if err != nil {
		return nil, "", err
	}
	// There are few enough to read them all.
	all, err := texts(q.QueryContext(ctx, `SELECT policy_arn FROM iam_attachment WHERE entity_id = $1 AND policy_arn > $2 ORDER BY policy_arn`, e.id, p.After))
	if err != nil {
		return nil, "", fmt.Errorf("list the policies of %s %s: %w", e.kind, e.name, err)
	}
	for _, a := range all {
		if strings.HasPrefix(PolicyPath(a), pathPrefix) {
			list = append(list, a)
		}
	}
	if len(list) > p.fetch() {
		list = list[:p.fetch()]
	}
	list, next = cut(p, list, func(a string) string { return a })
	return list, next, nil
}

// PolicyPath is the path of the policy of an ARN, "" when it is none.
func PolicyPath(policyARN string) string {
	_, resource, ok := strings.Cut(policyARN, ":"+string(KindPolicy)+"/")
	if !ok {
		return ""
	}
	return "/" + resource[:strings.LastIndexByte(resource, '/')+1]
}

// PolicyName is the name of the policy of an ARN.
func PolicyName(policyARN string) string { return policyARN[strings.LastIndexByte(policyARN, '/')+1:] }

// Holder is a user, group or role that has a policy.
type Holder struct {
	Kind           Kind
	ID, Name, Path string
}

// HolderFilter narrows a list of those who have a policy.
type HolderFilter struct {
	// Kind is KindUser, KindGroup, KindRole or empty for all.
	Kind Kind
	// Boundary lists those whose permissions boundary the policy is, rather
	// than those that it is attached to.
	Boundary   bool
	PathPrefix string
}

// Holders lists who has a policy: groups, then roles, then users, by their ids.
// Errors: *NoSuchError.
func (s *Store) Holders(ctx context.Context, account, policyARN string, f HolderFilter, p Page) (list []Holder, next string, err error) {
	if _, err := s.Policy(ctx, account, policyARN); err != nil {
		return nil, "", err
	}
	// A page's mark carries the kind: the kinds are listed in the order of their
	// names.
	afterKind, afterID, _ := strings.Cut(p.After, "/")
	for _, kind := range []Kind{KindGroup, KindRole, KindUser} {
		if f.Kind != "" && f.Kind != kind || string(kind) < afterKind || f.Boundary && kind == KindGroup {
			continue
		}
		after := ""
		if string(kind) == afterKind {
			after = afterID
		}
		more, err := s.holders(ctx, account, policyARN, kind, f, after, p.fetch()-len(list))
		if err != nil {
			return nil, "", fmt.Errorf("list who has policy %s: %w", policyARN, err)
		}
		if list = append(list, more...); len(list) == p.fetch() {
			break
		}
	}
	list, next = cut(p, list, func(h Holder) string { return string(h.Kind) + "/" + h.ID })
	return list, next, nil
}

func (s *Store) holders(ctx context.Context, account, policyARN string, kind Kind, f HolderFilter, after string, limit int) ([]Holder, error) {
	var query string
	switch {
	case f.Boundary && kind == KindUser:
		query = `SELECT id, name, path FROM iam_user WHERE account = $1 AND boundary = $2 AND id > $3
			AND substr(path, 1, length($4)) = $4 ORDER BY id LIMIT $5`
	case f.Boundary:
		query = `SELECT id, name, path FROM iam_role WHERE account = $1 AND boundary = $2 AND id > $3
			AND substr(path, 1, length($4)) = $4 ORDER BY id LIMIT $5`
	case kind == KindUser:
		query = `SELECT e.id, e.name, e.path FROM iam_attachment a JOIN iam_user e ON e.id = a.entity_id
			WHERE a.account = $1 AND a.policy_arn = $2 AND a.kind = 'user' AND a.entity_id > $3
			AND substr(e.path, 1, length($4)) = $4 ORDER BY a.entity_id LIMIT $5`
	case kind == KindGroup:
		query = `SELECT e.id, e.name, e.path FROM iam_attachment a JOIN iam_group e ON e.id = a.entity_id
			WHERE a.account = $1 AND a.policy_arn = $2 AND a.kind = 'group' AND a.entity_id > $3
			AND substr(e.path, 1, length($4)) = $4 ORDER BY a.entity_id LIMIT $5`
	default:
		query = `SELECT e.id, e.name, e.path FROM iam_attachment a JOIN iam_role e ON e.id = a.entity_id
			WHERE a.account = $1 AND a.policy_arn = $2 AND a.kind = 'role' AND a.entity_id > $3
			AND substr(e.path, 1, length($4)) = $4 ORDER BY a.entity_id LIMIT $5`
	}
	rows, err := s.reader().QueryContext(ctx, query, account, policyARN, after, f.PathPrefix, limit)
	return collect(rows, err, scanHolder(kind))
}

// SetBoundary makes a managed policy the permissions boundary of a user or role;
// an empty ARN takes it away. Errors: *NoSuchError, also when there is none to
// take away.
func (s *Store) SetBoundary(ctx context.Context, account string, of Entity, policyARN string) error {
	return s.write(ctx, account, func(q meta.Querier) error {
		e, err := find(ctx, q, account, of)
		if err != nil {
			return err
		}
		if err := s.attachable(ctx, q, account, policyARN); err != nil {
			return err
		}
		query := `UPDATE iam_user SET boundary = $2 WHERE id = $1 AND (boundary <> '' OR $2 <> '')`
		if e.kind == KindRole {
			query = `UPDATE iam_role SET boundary = $2 WHERE id = $1 AND (boundary <> '' OR $2 <> '')`
		}
		there, err := changed(q.ExecContext(ctx, query, e.id, policyARN))
		switch {
		case err != nil:
			return fmt.Errorf("set the permissions boundary of %s %s: %w", e.kind, e.name, err)
		case !there:
			return &NoSuchError{KindPolicy, e.name, fmt.Sprintf("The %s %s does not have a permissions boundary.", e.kind, e.name)}
		}
		return nil
	})
}

func scanHolder(kind Kind) func(*sql.Rows) (Holder, error) {
	return func(rows *sql.Rows) (Holder, error) {
		h := Holder{Kind: kind}
		err := rows.Scan(&h.ID, &h.Name, &h.Path)
		return h, err
	}
}
