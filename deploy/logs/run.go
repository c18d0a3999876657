package logs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// period is how often Run looks for work that nobody told it of.
const period = 30 * time.Second

// Run puts away what was put, deletes what retention and deletions have left behind,
// and adds up how much groups hold, until ctx ends. It is for one server at a time,
// under a lease; where two do it for a moment, one of them does in vain.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if err := s.Tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "log events could not be put away, which is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// Tidy does once what Run does. What fails does not keep the rest from being done.
func (s *Store) Tidy(ctx context.Context) error {
	var failures []error
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"delete what was deleted", s.clearGone},
		{"delete what is past its retention", s.expire},
		{"put log events away", s.putAway},
		{"remove files of log events", s.removeFiles},
		{"add up what log groups hold", s.addUp},
	} {
		if err := step.do(ctx); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return errors.Join(failures...)
}
