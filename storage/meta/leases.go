package meta

import (
	"context"
	"errors"
)

// Lease is a row of lease.
type Lease struct {
	Name string
	// Holder is the server that has it, empty when none does.
	Holder string
	// Beat grows with everything that happens to the lease.
	Beat int64
	// TTL is for how many milliseconds a beat is good.
	TTL int64
}

// FindLease reads a lease. One that nobody has had yet has no holder and no beat.
func FindLease(ctx context.Context, q Querier, name string) (Lease, error) {
	l := Lease{Name: name}
	err := one(q.QueryRowContext(ctx, `SELECT holder, beat, ttl FROM lease WHERE name = $1`, name), &l.Holder, &l.Beat, &l.TTL)
	if errors.Is(err, ErrNotFound) {
		return l, nil
	}
	return l, err
}

// TakeLease gives a lease to a holder if nothing has happened to it since it was
// found, and reports whether it did. ttl is in milliseconds.
func TakeLease(ctx context.Context, q Querier, found Lease, holder string, ttl int64) (bool, error) {
	return changed(q.ExecContext(ctx, `INSERT INTO lease (name, holder, beat, ttl) VALUES ($1, $2, 1, $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, beat = lease.beat + 1, ttl = excluded.ttl
		WHERE lease.holder = $4 AND lease.beat = $5`, found.Name, holder, ttl, found.Holder, found.Beat))
}

// BeatLease shows that a holder is alive, and reports whether it still has the
// lease.
func BeatLease(ctx context.Context, q Querier, name, holder string) (bool, error) {
	return changed(q.ExecContext(ctx, `UPDATE lease SET beat = beat + 1 WHERE name = $1 AND holder = $2`, name, holder))
}

// ReleaseLease lets anybody have a lease that a holder has.
func ReleaseLease(ctx context.Context, q Querier, name, holder string) error {
	_, err := q.ExecContext(ctx, `UPDATE lease SET holder = '', beat = beat + 1 WHERE name = $1 AND holder = $2`, name, holder)
	return err
}
