package identity

import (
	"context"
	"fmt"

	"drydock/storage/meta"
)

// PutAccount makes an account that there is not yet, without a key of its root,
// and gives it a name. Errors: *InvalidError.
func (s *Store) PutAccount(ctx context.Context, id, name string) error {
	if err := checkAccountID(id); err != nil {
		return err
	}
	added, err := s.insertAccount(ctx, id, name, s.seconds())
	if err != nil || added {
		return err
	}
	return s.write(ctx, id, func(q meta.Querier) error {
		if _, err := q.ExecContext(ctx, `UPDATE account SET name = $2 WHERE id = $1`, id, name); err != nil {
			return fmt.Errorf("name account %s: %w", id, err)
		}
		return nil
	})
}
