package observe

import (
	"context"
	"errors"
	"log/slog"

	"drydock/auth"
	"drydock/internal/requestid"
)

// Decisions is an authorizer that passes every question on and keeps account of
// the answers: all are counted, refusals are written down.
type Decisions struct {
	next  auth.Authorizer
	count func(action, decision string)
	log   *slog.Logger
}

// NewDecisions watches next. count is called once for each decision with allow,
// deny or error; actions come from the code of the operations, so they are a
// bounded set.
func NewDecisions(next auth.Authorizer, count func(action, decision string), log *slog.Logger) *Decisions {
	return &Decisions{next: next, count: count, log: log}
}

// Authorize implements auth.Authorizer.
func (d *Decisions) Authorize(ctx context.Context, r auth.Request) error {
	err := d.next.Authorize(ctx, r)
	var denied *auth.DeniedError
	switch {
	case err == nil:
		d.count(r.Action, "allow")
	case errors.As(err, &denied):
		d.count(r.Action, "deny")
		d.write(ctx, slog.LevelInfo, "refused", r, denied.Because)
	default:
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelDebug // who asked has left
		}
		d.count(r.Action, "error")
		d.write(ctx, level, "no authorisation decision was reached", r, err.Error())
	}
	return err
}

func (d *Decisions) write(ctx context.Context, level slog.Level, message string, r auth.Request, because string) {
	d.log.LogAttrs(ctx, level, message,
		slog.String("id", requestid.From(ctx)),
		slog.String("principal", r.Principal.ARN),
		slog.String("action", r.Action),
		slog.String("resource", r.Resource),
		slog.String("because", because))
}
