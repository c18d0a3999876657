package keyring

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"drydock/auth/token"
	"drydock/storage/meta"
)

const (
	// term is how long a key signs.
	term = 30 * 24 * time.Hour
	// notice is how long before its time a key is there to be read, so that all
	// servers know it when the first of them signs with it.
	notice = 10 * time.Minute
	// margin is for clocks that differ between servers, and for one that goes on
	// signing with a key that has been followed, since it has not read of it.
	margin = time.Hour
	// afterlife is how long a key is kept after the next one has begun to sign.
	afterlife = token.Lifetime + margin
	// chores is how often the keys are looked after.
	chores = time.Minute
)

// Run looks after the keys until the context ends.
func (r *Ring) Run(ctx context.Context) error {
	tick := time.NewTicker(chores)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.Maintain(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "could not look after the keys that sign passwords", "error", err)
		}
	}
}

// Maintain reads the keys, publishes the next one when it is time to, and
// deletes those that are needed no more.
func (r *Ring) Maintain(ctx context.Context) error {
	if err := r.read(ctx); err != nil {
		return err
	}
	now := r.now()
	if _, due := next(*r.keys.Load(), now); !due && !anyOver(*r.keys.Load(), now) {
		return nil
	}
	k, err := r.newKey()
	if err != nil {
		return err
	}
	var from time.Time
	var published bool
	err = r.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		// Another server may have done it since.
		keys, err := r.records(ctx, q)
		if err != nil {
			return err
		}
		if from, published = next(keys, now); published {
			if err := publish(ctx, q, k, from); err != nil {
				return err
			}
		}
		return bury(ctx, q, now)
	})
	if err != nil {
		return fmt.Errorf("change the keys that sign passwords: %w", err)
	}
	if published {
		r.log.InfoContext(ctx, "a new key for registry passwords", "key", k.id, "signs_from", from.UTC())
	}
	return r.read(ctx)
}

// Rotate has a new key sign from now on. What older ones have signed stays good
// for its time.
func (r *Ring) Rotate(ctx context.Context) error {
	k, err := r.newKey()
	if err != nil {
		return err
	}
	err = r.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		return publish(ctx, q, k, r.now())
	})
	if err != nil {
		return fmt.Errorf("change the key that signs passwords: %w", err)
	}
	r.log.InfoContext(ctx, "a new key for registry passwords, as asked for", "key", k.id)
	return r.read(ctx)
}

// next tells whether a new key is due, and from when on it is to sign.
func next(keys []key, now time.Time) (from time.Time, due bool) {
	last := -1
	for i, k := range keys {
		if k.verifiesUntil.IsZero() {
			last = i
		}
	}
	if last < 0 {
		return now, true // the first one, of which nobody needs notice
	}
	began := keys[last].signsFrom
	if began.Sub(now) > notice+margin {
		// No key is published that early: it was made while the clock was wrong.
		return now, true
	}
	return now.Add(notice), began.Add(term).Sub(now) <= notice
}

// anyOver reports whether a key is needed no more.
func anyOver(keys []key, now time.Time) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return k.over(now) })
}

func (r *Ring) newKey() (record, error) {
	var b [8 + token.SecretSize]byte
	if _, err := io.ReadFull(r.random, b[:]); err != nil {
		return record{}, fmt.Errorf("make a key that signs passwords: %w", err)
	}
	return r.seal(token.Key{ID: hex.EncodeToString(b[:8]), Secret: b[8:]})
}
