package meta

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// The states of an import: being written, held, and to be deleted.
const (
	ImportBegun  = "begun"
	ImportActive = "active"
	ImportOld    = "old"
)

// VulnerabilityImport is a row of vulnerability_import. Times are in milliseconds
// since 1970.
type VulnerabilityImport struct {
	ID                    int64
	State                 string
	TouchedAt, FinishedAt int64
	// SourceAt is when the newest record was changed by those who wrote it.
	SourceAt   int64
	Records    int64
	Ecosystems string
}

// Vulnerability is a row of vulnerability: what one record says of no package in
// particular.
type Vulnerability struct{ ID, Document string }

// VulnerablePackage is a row of vulnerable_package: the versions of a package that a
// record is about.
type VulnerablePackage struct{ Ecosystem, Package, ID, Affected string }

const importColumns = `id, state, touched_at, finished_at, source_at, records, ecosystems`

func scanImport(rows *sql.Rows) (i VulnerabilityImport, err error) {
	err = rows.Scan(&i.ID, &i.State, &i.TouchedAt, &i.FinishedAt, &i.SourceAt, &i.Records, &i.Ecosystems)
	return i, err
}

// VulnerabilityImports lists all imports, the newest first.
func VulnerabilityImports(ctx context.Context, q Querier) ([]VulnerabilityImport, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+importColumns+` FROM vulnerability_import ORDER BY id DESC`)
	return collect(rows, err, scanImport)
}

// ActiveVulnerabilities is the import that holds. Errors: ErrNotFound.
func ActiveVulnerabilities(ctx context.Context, q Querier) (VulnerabilityImport, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+importColumns+` FROM vulnerability_import WHERE state = '`+ImportActive+`'`)
	return first(collect(rows, err, scanImport))
}

