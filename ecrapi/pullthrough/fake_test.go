package pullthrough

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/auth/servicerole"
	"drydock/ecrapi/template"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta/testdb"
)

// fake is an upstream registry. What a test changes of it, it changes between
// requests.
type fake struct {
	*httptest.Server
	mu        sync.Mutex
	manifests map[string][]byte // by tag and by digest
	blobs     map[digest.Digest][]byte
	// login, as user:password, is what tokens are given for, if any.
	login string
	// status, if any, is what everything is answered with.
	status int
	// cut ends layers in the middle, spoil changes their bytes, slow holds them up.
	cut, spoil bool
	slow       chan struct{}
	// realm is where tokens are said to be, in place of here.
	realm string
	// elsewhere is where layers are redirected to.
	elsewhere string

	asked, layers, heads atomic.Int64
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{manifests: map[string][]byte{}, blobs: map[digest.Digest][]byte{}}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	status, login, realm, cut, spoil, slow, elsewhere := f.status, f.login, f.realm, f.cut, f.spoil, f.slow, f.elsewhere
	f.mu.Unlock()
	f.asked.Add(1)
	if r.URL.Path == "/token" {
		user, password, _ := r.BasicAuth()
		if user+":"+password != login || !strings.Contains(r.URL.Query().Get("scope"), ":pull") && r.URL.Query().Get("scope") != "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token":"good"}`)
		return
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	if login != "" && r.Header.Get("Authorization") != "Bearer good" {
		if realm == "" {
			realm = f.URL + "/token"
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="fake",scope="repository:lib/hello:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/lib/hello/")
	if r.URL.Path == "/v2/" {
		return
	}
	kind, what, _ := strings.Cut(rest, "/")
	f.mu.Lock()
	content, found := f.manifests[what]
	if kind == "blobs" {
		content, found = f.blobs[digest.Digest(what)]
	}
	f.mu.Unlock()
	if !ok || !found {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if kind == "manifests" {
		if r.Method == http.MethodHead {
			f.heads.Add(1)
		}
		w.Header().Set("Content-Type", mediaTypeOf(content))
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(content).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content)
		return
	}
	f.layers.Add(1)
	if elsewhere != "" {
		http.Redirect(w, r, elsewhere+"/"+what, http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if spoil {
		content = append([]byte("x"), content[1:]...)
	}
	half := len(content) / 2
	_, _ = w.Write(content[:half])
	w.(http.Flusher).Flush()
	if slow != nil {
		<-slow
	}
	if cut {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(content[half:])
}

func mediaTypeOf(content []byte) string {
	var m struct {
		MediaType string `json:"mediaType"`
	}
	_ = json.Unmarshal(content, &m)
	return m.MediaType
}

// image puts an image of one layer under a tag.
func (f *fake) image(t *testing.T, tag string, layer []byte) (m []byte, l digest.Digest) {
	t.Helper()
	config := []byte(`{"architecture":"amd64","os":"linux","of":"` + tag + `"}`)
	l = digest.FromBytes(layer)
	of := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []v1.Descriptor{{MediaType: v1.MediaTypeImageLayerGzip, Digest: l, Size: int64(len(layer))}},
	}
	of.SchemaVersion = 2
	m, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	f.change(func() {
		f.manifests[tag], f.manifests[digest.FromBytes(m).String()] = m, m
		f.blobs[l], f.blobs[digest.FromBytes(config)] = layer, config
	})
	return m, l
}

// clock is a time that tests move.
type clock struct{ millis atomic.Int64 }

func (c *clock) now() time.Time            { return time.UnixMilli(c.millis.Load()) }
func (c *clock) after(after time.Duration) { c.millis.Add(after.Milliseconds()) }

// secrets have one, which is text.
type secrets string

const secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf"

func (s secrets) Secret(_ context.Context, _ storage.Scope, arn string) (string, error) {
	if arn != secretARN {
		return "", ErrNoSecret
	}
	return string(s), nil
}

var scope = storage.Scope{Account: "123456789012", Region: "eu-west-1"}

var hello = storage.Ref{Scope: scope, Name: "hub/hello"}

// house is a cache with its engine, and a rule for an upstream.
type house struct {
	*Cache
	engine *storage.Registry
	clock  *clock
	told   *told
}

// told are the changes that webhooks would be told of.
type told struct {
	mu      sync.Mutex
	changes []storage.Change
}

func (l *told) watcher() storage.Watcher {
	return storage.Watcher{Kinds: []string{Kind}, Decide: func(c storage.Change, _ []storage.Setting) ([]storage.Job, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changes = append(l.changes, c)
		return nil, nil
	}}
}

func newHouse(t *testing.T, f *fake, credential string) house {
	t.Helper()
	files, err := disk.New(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	c, heard := &clock{}, &told{}
	c.millis.Store(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).UnixMilli())
	engine, err := storage.New(t.Context(), storage.Options{
		DB: testdb.New(t).Open(t), Blobs: blob.NewStore(files), Now: c.now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), UploadExpiry: time.Hour,
		Watchers: []storage.Watcher{heard.watcher()},
	})
	if err != nil {
		t.Fatal(err)
	}
	creator, err := template.New(template.Options{Engine: engine, Roles: &servicerole.Roles{}, LifecycleKind: "lifecycle-policy"})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := New(Options{
		Engine: engine, Creator: creator, Secrets: secrets(`{"username":"me","accessToken":"secret"}`),
		Transport: f.Client().Transport, Now: c.now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := house{cache, engine, c, heard}
	h.rule(t, Rule{Prefix: "hub", URL: f.URL, UpstreamPrefix: "lib", Credential: credential})
	return h
}

func (h house) rule(t *testing.T, r Rule) {
	t.Helper()
	document, err := r.Document()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine.SetSetting(t.Context(), Key(scope, r.Prefix), document); err != nil {
		t.Fatal(err)
	}
}

// anything is allowed.
func anything(string) error { return nil }

// pull asks for an image as the registry does.
func (h house) pull(ctx context.Context, which storage.Reference) (storage.Manifest, error) {
	m, err := h.engine.Manifest(ctx, hello, which)
	if err != nil {
		return h.Manifest(ctx, hello, which, err, anything)
	}
	if which.Tag != "" {
		m = h.Fresh(ctx, hello, which.Tag, m, anything)
	}
	return m, nil
}

// layer asks for a blob as the registry does.
func (h house) layer(ctx context.Context, d digest.Digest) ([]byte, error) {
	for range 2 {
		r, _, err := h.engine.OpenBlob(ctx, hello, d)
		if err == nil {
			defer r.Close()
			return io.ReadAll(r)
		}
		body, _, err := h.Layer(ctx, hello, d, false, err, anything)
		if err != nil {
			return nil, err
		}
		if body != nil {
			defer body.Close()
			return io.ReadAll(body)
		}
	}
	return nil, io.ErrNoProgress
}
