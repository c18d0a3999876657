package observe

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"drydock/auth"
	"drydock/internal/requestid"
)

type authorizer func(auth.Request) error

func (a authorizer) Authorize(_ context.Context, r auth.Request) error { return a(r) }

func TestDecisionsAreCountedAndRefusalsWrittenDown(t *testing.T) {
	broken := errors.New("the policies cannot be read")
	for name, c := range map[string]struct {
		answer          error
		decision, wrote string
	}{
		"allowed": {nil, "allow", ""},
		"denied":  {&auth.DeniedError{Because: "because nobody allows it"}, "deny", "because nobody allows it"},
		"failed":  {broken, "error", "the policies cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var counted []string
			d := NewDecisions(authorizer(func(auth.Request) error { return c.answer }),
				func(action, decision string) { counted = append(counted, action+" "+decision) },
				slog.New(slog.NewTextHandler(&log, nil)))
			err := d.Authorize(requestid.With(context.Background(), "id-7"), auth.Request{Action: "ecr:PutImage", Resource: "arn:x"})
			if !errors.Is(err, c.answer) || (err == nil) != (c.answer == nil) {
				t.Errorf("the answer became %v", err)
			}
			if len(counted) != 1 || counted[0] != "ecr:PutImage "+c.decision {
				t.Errorf("counted %v", counted)
			}
			if c.wrote == "" && log.Len() > 0 {
				t.Errorf("wrote %s", &log)
			}
			for _, want := range []string{c.wrote, "id-7", "arn:x"} {
				if c.wrote != "" && !strings.Contains(log.String(), want) {
					t.Errorf("%q is not in %s", want, &log)
				}
			}
		})
	}
}
