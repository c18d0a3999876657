package registry

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"drydock/auth"
	"drydock/storage"
)

// getManifest serves GET and HEAD. The Accept header is not asked: a manifest has
// one form, and a client that cannot read it says so better than a 404 would.
func (h *Handler) getManifest(x *exchange) error {
	m, err := h.findManifest(x)
	if err != nil {
		return err
	}
	if m.Incomplete && x.http.Method == http.MethodHead {
		// Clients that find a manifest there push nothing of it, so that the image
		// would never be whole again. Who GETs it may have the layers already.
		return &storage.ManifestUnknownError{Ref: x.ref, Reference: x.which}
	}
	if x.http.Method == http.MethodGet && h.pulled != nil {
		h.pulled(x.ref, m.Digest, x.who)
	}
	header := x.w.Header()
	header.Set("Docker-Content-Digest", string(m.Digest))
	header.Set("Etag", `"`+string(m.Digest)+`"`)
	if matches(x.http.Header.Get("If-None-Match"), string(m.Digest)) {
		x.status(http.StatusNotModified)
		return nil
	}
	return x.json(http.StatusOK, m.MediaType, m.Content)
}

// matches reports whether an If-None-Match names the entity (RFC 9110, section
// 13.1.2).
func matches(header, digest string) bool {
	if header == "" {
		return false
	}
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) == digest {
			return true
		}
	}
	return false
}

// putManifest serves PUT, by tag or digest. With a digest, tags may come as query
// parameters.
func (h *Handler) putManifest(x *exchange) error {
	content, err := io.ReadAll(http.MaxBytesReader(x.w, x.http.Body, storage.MaxManifestSize))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &tooLargeError{storage.MaxManifestSize}
	}
	if err != nil {
		return &storage.ManifestInvalidError{Reason: "the body broke off: " + err.Error()}
	}
	m := storage.ManifestUpload{Content: content, Digest: x.which.Digest, By: auth.CallerOf(x.context(), x.who)}
	if ct := x.http.Header.Get("Content-Type"); ct != "" {
		if m.MediaType, _, err = mime.ParseMediaType(ct); err != nil {
			return &storage.ManifestInvalidError{Reason: "the Content-Type cannot be read: " + err.Error()}
		}
	}
	if x.which.Tag != "" {
		m.Tags = []string{x.which.Tag}
	} else {
		m.Tags = x.http.URL.Query()["tag"]
	}
	stored, err := h.engine.PutManifest(x.context(), x.ref, m)
	if err != nil {
		return err
	}
	header := x.w.Header()
	header.Set("Location", "/v2/"+x.path+"/manifests/"+string(stored.Digest))
	header.Set("Docker-Content-Digest", string(stored.Digest))
	if stored.Subject != "" {
		header.Set("OCI-Subject", string(stored.Subject))
	}
	for _, t := range m.Tags {
		if x.which.Tag == "" {
			header.Add("OCI-Tag", t)
		}
	}
	return x.body(http.StatusCreated, nil)
}

// deleteManifest serves DELETE: of a tag, the tag; of a digest, the manifest with
// all its tags.
func (h *Handler) deleteManifest(x *exchange) error {
	var err error
	if x.which.Tag != "" {
		_, err = h.engine.DeleteTag(x.context(), x.ref, x.which.Tag)
	} else {
		err = h.engine.DeleteManifest(x.context(), x.ref, x.which.Digest)
	}
	if err != nil {
		return err
	}
	return x.body(http.StatusAccepted, nil)
}
