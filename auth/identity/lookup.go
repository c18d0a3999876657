package identity

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"drydock/auth"
	"drydock/storage/meta"
)

// callers remembers whose access keys are whose. What is remembered of ids that
// do not exist is kept apart, so that a stranger who tries many displaces no
// one's.
type callers struct {
	keys     cache[*holder]
	absent   cache[struct{}]
	subjects cache[*Subject]
}

// skew is how far ahead the clock of another server may be.
const skew = time.Hour

const (
	maxCallers = 1 << 14
	maxAbsent  = 1 << 12
)

// holder is who has an access key. Its credential is nil when the key is not to
// be used.
type holder struct {
	credential *auth.Credential
	owner      owner
	// noted is when the last use of the key was noted, in minutes since 1970.
	noted atomic.Int64
}

// owner is whom a key belongs to or, of a session, whom it acts for.
type owner struct {
	kind sessionKind
	// id is that of a role or user, or the account for its root.
	id, account string
	// name and path are of the role or user, empty for a root.
	name, path string
	// session is set for temporary credentials only.
	session *session
}

func (o owner) isRoot() bool { return o.id == o.account }

// Lookup implements auth.Keys. Temporary credentials that have ended are found
// until they are swept, and say so by Expires: whoever asks has to look at it.
// Errors: auth.ErrUnknownKey, be the key unknown, inactive or without an owner.
func (s *Store) Lookup(ctx context.Context, accessKeyID string) (auth.Credential, error) {
	h, err := s.holder(ctx, accessKeyID)
	switch {
	case err != nil:
		return auth.Credential{}, fmt.Errorf("look up an access key: %w", err)
	case h == nil || h.credential == nil || s.isOfAnotherTime(h):
		return auth.Credential{}, auth.ErrUnknownKey
	}
	return *h.credential, nil
}

// isOfAnotherTime reports whether a session was made while the clock was wrong, by
// which it would last until that time has come.
func (s *Store) isOfAnotherTime(h *holder) bool {
	return h.owner.session != nil && h.owner.session.issued.After(s.now().Add(skew))
}

