package awsapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/aws/smithy-go"

	"drydock/auth"
	"drydock/auth/sigv4"
)

// Throttle holds back the senders of wrong credentials.
type Throttle interface {
	// Wait tells how long a source has to wait until its credentials are checked
	// again; 0 when it need not wait.
	Wait(source netip.Addr) time.Duration
	// Failed notes that a source sent wrong credentials.
	Failed(source netip.Addr)
	// Refused notes that a request was turned away without a check.
	Refused()
	// Proved notes that an access key from a source is its sender's own, and
	// Trusts reports whether it was of late, so that others behind the same
	// address do not wait.
	Proved(source netip.Addr, accessKeyID string)
	Trusts(source netip.Addr, accessKeyID string) bool
}

// errHeld says that too many wrong credentials came from where a request comes
// from. It is answered as errBusy, for which AWS's clients wait and try again.
var errHeld = errBusy

// precheck finds out who a request claims to come from, unless its source is held
// back. Errors: errHeld, and those of sigv4.Verifier.Precheck.
func (s *Server) precheck(ctx context.Context, r *http.Request) (*sigv4.Checked, error) {
	source := auth.OriginFrom(ctx).Source
	if s.throttle.Wait(source) > 0 {
		// What is not signed, or not in the right form, needs no check of keys.
		if id, signed := sigv4.AccessKeyID(r); signed && !s.throttle.Trusts(source, id) {
			s.throttle.Refused()
			return nil, errHeld
		}
	}
	c, err := s.verifier.Precheck(ctx, r)
	if is(err, sigv4.UnknownKey) {
		s.throttle.Failed(source)
	}
	return c, err
}

// prove verifies the signature and notes who called.
func (s *Server) prove(ctx context.Context, x *exchange, c *sigv4.Checked, r *http.Request, body []byte) error {
	source := auth.OriginFrom(ctx).Source
	id, err := c.Verify(r, body)
	if is(err, sigv4.Mismatch) {
		s.throttle.Failed(source)
	}
	if err != nil {
		return err
	}
	s.throttle.Proved(source, id.Principal.AccessKeyID)
	x.call = Call{RequestID: x.id, Principal: id.Principal, Region: id.Region}
	if global := x.service.model.GlobalRegion; global != "" {
		x.call.Region = global
	}
	x.note.Principal = id.Principal.ARN
	return nil
}

func is(err error, kind sigv4.Kind) bool {
	var refusal *sigv4.Error
	return errors.As(err, &refusal) && refusal.Kind == kind
}

// invalidIdentity is AWS's code for a token of another issuer that is not one.
const invalidIdentity = "InvalidIdentityToken"

// identify finds out who calls an operation that takes no signature, unless their
// source is held back. Errors: errHeld, and those of the operation.
func (s *Server) identify(ctx context.Context, x *exchange, in any) (*bearer, error) {
	source := auth.OriginFrom(ctx).Source
	if s.throttle.Wait(source) > 0 {
		s.throttle.Refused()
		return nil, errHeld
	}
	b, err := x.op.identify(ctx, in)
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == invalidIdentity {
		s.throttle.Failed(source)
	}
	return b, err
}
