package meta

import (
	"context"
	"database/sql"
)

// Job is a row of job: something that is to be done after the transaction which
// ordered it.
type Job struct {
	Queue, Key string
	Document   string
	// Version grows when the same key is ordered again.
	Version int64
	// Attempts is how often doing it has failed.
	Attempts int64
	// DueAt is when it is to be done, CreatedAt when it was ordered first.
	DueAt, CreatedAt int64
}

// AddJob orders a job. Where the same key waits already its document is replaced,
// and it is due at once: what has been begun of it is done again.
func AddJob(ctx context.Context, q Querier, j Job) error {
	_, err := q.ExecContext(ctx, `INSERT INTO job (queue, key, document, version, attempts, due_at, created_at)
		VALUES ($1, $2, $3, 1, 0, $4, $5)
		ON CONFLICT (queue, key) DO UPDATE SET document = excluded.document, version = job.version + 1,
			attempts = 0, due_at = excluded.due_at`, j.Queue, j.Key, j.Document, j.DueAt, j.CreatedAt)
	return err
}

// DueJobs lists the jobs of a queue that are due, those that have waited longest
// first, at most limit.
func DueJobs(ctx context.Context, q Querier, queue string, now int64, limit int) ([]Job, error) {
	rows, err := q.QueryContext(ctx, `SELECT queue, key, document, version, attempts, due_at, created_at FROM job
		WHERE queue = $1 AND due_at <= $2 ORDER BY due_at, key LIMIT $3`, queue, now, limit)
	return collect(rows, err, scanJob)
}

func scanJob(rows *sql.Rows) (j Job, err error) {
	err = rows.Scan(&j.Queue, &j.Key, &j.Document, &j.Version, &j.Attempts, &j.DueAt, &j.CreatedAt)
	return j, err
}

// EndJob takes a job away unless it was ordered again since it was read, and
// reports whether it did.
func EndJob(ctx context.Context, q Querier, j Job) (bool, error) {
	return changed(q.ExecContext(ctx, `DELETE FROM job WHERE queue = $1 AND key = $2 AND version = $3`, j.Queue, j.Key, j.Version))
}

// PutOffJob counts a failed attempt and sets when the next one is due, unless the
// job was ordered again since it was read.
func PutOffJob(ctx context.Context, q Querier, j Job, due int64) error {
	_, err := q.ExecContext(ctx, `UPDATE job SET attempts = attempts + 1, due_at = $4 WHERE queue = $1 AND key = $2 AND version = $3`,
		j.Queue, j.Key, j.Version, due)
	return err
}

// WaitingJobs counts the jobs of a queue, up to limit.
func WaitingJobs(ctx context.Context, q Querier, queue string, limit int) (n int, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM job WHERE queue = $1 LIMIT $2) AS waiting`, queue, limit), &n)
	return n, err
}

// HasJob reports whether a job waits.
func HasJob(ctx context.Context, q Querier, queue, key string) (waits bool, err error) {
	err = one(q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM job WHERE queue = $1 AND key = $2)`, queue, key), &waits)
	return waits, err
}

// JobsBetween lists the keys of jobs that wait, between two.
func JobsBetween(ctx context.Context, q Querier, queue, first, last string) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT key FROM job WHERE queue = $1 AND key BETWEEN $2 AND $3`, queue, first, last)
	return collect(rows, err, func(rows *sql.Rows) (key string, err error) {
		err = rows.Scan(&key)
		return key, err
	})
}
