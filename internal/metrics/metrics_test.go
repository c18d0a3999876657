package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"drydock/internal/observe"
	"drydock/storage"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestWhatHappenedIsInTheScrape(t *testing.T) {
	folder := t.TempDir()
	m, err := New("1.2.3", Storage{Folder: folder, Kept: func(int64) int64 { return 7 }, Database: func(context.Context) (int64, error) { return 2000, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Refusals(refused{Disk: 2, Quota: 3}); err != nil {
		t.Fatal(err)
	}
	m.Request("registry", &observe.Request{Operation: "GetManifest", Status: 404, BytesIn: 3, BytesOut: 70}, 3*time.Millisecond)
	m.Request("registry", &observe.Request{Status: 200}, time.Second)
	m.Decision("ecr:PutImage", "deny")
	m.Throttled("aws")
	m.UploadStarted()
	m.UploadStarted()()

	got := scrape(t, m)
	for _, line := range []string{
		`drydock_http_requests_total{code="404",operation="GetManifest",surface="registry"} 1`,
		`drydock_http_requests_total{code="200",operation="unknown",surface="registry"} 1`,
		`drydock_http_request_duration_seconds_bucket{operation="GetManifest",surface="registry",le="0.005"} 1`,
		`drydock_http_request_duration_seconds_bucket{operation="GetManifest",surface="registry",le="0.0025"} 0`,
		`drydock_http_received_bytes_total{surface="registry"} 3`,
		`drydock_http_sent_bytes_total{surface="registry"} 70`,
		`drydock_authorization_decisions_total{action="ecr:PutImage",decision="deny"} 1`,
		`drydock_throttled_requests_total{surface="aws"} 1`,
		`drydock_uploads_in_progress 1`,
		`drydock_database_size_bytes 2000`,
		`drydock_storage_kept_free_bytes 7`,
		`drydock_refused_writes_total{reason="disk"} 2`,
		`drydock_refused_writes_total{reason="quota"} 3`,
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for _, pattern := range []string{
		`drydock_build_info\{goversion="go[^"]*",version="1\.2\.3"\} 1`,
		`drydock_storage_free_bytes [1-9]`,
		`drydock_storage_size_bytes [1-9]`,
		`go_goroutines [1-9]`,
		`process_open_fds [1-9]`,
	} {
		if !regexp.MustCompile(`(?m)^` + pattern).MatchString(got) {
			t.Errorf("nothing matches %s", pattern)
		}
	}
}

// refused were refused.
type refused storage.Refusals

func (r refused) Refusals() storage.Refusals { return storage.Refusals(r) }

func TestTwoServersInOneProcessDoNotCollide(t *testing.T) {
	for range 2 {
		if _, err := New("", Storage{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStorageThatCannotBeSeenIsLeftOut(t *testing.T) {
	m, err := New("", Storage{Folder: "/nowhere/at/all", Database: func(context.Context) (int64, error) { return 0, errors.New("it cannot be reached") }})
	if err != nil {
		t.Fatal(err)
	}
	if got := scrape(t, m); strings.Contains(got, "drydock_storage_free_bytes ") || strings.Contains(got, "drydock_database_size_bytes ") {
		t.Error("a figure was made up")
	}
}
