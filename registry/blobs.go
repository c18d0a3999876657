package registry

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// headBlob serves HEAD from the records alone.
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

// getBlob serves GET, with ranges and conditions. http.ServeContent, given the
// bare file and the bare ResponseWriter, lets the kernel send it.
func (h *Handler) getBlob(x *exchange) error {
	content, b, err := h.engine.OpenBlob(x.context(), x.ref, x.digest)
	if err != nil {
		return err
	}
	defer content.Close()
	x.blobHeaders()
	if err := checkRange(x, b.Size); err != nil {
		return err
	}
	http.ServeContent(x.w, x.http, "", time.Time{}, content)
	// What ServeContent sent, only the headers tell.
	x.seen.Status, x.seen.BytesOut = sent(x.w.Header(), x.http, b.Size)
	return nil
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
