// Package front is the outermost handler: it gives every request an id, sends it
// to the room that answers it, and afterwards writes it down and counts it. The
// rooms themselves (the registry, the AWS APIs) are handed to it.
package front

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"drydock/auth"
	"drydock/internal/metrics"
	"drydock/internal/observe"
	"drydock/internal/registryhost"
	"drydock/internal/requestid"
)

// The ways in, as logs and metrics call them.
const (
	surfaceRegistry = "registry"
	surfaceAWS      = "aws"
	surfaceSession  = "session"
	surfaceOps      = "ops"
	surfaceOther    = "other"
)

// Options is what a Front is made of.
type Options struct {
	// Registry answers /v2/ and everything below it. It gets net/http's own
	// ResponseWriter and a path that nobody cleaned.
	Registry http.Handler
	// AWS answers the AWS APIs, whose path is always /.
	AWS http.Handler
	// Sessions answers below /session/: those who are in a container of a task.
	Sessions http.Handler
	// Ready returns nil when the server can do its work.
	Ready   func(context.Context) error
	Names   *registryhost.Names
	Metrics *metrics.Metrics
	Log     *slog.Logger
	Now     func() time.Time
	Rand    io.Reader
}

// Front is the outermost handler.
type Front struct {
	o        Options
	scrape   http.Handler
	draining atomic.Bool
}

// New makes a Front.
func New(o Options) *Front {
	return &Front{o: o, scrape: o.Metrics.Handler()}
}

// Drain makes /readyz answer 503, so that nobody sends new work. What is under
// way, and what still comes, is served.
func (f *Front) Drain() { f.draining.Store(true) }

// route finds who answers a request. It goes by the path as it was sent: a
// http.ServeMux would redirect paths with .. or // in them, which the registry
// has its own answers for.
func (f *Front) route(r *http.Request) (surface string, h http.Handler) {
	switch path := r.URL.Path; {
	case path == "/v2" || strings.HasPrefix(path, "/v2/"):
		return surfaceRegistry, f.o.Registry
	case path == "/" && isAWS(r):
		return surfaceAWS, f.o.AWS
	case strings.HasPrefix(path, "/session/"):
		return surfaceSession, f.o.Sessions
	case path == "/livez":
		return surfaceOps, http.HandlerFunc(f.live)
	case path == "/readyz":
		return surfaceOps, http.HandlerFunc(f.ready)
	case path == "/metrics":
		return surfaceOps, http.HandlerFunc(f.metrics)
	}
	return surfaceOther, http.HandlerFunc(f.unknown)
}

// isAWS tells an API call from a browser that looks at the first page: calls are
// posted, or are presigned or signed GETs of the query protocol.
func isAWS(r *http.Request) bool {
	if r.Method == http.MethodPost {
		return true
	}
	q := r.URL.RawQuery
	return strings.Contains(q, "X-Amz-") || strings.HasPrefix(q, "Action=") || strings.Contains(q, "&Action=") ||
		strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256")
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := f.o.Now()
	id := requestid.New(f.o.Rand)
	w.Header().Set("X-Amzn-RequestId", id)
	w.Header().Set("X-Request-Id", id)
	surface, handler := f.route(r)

	record := new(observe.Request)
	ctx := auth.WithOrigin(requestid.With(r.Context(), id), origin(r, start))
	r = r.WithContext(observe.With(ctx, record))
	counted := watch(w, r, f.o.Now)
	if counted != nil && surface == surfaceRegistry && strings.Contains(r.URL.Path, "/blobs/uploads/") {
		defer f.o.Metrics.UploadStarted()()
	}
	defer func() {
		if counted != nil {
			record.BytesIn = counted.n.Load()
		}
		fault := recover()
		if fault != nil {
			record.Status = http.StatusInternalServerError
			if fault != http.ErrAbortHandler {
				record.Error = "panic"
				f.o.Log.Error("a handler panicked", "id", id, "panic", fault, "stack", string(debug.Stack()))
			}
		}
		if record.Status == 0 {
			record.Status = http.StatusOK
		}
		f.done(r, id, surface, record, f.o.Now().Sub(start))
		if fault != nil {
			// The answer may be half sent: the client must see that it is not whole.
			panic(http.ErrAbortHandler)
		}
	}()
	handler.ServeHTTP(w, r)
}

// origin is where a request came from.
func origin(r *http.Request, at time.Time) *auth.Origin {
	o := &auth.Origin{Secure: r.TLS != nil, UserAgent: r.UserAgent(), At: at}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		o.Source = from.Addr().Unmap().WithZone("")
	}
	return o
}

// done counts a request and writes its line.
func (f *Front) done(r *http.Request, id, surface string, record *observe.Request, took time.Duration) {
	f.o.Metrics.Request(surface, record, took)
	level := slog.LevelInfo
	switch {
	case record.Status >= 500 && surface != surfaceOps:
		level = slog.LevelError
	case surface == surfaceOps:
		level = slog.LevelDebug
	}
	if !f.o.Log.Enabled(r.Context(), level) {
		return
	}
	// The query is left out: it may hold a signature.
	attrs := []slog.Attr{
		slog.String("id", id),
		slog.String("remote", r.RemoteAddr),
		slog.String("method", r.Method),
		slog.String("host", r.Host),
		slog.String("path", r.URL.Path),
		slog.String("surface", surface),
		slog.String("operation", record.Operation),
		slog.Int("status", record.Status),
		slog.Int64("in", record.BytesIn),
		slog.Int64("out", record.BytesOut),
		slog.Duration("took", took),
	}
	if record.Principal != "" {
		attrs = append(attrs, slog.String("principal", record.Principal))
	}
	if record.Error != "" {
		attrs = append(attrs, slog.String("error", record.Error))
	}
	f.o.Log.LogAttrs(r.Context(), level, "request", attrs...)
}
