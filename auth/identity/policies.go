package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"drydock/auth/identity/managed"
	"drydock/auth/policy"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// Policy is a managed policy: a customer's, or one of AWS's.
type Policy struct {
	ID string
	// Account is empty for AWS's.
	Account, Name, Path  string
	Description          string
	CreatedAt, UpdatedAt time.Time
	// DefaultVersion is the number of the version that is in force.
	DefaultVersion int
	// Attachments is how many users, groups and roles of the account asked for
	// have the policy, Boundaries of how many it is the permissions boundary.
	Attachments, Boundaries int
}

// ARN is the policy's ARN.
func (p Policy) ARN() string {
	if p.AWS() {
		return ARN(awsAccount, KindPolicy, p.Path, p.Name)
	}
	return ARN(p.Account, KindPolicy, p.Path, p.Name)
}

// AWS reports whether the policy is one of AWS's.
func (p Policy) AWS() bool { return p.Account == "" }

// awsAccount stands for an account in the ARNs of AWS's policies.
const awsAccount = "aws"

// NewPolicy is a managed policy to be made.
type NewPolicy struct {
	// Path is "/" when empty.
	Name, Path, Description, Document string
	Tags                              map[string]string
}

// PolicyFilter narrows a list of policies.
type PolicyFilter struct {
	// Local and AWS say whose are listed; neither means both.
	Local, AWS bool
	// Attached leaves out those that nobody has, Boundary those that are
	// nobody's permissions boundary.
	Attached, Boundary bool
	PathPrefix         string
}

const (
	policyColumns = `p.id, p.account, p.name, p.path, p.description, p.created_at, p.updated_at, p.default_version`
	// policyUses counts who has a policy, on indexes of what has one.
	policyUses = `(SELECT COUNT(*) FROM iam_attachment a WHERE a.account = p.account AND a.policy_arn = 'arn:aws:iam::' || p.account || ':policy' || p.path || p.name),
		(SELECT COUNT(*) FROM iam_user u WHERE u.account = p.account AND u.boundary = 'arn:aws:iam::' || p.account || ':policy' || p.path || p.name)
		+ (SELECT COUNT(*) FROM iam_role r WHERE r.account = p.account AND r.boundary = 'arn:aws:iam::' || p.account || ':policy' || p.path || p.name)`
)

func policies(rows *sql.Rows, err error) ([]Policy, error) {
	return collect(rows, err, func(rows *sql.Rows) (p Policy, err error) {
		var created, updated int64
		err = rows.Scan(&p.ID, &p.Account, &p.Name, &p.Path, &p.Description, &created, &updated, &p.DefaultVersion, &p.Attachments, &p.Boundaries)
		p.CreatedAt, p.UpdatedAt = time.UnixMilli(created), time.UnixMilli(updated)
		return p, err
	})
}

