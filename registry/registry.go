// Package registry is the OCI distribution API, /v2/, over the storage engine.
// A request is read into one value (request.go), its sender is recognised and
// allowed (access.go), one handler runs (a file for each group of endpoints),
// and what it returns as an error is written in one place (errors.go).
//
// Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
package registry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/internal/observe"
	"drydock/internal/registryhost"
	"drydock/internal/requestid"
	"drydock/storage"
)

// Tokens recognise the senders of requests.
type Tokens interface {
	// Verify tells whose password it is. Errors: token.ErrInvalid,
	// token.ErrExpired.
	Verify(ctx context.Context, password string) (auth.Principal, error)
	// VerifyLayer tells on whose behalf a token allows the reading of one blob,
	// "<repository ARN>@<digest>". Errors: as Verify.
	VerifyLayer(ctx context.Context, token, layer string) (auth.Principal, error)
	// Known reports whether the signature of a password or of a layer's token
	// was found good a while ago, be it refused since.
	Known(token string) bool
}

// Throttle holds back the senders of wrong passwords.
type Throttle interface {
	// Wait tells how long a source has to wait until its passwords are checked
	// again; 0 when it need not wait.
	Wait(source netip.Addr) time.Duration
	// Failed notes that a source sent a wrong password.
	Failed(source netip.Addr)
	// Refused notes that a request was turned away without a check.
	Refused()
}

// Creator makes the repositories that are pushed to before they are there.
type Creator interface {
	// Foresees tells whether a repository is to be made when it is pushed to.
	Foresees(ctx context.Context, ref storage.Ref) (bool, error)
	// CreateOnPush makes it. Errors: *auth.DeniedError.
	CreateOnPush(ctx context.Context, ref storage.Ref) error
}

// Upstream has what is missing here fetched from other registries. allow decides
// whether the sender may do something to the repository.
type Upstream interface {
	// Covers tells whether what a repository lacks can be had elsewhere.
	Covers(ctx context.Context, ref storage.Ref) (bool, error)
	// Manifest fetches an image; missing says why it is not here, and is returned
	// where it is nowhere else either.
	Manifest(ctx context.Context, ref storage.Ref, which storage.Reference, missing error, allow func(action string) error) (storage.Manifest, error)
	// Fresh is what a tag that points at held is to be served as.
	Fresh(ctx context.Context, ref storage.Ref, tag string, held storage.Manifest, allow func(action string) error) storage.Manifest
	// Layer fetches a blob. A body of nil means that it is here now; with whole it
	// always is.
	Layer(ctx context.Context, ref storage.Ref, d digest.Digest, whole bool, missing error, allow func(action string) error) (body io.ReadCloser, size int64, err error)
}

// Options is what a Handler is made of. Creator, Upstream, Pulled and Mounts may be
// left out.
type Options struct {
	Engine     *storage.Registry
	Tokens     Tokens
	Throttle   Throttle
	Authorizer auth.Authorizer
	Names      *registryhost.Names
	Creator    Creator
	Upstream   Upstream
	Log        *slog.Logger
	// Pulled is told of each manifest that is given away, and to whom.
	Pulled func(ref storage.Ref, d digest.Digest, who auth.Principal)
	// Mounts tells whether blobs may be taken from other repositories of a registry.
	Mounts func(ctx context.Context, of storage.Scope) (bool, error)
	// Redirect sends those who get a blob to where the engine has it, if that is
	// an address.
	Redirect bool
}

// Handler serves /v2/.
type Handler struct {
	engine     *storage.Registry
	tokens     Tokens
	throttle   Throttle
	authorizer auth.Authorizer
	names      *registryhost.Names
	creator    Creator
	upstream   Upstream
	log        *slog.Logger
	pulled     func(ref storage.Ref, d digest.Digest, who auth.Principal)
	mounts     func(ctx context.Context, of storage.Scope) (bool, error)
	redirect   bool
}

