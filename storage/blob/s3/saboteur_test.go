package s3

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// operation is what S3 calls a request.
func operation(r *http.Request) string {
	q := r.URL.Query()
	multipart := q.Has("uploadId")
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && multipart:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodPut && multipart && r.Header.Get("X-Amz-Copy-Source") != "":
		return "UploadPartCopy"
	case r.Method == http.MethodPut && multipart:
		return "UploadPart"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodGet && multipart:
		return "ListParts"
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "ListMultipartUploads"
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "ListObjectsV2"
	case r.Method == http.MethodGet:
		return "GetObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	case r.Method == http.MethodDelete && multipart:
		return "AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	}
	return r.Method
}

// doer is a function as a Doer.
type doer func(*http.Request) (*http.Response, error)

func (f doer) Do(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes an answer that the service did not give.
func answer(r *http.Request, status int, code string) *http.Response {
	if r.Body != nil {
		r.Body.Close()
	}
	body := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + code + `</Message></Error>`
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

var errCut = errors.New("read tcp: connection reset by peer")

// cutBody breaks an answer off after n bytes.
type cutBody struct {
	io.ReadCloser
	left int
	err  error
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// slowBody dawdles.
type slowBody struct {
	io.ReadCloser
	r *http.Request
}

func (b slowBody) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return b.ReadCloser.Read(p[:min(len(p), 100<<10)])
}

// hangingBody gives no byte until it is given up.
type hangingBody struct {
	io.ReadCloser
	r *http.Request
}

func (b hangingBody) Read([]byte) (int, error) {
	<-b.r.Context().Done()
	return 0, b.r.Context().Err()
}

// saboteur spoils one request in eight, in all the ways that a network and a
// service at their limits have. Nothing of it is to be seen by who uses a driver: that
// a request is spoilt each time that it is tried happens once in ten million.
type saboteur struct {
	next Doer
	mu   sync.Mutex
	rand *rand.Rand
	done map[string]int
}

func (s *saboteur) pick() (fault, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(64), s.rand.IntN(2 << 20)
}

func (s *saboteur) note(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = map[string]int{}
	}
	s.done[fault]++
}

// Do implements Doer.
func (s *saboteur) Do(r *http.Request) (*http.Response, error) {
	fault, at := s.pick()
	op := operation(r)
	switch fault {
	case 0:
		s.note("500")
		return answer(r, http.StatusInternalServerError, "InternalError"), nil
	case 1:
		s.note("503 SlowDown")
		return answer(r, http.StatusServiceUnavailable, "SlowDown"), nil
	case 2:
		s.note("cut before the request")
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errCut
	case 3:
		// What has begun must not be begun twice: it would be found, and is to be.
		if op == "CreateMultipartUpload" {
			break
		}
		resp, err := s.next.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			s.note("answer lost")
			err = errCut
		}
		return nil, err
	case 4, 8: // twice, for few requests have a body
		if r.Body == nil || r.ContentLength < 100 {
			break
		}
		s.note("request cut")
		// The service gets part of a body, and the client an error.
		cut := r.Clone(r.Context())
		cut.Body = &cutBody{r.Body, int(min(r.ContentLength/2, int64(at))), errCut}
		if resp, err := s.next.Do(cut); err == nil {
			resp.Body.Close()
		}
		return nil, errCut
	case 5, 6:
		resp, err := s.next.Do(r)
		if err != nil || resp.StatusCode >= 300 || op == "CreateMultipartUpload" {
			return resp, err
		}
		s.note("answer cut")
		if op != "GetObject" {
			at = 30
		}
		end := io.ErrUnexpectedEOF
		if fault == 6 {
			end = errCut
		}
		resp.Body = &cutBody{resp.Body, at, end}
		return resp, nil
	case 7:
		resp, err := s.next.Do(r)
		if err == nil {
			s.note("slow")
			resp.Body = slowBody{resp.Body, r}
		}
		return resp, err
	}
	return s.next.Do(r)
}

// counter counts requests by operation.
type counter struct {
	next Doer
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[operation(r)]++
	c.mu.Unlock()
	return c.next.Do(r)
}

// take returns what was counted, and begins anew.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// corrupt changes one byte of an answer's body.
func corrupt(resp *http.Response, at int) error {
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	b[at] ^= 1
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return nil
}
