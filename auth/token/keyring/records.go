package keyring

import (
	"context"
	"fmt"
	"time"

	"drydock/auth/token"
	"drydock/storage/meta"
)

// place names the row that a sealed secret belongs to.
func place(id string) string { return "signing_key " + id }

// records reads all keys, in the order in which they sign. There are two or
// three.
func (r *Ring) records(ctx context.Context, q meta.Querier) (keys []key, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id, secret, signs_from, verifies_until FROM signing_key ORDER BY signs_from, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var sealed []byte
		var from, until int64
		if err := rows.Scan(&k.ID, &sealed, &from, &until); err != nil {
			return nil, err
		}
		if k.Secret, err = r.box.Open(sealed, place(k.ID)); err != nil {
			return nil, fmt.Errorf("the key %s: %w", k.ID, err)
		}
		if k.signsFrom = time.UnixMilli(from); until != 0 {
			k.verifiesUntil = time.UnixMilli(until)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// record is a key that is to become a row.
type record struct {
	id     string
	sealed []byte
}

func (r *Ring) seal(k token.Key) (record, error) {
	sealed, err := r.box.Seal(k.Secret, place(k.ID))
	if err != nil {
		return record{}, fmt.Errorf("seal a key that signs passwords: %w", err)
	}
	return record{k.ID, sealed}, nil
}

// publish adds a key that signs from a time on, and with that sets an end to the
// one before.
func publish(ctx context.Context, q meta.Querier, k record, from time.Time) error {
	if err := overtake(ctx, q, from); err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, `UPDATE signing_key SET verifies_until = $1 WHERE verifies_until = 0`,
		from.Add(afterlife).UnixMilli()); err != nil {
		return err
	}
	_, err := q.ExecContext(ctx, `INSERT INTO signing_key (id, secret, signs_from, verifies_until) VALUES ($1, $2, $3, 0)`,
		k.id, k.sealed, from.UnixMilli())
	return err
}

// retire adds a key that signs no more but has signed until now. One that is
// there already stays as it is.
func retire(ctx context.Context, q meta.Querier, k record, now time.Time) error {
	_, err := q.ExecContext(ctx, `INSERT INTO signing_key (id, secret, signs_from, verifies_until) VALUES ($1, $2, 0, $3)
		ON CONFLICT (id) DO NOTHING`, k.id, k.sealed, now.Add(afterlife).UnixMilli())
	return err
}

// overtake has the keys that would sign from a time on, or later, sign no more
// then. They still verify: a server whose clock is ahead may have signed with
// them.
func overtake(ctx context.Context, q meta.Querier, from time.Time) error {
	_, err := q.ExecContext(ctx, `UPDATE signing_key SET signs_from = $1 - 1 WHERE signs_from >= $1`, from.UnixMilli())
	return err
}

// bury deletes the keys that have signed nothing that may still be good.
func bury(ctx context.Context, q meta.Querier, now time.Time) error {
	_, err := q.ExecContext(ctx, `DELETE FROM signing_key WHERE verifies_until <> 0 AND verifies_until <= $1`, now.UnixMilli())
	return err
}
