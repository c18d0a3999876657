package faults

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// spoiler stands between the server and an S3 service and spoils requests. What is
// signed, the name of the host above all, passes as it is.
type spoiler struct {
	server *httptest.Server
	next   *httputil.ReverseProxy

	mu    sync.Mutex
	fault fault
}

// fault answers a request in a way of its own, or has it passed on.
type fault func(s *spoiler, w http.ResponseWriter, r *http.Request)

// pass is no fault.
func pass(s *spoiler, w http.ResponseWriter, r *http.Request) { s.next.ServeHTTP(w, r) }

func newSpoiler(t *testing.T, endpoint string) *spoiler {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := &spoiler{fault: pass}
	s.next = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		// Whoever cuts an answer off means to cut it there.
		FlushInterval: -1,
	}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f := s.fault
		s.mu.Unlock()
		f(s, w, r)
	}))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handlers that panic, as is meant
	t.Cleanup(s.server.Close)
	return s
}

// URL is the address to call instead of the service's.
func (s *spoiler) URL() string { return s.server.URL }

// set makes a fault that of all requests from now on.
func (s *spoiler) set(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// operation is what kind of request it is, as far as the tests tell them apart.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && (q.Has("list-type") || q.Has("uploads") || q.Has("uploadId")):
		return "List"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodPut && q.Has("uploadId"):
		return "UploadPart"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	}
	return r.Method
}

// says answers with an error of S3's, after taking in the request or not.
func says(status int, code string) fault {
	return func(_ *spoiler, w http.ResponseWriter, r *http.Request) {
		body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	}
}

// hangUp closes the connection before anything is read.
func hangUp(_ *spoiler, w http.ResponseWriter, _ *http.Request) { cut(w) }

// cut closes the connection, with a reset where there is something unread.
func cut(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		c.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// loseAnswer has the service do what is asked and keeps the answer.
func loseAnswer(s *spoiler, w http.ResponseWriter, r *http.Request) {
	s.next.ServeHTTP(httptest.NewRecorder(), r)
	cut(w)
}

// cutRequest passes half of a body on.
func cutRequest(s *spoiler, w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 2 {
		pass(s, w, r)
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	half := r.Clone(r.Context())
	half.Body = io.NopCloser(io.MultiReader(io.LimitReader(zeros{}, r.ContentLength/2), broken{}))
	func() {
		defer func() { _ = recover() }() // the proxy gives up so
		s.next.ServeHTTP(httptest.NewRecorder(), half)
	}()
	cut(w)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, net.ErrClosed }

// cutAnswer breaks answers off after n bytes of their bodies, in the way of a
// connection that is closed.
func cutAnswer(n int64) fault {
	return func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		s.next.ServeHTTP(&rationed{ResponseWriter: w, left: n}, r)
	}
}

// rationed passes so many bytes on.
type rationed struct {
	http.ResponseWriter
	left int64
}

func (w *rationed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *rationed) Write(p []byte) (int, error) {
	if int64(len(p)) <= w.left {
		w.left -= int64(len(p))
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// flip turns one bit in the middle of what is read.
func flip(s *spoiler, w http.ResponseWriter, r *http.Request) {
	if operation(r) != "GetObject" {
		pass(s, w, r)
		return
	}
	s.next.ServeHTTP(&flipping{ResponseWriter: w}, r)
}

type flipping struct {
	http.ResponseWriter
	seen int
}

func (w *flipping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *flipping) Write(p []byte) (int, error) {
	const at = 1000
	if w.seen <= at && at < w.seen+len(p) {
		p = bytes.Clone(p)
		p[at-w.seen] ^= 1
	}
	w.seen += len(p)
	return w.ResponseWriter.Write(p)
}

// slow has each request wait, and each piece of an answer.
func slow(wait time.Duration) fault {
	return func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		time.Sleep(wait)
		s.next.ServeHTTP(&dawdling{w, wait / 20}, r)
	}
}

type dawdling struct {
	http.ResponseWriter
	wait time.Duration
}

func (w *dawdling) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *dawdling) Write(p []byte) (int, error) {
	time.Sleep(w.wait)
	return w.ResponseWriter.Write(p)
}

// only has a fault for one kind of request.
func only(kind string, f fault) fault {
	return func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		if operation(r) == kind {
			f(s, w, r)
			return
		}
		pass(s, w, r)
	}
}

// outage closes all connections for a time, from the first request on that is one
// of those kinds.
func outage(d time.Duration, kinds ...string) fault {
	var mu sync.Mutex
	var end time.Time
	return func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if end.IsZero() && slices.Contains(kinds, operation(r)) {
			end = time.Now().Add(d)
		}
		out := time.Now().Before(end)
		mu.Unlock()
		if out {
			cut(w)
			return
		}
		pass(s, w, r)
	}
}

// nowAndThen spoils one request in so many, each with one of the faults.
func nowAndThen(t *testing.T, oneIn int, seed uint64, faults map[string]fault) fault {
	names := slices.Sorted(maps.Keys(faults))
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 0))
	done := map[string]int{}
	t.Cleanup(func() { t.Logf("spoilt: %v", done) })
	return func(s *spoiler, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		name := ""
		if rnd.IntN(oneIn) == 0 {
			name = names[rnd.IntN(len(names))]
			done[name]++
		}
		mu.Unlock()
		if name == "" {
			pass(s, w, r)
			return
		}
		faults[name](s, w, r)
	}
}