// holder finds who has an access key, nil when nobody has.
func (s *Store) holder(ctx context.Context, id string) (*holder, error) {
	if _, isRoot := s.roots[id]; len(id) > maxKeyID && !isRoot {
		return nil, nil // nobody's can be, and it would be a lot to remember
	}
	h, ok, err := s.callers.keys.get(id, func(account string) (uint64, error) { return s.stands(ctx, account) })
	if err != nil || ok {
		return h, err
	}
	made := s.revisions.keys.Load()
	if _, ok, _ := s.callers.absent.get(id, func(string) (uint64, error) { return made, nil }); ok {
		return nil, nil
	}
	account, err := s.accountOf(ctx, id)
	if err != nil {
		return nil, err
	}
	at, err := s.consistent(ctx, account, func() (err error) {
		h, err = s.loadHolder(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if account == "" || h == nil {
		if s.alone() {
			s.callers.absent.put(id, maxAbsent, struct{}{}, account, made)
		}
		return nil, nil
	}
	// A key that has moved to another account meanwhile is not remembered.
	if h.owner.account == account {
		s.callers.keys.put(id, maxCallers, h, account, at)
	}
	return h, nil
}

// consistent runs load until all that it reads of an account's identities
// belongs together, and returns where their count stood before. An empty account
// stands for a key that there is not: then the same is done, for the time it
// takes.
func (s *Store) consistent(ctx context.Context, account string, load func() error) (at uint64, err error) {
	for n := range attempts {
		if err := lieLow(ctx, n); err != nil {
			return 0, err
		}
		at = s.revisions.of(account).Load()
		before, err := s.revision(ctx, account)
		if err != nil {
			return 0, err
		}
		if !s.alone() {
			at = uint64(before)
		}
		if err := load(); err != nil {
			return 0, err
		}
		after, err := s.revision(ctx, account)
		if err != nil {
			return 0, err
		}
		if before == after {
			return at, nil
		}
	}
	return 0, fmt.Errorf("%w: the identities of account %s change faster than they can be read", meta.ErrUnavailable, account)
}

// attempts is how often something is read anew because it has changed meanwhile: for
// about two seconds.
const attempts = 50

// lieLow waits before an attempt, and not before the first few.
func lieLow(ctx context.Context, n int) error {
	if n < 5 {
		return nil
	}
	select {
	case <-time.After(rand.N(2 * min(time.Duration(n)*time.Millisecond, 40*time.Millisecond))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// accountOf finds the account of an access key, "" when there is no such key.
func (s *Store) accountOf(ctx context.Context, id string) (account string, err error) {
	if r, ok := s.roots[id]; ok {
		return r.Principal.Account, nil
	}
	query := `SELECT account FROM iam_access_key WHERE id = $1`
	if isTemporary(id) {
		query = `SELECT account FROM iam_session WHERE id = $1`
	}
	err = one(s.reader().QueryRowContext(ctx, query, id), &account)
	if errors.Is(err, meta.ErrNotFound) {
		return "", nil
	}
	return account, err
}

func isTemporary(id string) bool { return strings.HasPrefix(id, prefixSession) }

// loadHolder reads who has a key, nil when there is no such key.
func (s *Store) loadHolder(ctx context.Context, id string) (*holder, error) {
	if r, ok := s.roots[id]; ok {
		return s.loadRoot(ctx, r)
	}
	load := s.loadKeyHolder
	if isTemporary(id) {
		load = s.loadSessionHolder
	}
	h, err := load(ctx, id)
	if errors.Is(err, meta.ErrNotFound) {
		s.openNothing()
		return nil, nil
	}
	return h, err
}

// openNothing takes the time that the opening of a secret takes.
func (s *Store) openNothing() {
	_, _ = s.box.Open(s.nobodys, "")
}

func (s *Store) loadRoot(ctx context.Context, c auth.Credential) (*holder, error) {
	account := c.Principal.Account
	var notBefore int64
	err := one(s.reader().QueryRowContext(ctx, `SELECT not_before FROM iam_token_revocation WHERE owner_id = $1`, account), &notBefore)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return nil, err
	}
	c.TokensNotBefore = moment(notBefore)
	return &holder{credential: &c, owner: owner{kind: userSession, id: account, account: account}}, nil
}

// ofOwner are the columns of an owner's user u and role r and of the revocation
// t of their passwords, and the tables they come from.
const (
	ofOwner = `COALESCE(u.name, ''), COALESCE(u.path, ''), COALESCE(t.not_before, 0)`
	joinKey = ` LEFT JOIN iam_user u ON u.id = k.owner_id LEFT JOIN iam_token_revocation t ON t.owner_id = k.owner_id`
)

func (s *Store) loadKeyHolder(ctx context.Context, id string) (*holder, error) {
	o := owner{kind: userSession}
	var sealed []byte
	var active bool
	var notBefore int64
	err := one(s.reader().QueryRowContext(ctx, `SELECT k.account, k.owner_id, k.secret, k.active, `+ofOwner+`
		FROM iam_access_key k`+joinKey+` WHERE k.id = $1`, id),
		&o.account, &o.id, &sealed, &active, &o.name, &o.path, &notBefore)
	if err != nil {
		return nil, err
	}
	secret, err := s.box.Open(sealed, keyPlace(id, o.account, o.id))
	if err != nil {
		return nil, fmt.Errorf("the secret of access key %s: %w", id, err)
	}
	h := &holder{owner: o}
	if !active || o.name == "" && !o.isRoot() {
		return h, nil
	}
	h.credential = &auth.Credential{AccessKeyID: id, SecretAccessKey: string(secret), TokensNotBefore: moment(notBefore),
		Principal: o.principal(id)}
	return h, nil
}

func (s *Store) loadSessionHolder(ctx context.Context, id string) (*holder, error) {
	o := owner{session: &session{}}
	var sealed, hash []byte
	var issued, expires, notBefore int64
	var roleName, rolePath, terms string
	err := one(s.reader().QueryRowContext(ctx, `SELECT k.account, k.owner_id, k.kind, k.name, k.secret, k.token_hash,
		k.issued_at, k.expires_at, k.terms, COALESCE(r.name, ''), COALESCE(r.path, ''), `+ofOwner+`
		FROM iam_session k LEFT JOIN iam_role r ON r.id = k.owner_id`+joinKey+` WHERE k.id = $1`, id),
		&o.account, &o.id, &o.kind, &o.session.name, &sealed, &hash, &issued, &expires, &terms, &roleName, &rolePath, &o.name, &o.path, &notBefore)
	if err != nil {
		return nil, err
	}
	if o.kind == roleSession {
		o.name, o.path = roleName, rolePath
	}
	secret, err := s.box.Open(sealed, sessionPlace(id, o.account, o.id))
	if err != nil {
		return nil, fmt.Errorf("the secret of access key %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(terms), &o.session.terms); err != nil {
		return nil, fmt.Errorf("the terms of session %s: %w", id, err)
	}
	o.session.issued = time.UnixMilli(issued)
	h := &holder{owner: o}
	if len(hash) != sha256.Size || o.name == "" && !o.isRoot() {
		return h, nil
	}
	h.credential = &auth.Credential{AccessKeyID: id, SecretAccessKey: string(secret), SessionTokenHash: [sha256.Size]byte(hash),
		Expires: time.UnixMilli(expires), TokensNotBefore: moment(notBefore), Principal: o.principal(id)}
	return h, nil
}

// Scan implements sql.Scanner.
func (k *sessionKind) Scan(v any) error {
	var s sql.NullString
	err := s.Scan(v)
	*k = sessionKind(s.String)
	return err
}

// principal is who calls with a key of the owner.
func (o owner) principal(keyID string) auth.Principal {
	p := auth.Principal{Account: o.account, AccessKeyID: keyID}
	switch {
	case o.kind == roleSession:
		p.ARN = assumedRoleARN(o.account, o.name, o.session.name)
		p.UserID = o.id + ":" + o.session.name
	case o.kind == federatedSession:
		p.ARN = FederatedUserARN(o.account, o.session.name)
		p.UserID = o.account + ":" + o.session.name
	case o.isRoot():
		p.ARN, p.UserID = auth.RootARN(o.account), o.account
	default:
		p.ARN, p.UserID = ARN(o.account, KindUser, o.path, o.name), o.id
	}
	return p
}
