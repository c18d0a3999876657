package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/auth/token"
	"drydock/internal/observe"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// passwords knows the root of two accounts, whose passwords are their ids.
type passwords struct{}

func (passwords) Verify(_ context.Context, password string) (auth.Principal, error) {
	switch password {
	case "123456789012", "222233334444":
		return auth.Principal{ARN: auth.RootARN(password), Account: password}, nil
	case "old":
		return auth.Principal{}, token.ErrExpired
	}
	return auth.Principal{}, token.ErrInvalid
}

func (passwords) VerifyLayer(context.Context, string, string) (auth.Principal, error) {
	return auth.Principal{}, token.ErrInvalid
}

func (passwords) Known(string) bool { return false }

// held holds every source back for as long as it says.
type held time.Duration

func (h held) Wait(netip.Addr) time.Duration { return time.Duration(h) }
func (held) Failed(netip.Addr)               {}
func (held) Refused()                        {}

// newHandler is the API over a real engine with an empty repository demo.
func newHandler(t *testing.T) (*Handler, storage.Ref) {
	t.Helper()
	dir := t.TempDir()
	db := testdb.New(t).Open(t)
	files, err := disk.New(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := storage.New(t.Context(), storage.Options{
		DB: db, Blobs: blob.NewStore(files), Now: time.Now, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), UploadExpiry: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := storage.Ref{Scope: storage.Scope{Account: "123456789012", Region: "eu-west-1"}, Name: "demo"}
	if _, err := engine.CreateRepository(t.Context(), ref, storage.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Engine: engine, Tokens: passwords{}, Throttle: held(0), Authorizer: auth.RootOnly{}, Names: testNames(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h, ref
}

func TestErrorsAreTheSpecsJSON(t *testing.T) {
	h, ref := newHandler(t)
	u, err := h.engine.StartUpload(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	held := digest.FromString("hello")
	b, err := h.engine.StartUpload(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine.FinishUpload(t.Context(), ref, b.ID, 0, strings.NewReader("hello"), held); err != nil {
		t.Fatal(err)
	}
	const root = "123456789012"
	absent := digest.FromString("absent").String()
	for name, c := range map[string]struct {
		method, path, password string
		header, value          string
		body                   string
		status                 int
		code                   string
	}{
		"no password":                  {"GET", "/v2/", "", "", "", "", 401, "UNAUTHORIZED"},
		"a wrong password":             {"GET", "/v2/", "wrong", "", "", "", 401, "UNAUTHORIZED"},
		"no password, unknown path":    {"GET", "/v2/x", "", "", "", "", 401, "UNAUTHORIZED"},
		"an expired password":          {"GET", "/v2/", "old", "", "", "", 403, "DENIED"},
		"another account":              {"GET", "/v2/demo/tags/list", "222233334444", "", "", "", 403, "DENIED"},
		"an unknown path":              {"GET", "/v2/demo/nothing", root, "", "", "", 404, "NAME_UNKNOWN"},
		"an unknown repository":        {"GET", "/v2/absent/tags/list", root, "", "", "", 404, "NAME_UNKNOWN"},
		"an unknown tag":               {"GET", "/v2/demo/manifests/absent", root, "", "", "", 404, "MANIFEST_UNKNOWN"},
		"an unknown blob":              {"GET", "/v2/demo/blobs/" + absent, root, "", "", "", 404, "BLOB_UNKNOWN"},
		"an unknown upload":            {"GET", "/v2/demo/blobs/uploads/absent", root, "", "", "", 404, "BLOB_UPLOAD_UNKNOWN"},
		"a name with dots":             {"GET", "/v2/../demo/manifests/x", root, "", "", "", 400, "NAME_INVALID"},
		"a malformed digest":           {"GET", "/v2/demo/blobs/sha256:x", root, "", "", "", 400, "DIGEST_INVALID"},
		"a wrong method":               {"POST", "/v2/demo/tags/list", root, "", "", "", 405, "UNSUPPORTED"},
		"a range behind the end":       {"GET", "/v2/demo/blobs/" + held.String(), root, "Range", "bytes=5-", "", 416, "RANGE_INVALID"},
		"a chunk out of order":         {"PATCH", "/v2/demo/blobs/uploads/" + u.ID, root, "Content-Range", "5-6", "ab", 416, "BLOB_UPLOAD_INVALID"},
		"a malformed Content-Range":    {"PATCH", "/v2/demo/blobs/uploads/" + u.ID, root, "Content-Range", "x", "ab", 400, "BLOB_UPLOAD_INVALID"},
		"a body that is no manifest":   {"PUT", "/v2/demo/manifests/x", root, "", "", "{}", 400, "MANIFEST_INVALID"},
		"a manifest that is too large": {"PUT", "/v2/demo/manifests/x", root, "", "", strings.Repeat(" ", 5<<20), 413, "MANIFEST_INVALID"},
		"a manifest without its blobs": {"PUT", "/v2/demo/manifests/x", root, "", "", `{"schemaVersion":2,"config":{"digest":"` + absent + `"}}`, 400, "MANIFEST_BLOB_UNKNOWN"},
		"a number that is none":        {"GET", "/v2/demo/tags/list?n=-1", root, "", "", "", 400, "PAGINATION_NUMBER_INVALID"},
		"an upload without its digest": {"PUT", "/v2/demo/blobs/uploads/" + u.ID, root, "", "", "", 400, "DIGEST_INVALID"},
	} {
		r := httptest.NewRequestWithContext(observe.With(t.Context(), &observe.Request{}), c.method, "http://localhost:5000"+c.path, strings.NewReader(c.body))
		if c.password != "" {
			r.SetBasicAuth(userName, c.password)
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var answer struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Errors) != 1 {
			t.Errorf("%s: %d with %q is not the spec's JSON: %v", name, w.Code, w.Body, err)
			continue
		}
		if got := answer.Errors[0]; w.Code != c.status || got.Code != c.code || got.Message == "" {
			t.Errorf("%s: %d %+v, want %d %s", name, w.Code, got, c.status, c.code)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s: Content-Type %s", name, ct)
		}
		if asked := w.Header().Get("WWW-Authenticate") != ""; asked != (c.status == http.StatusUnauthorized) {
			t.Errorf("%s: a password is asked for: %t", name, asked)
		}
		if name == "a chunk out of order" && (w.Header().Get("Range") != "0-0" || !strings.HasSuffix(w.Header().Get("Location"), u.ID)) {
			t.Errorf("%s: the client is not told where to go on: %v", name, w.Header())
		}
	}
}

// lookedUp fails to look up whose password it is.
type lookedUp struct {
	passwords
	err error
}

func (l lookedUp) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, fmt.Errorf("look up the key of a token: %w", l.err)
}

func TestStorageThatIsAwayIsToBeTriedAgain(t *testing.T) {
	h, _ := newHandler(t)
	h.tokens = lookedUp{err: meta.ErrUnavailable}
	r := httptest.NewRequestWithContext(observe.With(t.Context(), &observe.Request{}), "GET", "http://localhost:5000/v2/", nil)
	r.SetBasicAuth(userName, "123456789012")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "UNAVAILABLE") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestNewNeedsEveryPart(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a handler of nothing was made")
	}
}
