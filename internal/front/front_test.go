package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/internal/metrics"
	"drydock/internal/observe"
	"drydock/internal/registryhost"
	"drydock/internal/requestid"
)

// house is a Front whose rooms say who they are.
type house struct {
	*Front
	metrics *metrics.Metrics
	mu      sync.Mutex
	log     bytes.Buffer
	ready   error
}

// Write makes the house the writer of its own log.
func (h *house) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func (h *house) lines(t *testing.T) []map[string]any {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []map[string]any
	for d := json.NewDecoder(bytes.NewReader(h.log.Bytes())); d.More(); {
		var line map[string]any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

func newHouse(t *testing.T, registry http.HandlerFunc) *house {
	t.Helper()
	names, err := registryhost.New("123456789012", "us-east-1", "localhost", "5000")
	if err != nil {
		t.Fatal(err)
	}
	m, err := metrics.New("test", metrics.Storage{})
	if err != nil {
		t.Fatal(err)
	}
	if registry == nil {
		registry = room("registry")
	}
	h := &house{metrics: m}
	h.Front = New(Options{
		Registry: registry, AWS: room("aws"), Ready: func(context.Context) error { return h.ready },
		Names: names, Metrics: m, Log: slog.New(slog.NewJSONHandler(h, nil)), Now: time.Now, Rand: rand.Reader,
	})
	return h
}

func room(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", name, r.URL.EscapedPath())
	}
}

// raw sends a request line as it stands, which http.Client would not.
func raw(t *testing.T, url, line, headers, body string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	host := "Host: localhost\r\n"
	if strings.Contains(headers, "Host:") {
		host = ""
	}
	fmt.Fprintf(c, "%s HTTP/1.1\r\n%s%sConnection: close\r\nContent-Length: %d\r\n\r\n%s", line, host, headers, len(body), body)
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(newReader(all), nil)
	if err != nil {
		t.Fatalf("%v in %q", err, all)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func TestEveryPathFindsItsRoom(t *testing.T) {
	s := httptest.NewServer(newHouse(t, nil))
	defer s.Close()
	for _, c := range []struct{ line, headers, want string }{
		{"GET /v2", "", "registry /v2"},
		{"GET /v2/", "", "registry /v2/"},
		{"GET /v2/a//b/../c/manifests/x", "", "registry /v2/a//b/../c/manifests/x"},
		{"GET /v2/../../etc/passwd", "", "registry /v2/../../etc/passwd"},
		{"GET /v2/a%2Fb/manifests/x", "", "registry /v2/a%2Fb/manifests/x"},
		{"POST /v2/", "", "registry /v2/"},
		{"GET /v2x", "", "There is nothing at this path"},
		{"GET //v2/", "", "There is nothing at this path"},
		{"POST /", "", "aws /"},
		{"POST /?x", "", "aws /"},
		{"GET /?Action=GetCallerIdentity&Version=2011-06-15", "", "aws /"},
		{"GET /?Version=2011-06-15&Action=GetCallerIdentity", "", "aws /"},
		{"GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256", "", "aws /"},
		{"GET /", "Authorization: AWS4-HMAC-SHA256 Credential=x\r\n", "aws /"},
		{"GET /", "", "There is nothing at this path"},
		{"GET /?page=1", "", "There is nothing at this path"},
		{"POST /other", "", "There is nothing at this path"},
		{"GET /livez", "", "ok"},
		{"GET /readyz", "", "ok"},
		{"GET /metrics", "", "# HELP"},
		{"GET /", "Host: 123456789012.dkr.ecr.eu-west-1.amazonaws.com\r\n", `{"errors":[{"code":"UNSUPPORTED"`},
		{"GET /v1/_ping", "Host: 123456789012.dkr.ecr.eu-west-1.amazonaws.com:5000\r\n", `{"errors":[{"code":"UNSUPPORTED"`},
	} {
		answer, text := raw(t, s.URL, c.line, c.headers, "")
		if !strings.HasPrefix(text, c.want) {
			t.Errorf("%s %s: got %s %q, want %q", c.line, c.headers, answer.Status, text, c.want)
		}
		if missing := strings.Contains(c.want, "nothing") || strings.Contains(c.want, "errors"); missing != (answer.StatusCode == 404) {
			t.Errorf("%s: got %s", c.line, answer.Status)
		}
		if strings.Contains(c.want, "errors") && !json.Valid([]byte(text)) {
			t.Errorf("%s: %q is not JSON", c.line, text)
		}
	}
}

func TestTheClientsIDIsTheLogs(t *testing.T) {
	var inside string
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		inside = requestid.From(r.Context())
		o := observe.From(r.Context())
		o.Operation, o.Status, o.Principal, o.Error, o.BytesOut = "GetManifest", 404, "arn:aws:iam::123456789012:root", "MANIFEST_UNKNOWN", 5
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(404)
		io.WriteString(w, "12345")
	})
	s := httptest.NewServer(h)
	answer, _ := raw(t, s.URL, "PUT /v2/demo/manifests/x?X-Amz-Signature=secret", "X-Request-Id: chosen-by-the-client\r\n", "body")
	s.Close() // so that the line is written
	id := answer.Header.Get("X-Request-Id")
	if id == "" || id == "chosen-by-the-client" || id != answer.Header.Get("x-amzn-requestid") || id != inside {
		t.Errorf("the client got %q and %q, the handler %q", id, answer.Header.Get("x-amzn-requestid"), inside)
	}
	lines := h.lines(t)
	if len(lines) != 1 {
		t.Fatalf("got %d lines: %s", len(lines), &h.log)
	}
	for k, want := range map[string]any{
		"level": "INFO", "id": id, "method": "PUT", "host": "localhost", "path": "/v2/demo/manifests/x", "surface": "registry",
		"operation": "GetManifest", "status": 404.0, "in": 4.0, "out": 5.0,
		"principal": "arn:aws:iam::123456789012:root", "error": "MANIFEST_UNKNOWN",
	} {
		if lines[0][k] != want {
			t.Errorf("%s is %v, want %v", k, lines[0][k], want)
		}
	}
	if strings.Contains(h.log.String(), "secret") {
		t.Errorf("the query was logged: %s", &h.log)
	}
	if text := scrape(h); !strings.Contains(text, `drydock_http_requests_total{code="404",operation="GetManifest",surface="registry"} 1`) ||
		!strings.Contains(text, `drydock_http_received_bytes_total{surface="registry"} 4`) {
		t.Errorf("the request was not counted:\n%s", text)
	}
}

func scrape(h *house) string {
	w := httptest.NewRecorder()
	h.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestTheRegistryGetsAWriterThatSendsFiles holds what makes pulls fast.
func TestTheRegistryGetsAWriterThatSendsFiles(t *testing.T) {
	var got string
	s := httptest.NewServer(newHouse(t, func(w http.ResponseWriter, _ *http.Request) { got = fmt.Sprintf("%T", w) }))
	raw(t, s.URL, "GET /v2/", "", "")
	s.Close()
	if got != "*http.response" {
		t.Errorf("the handler got a %s", got)
	}
}

func TestAHandlerThatPanicsCutsTheAnswerOffAndIsLogged(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		panic("no such luck")
	})
	s := httptest.NewServer(h)
	answer, err := http.Get(s.URL + "/v2/")
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	if err == nil {
		t.Error("the client took half an answer for a whole one")
	}
	s.Close()
	lines := h.lines(t)
	if len(lines) != 2 || lines[0]["panic"] != "no such luck" || lines[1]["status"] != 500.0 || lines[1]["level"] != "ERROR" || lines[0]["id"] != lines[1]["id"] {
		t.Errorf("the log says %v", lines)
	}
}

