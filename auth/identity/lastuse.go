package identity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"drydock/storage/meta"
)

// uses remembers when which access keys were last used, until it is written
// down. What the last minute brought is lost when the process dies, as IAM's own
// account of it is not exact either.
type uses struct {
	mu   sync.Mutex
	last map[string]LastUse
}

// Used notes that an access key was used for a service, by its signing name, in a
// region. It is cheap enough for every request: a key is noted once a minute.
func (s *Store) Used(accessKeyID, service, region string) {
	now := s.now()
	if known, ok := s.callers.keys.peek(accessKeyID); ok {
		minute, noted := now.Unix()/60, &known.value.noted
		if before := noted.Load(); before == minute || !noted.CompareAndSwap(before, minute) {
			return
		}
	}
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	if s.uses.last == nil {
		s.uses.last = map[string]LastUse{}
	}
	s.uses.last[accessKeyID] = LastUse{now, service, region}
}

// WriteUses writes down what Used noted. Of temporary credentials it is the role
// that was used.
func (s *Store) WriteUses(ctx context.Context) error {
	s.uses.mu.Lock()
	last := s.uses.last
	s.uses.last = nil
	s.uses.mu.Unlock()
	if len(last) == 0 {
		return nil
	}
	// It is nothing that decisions depend on, so that no revision is raised.
	err := s.db.Write(ctx, meta.Relaxed, func(q meta.Querier) error {
		for id, u := range last {
			if err := writeUse(ctx, q, id, u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write down when access keys were last used: %w", err)
	}
	return nil
}

func writeUse(ctx context.Context, q meta.Querier, id string, u LastUse) error {
	at := u.At.Unix() * 1000
	if isTemporary(id) {
		_, err := q.ExecContext(ctx, `UPDATE iam_role SET last_used_at = $2, last_used_region = $3
			WHERE id = (SELECT owner_id FROM iam_session WHERE id = $1 AND kind = 'role') AND last_used_at <= $2`, id, at, u.Region)
		return err
	}
	_, err := q.ExecContext(ctx, `UPDATE iam_access_key SET last_used_at = $2, last_used_by = $3, last_used_region = $4
		WHERE id = $1 AND last_used_at <= $2`, id, at, u.Service, u.Region)
	return err
}

const (
	// chores is how often the store cleans up behind itself.
	chores = time.Minute
	// lastWrite is how long the last writing may take when the server stops.
	lastWrite = 5 * time.Second
)

// Run writes down the last uses of keys and sweeps ended sessions, until the
// context ends.
func (s *Store) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(chores)
	defer tick.Stop()
	for {
		if _, err := s.SweepSessions(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "could not sweep ended sessions", "error", err)
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			return s.WriteUses(last)
		case <-tick.C:
		}
		if err := s.WriteUses(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "could not write down when access keys were used", "error", err)
		}
	}
}
