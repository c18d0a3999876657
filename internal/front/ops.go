package front

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"drydock/internal/observe"
)

// live says that the process runs; who asks restarts one that does not answer.
func (f *Front) live(w http.ResponseWriter, r *http.Request) {
	answer(w, r, "Live", http.StatusOK, "text/plain; charset=utf-8", "ok\n")
}

// ready says that the server can do its work and is not about to stop; who asks
// sends no new work to one that does not.
func (f *Front) ready(w http.ResponseWriter, r *http.Request) {
	if f.draining.Load() {
		answer(w, r, "Ready", http.StatusServiceUnavailable, "text/plain; charset=utf-8", "shutting down\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := f.o.Ready(ctx); err != nil {
		observe.From(r.Context()).Error = err.Error()
		f.o.Log.Warn("the server cannot do its work", "error", err)
		answer(w, r, "Ready", http.StatusServiceUnavailable, "text/plain; charset=utf-8", "not ready, see the log\n")
		return
	}
	answer(w, r, "Ready", http.StatusOK, "text/plain; charset=utf-8", "ok\n")
}

func (f *Front) metrics(w http.ResponseWriter, r *http.Request) {
	observe.From(r.Context()).Operation = "Metrics"
	f.scrape.ServeHTTP(w, r)
}

// unknown answers what belongs to no room. Under a name that is a registry's
// alone, errors are the registry's JSON (OCI distribution-spec 1.1, "Error
// codes"), whatever the path.
func (f *Front) unknown(w http.ResponseWriter, r *http.Request) {
	if f.o.Names.IsRegistry(r.Host) {
		answer(w, r, "", http.StatusNotFound, "application/json",
			`{"errors":[{"code":"UNSUPPORTED","message":"there is nothing at this path: the registry is below /v2/","detail":null}]}`+"\n")
		return
	}
	answer(w, r, "", http.StatusNotFound, "text/plain; charset=utf-8",
		"There is nothing at this path. This is drydock: a registry below /v2/, the AWS APIs at /.\n")
}

func answer(w http.ResponseWriter, r *http.Request, operation string, status int, contentType, text string) {
	record := observe.From(r.Context())
	record.Operation, record.Status = operation, status
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	n, err := io.WriteString(w, text)
	record.BytesOut += int64(n)
	if err != nil {
		record.Error = err.Error()
	}
}
