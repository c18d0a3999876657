package meta

import "context"

// Clock is a row of clock: when a piece of background work was last looked after, how
// far the clock has jumped ahead, and how long the work has waited for that. All are
// in milliseconds.
type Clock struct {
	Name                   string
	SeenAt, Ahead, HeldFor int64
}

// FindClock finds what a piece of work knows of the clock. Errors: ErrNotFound.
func FindClock(ctx context.Context, q Querier, name string) (Clock, error) {
	c := Clock{Name: name}
	err := one(q.QueryRowContext(ctx, `SELECT seen_at, ahead, held_for FROM clock WHERE name = $1`, name), &c.SeenAt, &c.Ahead, &c.HeldFor)
	return c, err
}

// PutClock records what a piece of work knows of the clock.
func PutClock(ctx context.Context, q Querier, c Clock) error {
	_, err := q.ExecContext(ctx, `INSERT INTO clock (name, seen_at, ahead, held_for) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, ahead = excluded.ahead, held_for = excluded.held_for`,
		c.Name, c.SeenAt, c.Ahead, c.HeldFor)
	return err
}

// Times are a time for each kind of row that background work waits for: when a blob
// is looked at, when something is purged, when something was last added to an upload.
type Times struct{ Review, Purge, Upload int64 }

// HasLater reports whether rows have a time after that of their kind.
func HasLater(ctx context.Context, q Querier, after Times) (later bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM review WHERE due_at > $1)
		OR EXISTS (SELECT 1 FROM trash WHERE purge_at > $2)
		OR EXISTS (SELECT 1 FROM manifest_trash WHERE purge_at > $2)
		OR EXISTS (SELECT 1 FROM upload WHERE updated_at > $3)`, after.Review, after.Purge, after.Upload), &later)
	return later, err
}

// BringBack gives rows whose time is after that of their kind the time that to has,
// at most limit rows of a table, and returns how many they were.
func BringBack(ctx context.Context, q Querier, after, to Times, limit int) (n int64, err error) {
	for _, s := range []struct {
		statement string
		after, to int64
	}{
		{`UPDATE review SET due_at = $1 WHERE (repository_id, digest) IN
			(SELECT repository_id, digest FROM review WHERE due_at > $2 LIMIT $3)`, after.Review, to.Review},
		{`UPDATE trash SET purge_at = $1 WHERE (digest, location) IN
			(SELECT digest, location FROM trash WHERE purge_at > $2 LIMIT $3)`, after.Purge, to.Purge},
		{`UPDATE manifest_trash SET purge_at = $1 WHERE (repository_id, digest) IN
			(SELECT repository_id, digest FROM manifest_trash WHERE purge_at > $2 LIMIT $3)`, after.Purge, to.Purge},
		{`UPDATE upload SET updated_at = $1 WHERE id IN (SELECT id FROM upload WHERE updated_at > $2 LIMIT $3)`, after.Upload, to.Upload},
	} {
		res, err := q.ExecContext(ctx, s.statement, s.to, s.after, limit)
		if err != nil {
			return n, err
		}
		changed, err := res.RowsAffected()
		if err != nil {
			return n, err
		}
		n += changed
	}
	return n, nil
}
