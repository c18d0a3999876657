package declare

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drydock/auth"
	"drydock/auth/identity"
	"drydock/auth/identity/managed"
	"drydock/auth/seal"
	"drydock/storage/meta"
	"drydock/storage/meta/sqlite"
)

const (
	home    = "123456789012"
	partner = "222233334444"

	readOnly  = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
	powerUser = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"
)

// lab is a store of identities and a folder of files that declare some.
type lab struct {
	*identity.Store
	db     *counting
	folder string
	env    map[string]string
}

// counting counts the transactions of a database, and fails those from a number
// on.
type counting struct {
	meta.DB
	writes, failing int
}

var errNoMore = errors.New("no more writes")

func (c *counting) Write(ctx context.Context, d meta.Durability, fn func(meta.Querier) error) error {
	if c.writes++; c.failing > 0 && c.writes >= c.failing {
		return errNoMore
	}
	return c.DB.Write(ctx, d, fn)
}

func newLab(t *testing.T) *lab {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	box, err := seal.New(make([]byte, seal.KeySize), rand.Reader)
	must(t, err)
	policies, err := managed.Load()
	must(t, err)
	l := &lab{db: &counting{DB: db}, folder: t.TempDir(), env: map[string]string{}}
	root := auth.Credential{AccessKeyID: "AKIAROOTROOTROOT", SecretAccessKey: "root secret", Principal: auth.Principal{Account: home}}
	l.Store, err = identity.New(t.Context(), identity.Options{DB: l.db, Seal: box, Managed: policies,
		Now: time.Now, Random: rand.Reader, Roots: []auth.Credential{root}})
	must(t, err)
	return l
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// write puts a file into the folder and returns its path.
func (l *lab) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(l.folder, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (l *lab) read(path string) (*Declaration, error) {
	return Read(path, Options{Account: home, LookupEnv: func(name string) (string, bool) {
		v, ok := l.env[name]
		return v, ok
	}})
}

// apply applies a file and returns what was changed.
func (l *lab) apply(t *testing.T, text string) ([]string, error) {
	t.Helper()
	d, err := l.read(l.write(t, "iam.yaml", text))
	if err != nil {
		return nil, err
	}
	plan, err := d.Plan(t.Context(), l.Store)
	if err != nil {
		return nil, err
	}
	var changes []string
	err = plan.Apply(t.Context(), func(change string) { changes = append(changes, change) })
	return changes, err
}

// applied applies a file twice: what it changes is as said, and the second time
// nothing is written.
func (l *lab) applied(t *testing.T, text string, want ...string) {
	t.Helper()
	changes, err := l.apply(t, text)
	must(t, err)
	if want != nil && strings.Join(changes, "\n") != strings.Join(want, "\n") {
		t.Errorf("changed\n  %s\nwant\n  %s", strings.Join(changes, "\n  "), strings.Join(want, "\n  "))
	}
	l.settled(t, text)
}

// settled applies a file that changes nothing.
func (l *lab) settled(t *testing.T, text string) {
	t.Helper()
	writes, before := l.db.writes, l.revisions(t)
	changes, err := l.apply(t, text)
	must(t, err)
	if len(changes) > 0 || l.db.writes != writes || l.revisions(t) != before {
		t.Errorf("applied again it changed\n  %s\nin %d transactions", strings.Join(changes, "\n  "), l.db.writes-writes)
	}
}

// revisions are those of all accounts, as the database has them.
func (l *lab) revisions(t *testing.T) (sum int64) {
	t.Helper()
	must(t, l.db.Reader().QueryRowContext(t.Context(), `SELECT COALESCE(SUM(revision), 0) FROM account`).Scan(&sum))
	return sum
}

func aUser(name string) identity.Entity { return identity.Entity{Kind: identity.KindUser, Name: name} }
func aGroup(name string) identity.Entity {
	return identity.Entity{Kind: identity.KindGroup, Name: name}
}
func aRole(name string) identity.Entity { return identity.Entity{Kind: identity.KindRole, Name: name} }

// attached are the policies of a user, group or role.
func (l *lab) attached(t *testing.T, e identity.Entity) string {
	t.Helper()
	list, _, err := l.Attached(t.Context(), home, e, "/", identity.Page{Limit: 100})
	must(t, err)
	return strings.Join(list, " ")
}

// inline are the names of the policies embedded in a user, group or role.
func (l *lab) inline(t *testing.T, e identity.Entity) string {
	t.Helper()
	list, _, err := l.InlineNames(t.Context(), home, e, identity.Page{Limit: 100})
	must(t, err)
	return strings.Join(list, " ")
}

// groupsOf are the names of a user's groups.
func (l *lab) groupsOf(t *testing.T, name string) string {
	t.Helper()
	list, _, err := l.GroupsOf(t.Context(), home, name, identity.Page{Limit: 100})
	must(t, err)
	var names []string
	for _, g := range list {
		names = append(names, g.Name)
	}
	return strings.Join(names, " ")
}

// allow is a policy document in place.
func allow(action string) string {
	return `{Version: 2012-10-17, Statement: {Effect: Allow, Action: "` + action + `", Resource: "*"}}`
}

// trust is a trust policy in place.
func trust(principal string) string {
	return `{Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "` + principal + `"}, Action: sts:AssumeRole}}`
}