// New makes a handler. It is an error to leave out anything else.
func New(o Options) (*Handler, error) {
	if o.Engine == nil || o.Tokens == nil || o.Throttle == nil || o.Authorizer == nil || o.Names == nil || o.Log == nil {
		return nil, errors.New("the registry needs an engine, tokens, a throttle, an authorizer, names and a log")
	}
	return &Handler{
		engine: o.Engine, tokens: o.Tokens, throttle: o.Throttle, authorizer: o.Authorizer, names: o.Names, creator: o.Creator, upstream: o.Upstream,
		pulled: o.Pulled, mounts: o.Mounts, log: o.Log, redirect: o.Redirect,
	}, nil
}

// exchange is a request being answered.
type exchange struct {
	*request
	w    http.ResponseWriter
	http *http.Request
	// who is set once the sender is recognised.
	who  auth.Principal
	seen *observe.Request
}

func (x *exchange) context() context.Context { return x.http.Context() }

// ServeHTTP implements http.Handler. The ResponseWriter has to be net/http's own
// for pulls to be sent without copying.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, http: r, seen: observe.From(r.Context())}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := h.serve(x); err != nil {
		h.fail(x, err)
	}
}

// handlers has one for every endpoint that parse can return without an error.
var handlers = map[endpoint]func(*Handler, *exchange) error{
	base:           (*Handler).base,
	getManifest:    (*Handler).getManifest,
	putManifest:    (*Handler).putManifest,
	deleteManifest: (*Handler).deleteManifest,
	getBlob:        (*Handler).getBlob,
	headBlob:       (*Handler).headBlob,
	deleteBlob:     (*Handler).deleteBlob,
	startUpload:    (*Handler).startUpload,
	getUpload:      (*Handler).getUpload,
	patchUpload:    (*Handler).patchUpload,
	putUpload:      (*Handler).putUpload,
	deleteUpload:   (*Handler).deleteUpload,
	listTags:       (*Handler).listTags,
	listReferrers:  (*Handler).listReferrers,
	catalog:        (*Handler).catalog,
}

func (h *Handler) serve(x *exchange) error {
	req, perr := parse(x.http, h.names)
	x.request = req
	x.seen.Operation = req.endpoint.String()
	// Strangers learn nothing, not even that a path is wrong.
	if err := h.authenticate(x); err != nil {
		return err
	}
	x.seen.Principal = x.who.ARN
	if perr != nil {
		return perr
	}
	if err := h.authorize(x); err != nil {
		return err
	}
	return handlers[x.endpoint](h, x)
}

// base answers GET /v2/: the API is here, and the password is good.
func (h *Handler) base(x *exchange) error {
	return x.json(http.StatusOK, "application/json", []byte("{}"))
}

// json writes a body of JSON.
func (x *exchange) json(status int, mediaType string, body []byte) error {
	x.w.Header().Set("Content-Type", mediaType)
	return x.body(status, body)
}

// body writes a status and a body that is small enough to be held. HEAD gets the
// headers alone.
func (x *exchange) body(status int, body []byte) error {
	x.w.Header().Set("Content-Length", itoa(int64(len(body))))
	x.status(status)
	if x.http.Method == http.MethodHead {
		return nil
	}
	n, err := x.w.Write(body)
	x.seen.BytesOut += int64(n)
	return x.gone(err)
}

func (x *exchange) status(status int) {
	x.seen.Status = status
	x.w.WriteHeader(status)
}

// gone turns the failure to write into silence: the client has gone, or the
// connection broke, and there is nobody left to tell.
func (x *exchange) gone(err error) error {
	if err != nil {
		x.seen.Error = "the answer could not be sent: " + err.Error()
	}
	return nil
}

func (h *Handler) warn(x *exchange, message string, err error) {
	h.log.ErrorContext(x.context(), message, "id", requestid.From(x.context()), "operation", x.endpoint.String(), "error", err)
}
