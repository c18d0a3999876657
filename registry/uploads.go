package registry

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// startUpload serves POST: it mounts a blob of another repository, takes in a
// whole blob at once, or begins an upload. With the first one a repository is made
// that a creation template foresees.
func (h *Handler) startUpload(x *exchange) error {
	err := h.startUploadHere(x)
	var missing *storage.RepositoryUnknownError
	if !errors.As(err, &missing) || missing.Ref != x.ref || h.creator == nil {
		return err
	}
	foreseen, problem := h.creator.Foresees(x.context(), x.ref)
	if problem != nil {
		return problem
	}
	if !foreseen {
		return err
	}
	if err := h.allow(x, "ecr:CreateRepository", x.ref); err != nil {
		return err
	}
	if err := h.creator.CreateOnPush(x.context(), x.ref); err != nil {
		return err
	}
	return h.startUploadHere(x)
}

// startUploadHere is startUpload for a repository that is there; of another nothing
// is read from the client.
func (h *Handler) startUploadHere(x *exchange) error {
	query := x.http.URL.Query()
	if mount := query.Get("mount"); mount != "" {
		done, err := h.mount(x, digest.Digest(mount), query.Get("from"))
		if done || err != nil {
			return err
		}
	}
	d := query.Get("digest")
	if d != "" {
		// All at once is no way round what each step takes.
		for _, step := range []endpoint{patchUpload, putUpload} {
			if err := h.allow(x, actions[step], x.ref); err != nil {
				return err
			}
		}
	}
	u, err := h.engine.StartUpload(x.context(), x.ref)
	if err != nil {
		return err
	}
	if d != "" {
		b, err := h.engine.FinishUpload(x.context(), x.ref, u.ID, 0, announced(x.http, x.http.Body), digest.Digest(d))
		if err != nil {
			// The client was given no address to go on at. What cannot be
			// cancelled now expires.
			if cerr := h.engine.CancelUpload(x.context(), x.ref, u.ID); cerr != nil {
				h.log.DebugContext(x.context(), "an upload stays until it expires", "upload", u.ID, "error", cerr)
			}
			return withoutUpload(err)
		}
		return x.created(b)
	}
	x.upload = u.ID
	x.uploadHeaders(u)
	// The form of the next chunk is the client's to choose.
	x.w.Header().Set("OCI-Chunk-Min-Length", "1")
	return x.body(http.StatusAccepted, nil)
}

// withoutUpload makes of a broken body an error that does not send the client
// back to an upload that is gone.
func withoutUpload(err error) error {
	var truncated *storage.UploadTruncatedError
	if errors.As(err, &truncated) {
		return &rangeError{"the body broke off: " + truncated.Cause.Error()}
	}
	return err
}

// mount tries to make a blob of another repository available here and reports
// whether the request is answered with that. What may not or cannot be mounted
// is uploaded instead, as the spec has it.
func (h *Handler) mount(x *exchange, d digest.Digest, from string) (done bool, err error) {
	if from == "" {
		return false, nil
	}
	account, region, name := h.names.Resolve(x.http.Host, from)
	if checkName(name) != nil {
		return false, nil
	}
	source := storage.Ref{Scope: storage.Scope{Account: account, Region: region}, Name: name}
	if ok, err := h.mayMount(x, source); err != nil || !ok {
		return false, err
	}
	if h.mounts != nil {
		if ok, err := h.mounts(x.context(), x.ref.Scope); err != nil || !ok {
			return false, err
		}
	}
	b, err := h.engine.MountBlob(x.context(), x.ref, source, d)
	var unknown *storage.BlobUnknownError
	var nowhere *storage.RepositoryUnknownError
	var invalid *storage.DigestInvalidError
	switch {
	case err == nil:
		return true, x.created(b)
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &nowhere) && nowhere.Ref == source:
		return false, nil
	}
	return false, err
}

