package pullthrough

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drydock/storage"
)

// Fresh is what a tag is to be served as, which points at held: where it came from
// an upstream registry, and that was not asked for a day, what it points at there.
// Where that cannot be told it is held.
func (c *Cache) Fresh(ctx context.Context, ref storage.Ref, tag string, held storage.Manifest, allow func(action string) error) storage.Manifest {
	k := tagKey{ref, tag}
	due, cached := c.isDue(ctx, k)
	if cached {
		c.hits.Add(1)
	}
	if !due {
		return held
	}
	rule, err := c.admit(ctx, ref, ErrNone, allow)
	if err != nil {
		return held
	}
	m, err := c.once(ctx, fmt.Sprintf("compare %q %q", ref, tag), func(ctx context.Context) (storage.Manifest, error) {
		return c.compare(ctx, k, held, rule)
	})
	if err != nil {
		return held
	}
	return m
}

// compare asks the upstream what a tag points at, and fetches that if it is
// something else.
func (c *Cache) compare(ctx context.Context, k tagKey, held storage.Manifest, rule Rule) (storage.Manifest, error) {
	up, err := c.dial(ctx, k.ref.Scope, rule)
	if err == nil {
		d, e := up.resolve(ctx, rule.upstreamName(k.ref.Name), k.tag)
		if err = e; e == nil && d == held.Digest {
			return held, c.checked(ctx, k)
		}
	}
	if err != nil {
		c.remember(k, dueAt{c.o.Now().Add(checkAgain), true})
		return held, c.failed(ctx, k.ref, err)
	}
	m, err := c.fetch(ctx, k.ref, storage.Reference{Tag: k.tag}, rule, false)
	var immutable *storage.TagImmutableError
	if errors.As(err, &immutable) {
		return held, c.checked(ctx, k)
	}
	if err != nil {
		c.remember(k, dueAt{c.o.Now().Add(checkAgain), true})
	}
	return m, err
}

// isDue tells whether a tag is to be compared with its upstream's, and whether it
// came from any.
func (c *Cache) isDue(ctx context.Context, k tagKey) (due, cached bool) {
	now := c.o.Now()
	c.mu.Lock()
	known, ok := c.due[k]
	c.mu.Unlock()
	if ok && now.Before(known.at) {
		return false, known.cached
	}
	at, cached, err := c.o.Engine.Checked(ctx, k.ref, k.tag)
	if err != nil {
		return false, false
	}
	next := dueAt{now.Add(checkAgain), cached}
	if cached {
		next.at = at.Add(checkEvery)
		if !now.Before(next.at) {
			return true, true
		}
	}
	c.remember(k, next)
	return false, cached
}

// checked notes that a tag points at what it points at upstream.
func (c *Cache) checked(ctx context.Context, k tagKey) error {
	now := c.o.Now()
	if err := c.o.Engine.SetChecked(ctx, k.ref, k.tag, now); err != nil {
		return err
	}
	c.remember(k, dueAt{now.Add(checkEvery), true})
	return nil
}

func (c *Cache) remember(k tagKey, d dueAt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) >= mostDue {
		clear(c.due)
	}
	c.due[k] = d
}

// freezeKey is where it is kept that upstream registries are not to be asked, for
// all servers and accounts.
var freezeKey = storage.SettingKey{Kind: "pull-through-freeze", Key: "all"}

// Freeze has no upstream registry asked any more, by any server, or has them asked
// again.
func (c *Cache) Freeze(ctx context.Context, on bool) error {
	if on {
		_, err := c.o.Engine.SetSetting(ctx, freezeKey, c.o.Now().UTC().Format(time.RFC3339))
		return err
	}
	_, err := c.o.Engine.DeleteSetting(ctx, freezeKey)
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return nil
	}
	return err
}

// Frozen tells whether upstream registries are not to be asked.
func (c *Cache) Frozen(ctx context.Context) (bool, error) {
	_, err := c.o.Engine.Setting(ctx, freezeKey)
	var unknown *storage.SettingUnknownError
	if errors.As(err, &unknown) {
		return false, nil
	}
	return err == nil, err
}