// CreatePolicy makes a policy with its first version. Errors: *InvalidError,
// *policy.SyntaxError, *ExistsError, *LimitError.
func (s *Store) CreatePolicy(ctx context.Context, account string, n NewPolicy) (Policy, error) {
	p := Policy{Account: account, Name: n.Name, Path: orRoot(n.Path), Description: n.Description, DefaultVersion: 1}
	if err := errors.Join(checkName(KindPolicy, p.Name), checkPath(p.Path)); err != nil {
		return Policy{}, err
	}
	if err := checkManaged(n.Document); err != nil {
		return Policy{}, err
	}
	var err error
	if p.ID, err = s.newID(prefixPolicy); err != nil {
		return Policy{}, err
	}
	now := s.seconds()
	p.CreatedAt, p.UpdatedAt = time.UnixMilli(now), time.UnixMilli(now)
	return p, s.write(ctx, account, func(q meta.Querier) error {
		var taken bool
		if err := one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM iam_policy WHERE account = $1 AND folded = $2)`, account, fold(p.Name)), &taken); err != nil {
			return fmt.Errorf("look for policy %s: %w", p.Name, err)
		}
		if taken {
			return &ExistsError{KindPolicy, p.Name}
		}
		if err := within(ctx, q, `SELECT COUNT(*) FROM iam_policy WHERE account = $1`, account, "PoliciesPerAccount", PoliciesPerAccount); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, `INSERT INTO iam_policy
			(id, account, name, folded, path, description, created_at, updated_at, default_version, last_version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1, 1)`, p.ID, p.Account, p.Name, fold(p.Name), p.Path, p.Description, now)
		if err != nil {
			return fmt.Errorf("create policy %s: %w", p.Name, err)
		}
		if err := insertVersion(ctx, q, p.ID, 1, now, n.Document); err != nil {
			return err
		}
		return setTags(ctx, q, p.ARN(), n.Tags)
	})
}

func checkManaged(document string) error {
	if policy.Size([]byte(document)) > policy.MaxManaged {
		return exceeded("PolicySize", policy.MaxManaged)
	}
	_, err := policy.Parse([]byte(document), policy.Identity)
	return err
}

// Policy finds a policy, a customer's or AWS's, by its ARN. Errors:
// *NoSuchError, also for that of another account.
func (s *Store) Policy(ctx context.Context, account, policyARN string) (Policy, error) {
	return s.policy(ctx, s.reader(), account, policyARN)
}

func (s *Store) policy(ctx context.Context, q meta.Querier, account, policyARN string) (Policy, error) {
	if m, ok := s.managed.Find(policyARN); ok {
		p, err := awsPolicy(m)
		if err != nil {
			return p, err
		}
		return p, s.countUses(ctx, q, account, &p)
	}
	return findPolicy(ctx, q, account, policyARN)
}

// findPolicy finds a policy of a customer by its ARN. Errors: *NoSuchError.
func findPolicy(ctx context.Context, q meta.Querier, account, policyARN string) (Policy, error) {
	owner, name := splitPolicyARN(policyARN)
	if owner != account {
		return Policy{}, noSuch(KindPolicy, policyARN)
	}
	p, err := first(policies(q.QueryContext(ctx, `SELECT `+policyColumns+`, `+policyUses+` FROM iam_policy p
		WHERE p.account = $1 AND p.folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound), err == nil && p.ARN() != policyARN:
		return Policy{}, noSuch(KindPolicy, policyARN)
	case err != nil:
		return Policy{}, fmt.Errorf("find policy %s: %w", policyARN, err)
	}
	return p, nil
}

// splitPolicyARN tells whose a policy is and what it is called.
func splitPolicyARN(policyARN string) (account, name string) {
	a, err := arn.Parse(policyARN)
	if err != nil || a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, string(KindPolicy)+"/") {
		return "", ""
	}
	return a.Account, a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
}

// awsPolicy is one of AWS's policies as a record, but for who has it.
func awsPolicy(m managed.Policy) (Policy, error) {
	version, err := versionNumber(m.Version)
	if err != nil {
		return Policy{}, fmt.Errorf("AWS managed policy %s: %w", m.Name, err)
	}
	return Policy{ID: m.ID, Name: m.Name, Path: m.Path, Description: m.Description,
		CreatedAt: m.Created, UpdatedAt: m.Updated, DefaultVersion: version}, nil
}