// getUpload serves GET: how far the upload has come.
func (h *Handler) getUpload(x *exchange) error {
	u, err := h.engine.Upload(x.context(), x.ref, x.upload)
	if err != nil {
		return err
	}
	x.uploadHeaders(u)
	x.status(http.StatusNoContent)
	return nil
}

// patchUpload serves PATCH: the next chunk, or all that is left as one stream.
func (h *Handler) patchUpload(x *exchange) error {
	offset, body, err := chunk(x.http)
	if err != nil {
		return err
	}
	u, err := h.engine.AppendUpload(x.context(), x.ref, x.upload, offset, body)
	if err != nil {
		return err
	}
	x.uploadHeaders(u)
	return x.body(http.StatusAccepted, nil)
}

// putUpload serves PUT: the last chunk, if any, and the digest of the whole.
func (h *Handler) putUpload(x *exchange) error {
	d := x.http.URL.Query().Get("digest")
	if d == "" {
		return &storage.DigestInvalidError{Digest: d}
	}
	offset, body, err := chunk(x.http)
	if err != nil {
		return err
	}
	if x.http.ContentLength == 0 {
		body = nil
	}
	b, err := h.engine.FinishUpload(x.context(), x.ref, x.upload, offset, body, digest.Digest(d))
	if err != nil {
		return err
	}
	return x.created(b)
}

// deleteUpload serves DELETE: the client gives the upload up.
func (h *Handler) deleteUpload(x *exchange) error {
	if err := h.engine.CancelUpload(x.context(), x.ref, x.upload); err != nil {
		return err
	}
	x.status(http.StatusNoContent)
	return nil
}

// chunk reads where a body belongs. Without a Content-Range it goes on wherever
// the upload stands; with one, the body must have the length that it tells.
// The form is the spec's "<first>-<last>", with or without HTTP's "bytes ".
func chunk(r *http.Request) (offset int64, body io.Reader, err error) {
	header := r.Header.Get("Content-Range")
	if header == "" {
		return storage.AnyOffset, announced(r, r.Body), nil
	}
	text := strings.TrimPrefix(header, "bytes ")
	text, _, _ = strings.Cut(text, "/")
	from, to, ok := strings.Cut(text, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	if !ok || err1 != nil || err2 != nil || first < 0 || last < first-1 || last == math.MaxInt64 {
		return 0, nil, &rangeError{fmt.Sprintf("%q is not of the form <first byte>-<last byte>", header)}
	}
	length := last - first + 1
	if r.ContentLength >= 0 && r.ContentLength != length {
		return 0, nil, &rangeError{fmt.Sprintf("%q tells of %d bytes, but the body has %d", header, length, r.ContentLength)}
	}
	return first, announced(r, &exactly{r.Body, length}), nil
}

// announced is a request's body with the length that its header tells, if it does.
func announced(r *http.Request, body io.Reader) io.Reader {
	if r.ContentLength <= 0 {
		return body
	}
	return &storage.Announced{Reader: body, Length: r.ContentLength}
}

// exactly yields a body and fails when it is not as long as was announced.
type exactly struct {
	io.Reader
	left int64
}

// Read implements io.Reader.
func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.left -= int64(n)
	if e.left < 0 {
		return n + int(e.left), errors.New("the body is longer than its Content-Range tells")
	}
	if err == io.EOF && e.left > 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// uploadHeaders tells where an upload goes on.
func (x *exchange) uploadHeaders(u storage.Upload) {
	header := x.w.Header()
	header.Set("Location", "/v2/"+x.path+"/blobs/uploads/"+u.ID)
	header.Set("Docker-Upload-UUID", u.ID)
	// An empty upload cannot be told from one of a single byte in this form;
	// 0-0 is what registries say.
	header.Set("Range", "0-"+itoa(max(u.Offset-1, 0)))
}

// created answers that a blob is there.
func (x *exchange) created(b storage.Blob) error {
	header := x.w.Header()
	header.Set("Location", "/v2/"+x.path+"/blobs/"+string(b.Digest))
	header.Set("Docker-Content-Digest", string(b.Digest))
	return x.body(http.StatusCreated, nil)
}
