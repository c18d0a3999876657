package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"

	"drydock/storage/meta"
)

// migrationLock is the advisory lock under which the schema is changed.
const migrationLock = 0x647279646f636b // "drydock"

// migrate brings the schema up to date. Of several servers that start at once
// one does it, and the others wait.
func migrate(ctx context.Context, db *sql.DB) (err error) {
	files, err := meta.Migrations()
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for the other servers: %w", err)
	}
	defer func() {
		_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrationLock))
		if err == nil {
			err = unlock
		}
	}()
	p, err := goose.NewProvider(goose.DialectPostgres, db, byteOrder{files})
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("it has version %d and this program knows %d: run a newer drydock", current, target)
	}
	_, err = p.Up(ctx)
	return err
}

// byteOrder is the migrations with one difference: text is in the order of its
// bytes, whatever the order of the database is. SQLite knows no other, and lists
// are paged by it.
type byteOrder struct{ fs.FS }

func (m byteOrder) Open(name string) (fs.File, error) {
	f, err := m.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	text, err := io.ReadAll(f)
	return migration{f, strings.NewReader(inByteOrder(string(text)))}, err
}

// migration is a file with another content.
type migration struct {
	fs.File
	text *strings.Reader
}

func (m migration) Read(p []byte) (int, error) { return m.text.Read(p) }

var textWord = regexp.MustCompile(`\bTEXT\b`)

func inByteOrder(sql string) string {
	lines := strings.Split(sql, "\n")
	for i, line := range lines {
		statement, comment, found := strings.Cut(line, "--")
		if lines[i] = textWord.ReplaceAllString(statement, `TEXT COLLATE "C"`); found {
			lines[i] += "--" + comment
		}
	}
	return strings.Join(lines, "\n")
}
