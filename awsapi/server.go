// Package awsapi is the wire between AWS's clients and the operations: it tells
// what a request asks for, proves who asks, decodes the request into the SDK's
// own structs, checks it against the service's model, asks whether it is allowed,
// runs the operation and encodes what came of it, in the protocols awsJson1.1 and
// awsQuery. It knows nothing of any one service: a Service is made of a table
// (package constraints) and of operations.
//
// Source: Smithy, "AWS JSON 1.1 protocol" and "AWS query protocol",
// https://smithy.io/2.0/aws/protocols/.
package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"drydock/auth"
	"drydock/auth/sigv4"
	"drydock/internal/observe"
	"drydock/internal/requestid"
)

// Options is what a Server is made of. The bounds may be left 0 for the usual
// ones; all else is needed.
type Options struct {
	Services   []*Service
	Verifier   *sigv4.Verifier
	Throttle   Throttle
	Authorizer auth.Authorizer
	Log        *slog.Logger
	// Rand makes the ids of requests that come without one.
	Rand io.Reader
	// MaxBody is the most bytes that a request may have, beside its blobs, and
	// MaxBuffered how many bytes of requests are held at once: 8 MiB and 96 MiB
	// when 0.
	MaxBody, MaxBuffered int64
}

// Server is the HTTP handler of AWS's APIs.
type Server struct {
	json       map[string]*Service // by target prefix
	query      []*Service
	verifier   *sigv4.Verifier
	throttle   Throttle
	authorizer auth.Authorizer
	log        *slog.Logger
	rand       io.Reader
	bodies     *bodies
	// open reads the bodies of requests without a signature, nil when no
	// operation takes one.
	open *bodies
}

// New makes a server. Errors: something is missing, two services cannot be told
// apart, or an operation takes more than may be held.
func New(o Options) (*Server, error) {
	if o.Verifier == nil || o.Throttle == nil || o.Authorizer == nil || o.Log == nil || o.Rand == nil {
		return nil, errors.New("the AWS APIs need a verifier, a throttle, an authorizer, a log and a source of randomness")
	}
	b, err := newBodies(o.MaxBody, o.MaxBuffered)
	if err != nil {
		return nil, err
	}
	s := &Server{json: map[string]*Service{}, verifier: o.Verifier, throttle: o.Throttle, authorizer: o.Authorizer, log: o.Log, rand: o.Rand, bodies: b}
	for _, svc := range o.Services {
		for _, op := range svc.operations {
			if op.identify != nil && s.open == nil {
				if s.open, err = newBodies(maxOpenBody, maxOpenBuffered); err != nil {
					return nil, err
				}
			}
			if limit := b.limit(op); limit >= b.held {
				return nil, fmt.Errorf("%s takes %d bytes, more than may be held at once", op.label, limit)
			}
		}
		if svc.isJSON() {
			if s.json[svc.model.TargetPrefix] != nil {
				return nil, fmt.Errorf("target prefix %s is given twice", svc.model.TargetPrefix)
			}
			s.json[svc.model.TargetPrefix] = svc
			continue
		}
		if twin := s.queryService(svc.model.SigningName, svc.model.Version); twin != nil && twin.model.SigningName == svc.model.SigningName {
			return nil, fmt.Errorf("version %s of %s is given twice", svc.model.Version, svc.model.SigningName)
		}
		s.query = append(s.query, svc)
	}
	return s, nil
}

// Recognises reports whether a request looks like a call of an AWS API rather
// than anything else that may come to the same path: signed or not, right or
// wrong.
func Recognises(r *http.Request) bool {
	if r.URL.Path != "/" && r.URL.Path != "" {
		return false
	}
	return r.Header.Get("X-Amz-Target") != "" || isForm(r) ||
		strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") || r.URL.Query().Has("Action")
}

// exchange is one request on its way through the server.
type exchange struct {
	id      string
	json    bool
	service *Service // nil until it is known
	op      *operation
	call    Call
	note    *observe.Request
	// release gives back the room that the request's body takes.
	release func()
}

// ServeHTTP answers one call of an API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	x := &exchange{id: requestid.From(ctx), json: r.Header.Get("X-Amz-Target") != "", note: observe.From(ctx), release: func() {}}
	if x.id == "" {
		x.id = requestid.New(s.rand)
		ctx = requestid.With(ctx, x.id)
	}
	defer func() { x.release() }()
	answer, err := s.serve(ctx, x, w, r)
	if err != nil {
		s.refuse(ctx, w, x, err)
		return
	}
	x.send(w, http.StatusOK, answer)
}

// serve does all but answer. A panic on the way is an error like any other.
func (s *Server) serve(ctx context.Context, x *exchange, w http.ResponseWriter, r *http.Request) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = &panicError{p, debug.Stack()}
		}
	}()
	receive := s.receiveQuery
	if x.json {
		receive = s.receiveJSON
	}
	in, err := receive(ctx, x, w, r)
	if err != nil {
		return nil, err
	}
	out, err := s.perform(WithCall(ctx, &x.call), x, in)
	if err != nil {
		return nil, err
	}
	return x.encode(out), nil
}

type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// perform checks, authorises and runs an operation.
func (s *Server) perform(ctx context.Context, x *exchange, in any) (any, error) {
	if wrong := x.op.checker.Check(in); len(wrong) > 0 {
		return nil, &invalidError{x.service.model.Explain(wrong)}
	}
	if x.op.identify != nil {
		return s.performOpen(ctx, x, in)
	}
	needs, err := x.op.needs(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", x.op.label, err)
	}
	for _, n := range needs {
		if err := s.authorize(ctx, x, n); err != nil {
			return nil, err
		}
	}
	return x.op.run(ctx, in)
}

func (s *Server) authorize(ctx context.Context, x *exchange, n Need) error {
	err := s.authorizer.Authorize(ctx, auth.Request{
		Principal: x.call.Principal, Action: n.Action, Resource: n.Resource, ResourceAccount: n.ResourceAccount,
		Region: x.call.Region, Keys: n.Keys, Shown: n.Shown,
	})
	if err != nil {
		return fmt.Errorf("authorising %s: %w", n.Action, err)
	}
	return nil
}