func TestReadiness(t *testing.T) {
	h := newHouse(t, nil)
	s := httptest.NewServer(h)
	defer s.Close()
	status := func(path string) int {
		answer, _ := raw(t, s.URL, "GET "+path, "", "")
		return answer.StatusCode
	}
	h.ready = errors.New("the disk is gone")
	if got := status("/readyz"); got != 503 {
		t.Errorf("readyz of a server that cannot work: %d", got)
	}
	if !strings.Contains(h.log.String(), "the disk is gone") {
		t.Error("the reason is not in the log")
	}
	h.ready = nil
	if got := status("/readyz"); got != 200 {
		t.Errorf("readyz: %d", got)
	}
	h.Drain()
	if ready, live, work := status("/readyz"), status("/livez"), status("/v2/"); ready != 503 || live != 200 || work != 200 {
		t.Errorf("while draining: readyz %d, livez %d, the registry %d", ready, live, work)
	}
}

func TestUploadsInProgressAreCountedWhileTheyAre(t *testing.T) {
	var during string
	h := newHouse(t, nil)
	h.o.Registry = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { during = scrape(h) })
	for path, want := range map[string]string{
		"/v2/demo/blobs/uploads/1": "drydock_uploads_in_progress 1\n", "/v2/demo/manifests/1": "drydock_uploads_in_progress 0\n",
	} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PATCH", path, strings.NewReader("layer")))
		if !strings.Contains(during, want) {
			t.Errorf("%s: no %q during the request", path, want)
		}
		if !strings.Contains(scrape(h), "drydock_uploads_in_progress 0\n") {
			t.Errorf("%s: still counted after the request", path)
		}
	}
}
