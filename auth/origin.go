package auth

import (
	"context"
	"net/netip"
	"time"
)

// Origin is where a request came from and how. Policies may ask for it
// (aws:SourceIp, aws:SecureTransport, aws:UserAgent, aws:CurrentTime).
type Origin struct {
	// Source is the address of the client; not valid when it is not known.
	Source netip.Addr
	// Secure reports whether the request came over TLS.
	Secure    bool
	UserAgent string
	At        time.Time
}

type originKey struct{}

// WithOrigin returns a context that carries o.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginFrom returns the origin that a context carries, an empty one when it
// carries none.
func OriginFrom(ctx context.Context) *Origin {
	if o, ok := ctx.Value(originKey{}).(*Origin); ok {
		return o
	}
	return &Origin{}
}
