package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"drydock/auth"
)

// The room for requests without a signature is small and their own: strangers
// can fill it, and nobody else waits for it.
const (
	maxOpenBody     = 64 << 10
	maxOpenBuffered = 4 << 20
)

// defaultRegion is the region of a call to a host name without one, which no
// signature tells: that of AWS's global endpoints.
const defaultRegion = "us-east-1"

// receiveOpen takes in an awsQuery request without a signature, which is refused
// with the error given unless it calls an operation that takes none.
func (s *Server) receiveOpen(x *exchange, w http.ResponseWriter, r *http.Request, refusal error) (any, error) {
	body, release, err := s.open.read(w, r, maxOpenBody)
	if err != nil {
		return nil, err
	}
	x.release = release
	form, err := parseForm(string(body))
	if err != nil {
		return nil, err
	}
	name, version := form.Get("Action"), form.Get("Version")
	for _, svc := range s.query {
		if op := svc.operations[name]; op != nil && op.identify != nil && svc.model.Version == version {
			x.service, x.op = svc, op
		}
	}
	if x.op == nil {
		return nil, refusal
	}
	x.note.Operation = x.op.label
	x.call = Call{RequestID: x.id, Region: cmp.Or(regionOf(r.Host), defaultRegion)}
	in := reflect.New(x.op.input)
	if err := decodeForm(x.op.in, form, in.Elem()); err != nil {
		return nil, err
	}
	return in.Interface(), nil
}

// performOpen finds out who calls, authorises and runs an operation without a
// signature.
func (s *Server) performOpen(ctx context.Context, x *exchange, in any) (any, error) {
	b, err := s.identify(ctx, x, in)
	if err != nil {
		return nil, fmt.Errorf("finding out who calls %s: %w", x.op.label, err)
	}
	x.call.Principal = b.principal
	x.note.Principal = b.principal.ARN
	for _, n := range b.needs {
		err := s.authorize(ctx, x, n)
		var refusal *auth.DeniedError
		if errors.As(err, &refusal) {
			return nil, &strangerError{n.Action}
		}
		if err != nil {
			return nil, err
		}
	}
	return b.run(ctx)
}

// strangerError refuses a caller without a signature, who learns nothing of the
// policies that did it.
type strangerError struct{ action string }

func (e *strangerError) Error() string { return "Not authorized to perform " + e.action }
