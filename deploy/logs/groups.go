package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drydock/storage/meta"
)

// Group is a log group.
type Group struct {
	Scope
	Name string
	// Class is CloudWatch's log group class; it makes no difference here.
	Class string
	// CreatedAt is in milliseconds since 1970.
	CreatedAt int64
	// Retention is for how many days events are kept, 0 for ever.
	Retention int
	// Stored is how many bytes the events take, compressed, as of a while ago.
	Stored int64

	id int64
}

// cutoff is the time of the oldest events that are kept now, in milliseconds since
// 1970.
func (g Group) cutoff(now int64) int64 {
	if g.Retention == 0 {
		return 0
	}
	return now - int64(g.Retention)*day
}

// day is that of retention, in milliseconds.
const day = 24 * 60 * 60 * 1000

const groupColumns = `id, account, region, name, class, created_at, retention_days, stored`

func scanGroup(s scanner) (g Group, err error) {
	return g, s.Scan(&g.id, &g.Account, &g.Region, &g.Name, &g.Class, &g.CreatedAt, &g.Retention, &g.Stored)
}

func findGroup(ctx context.Context, q meta.Querier, scope Scope, name string) (Group, error) {
	g, err := one(q.QueryRowContext(ctx, `SELECT `+groupColumns+` FROM log_group WHERE account = $1 AND region = $2 AND name = $3`,
		scope.Account, scope.Region, name), scanGroup)
	if errors.Is(err, meta.ErrNotFound) {
		return g, &UnknownError{Group: name}
	}
	if err != nil {
		return g, fmt.Errorf("find log group %s: %w", name, err)
	}
	return g, nil
}

// Group finds a group. Errors: *UnknownError.
func (s *Store) Group(ctx context.Context, scope Scope, name string) (Group, error) {
	return findGroup(ctx, s.db.Reader(), scope, name)
}

// CreateGroup makes a group without streams; with is run in the same transaction,
// for what else comes with the group. Errors: *ExistsError, with's.
func (s *Store) CreateGroup(ctx context.Context, g Group, with func(meta.Querier) error) error {
	id, err := s.newID()
	if err != nil {
		return err
	}
	return s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		made, err := changed(q.ExecContext(ctx, `INSERT INTO log_group (`+groupColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)
			ON CONFLICT (account, region, name) DO NOTHING`, id, g.Account, g.Region, g.Name, g.Class, s.millis(), g.Retention))
		switch {
		case err != nil:
			return fmt.Errorf("create log group %s: %w", g.Name, err)
		case !made:
			return &ExistsError{Group: g.Name}
		}
		return with(q)
	})
}

// WithGroup runs fn in a transaction in which a group exists. Errors: *UnknownError,
// fn's.
func (s *Store) WithGroup(ctx context.Context, scope Scope, name string, fn func(meta.Querier) error) error {
	return s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		if _, err := findGroup(ctx, q, scope, name); err != nil {
			return err
		}
		return fn(q)
	})
}

// DeleteGroup deletes a group with all that it has; with is run in the same
// transaction. Errors: *UnknownError, with's.
func (s *Store) DeleteGroup(ctx context.Context, scope Scope, name string, with func(meta.Querier) error) error {
	err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		g, err := findGroup(ctx, q, scope, name)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			`INSERT INTO log_gone (id) VALUES ($1)`, `DELETE FROM log_stream WHERE group_id = $1`, `DELETE FROM log_group WHERE id = $1`,
		} {
			if err := exec(ctx, q, statement, g.id); err != nil {
				return fmt.Errorf("delete log group %s: %w", name, err)
			}
		}
		return with(q)
	})
	s.hurry()
	return err
}

// SetRetention sets for how many days the events of a group are kept, 0 for ever.
// Errors: *UnknownError.
func (s *Store) SetRetention(ctx context.Context, scope Scope, name string, days int) error {
	err := s.db.Write(ctx, meta.Durable, func(q meta.Querier) error {
		found, err := changed(q.ExecContext(ctx, `UPDATE log_group SET retention_days = $4 WHERE account = $1 AND region = $2 AND name = $3`,
			scope.Account, scope.Region, name, days))
		if err == nil && !found {
			return &UnknownError{Group: name}
		}
		return err
	})
	s.hurry()
	return err
}

// GroupFilter is which groups are listed; empty members do not filter.
type GroupFilter struct {
	// Prefix is what names begin with, and Containing what they contain, in
	// whichever case.
	Prefix, Containing, Class string
}

// Groups lists groups by name, from behind after on, at most limit.
func (s *Store) Groups(ctx context.Context, scope Scope, f GroupFilter, after string, limit int) ([]Group, error) {
	rows, err := s.db.Reader().QueryContext(ctx, `SELECT `+groupColumns+` FROM log_group
		WHERE account = $1 AND region = $2 AND name > $3 AND name >= $4 AND substr(name, 1, $5) = $4
		AND lower(name) LIKE $6 ESCAPE '!' AND ($7 = '' OR class = $7) ORDER BY name LIMIT $8`,
		scope.Account, scope.Region, after, f.Prefix, len([]rune(f.Prefix)), "%"+literal(strings.ToLower(f.Containing))+"%", f.Class, limit)
	list, err := all(rows, err, scanGroup)
	if err != nil {
		return nil, fmt.Errorf("list log groups: %w", err)
	}
	return list, nil
}

// literal makes text mean itself in a LIKE whose escape is an exclamation mark.
func literal(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}