// BeginVulnerabilities begins an import, whose id is greater than those before.
func BeginVulnerabilities(ctx context.Context, q Querier, now int64) (id int64, err error) {
	if err := one(q.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) + 1 FROM vulnerability_import`), &id); err != nil {
		return 0, err
	}
	_, err = q.ExecContext(ctx, `INSERT INTO vulnerability_import (id, state, touched_at, finished_at, source_at, records, ecosystems)
		VALUES ($1, '`+ImportBegun+`', $2, 0, 0, 0, '')`, id, now)
	return id, err
}

// insertedAtOnce is how many rows an insert has where there are as many.
const insertedAtOnce = 50

// AddVulnerabilities writes records of an import that has begun. One of the same id
// replaces the one before. It returns ErrNotFound where the import is gone.
func AddVulnerabilities(ctx context.Context, q Querier, id, now int64, records []Vulnerability, packages []VulnerablePackage) error {
	there, err := changed(q.ExecContext(ctx, `UPDATE vulnerability_import SET touched_at = $2 WHERE id = $1 AND state = '`+ImportBegun+`'`, id, now))
	if err != nil {
		return err
	}
	if !there {
		return ErrNotFound
	}
	err = insertMany(ctx, q, `INSERT INTO vulnerability (import_id, id, document) VALUES `, 3,
		` ON CONFLICT (import_id, id) DO UPDATE SET document = excluded.document`, len(records), func(i int) []any {
			return []any{id, records[i].ID, records[i].Document}
		})
	if err != nil {
		return err
	}
	return insertMany(ctx, q, `INSERT INTO vulnerable_package (import_id, ecosystem, package, id, affected) VALUES `, 5,
		` ON CONFLICT (import_id, ecosystem, package, id) DO UPDATE SET affected = excluded.affected`, len(packages), func(i int) []any {
			p := packages[i]
			return []any{id, p.Ecosystem, p.Package, p.ID, p.Affected}
		})
}

// insertMany inserts n rows, many at once, in two texts of a statement at most.
func insertMany(ctx context.Context, q Querier, into string, columns int, conflict string, n int, row func(i int) []any) error {
	many := into + placeholders(insertedAtOnce, columns) + conflict
	one := into + placeholders(1, columns) + conflict
	for i := 0; i < n; {
		text, size := one, 1
		if n-i >= insertedAtOnce {
			text, size = many, insertedAtOnce
		}
		var args []any
		for ; size > 0; size-- {
			args = append(args, row(i)...)
			i++
		}
		if _, err := q.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

// placeholders is "($1, $2), ($3, $4)" for two rows of two columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	for r := range rows {
		b.WriteString([]string{"(", ", ("}[min(r, 1)])
		for c := range columns {
			b.WriteString([]string{"$", ", $"}[min(c, 1)] + strconv.Itoa(r*columns+c+1))
		}
		b.WriteString(")")
	}
	return b.String()
}

// HoldVulnerabilities has an import that has begun hold from now on, in place of the
// one before. Errors: ErrNotFound when the import is gone.
func HoldVulnerabilities(ctx context.Context, q Querier, i VulnerabilityImport) error {
	if _, err := q.ExecContext(ctx, `UPDATE vulnerability_import SET state = '`+ImportOld+`' WHERE state = '`+ImportActive+`'`); err != nil {
		return err
	}
	there, err := changed(q.ExecContext(ctx, `UPDATE vulnerability_import SET state = '`+ImportActive+`', touched_at = $2, finished_at = $2,
		source_at = $3, records = $4, ecosystems = $5 WHERE id = $1 AND state = '`+ImportBegun+`'`, i.ID, i.FinishedAt, i.SourceAt, i.Records, i.Ecosystems))
	if err == nil && !there {
		return ErrNotFound
	}
	return err
}

// DropVulnerabilities deletes of an import that does not hold, at most limit rows of
// each table, and reports whether nothing of it is left.
func DropVulnerabilities(ctx context.Context, q Querier, id int64, limit int) (done bool, err error) {
	// Nothing is added to it any more.
	if _, err := q.ExecContext(ctx, `UPDATE vulnerability_import SET state = '`+ImportOld+`' WHERE id = $1 AND state = '`+ImportBegun+`'`, id); err != nil {
		return false, err
	}
	done = true
	for _, statement := range []string{
		`DELETE FROM vulnerable_package WHERE import_id = $1 AND (ecosystem, package, id) IN
			(SELECT ecosystem, package, id FROM vulnerable_package WHERE import_id = $1 LIMIT $2)`,
		`DELETE FROM vulnerability WHERE import_id = $1 AND id IN (SELECT id FROM vulnerability WHERE import_id = $1 LIMIT $2)`,
	} {
		some, err := changed(q.ExecContext(ctx, statement, id, limit))
		if err != nil {
			return false, err
		}
		done = done && !some
	}
	if !done {
		return false, nil
	}
	_, err = q.ExecContext(ctx, `DELETE FROM vulnerability_import WHERE id = $1 AND state <> '`+ImportActive+`'`, id)
	return err == nil, err
}

// askedAtOnce is how many names a question has.
const askedAtOnce = 32

// VulnerablePackages lists what an import says of packages of an ecosystem.
func VulnerablePackages(ctx context.Context, q Querier, id int64, ecosystem string, packages []string) ([]VulnerablePackage, error) {
	query := `SELECT ecosystem, package, id, affected FROM vulnerable_package
		WHERE import_id = $1 AND ecosystem = $2 AND package IN ` + names(3)
	return askMany(ctx, q, query, []any{id, ecosystem}, packages, func(rows *sql.Rows) (p VulnerablePackage, err error) {
		err = rows.Scan(&p.Ecosystem, &p.Package, &p.ID, &p.Affected)
		return p, err
	})
}

// Vulnerabilities lists records of an import.
func Vulnerabilities(ctx context.Context, q Querier, id int64, ids []string) ([]Vulnerability, error) {
	query := `SELECT id, document FROM vulnerability WHERE import_id = $1 AND id IN ` + names(2)
	return askMany(ctx, q, query, []any{id}, ids, func(rows *sql.Rows) (v Vulnerability, err error) {
		err = rows.Scan(&v.ID, &v.Document)
		return v, err
	})
}

// names is a list of as many placeholders as are asked for at once, from $from on.
func names(from int) string {
	var b strings.Builder
	for i := range askedAtOnce {
		b.WriteString([]string{"(", ", "}[min(i, 1)] + "$" + strconv.Itoa(from+i))
	}
	return b.String() + ")"
}

// askMany asks for as many names as there are, some at a time, in one text of a
// statement: what is lacking to fill it is the last name again.
func askMany[T any](ctx context.Context, q Querier, query string, before []any, names []string, scan func(*sql.Rows) (T, error)) ([]T, error) {
	var all []T
	for len(names) > 0 {
		some := names[:min(len(names), askedAtOnce)]
		names = names[len(some):]
		args := append([]any{}, before...)
		for i := range askedAtOnce {
			args = append(args, some[min(i, len(some)-1)])
		}
		rows, err := q.QueryContext(ctx, query, args...)
		found, err := collect(rows, err, scan)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
