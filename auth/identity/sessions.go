package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"drydock/auth"
	"drydock/storage/meta"
)

// sessionKind is what temporary credentials stand for, as it is stored.
type sessionKind string

const (
	roleSession sessionKind = "role"
	// userSession acts as the user or root itself. Long-term keys are of this
	// kind too.
	userSession      sessionKind = "user"
	federatedSession sessionKind = "federated"
)

// session is what temporary credentials have beside their owner.
type session struct {
	name   string
	issued time.Time
	terms  Terms
}

// Terms are what a session was made with.
type Terms struct {
	// Policy is a session policy, or empty; PolicyARNs are managed policies that
	// are session policies too.
	Policy     string   `json:"policy,omitempty"`
	PolicyARNs []string `json:"policyArns,omitempty"`
	// Tags are the session's, those in Transitive are handed on to the sessions
	// that are made from it. They are found in Tags too.
	Tags           map[string]string `json:"tags,omitempty"`
	Transitive     []string          `json:"transitive,omitempty"`
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
	// FederatedProvider is the identity provider whose token the session was
	// made for.
	FederatedProvider string `json:"federatedProvider,omitempty"`
}

// NewSession is a session to be made. Exactly one of Role, As and Federated is
// set.
type NewSession struct {
	// Role is the ARN of the role that is assumed, by a session of this Name.
	Role string
	// As is the access key of the user or root who goes on as itself.
	As string
	// Federated is the access key of the user or root on whose behalf the
	// federated user of this Name acts.
	Federated string

	Name     string
	Lifetime time.Duration
	// TokenSize is the least length in bytes that the session token is to have.
	TokenSize int
	Terms
}

// Credentials are temporary credentials. They are not shown again.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
	// Principal is whom they stand for.
	Principal auth.Principal
}

// CreateSession makes temporary credentials. Whether they may be made, the
// caller has found out. Errors: *NoSuchError for the role and the managed
// policies, *policy.SyntaxError, auth.ErrUnknownKey.
func (s *Store) CreateSession(ctx context.Context, n NewSession) (Credentials, error) {
	o, err := s.sessionOwner(ctx, n)
	if err != nil {
		return Credentials{}, err
	}
	if n.Policy != "" {
		if _, err := s.documents.identity(n.Policy); err != nil {
			return Credentials{}, err
		}
	}
	for _, a := range n.PolicyARNs {
		if err := s.attachable(ctx, s.reader(), o.account, a); err != nil {
			return Credentials{}, err
		}
	}
	c := Credentials{}
	if c.AccessKeyID, err = s.newID(prefixSession); err != nil {
		return Credentials{}, err
	}
	if c.SecretAccessKey, err = s.newSecret(); err != nil {
		return Credentials{}, err
	}
	if c.SessionToken, err = s.newToken(n.TokenSize); err != nil {
		return Credentials{}, err
	}
	issued := s.seconds()
	c.Expires = time.UnixMilli(issued).Add(n.Lifetime)
	c.Principal = o.principal(c.AccessKeyID)
	sealed, err := s.box.Seal([]byte(c.SecretAccessKey), sessionPlace(c.AccessKeyID, o.account, o.id))
	if err != nil {
		return Credentials{}, fmt.Errorf("seal a secret: %w", err)
	}
	terms, err := json.Marshal(n.Terms)
	if err != nil {
		return Credentials{}, fmt.Errorf("write down the terms of a session: %w", err)
	}
	hash := auth.HashSessionToken(c.SessionToken)
	// A session changes nothing for anybody else, so that the account's revision
	// stays. With the power may go the last ones: their holders ask again.
	err = s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		_, err := q.ExecContext(ctx, `INSERT INTO iam_session
			(id, account, owner_id, kind, name, secret, token_hash, issued_at, expires_at, terms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			c.AccessKeyID, o.account, o.id, string(o.kind), n.Name, sealed, hash[:], issued, c.Expires.UnixMilli(), string(terms))
		return err
	})
	s.revisions.keys.Add(1)
	if err != nil {
		return Credentials{}, fmt.Errorf("store a session: %w", err)
	}
	return c, nil
}

// sessionOwner finds whom a new session acts for. Errors: *NoSuchError,
// auth.ErrUnknownKey.
func (s *Store) sessionOwner(ctx context.Context, n NewSession) (owner, error) {
	if n.Role != "" {
		r, err := s.RoleByARN(ctx, n.Role)
		return owner{kind: roleSession, id: r.ID, account: r.Account, name: r.Name, path: r.Path, session: &session{name: n.Name}}, err
	}
	key, kind := n.As, userSession
	if n.Federated != "" {
		key, kind = n.Federated, federatedSession
	}
	h, err := s.holder(ctx, key)
	switch {
	case err != nil:
		return owner{}, fmt.Errorf("find out who asks for a session: %w", err)
	case h == nil || h.credential == nil:
		return owner{}, auth.ErrUnknownKey
	case h.owner.session != nil:
		return owner{}, errors.New("make a session: only long-term credentials make one of their own")
	}
	o := h.owner
	o.kind, o.session = kind, &session{name: n.Name}
	return o, nil
}

// usualToken is the length in bytes of a session token that is not asked to be
// longer.
const usualToken = 256

// newToken makes a session token: random, so that it tells nothing.
func (s *Store) newToken(size int) (string, error) {
	b := make([]byte, (max(size, usualToken)+3)/4*3)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return "", fmt.Errorf("make a session token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// sessionPlace names the row that a sealed secret belongs to.
func sessionPlace(id, account, owner string) string {
	return "iam_session " + id + " " + account + " " + owner
}

// EndSessions ends the sessions of a role that have a name: their credentials are
// unknown from then on. Errors: *NoSuchError and *InvalidError for the role.
func (s *Store) EndSessions(ctx context.Context, roleARN, name string) error {
	r, err := s.RoleByARN(ctx, roleARN)
	if err != nil {
		return err
	}
	return s.write(ctx, r.Account, func(q meta.Querier) error {
		if _, err := q.ExecContext(ctx, `DELETE FROM iam_session WHERE owner_id = $1 AND name = $2`, r.ID, name); err != nil {
			return fmt.Errorf("end the sessions %s of %s: %w", name, roleARN, err)
		}
		return nil
	})
}

// afterlife is how long a session's record outlives the session: as long as a
// registry password that was made at its very end.
const afterlife = 12 * time.Hour

// sweepBatch is how many sessions are swept at a time.
const sweepBatch = 500

// SweepSessions deletes the records of sessions that ended half a day ago and
// returns how many they were.
func (s *Store) SweepSessions(ctx context.Context) (swept int64, err error) {
	before := s.now().Add(-afterlife).UnixMilli()
	for {
		var n int64
		err := s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
			res, err := q.ExecContext(ctx, `DELETE FROM iam_session WHERE id IN
				(SELECT id FROM iam_session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`, before, sweepBatch)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		if swept += n; err != nil {
			return swept, fmt.Errorf("sweep ended sessions: %w", err)
		}
		if n < sweepBatch {
			return swept, nil
		}
	}
}