// countUses finds out who in an account has a policy of AWS's.
func (s *Store) countUses(ctx context.Context, q meta.Querier, account string, p *Policy) error {
	err := one(q.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM iam_attachment WHERE account = $1 AND policy_arn = $2),
		(SELECT COUNT(*) FROM iam_user WHERE account = $1 AND boundary = $2) + (SELECT COUNT(*) FROM iam_role WHERE account = $1 AND boundary = $2)`,
		account, p.ARN()), &p.Attachments, &p.Boundaries)
	if err != nil {
		return fmt.Errorf("count who has policy %s: %w", p.ARN(), err)
	}
	return nil
}

// attachable makes sure that an ARN is that of a policy that the entities of an
// account may have; an empty one passes. Errors: *NoSuchError.
func (s *Store) attachable(ctx context.Context, q meta.Querier, account, policyARN string) error {
	if _, ok := s.managed.Find(policyARN); ok || policyARN == "" {
		return nil
	}
	_, err := findPolicy(ctx, q, account, policyARN)
	var missing *NoSuchError
	if errors.As(err, &missing) {
		return notAttachable(policyARN)
	}
	return err
}

// Policies lists policies, those of the account by name before AWS's by ARN.
func (s *Store) Policies(ctx context.Context, account string, f PolicyFilter, p Page) (list []Policy, next string, err error) {
	both := f.Local == f.AWS
	inAWS := strings.HasPrefix(p.After, managed.Prefix)
	if (both || f.Local) && !inAWS {
		if list, next, err = s.localPolicies(ctx, account, f, p); err != nil || next != "" || !both {
			return list, next, err
		}
	}
	if !both && !f.AWS {
		return list, "", nil
	}
	q := s.reader()
	for _, m := range s.managed.All() {
		if inAWS && m.ARN <= p.After || !strings.HasPrefix(m.Path, f.PathPrefix) {
			continue
		}
		a, err := awsPolicy(m)
		if err == nil {
			err = s.countUses(ctx, q, account, &a)
		}
		if err != nil {
			return nil, "", err
		}
		if f.Attached && a.Attachments+a.Boundaries == 0 || f.Boundary && a.Boundaries == 0 {
			continue
		}
		if list = append(list, a); len(list) > p.Limit {
			break
		}
	}
	// A page that ends with the last of the account's own goes on before the
	// first of AWS's.
	list, next = cut(p, list, func(last Policy) string {
		if last.AWS() {
			return last.ARN()
		}
		return managed.Prefix
	})
	return list, next, nil
}

func (s *Store) localPolicies(ctx context.Context, account string, f PolicyFilter, p Page) (list []Policy, next string, err error) {
	for len(list) <= p.Limit {
		rows, err := policies(s.reader().QueryContext(ctx, `SELECT `+policyColumns+`, `+policyUses+` FROM iam_policy p
			WHERE p.account = $1 AND p.folded > $2 AND substr(p.path, 1, length($3)) = $3
			ORDER BY p.folded LIMIT $4`, account, p.After, f.PathPrefix, p.fetch()))
		if err != nil {
			return nil, "", fmt.Errorf("list policies: %w", err)
		}
		for _, r := range rows {
			if f.Attached && r.Attachments+r.Boundaries == 0 || f.Boundary && r.Boundaries == 0 {
				continue
			}
			list = append(list, r)
		}
		if len(rows) < p.fetch() {
			break
		}
		p.After = fold(rows[len(rows)-1].Name)
	}
	list, next = cut(p, list, func(p Policy) string { return fold(p.Name) })
	return list, next, nil
}

// DeletePolicy deletes a policy that nobody has, with its only version. Errors:
// *NoSuchError, *DeleteConflictError, *NotModifiableError.
func (s *Store) DeletePolicy(ctx context.Context, account, policyARN string) error {
	if err := s.modifiable(policyARN); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		p, err := findPolicy(ctx, q, account, policyARN)
		switch {
		case err != nil:
			return err
		case p.Attachments+p.Boundaries > 0:
			return conflict("Cannot delete a policy attached to entities.")
		}
		n, err := count(ctx, q, `SELECT COUNT(*) FROM iam_policy_version WHERE policy_id = $1`, p.ID)
		switch {
		case err != nil:
			return err
		case n > 1:
			return conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return remove(ctx, q, entity{p.ID, account, p.Name, p.Path, KindPolicy},
			`DELETE FROM iam_policy_version WHERE policy_id = $1`, `DELETE FROM iam_policy WHERE id = $1`)
	})
}

// modifiable refuses to change what is AWS's.
func (s *Store) modifiable(policyARN string) error {
	if strings.HasPrefix(policyARN, managed.Prefix) {
		return &NotModifiableError{policyARN}
	}
	return nil
}
