package registry

import (
	"errors"
	"io"
	"net/http"

	"drydock/auth"
	"drydock/storage"
)

// findManifest finds an image here or, where there is a rule for it, upstream.
func (h *Handler) findManifest(x *exchange) (storage.Manifest, error) {
	m, err := h.engine.Manifest(x.context(), x.ref, x.which)
	if h.upstream == nil {
		return m, err
	}
	switch {
	case storage.IsMissing(err):
		missing := err
		m, err = h.upstream.Manifest(x.context(), x.ref, x.which, missing, x.allowing(h))
		var denied *auth.DeniedError
		var frozen *storage.FrozenError
		if x.http.Method == http.MethodHead && (errors.As(err, &denied) || errors.As(err, &frozen)) {
			// Who asks may be about to push it, and needs no upstream for that.
			err = missing
		}
	case err == nil && x.which.Tag != "":
		m = h.upstream.Fresh(x.context(), x.ref, x.which.Tag, m, x.allowing(h))
	}
	if err == nil && m.Incomplete && x.http.Method == http.MethodHead {
		covered, err := h.upstream.Covers(x.context(), x.ref)
		if err != nil {
			return m, err
		}
		m.Incomplete = !covered
	}
	return m, err
}

// allowing decides whether the sender may do something to the repository.
func (x *exchange) allowing(h *Handler) func(action string) error {
	return func(action string) error { return h.allow(x, action, x.ref) }
}

// fetchBlob serves a blob that is missing here while it is being fetched. A part of
// one is served when all of it is here.
func (h *Handler) fetchBlob(x *exchange, missing error) error {
	whole := x.http.Header.Get("Range") != ""
	body, size, err := h.upstream.Layer(x.context(), x.ref, x.digest, whole, missing, x.allowing(h))
	if err != nil {
		return err
	}
	if body == nil {
		return h.getBlobHere(x)
	}
	defer body.Close()
	x.blobHeaders()
	x.w.Header().Set("Content-Length", itoa(size))
	x.status(http.StatusOK)
	n, err := io.Copy(x.w, body)
	x.seen.BytesOut += n
	if err != nil {
		// Fewer bytes than announced: the client sees that this is not all of it.
		x.seen.Error = "the layer could not be sent whole: " + err.Error()
		panic(http.ErrAbortHandler)
	}
	return nil
}
