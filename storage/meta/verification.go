package meta

import "context"

// Verification is a row of verification: how far one has come.
type Verification struct {
	Name string
	// Turn names the run that may go on.
	Turn         string
	Deep, Repair bool
	// Stage is empty when the run has ended. Reached is the last of the stage that
	// was looked at.
	Stage, Reached              string
	BegunAt, UpdatedAt, EndedAt int64
	// Counts is JSON.
	Counts string
}

// FindVerification finds how far a verification has come. Errors: ErrNotFound.
func FindVerification(ctx context.Context, q Querier, name string) (v Verification, err error) {
	v.Name = name
	err = one(q.QueryRowContext(ctx, `SELECT turn, deep, repair, stage, reached, begun_at, updated_at, ended_at, counts FROM verification WHERE name = $1`, name),
		&v.Turn, &v.Deep, &v.Repair, &v.Stage, &v.Reached, &v.BegunAt, &v.UpdatedAt, &v.EndedAt, &v.Counts)
	return v, err
}

// TakeVerification records a run, which takes over from the one before.
func TakeVerification(ctx context.Context, q Querier, v Verification) error {
	_, err := q.ExecContext(ctx, `INSERT INTO verification (name, turn, deep, repair, stage, reached, begun_at, updated_at, ended_at, counts)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (name) DO UPDATE SET turn = excluded.turn, deep = excluded.deep, repair = excluded.repair, stage = excluded.stage,
			reached = excluded.reached, begun_at = excluded.begun_at, updated_at = excluded.updated_at, ended_at = excluded.ended_at, counts = excluded.counts`,
		v.Name, v.Turn, v.Deep, v.Repair, v.Stage, v.Reached, v.BegunAt, v.UpdatedAt, v.EndedAt, v.Counts)
	return err
}

// MoveVerification records how far a run has come and reports whether it still has
// its turn.
func MoveVerification(ctx context.Context, q Querier, v Verification) (bool, error) {
	return changed(q.ExecContext(ctx, `UPDATE verification SET stage = $3, reached = $4, updated_at = $5, ended_at = $6, counts = $7
		WHERE name = $1 AND turn = $2`, v.Name, v.Turn, v.Stage, v.Reached, v.UpdatedAt, v.EndedAt, v.Counts))
}

// InsertFinding records what a verification has found, and reports whether it had
// not yet.
func InsertFinding(ctx context.Context, q Querier, verification, subject string, foundAt int64, problem string) (bool, error) {
	return changed(q.ExecContext(ctx, `INSERT INTO finding (verification, subject, found_at, problem) VALUES ($1, $2, $3, $4)
		ON CONFLICT (verification, subject) DO NOTHING`, verification, subject, foundAt, problem))
}

// HasFinding reports whether a verification has found something already.
func HasFinding(ctx context.Context, q Querier, verification, subject string) (found bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM finding WHERE verification = $1 AND subject = $2)`, verification, subject), &found)
	return found, err
}

// Findings lists what a verification has found, as it was recorded, by subject, at
// most limit.
func Findings(ctx context.Context, q Querier, verification string, limit int) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT problem FROM finding WHERE verification = $1 ORDER BY subject LIMIT $2`, verification, limit)
	return collect(rows, err, scanString)
}

// ClearFindings forgets what a verification has found.
func ClearFindings(ctx context.Context, q Querier, verification string) error {
	_, err := q.ExecContext(ctx, `DELETE FROM finding WHERE verification = $1`, verification)
	return err
}
