// Package shared keeps what several servers on one database must have in common and
// cannot agree on otherwise: a root key that was made and not given, the authority of
// their certificates. Each is a record, sealed, under a name; whoever is the first
// to need one makes it, and all others take it over.
//
// It also finds out, before anything else is made of the database, that a server was
// given another key than the secrets in it were sealed with.
package shared

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"drydock/auth/seal"
	"drydock/storage/meta"
)

// ErrOtherKey is returned by Open when the database has secrets that were sealed with
// another key. It is seal.ErrOtherKey too.
var ErrOtherKey = fmt.Errorf("this is not the key that the secrets in the database were sealed with (%w)", seal.ErrOtherKey)

// check is the name of a secret that is none: whoever can open it has the right key.
const check, checked = "check", "sealed with the key of this database"

// Secrets are the shared ones of a database.
type Secrets struct {
	db  meta.DB
	box *seal.Box
}

// Open finds the secrets of a database. Errors: ErrOtherKey; those of the database.
func Open(ctx context.Context, db meta.DB, box *seal.Box) (*Secrets, error) {
	own, err := box.For("shared secrets")
	if err != nil {
		return nil, err
	}
	s := &Secrets{db: db, box: own}
	_, err = s.Share(ctx, check, func() ([]byte, error) { return []byte(checked), nil })
	if errors.Is(err, seal.ErrOtherKey) {
		return nil, ErrOtherKey
	}
	return s, err
}

// Read returns a secret, nil where there is none of the name. Errors:
// seal.ErrOtherKey, seal.ErrDamaged; those of the database.
func (s *Secrets) Read(ctx context.Context, name string) ([]byte, error) {
	secret, err := s.read(ctx, s.db.Reader(), name)
	if err != nil {
		return nil, fmt.Errorf("read what the servers share, %s: %w", name, err)
	}
	return secret, nil
}

// Share returns a secret, which is what make returns where there is none of the name
// yet. Errors: those of Read, Replace and make.
func (s *Secrets) Share(ctx context.Context, name string, make func() ([]byte, error)) ([]byte, error) {
	secret, err := s.Read(ctx, name)
	if secret != nil || err != nil {
		return secret, err
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	if ok, err := s.Replace(ctx, name, nil, made); ok || err != nil {
		return made, err
	}
	return s.Read(ctx, name) // another server was the first
}

// Replace puts after in the place of before, which is nil where there was no secret
// of the name. It does nothing and reports false when something else is there: another
// server has put it there. Errors: those of Read; meta.ErrUncertain, after which it may
// have been done.
func (s *Secrets) Replace(ctx context.Context, name string, before, after []byte) (bool, error) {
	if after == nil {
		return false, errors.New("a shared secret cannot be taken away")
	}
	sealed, err := s.box.Seal(after, place(name))
	if err != nil {
		return false, err
	}
	var done bool
	err = s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		done = false // for the run before this one
		found, err := s.read(ctx, q, name)
		if err != nil || (found == nil) != (before == nil) || !bytes.Equal(found, before) {
			return err
		}
		done = true
		_, err = q.ExecContext(ctx, `INSERT INTO shared_secret (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET secret = excluded.secret`, name, sealed)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep what the servers share, %s: %w", name, err)
	}
	return done, nil
}

func (s *Secrets) read(ctx context.Context, q meta.Querier, name string) ([]byte, error) {
	var sealed []byte
	switch err := q.QueryRowContext(ctx, `SELECT secret FROM shared_secret WHERE name = $1`, name).Scan(&sealed); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	secret, err := s.box.Open(sealed, place(name))
	if secret == nil && err == nil {
		secret = []byte{} // it is there
	}
	return secret, err
}

// place is the record that a secret is sealed for.
func place(name string) string { return "shared_secret " + name }
