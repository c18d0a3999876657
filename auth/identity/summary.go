package identity

import (
	"context"
	"fmt"
)

// Summary is how much there is in an account.
type Summary struct {
	Users, Groups, Roles, Policies, PolicyVersions, InstanceProfiles int
	// RootKeys is how many access keys the root has, wherever they are kept.
	RootKeys int
}

// Summary counts what there is in an account.
func (s *Store) Summary(ctx context.Context, account string) (Summary, error) {
	var n Summary
	err := one(s.reader().QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM iam_user WHERE account = $1),
		(SELECT COUNT(*) FROM iam_group WHERE account = $1),
		(SELECT COUNT(*) FROM iam_role WHERE account = $1),
		(SELECT COUNT(*) FROM iam_policy WHERE account = $1),
		(SELECT COUNT(*) FROM iam_policy p JOIN iam_policy_version v ON v.policy_id = p.id WHERE p.account = $1),
		(SELECT COUNT(*) FROM iam_instance_profile WHERE account = $1),
		(SELECT COUNT(*) FROM iam_access_key WHERE owner_id = $1)`, account),
		&n.Users, &n.Groups, &n.Roles, &n.Policies, &n.PolicyVersions, &n.InstanceProfiles, &n.RootKeys)
	if err != nil {
		return n, fmt.Errorf("count what is in account %s: %w", account, err)
	}
	for _, r := range s.roots {
		if r.Principal.Account == account {
			n.RootKeys++
		}
	}
	return n, nil
}
