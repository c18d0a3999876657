package meta

import (
	"context"
	"database/sql"
)

// Scan is a row of image_scan. Times are in milliseconds since 1970, 0 for none.
type Scan struct {
	Digest                   string
	Status, Description      string
	RequestedAt, CompletedAt int64
	ImportID, SourceAt       int64
	Counts                   string
	Inventory                []byte
	Account, Region, Name    string
	repository               int64
}

const scanColumns = `s.digest, s.status, s.description, s.requested_at, s.completed_at, s.import_id, s.source_at, s.counts`

func (s *Scan) fields() []any {
	return []any{&s.Digest, &s.Status, &s.Description, &s.RequestedAt, &s.CompletedAt, &s.ImportID, &s.SourceAt, &s.Counts}
}

// FindScan reads what is known of an image's packages. Errors: ErrNotFound.
func FindScan(ctx context.Context, q Querier, account, region, name, digest string) (s Scan, err error) {
	s = Scan{Account: account, Region: region, Name: name}
	err = one(q.QueryRowContext(ctx, `SELECT `+scanColumns+`, s.inventory FROM repository r
		JOIN image_scan s ON s.repository_id = r.id AND s.digest = $4
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, digest), append(s.fields(), &s.Inventory)...)
	return s, err
}

// FindScanState is FindScan without the packages.
func FindScanState(ctx context.Context, q Querier, account, region, name, digest string) (s Scan, err error) {
	s = Scan{Account: account, Region: region, Name: name}
	err = one(q.QueryRowContext(ctx, `SELECT `+scanColumns+` FROM repository r
		JOIN image_scan s ON s.repository_id = r.id AND s.digest = $4
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, digest), s.fields()...)
	return s, err
}

// SetScan writes what is known of an image's packages. Without an inventory that
// which is there stays. It does nothing, and says so, for an image that is not there.
func SetScan(ctx context.Context, q Querier, s Scan) (bool, error) {
	return changed(q.ExecContext(ctx, `INSERT INTO image_scan (repository_id, digest, status, description, requested_at, completed_at, import_id, source_at, counts, inventory)
		SELECT m.repository_id, m.digest, $5, $6, $7, $8, $9, $10, $11, $12 FROM repository r
		JOIN manifest m ON m.repository_id = r.id AND m.digest = $4
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3
		ON CONFLICT (repository_id, digest) DO UPDATE SET status = excluded.status, description = excluded.description,
			requested_at = excluded.requested_at, completed_at = excluded.completed_at, import_id = excluded.import_id,
			source_at = excluded.source_at, counts = excluded.counts, inventory = COALESCE(excluded.inventory, image_scan.inventory)`,
		s.Account, s.Region, s.Name, s.Digest, s.Status, s.Description, s.RequestedAt, s.CompletedAt, s.ImportID, s.SourceAt, s.Counts, s.Inventory))
}

// ScanPlace is where a walk through scans has come to.
type ScanPlace struct {
	ImportID, Repository int64
	Digest               string
}

// Place is where a scan stands in such a walk.
func (s Scan) Place() ScanPlace { return ScanPlace{s.ImportID, s.repository, s.Digest} }

// StaleScans lists scans whose packages are known and were compared with an import
// before id, from behind after on, at most limit.
func StaleScans(ctx context.Context, q Querier, id int64, after ScanPlace, limit int) ([]Scan, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+scanColumns+`, s.inventory, s.repository_id, r.account, r.region, r.name
		FROM image_scan s JOIN repository r ON r.id = s.repository_id
		WHERE s.import_id < $1 AND (s.import_id, s.repository_id, s.digest) > ($2, $3, $4) AND s.inventory IS NOT NULL
		ORDER BY s.import_id, s.repository_id, s.digest LIMIT $5`, id, after.ImportID, after.Repository, after.Digest, limit)
	return collect(rows, err, func(rows *sql.Rows) (s Scan, err error) {
		err = rows.Scan(append(s.fields(), &s.Inventory, &s.repository, &s.Account, &s.Region, &s.Name)...)
		return s, err
	})
}

// ScanStates lists the scans of a repository's images between two digests, without
// the packages.
func ScanStates(ctx context.Context, q Querier, account, region, name, first, last string) ([]Scan, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+scanColumns+` FROM repository r
		JOIN image_scan s ON s.repository_id = r.id AND s.digest BETWEEN $4 AND $5
		WHERE r.account = $1 AND r.region = $2 AND r.name = $3`, account, region, name, first, last)
	return collect(rows, err, func(rows *sql.Rows) (s Scan, err error) {
		err = rows.Scan(s.fields()...)
		return s, err
	})
}
