// Package identity keeps who there is and what they have been given: accounts,
// users, groups, roles, policies, access keys, sessions and instance profiles,
// as rows of the metadata database. It holds their SQL (one file a noun), the
// rules that IAM has for records (names, quotas, what must be gone before what),
// and the two questions that every request asks: whose access key is this
// (Lookup), and which policies does its holder have (Subject).
//
// It knows nothing of the wire: auth/iamapi and auth/stsapi are its doors. What
// a policy means is auth/policy's affair.
//
// Source: AWS Identity and Access Management User Guide, "IAM and AWS STS
// quotas"; IAM API Reference.
package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"drydock/auth"
	"drydock/auth/identity/managed"
	"drydock/auth/seal"
	"drydock/storage/meta"
)

// Store is the identity records. Its methods may be called from many goroutines.
//
// Methods that take an account return *NoSuchError when there is no such
// account, beside the errors that they list, and errors of the database.
type Store struct {
	db      meta.DB
	box     *seal.Box
	managed *managed.Set
	now     func() time.Time
	random  io.Reader
	// roots are the keys that are given by file or environment, by their ids.
	roots map[string]auth.Credential
	// nobodys is a sealed value that is opened where there is no secret to open.
	nobodys []byte

	revisions revisions
	callers   callers
	documents documents
	uses      uses
}

// Options is what a Store is made of. All are needed but Roots.
type Options struct {
	DB meta.DB
	// Seal encrypts the secrets that are stored.
	Seal *seal.Box
	// Managed are the policies of AWS's that every account has.
	Managed *managed.Set
	// Now tells the time and Random yields random bytes, for ids and secrets.
	Now    func() time.Time
	Random io.Reader
	// Roots are the root keys given by file or environment. They are not
	// stored; their accounts are made where they are missing.
	Roots []auth.Credential
}

// New makes a store over a database whose schema is up to date. Errors:
// seal.ErrOtherKey, wrapped, when the secrets in the database were sealed with
// another key; two roots share a key.
func New(ctx context.Context, o Options) (*Store, error) {
	if o.DB == nil || o.Seal == nil || o.Managed == nil || o.Now == nil || o.Random == nil {
		return nil, errors.New("the identity records need a database, a seal, AWS's policies, a clock and a source of randomness")
	}
	s := &Store{db: o.DB, box: o.Seal, managed: o.Managed, now: o.Now, random: o.Random, roots: make(map[string]auth.Credential, len(o.Roots))}
	if err := s.checkSeal(ctx); err != nil {
		return nil, fmt.Errorf("open the secrets in the database: %w", err)
	}
	var err error
	if s.nobodys, err = s.box.Seal(make([]byte, secretLength), ""); err != nil {
		return nil, err
	}
	for _, c := range o.Roots {
		if err := s.addRoot(ctx, c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// addRoot takes a root key that is not stored, and makes its account.
func (s *Store) addRoot(ctx context.Context, c auth.Credential) error {
	switch _, taken := s.roots[c.AccessKeyID]; {
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return fmt.Errorf("the root key of account %s needs both an access key id and a secret", c.Principal.Account)
	case taken:
		return fmt.Errorf("access key id %s is given twice", c.AccessKeyID)
	}
	account := c.Principal.Account
	if err := checkAccountID(account); err != nil {
		return err
	}
	c.Principal = auth.Principal{ARN: auth.RootARN(account), Account: account, UserID: account, AccessKeyID: c.AccessKeyID}
	s.roots[c.AccessKeyID] = c
	return s.ensureAccount(ctx, account)
}

// sealCheck is what the one row of seal_check holds, sealed.
const sealCheck = "drydock"

// checkSeal finds out whether the secrets in the database can be opened, rather
// than to let the first request do so.
func (s *Store) checkSeal(ctx context.Context) error {
	var sealed []byte
	err := one(s.db.Reader().QueryRowContext(ctx, `SELECT sealed FROM seal_check WHERE id = 1`), &sealed)
	switch {
	case err == nil:
		_, err := s.box.Open(sealed, sealCheck)
		return err
	case !errors.Is(err, meta.ErrNotFound):
		return err
	}
	if sealed, err = s.box.Seal([]byte(sealCheck), sealCheck); err != nil {
		return err
	}
	added := false
	err = s.db.Write(ctx, meta.Durable, func(q meta.Querier) (err error) {
		added, err = changed(q.ExecContext(ctx, `INSERT INTO seal_check (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, sealed))
		return err
	})
	if err != nil || added {
		return err
	}
	return s.checkSeal(ctx) // another server was first
}

// write runs fn in a transaction that changes identities of an account. When it
// returns, no answer from before the change is given any more.
func (s *Store) write(ctx context.Context, account string, fn func(meta.Querier) error) error {
	err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		// First, so that of two servers that share a database one waits here
		// for the other, and quotas are counted by one at a time.
		known, err := changed(q.ExecContext(ctx, `UPDATE account SET revision = revision + 1 WHERE id = $1`, account))
		switch {
		case err != nil:
			return fmt.Errorf("raise the revision of account %s: %w", account, err)
		case !known:
			return noSuchAccount(account)
		}
		return fn(q)
	})
	// Also after an error: it need not mean that nothing was written.
	s.revisions.raise(account)
	return err
}

func (s *Store) reader() meta.Querier { return s.db.Reader() }

// seconds is the time as IAM tells it of its records, in milliseconds.
func (s *Store) seconds() int64 { return s.now().Unix() * 1000 }
