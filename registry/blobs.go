package registry

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"drydock/storage"
)

// headBlob serves HEAD from the records alone, also of what can be had upstream: who
// asks wants to push, and would not push what is not here.
func (h *Handler) headBlob(x *exchange) error {
	b, err := h.engine.StatBlob(x.context(), x.ref, x.digest)
	if err != nil {
		return err
	}
	x.blobHeaders()
	x.w.Header().Set("Accept-Ranges", "bytes")
	x.w.Header().Set("Content-Length", itoa(b.Size))
	x.status(http.StatusOK)
	return nil
}

// getBlob serves GET, of what is here or can be fetched.
func (h *Handler) getBlob(x *exchange) error {
	err := h.getBlobHere(x)
	if h.upstream == nil || !storage.IsMissing(err) {
		return err
	}
	return h.fetchBlob(x, err)
}

// getBlobHere serves GET, with ranges and conditions. http.ServeContent, given the
// bare file and the bare ResponseWriter, lets the kernel send it.
func (h *Handler) getBlobHere(x *exchange) error {
	if h.redirect {
		if sent, err := h.redirectBlob(x); sent || err != nil {
			return err
		}
	}
	content, b, err := h.engine.OpenBlob(x.context(), x.ref, x.digest)
	if err != nil {
		return err
	}
	defer content.Close()
	// What cannot be had is to be told by the status, while there is none yet.
	if offset, n, ok := x.wanted(b.Size); ok {
		if err := storage.Fetch(content, offset, n); err != nil {
			return err
		}
	}
	x.blobHeaders()
	if err := checkRange(x, b.Size); err != nil {
		return err
	}
	http.ServeContent(x.sending(content), x.http, "", time.Time{}, content)
	// What ServeContent sent, only the headers tell.
	x.seen.Status, x.seen.BytesOut = sent(x.w.Header(), x.http, b.Size)
	return nil
}

// sending is the ResponseWriter for http.ServeContent: the bare one, unless the
// content has its own way to be sent.
func (x *exchange) sending(content io.Reader) http.ResponseWriter {
	sender, ok := content.(storage.Sender)
	if !ok {
		return x.w
	}
	return &senderWriter{ResponseWriter: x.w, content: sender, secure: x.http.TLS != nil}
}

// senderWriter has content send itself.
type senderWriter struct {
	http.ResponseWriter
	content storage.Sender
	// secure is set where what is sent has to be encrypted here.
	secure bool
}

// ReadFrom implements io.ReaderFrom. http.ServeContent gives it the content, cut to
// the length of the answer.
func (w *senderWriter) ReadFrom(src io.Reader) (int64, error) {
	var to io.Writer = w.ResponseWriter
	if w.secure {
		to = struct{ io.Writer }{to}
	}
	l, ok := src.(*io.LimitedReader)
	if !ok || l.R != io.Reader(w.content) {
		return io.Copy(to, src)
	}
	n, err := w.content.Send(to, l.N)
	l.N -= n
	return n, err
}

// redirectBlob sends the client to where the bytes are, and reports whether that
// is an address. Of ranges it asks there.
func (h *Handler) redirectBlob(x *exchange) (sent bool, err error) {
	address, err := h.engine.BlobURL(x.context(), x.ref, x.digest)
	if err != nil || address == "" {
		return false, err
	}
	header := x.w.Header()
	header.Set("Docker-Content-Digest", string(x.digest))
	header.Set("Location", address)
	// The address is good for a while only.
	header.Set("Cache-Control", "no-store")
	return true, x.body(http.StatusTemporaryRedirect, nil)
}

// wanted tells which bytes http.ServeContent is going to read, if that is plain:
// there is one range or none, and no condition.
func (x *exchange) wanted(size int64) (offset, n int64, plain bool) {
	for _, condition := range []string{"If-Match", "If-None-Match", "If-Range"} {
		if x.http.Header.Get(condition) != "" {
			return 0, 0, false
		}
	}
	header := x.http.Header.Get("Range")
	if header == "" {
		return 0, size, size > 0
	}
	r, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(r, "-")
	first, err1 := strconv.ParseInt(cmp.Or(from, "0"), 10, 64)
	last, err2 := strconv.ParseInt(cmp.Or(to, strconv.FormatInt(size-1, 10)), 10, 64)
	switch {
	case !ok || !dash || from+to == "" || err1 != nil || err2 != nil:
		return 0, 0, false
	case from == "":
		first, last = size-min(last, size), size-1
	}
	last = min(last, size-1)
	return first, last - first + 1, first >= 0 && first <= last
}

// checkRange answers ranges that hold no byte of the blob with the spec's kind of
// error, and leaves out what is no range, as RFC 9110 (section 14.2) has it.
func checkRange(x *exchange, size int64) error {
	header := x.http.Header.Get("Range")
	if header == "" {
		return nil
	}
	ranges, ok := strings.CutPrefix(header, "bytes=")
	satisfiable := false
	for r := range strings.SplitSeq(ranges, ",") {
		from, to, dash := strings.Cut(strings.TrimSpace(r), "-")
		first, err1 := strconv.ParseInt(cmp.Or(from, "0"), 10, 64)
		last, err2 := strconv.ParseInt(cmp.Or(to, from, "x"), 10, 64)
		if !ok || !dash || err1 != nil || err2 != nil || first < 0 || last < 0 {
			x.http.Header.Del("Range")
			return nil
		}
		// One that ends before it begins is refused even beside others.
		if from != "" && to != "" && last < first {
			satisfiable = false
			break
		}
		satisfiable = satisfiable || from != "" && first < size || from == "" && last > 0
	}
	if !satisfiable {
		x.w.Header().Set("Content-Range", "bytes */"+itoa(size))
		x.w.Header().Del("Etag")
		return &unsatisfiableError{header, size}
	}
	return nil
}

// sent reconstructs what http.ServeContent has answered.
func sent(header http.Header, r *http.Request, size int64) (status int, n int64) {
	n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	switch {
	case matches(r.Header.Get("If-None-Match"), strings.Trim(header.Get("Etag"), `"`)):
		return http.StatusNotModified, 0
	case err != nil:
		// Ranges have been checked: only an If-Match can have been refused, which
		// gives no length.
		return http.StatusPreconditionFailed, 0
	case r.Header.Get("Range") != "" && (header.Get("Content-Range") != "" || n != size):
		return http.StatusPartialContent, n
	}
	return http.StatusOK, n
}

func (x *exchange) blobHeaders() {
	header := x.w.Header()
	header.Set("Docker-Content-Digest", string(x.digest))
	header.Set("Etag", `"`+string(x.digest)+`"`)
	header.Set("Content-Type", "application/octet-stream")
	// A digest names the same bytes for ever.
	header.Set("Cache-Control", "max-age=31536000")
}

// deleteBlob serves DELETE: the repository holds the blob no longer.
func (h *Handler) deleteBlob(x *exchange) error {
	if err := h.engine.DeleteBlob(x.context(), x.ref, x.digest); err != nil {
		return err
	}
	x.w.Header().Set("Docker-Content-Digest", string(x.digest))
	return x.body(http.StatusAccepted, nil)
}
