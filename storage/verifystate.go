package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"drydock/storage/meta"
)

// VerifyState is how far a verification has come, and what it has found.
type VerifyState struct {
	// Name is verify or scrub.
	Name     string   `json:"name"`
	Deep     bool     `json:"deep"`
	Repair   bool     `json:"repair"`
	Verified Verified `json:"verified"`
	// BegunAt is when it began; EndedAt when the last run came to its end, zero when
	// none has.
	BegunAt time.Time `json:"begun_at"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Reached is the part of all blobs that has been looked at, from 0 to 1.
	Reached float64 `json:"reached"`
	// Problems are those that were found since it began, at most Most of them.
	Problems []Problem `json:"problems"`
}

// VerifyStates tells of the last verification that was asked for and of the scrub,
// of each that there has been.
func (r *Registry) VerifyStates(ctx context.Context) ([]VerifyState, error) {
	var states []VerifyState
	for _, name := range []string{byHand, scrub} {
		row, err := meta.FindVerification(ctx, r.db.Reader(), name)
		if errors.Is(err, meta.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up how far verification is: %w", err)
		}
		s := VerifyState{Name: name, Deep: row.Deep, Repair: row.Repair, BegunAt: time.UnixMilli(row.BegunAt).UTC(), Reached: 1}
		if row.EndedAt != 0 {
			s.EndedAt = time.UnixMilli(row.EndedAt).UTC()
		}
		if row.Stage == stages()[0].name {
			s.Reached = placeAmong(row.Reached)
		}
		if err := json.Unmarshal([]byte(row.Counts), &s.Verified); err != nil {
			return nil, fmt.Errorf("read how far verification is: %w", err)
		}
		if s.Problems, err = r.findings(ctx, name, Most); err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	return states, nil
}

// findings reads what a verification has found, at most limit problems.
func (r *Registry) findings(ctx context.Context, name string, limit int) ([]Problem, error) {
	texts, err := meta.Findings(ctx, r.db.Reader(), name, limit)
	if err != nil {
		return nil, fmt.Errorf("list what was found: %w", err)
	}
	problems := make([]Problem, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &problems[i]); err != nil {
			return nil, fmt.Errorf("read what was found: %w", err)
		}
	}
	return problems, nil
}
