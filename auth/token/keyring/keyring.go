// Package keyring keeps the keys that sign registry passwords, as records of the
// metadata database, each secret sealed: all servers on one database share them.
// It says which key signs, has a new one follow it in time (rotate.go), and
// deletes a key once nothing that it signed can be good any more, so that nobody
// is logged out by a change of keys.
//
// A server has read the keys that there are, and reads them again every minute,
// and when a token names one that it does not know.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drydock/auth/seal"
	"drydock/auth/token"
	"drydock/storage/meta"
)

const (
	// patience is how long the keys are left in peace after they were read for
	// the sake of an unknown one: anybody can name a key that there is not.
	patience = time.Second
	// readTime is how long such a reading may take.
	readTime = 10 * time.Second
)

// Options is what a Ring is made of. All is needed but File.
type Options struct {
	DB meta.DB
	// Seal encrypts the secrets that are stored.
	Seal   *seal.Box
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
	// File is where a server kept its keys before they were records, or empty.
	// They are taken over, and the file is removed.
	File string
}

// Ring is the keys of a server. It implements token.Keys.
type Ring struct {
	db     meta.DB
	box    *seal.Box
	now    func() time.Time
	random io.Reader
	log    *slog.Logger

	// keys are as they were last read, in the order in which they sign.
	keys atomic.Pointer[[]key]

	// reading lets one read at a time, so that what was read first does not take
	// the place of what was read last. What follows is its own.
	reading sync.Mutex
	next    time.Time // not before it are they read for the sake of an unknown key
	failure error     // of the last such reading
}

// key is a signing key with its times.
type key struct {
	token.Key
	signsFrom time.Time
	// verifiesUntil is zero while no key is to follow.
	verifiesUntil time.Time
}

// Open reads the keys, takes over those of a file, and makes the first where
// there is none. Errors: seal.ErrOtherKey and seal.ErrDamaged, wrapped, for
// secrets that cannot be opened; the file holds no keys; those of the database.
func Open(ctx context.Context, o Options) (*Ring, error) {
	if o.DB == nil || o.Seal == nil || o.Now == nil || o.Random == nil || o.Log == nil {
		return nil, errors.New("the keys of passwords need a database, a seal, a clock, a source of randomness and a log")
	}
	box, err := o.Seal.For("signing keys")
	if err != nil {
		return nil, err
	}
	r := &Ring{db: o.DB, box: box, now: o.Now, random: o.Random, log: o.Log}
	if o.File != "" {
		if err := r.takeOver(ctx, o.File); err != nil {
			return nil, err
		}
	}
	if err := r.Maintain(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

var errNoKey = errors.New("there is no key to sign passwords with")

// over reports whether nothing that a key has signed is good any more.
func (k key) over(now time.Time) bool {
	return !k.verifiesUntil.IsZero() && !now.Before(k.verifiesUntil)
}

// Signing implements token.Keys: of the keys whose time has come, the last one.
func (r *Ring) Signing() (token.Key, error) {
	now := r.now()
	signing := token.Key{}
	for _, k := range *r.keys.Load() {
		// The first one, whatever its time: the clock may have been set back.
		if first := signing.ID == ""; !k.over(now) && (first || !k.signsFrom.After(now)) {
			signing = k.Key
		}
	}
	if signing.ID == "" {
		return signing, errNoKey
	}
	return signing, nil
}

// Verifying implements token.Keys. Another server may have made the key a moment
// ago, so that one that is not known is looked for among the records.
func (r *Ring) Verifying(ctx context.Context, id string) (token.Key, error) {
	if k, ok := r.known(id); ok {
		return k, nil
	}
	err := r.readForUnknown(ctx, id)
	if k, ok := r.known(id); ok {
		return k, nil
	}
	if err != nil {
		return token.Key{}, err
	}
	return token.Key{}, token.ErrUnknownKey
}

func (r *Ring) known(id string) (token.Key, bool) {
	for _, k := range *r.keys.Load() {
		if k.ID == id && !k.over(r.now()) {
			return k.Key, true
		}
	}
	return token.Key{}, false
}

// readForUnknown reads the keys again for the sake of one, unless that was done a
// moment ago. It returns the error of the last time that it was done.
func (r *Ring) readForUnknown(ctx context.Context, id string) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	if _, ok := r.known(id); ok {
		return nil // somebody else had it read while this one waited
	}
	if now := r.now(); now.Before(r.next) && r.next.Sub(now) <= patience {
		return r.failure
	}
	// The client who happened to be the first may leave: the keys are for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
	defer cancel()
	r.failure = r.load(ctx)
	r.next = r.now().Add(patience)
	return r.failure
}

// read reads the keys.
func (r *Ring) read(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.load(ctx)
}

// load is read for those who hold the lock.
func (r *Ring) load(ctx context.Context) error {
	keys, err := r.records(ctx, r.db.Reader())
	if err != nil {
		return fmt.Errorf("read the keys that sign passwords: %w", err)
	}
	r.keys.Store(&keys)
	return nil
}
