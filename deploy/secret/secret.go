// Package secret keeps what task definitions have by reference: the values of
// parameters (Systems Manager) and of secrets (Secrets Manager), and files of
// environment variables, by account and region. They lie in the database sealed, and
// are put there by those who run the server.
//
// Who may read one is decided by whoever asks for it; the store knows nothing of
// permissions.
package secret

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"drydock/auth/seal"
	"drydock/internal/arn"
	"drydock/storage/meta"
)

// MaxSize is the most bytes that a secret has, as in Secrets Manager.
const MaxSize = 64 << 10

// ErrUnknown is returned, wrapped, where there is no such secret, or no such version
// of it.
var ErrUnknown = errors.New("there is no such secret")

// Version is one value that a secret has or had.
type Version struct {
	ID   string    `json:"id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Secret is a secret with its value.
type Secret struct {
	Key
	// Suffix ends its ARN in Secrets Manager.
	Suffix string
	// Current is what it is, and Previous what it was before, nil where it was
	// nothing.
	Current  Version
	Previous *Version
}

// ARN is what a secret is called by a service.
func (s Secret) ARN(by Service) string {
	switch by {
	case SystemsManager:
		return arn.ARN{Service: "ssm", Region: s.Region, Account: s.Account, Resource: "parameter/" + s.Name}.String()
	case SecretsManager:
		return arn.ARN{Service: "secretsmanager", Region: s.Region, Account: s.Account, Resource: "secret:" + s.Name + "-" + s.Suffix}.String()
	}
	return arnOfFile + s.Name
}

// Described is a secret without its value.
type Described struct {
	Key
	Suffix    string
	ChangedAt time.Time
}

// Options is what a Store is made of. All are needed.
type Options struct {
	DB     meta.DB
	Seal   *seal.Box
	Now    func() time.Time
	Random io.Reader
}

// Store keeps secrets.
type Store struct {
	o   Options
	box *seal.Box
}

// New makes a store. It is an error to leave anything out.
func New(o Options) (*Store, error) {
	if o.DB == nil || o.Seal == nil || o.Now == nil || o.Random == nil {
		return nil, errors.New("secrets need a database, a seal, a clock and a source of randomness")
	}
	box, err := o.Seal.For("secrets of tasks")
	if err != nil {
		return nil, err
	}
	return &Store{o: o, box: box}, nil
}

// versions are what is sealed of a secret.
type versions struct {
	Current  Version  `json:"current"`
	Previous *Version `json:"previous,omitempty"`
}

// place names the row that a sealed value belongs to.
func (k Key) place() string {
	return "secret " + k.Account + " " + k.Region + " " + string(k.Kind) + " " + k.Name
}

// Put gives a secret a value, which need not have been there. The one before stays as
// the previous version. Errors: that the value is too long.
func (s *Store) Put(ctx context.Context, k Key, text string) (Secret, error) {
	if len(text) > MaxSize {
		return Secret{}, fmt.Errorf("a secret has at most %d bytes", MaxSize)
	}
	id, err := s.newID()
	if err != nil {
		return Secret{}, err
	}
	made := Version{ID: id, Text: text, At: s.o.Now().UTC()}
	var out Secret
	err = s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		before, err := s.find(ctx, q, k)
		out = Secret{Key: k, Current: made}
		switch {
		case err == nil:
			out.Suffix, out.Previous = before.Suffix, &before.Current
		case !errors.Is(err, ErrUnknown):
			return err
		default:
			if out.Suffix, err = s.newSuffix(); err != nil {
				return err
			}
		}
		b, err := json.Marshal(versions{out.Current, out.Previous})
		if err != nil {
			return err
		}
		sealed, err := s.box.Seal(b, k.place())
		if err != nil {
			return err
		}
		_, err = q.ExecContext(ctx, `INSERT INTO ecs_secret (account, region, kind, name, suffix, sealed, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (account, region, kind, name) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at`,
			k.Account, k.Region, string(k.Kind), k.Name, out.Suffix, sealed, made.At.UnixMilli())
		return err
	})
	if err != nil {
		return Secret{}, fmt.Errorf("keep secret %s: %w", k.Name, err)
	}
	return out, nil
}

func (s *Store) newID() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.o.Random, b); err != nil {
		return "", fmt.Errorf("make the id of a version: %w", err)
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// letters are those of the ends of ARNs.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func (s *Store) newSuffix() (string, error) {
	b := make([]byte, suffixSize)
	for i := range b {
		n, err := rand.Int(s.o.Random, big.NewInt(int64(len(letters))))
		if err != nil {
			return "", fmt.Errorf("make the end of an ARN: %w", err)
		}
		b[i] = letters[n.Int64()]
	}
	return string(b), nil
}

func (s *Store) find(ctx context.Context, q meta.Querier, k Key) (Secret, error) {
	v := Secret{Key: k}
	var sealed []byte
	err := q.QueryRowContext(ctx, `SELECT suffix, sealed FROM ecs_secret WHERE account = $1 AND region = $2 AND kind = $3 AND name = $4`,
		k.Account, k.Region, string(k.Kind), k.Name).Scan(&v.Suffix, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("%s: %w", k.Name, ErrUnknown)
	}
	if err != nil {
		return v, err
	}
	b, err := s.box.Open(sealed, k.place())
	if err != nil {
		return v, fmt.Errorf("open secret %s: %w", k.Name, err)
	}
	var all versions
	if err := json.Unmarshal(b, &all); err != nil {
		return v, fmt.Errorf("read secret %s: %w", k.Name, err)
	}
	v.Current, v.Previous = all.Current, all.Previous
	return v, nil
}

// Find finds the secret that a reference means. Errors: ErrUnknown.
func (s *Store) Find(ctx context.Context, r Reference) (Secret, error) {
	v, err := s.find(ctx, s.o.DB.Reader(), r.Key)
	if r.Service != SecretsManager || !errors.Is(err, ErrUnknown) {
		return v, err
	}
	// An ARN may be given whole or without its end.
	name, suffix, ok := cutSuffix(r.Name)
	if !ok {
		return v, err
	}
	k := r.Key
	k.Name = name
	if v, err = s.find(ctx, s.o.DB.Reader(), k); err == nil && v.Suffix != suffix {
		return Secret{}, fmt.Errorf("%s: %w", r.Name, ErrUnknown)
	}
	return v, err
}

// Version is the one that a stage and an id, either of which may be empty, mean: the
// current one unless they say otherwise. Errors: ErrUnknown.
func (s Secret) Version(stage, id string) (Version, error) {
	for _, v := range []struct {
		stage string
		of    *Version
	}{{"AWSCURRENT", &s.Current}, {"AWSPREVIOUS", s.Previous}} {
		if v.of != nil && (stage == v.stage || stage == "" && (id != "" || v.of == &s.Current)) && (id == "" || id == v.of.ID) {
			return *v.of, nil
		}
	}
	return Version{}, fmt.Errorf("version %s%s of %s: %w", stage, id, s.Name, ErrUnknown)
}

// Remove removes a secret with all its versions. Errors: ErrUnknown.
func (s *Store) Remove(ctx context.Context, k Key) error {
	return s.o.DB.Write(ctx, meta.Durable, func(q meta.Querier) error {
		res, err := q.ExecContext(ctx, `DELETE FROM ecs_secret WHERE account = $1 AND region = $2 AND kind = $3 AND name = $4`, k.Account, k.Region, string(k.Kind), k.Name)
		if err != nil {
			return fmt.Errorf("remove secret %s: %w", k.Name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("%s: %w", k.Name, ErrUnknown), err)
		}
		return nil
	})
}

// List lists the secrets of an account and a region by kind and name, at most limit
// that come after one, whose name is empty for the first.
func (s *Store) List(ctx context.Context, after Key, limit int) ([]Described, error) {
	rows, err := s.o.DB.Reader().QueryContext(ctx, `SELECT kind, name, suffix, changed_at FROM ecs_secret
		WHERE account = $1 AND region = $2 AND (kind > $3 OR kind = $3 AND name > $4) ORDER BY kind, name LIMIT $5`,
		after.Account, after.Region, string(after.Kind), after.Name, limit)
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	defer rows.Close()
	var list []Described
	for rows.Next() {
		d := Described{Key: Key{Account: after.Account, Region: after.Region}}
		var at int64
		if err := rows.Scan(&d.Kind, &d.Name, &d.Suffix, &at); err != nil {
			return nil, fmt.Errorf("list secrets: %w", err)
		}
		d.ChangedAt = time.UnixMilli(at).UTC()
		list = append(list, d)
	}
	return list, rows.Err()
}
