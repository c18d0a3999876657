package postgres

import "context"

// Size is how much room the database takes on its server, in bytes, with all that
// others may have in it. Errors: meta.ErrUnavailable.
func (d *DB) Size(ctx context.Context) (bytes int64, err error) {
	err = d.readers.QueryRowContext(ctx, `SELECT pg_database_size(current_database())`).Scan(&bytes)
	return bytes, err
}
