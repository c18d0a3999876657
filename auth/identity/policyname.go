package identity

import (
	"context"
	"errors"
	"fmt"

	"drydock/storage/meta"
)

// PolicyByName finds a policy of a customer by its name, whatever its path.
// Errors: *NoSuchError.
func (s *Store) PolicyByName(ctx context.Context, account, name string) (Policy, error) {
	p, err := first(policies(s.reader().QueryContext(ctx, `SELECT `+policyColumns+`, `+policyUses+` FROM iam_policy p
		WHERE p.account = $1 AND p.folded = $2`, account, fold(name))))
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return p, noSuch(KindPolicy, name)
	case err != nil:
		return p, fmt.Errorf("find policy %s: %w", name, err)
	}
	return p, nil
}

// DescribePolicy changes what a policy is said to be for, which IAM itself does
// not offer. Errors: *NoSuchError, *NotModifiableError.
func (s *Store) DescribePolicy(ctx context.Context, account, policyARN, description string) error {
	if err := s.modifiable(policyARN); err != nil {
		return err
	}
	return s.write(ctx, account, func(q meta.Querier) error {
		p, err := findPolicy(ctx, q, account, policyARN)
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, `UPDATE iam_policy SET description = $2 WHERE id = $1`, p.ID, description); err != nil {
			return fmt.Errorf("describe policy %s: %w", policyARN, err)
		}
		return nil
	})
}
