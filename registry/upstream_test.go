package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drydock/auth"
	"drydock/internal/observe"
	"drydock/storage"
)

// elsewhere has one image and one layer for every repository that begins with hub/.
type elsewhere struct {
	manifest string
	// cut is where layers break off.
	cut error
	err error
}

func (e elsewhere) Covers(_ context.Context, ref storage.Ref) (bool, error) {
	return strings.HasPrefix(ref.Name, "hub/"), nil
}

func (e elsewhere) Manifest(ctx context.Context, ref storage.Ref, _ storage.Reference, missing error, allow func(string) error) (storage.Manifest, error) {
	if covered, _ := e.Covers(ctx, ref); !covered {
		return storage.Manifest{}, missing
	}
	return storage.Manifest{Digest: digest.FromString(e.manifest), MediaType: "application/json", Content: []byte(e.manifest), Incomplete: true}, errors.Join(e.err, allow("ecr:BatchImportUpstreamImage"))
}

func (e elsewhere) Fresh(_ context.Context, _ storage.Ref, _ string, held storage.Manifest, _ func(string) error) storage.Manifest {
	return held
}

const farLayer = "a layer from afar"

func (e elsewhere) Layer(context.Context, storage.Ref, digest.Digest, bool, error, func(string) error) (io.ReadCloser, int64, error) {
	body := io.Reader(strings.NewReader(farLayer))
	if e.cut != nil {
		body = io.MultiReader(strings.NewReader(farLayer[:5]), broken{e.cut})
	}
	return io.NopCloser(body), int64(len(farLayer)), e.err
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestWhatIsNotHereComesFromElsewhere(t *testing.T) {
	h, _ := newHandler(t)
	far := "/v2/hub/x/blobs/" + digest.FromString(farLayer).String()
	up := &storage.UpstreamError{Host: "example.com", Status: http.StatusBadGateway}
	for name, c := range map[string]struct {
		from         elsewhere
		method, path string
		status       int
		body         string
	}{
		"an image":                {elsewhere{manifest: "{}"}, "GET", "/v2/hub/x/manifests/v1", 200, "{}"},
		"whether there is one":    {elsewhere{manifest: "{}"}, "HEAD", "/v2/hub/x/manifests/v1", 200, ""},
		"an image without a rule": {elsewhere{manifest: "{}"}, "GET", "/v2/x/manifests/v1", 404, "NAME_UNKNOWN"},
		"a layer":                 {elsewhere{}, "GET", far, 200, farLayer},
		"whether a layer is here": {elsewhere{}, "HEAD", far, 404, ""},
		"whether one may be pushed that must not be fetched": {elsewhere{err: &auth.DeniedError{}}, "HEAD", "/v2/hub/x/manifests/v1", 404, ""},
		"whether one may be pushed while it is frozen":       {elsewhere{err: &storage.FrozenError{Missing: &storage.RepositoryUnknownError{}}}, "HEAD", "/v2/hub/x/manifests/v1", 404, ""},
		"an image of one that fails":                         {elsewhere{err: up}, "GET", "/v2/hub/x/manifests/v1", 502, "example.com answered 502"},
		"a layer of one that fails":                          {elsewhere{err: up}, "GET", far, 502, "UNAVAILABLE"},
		"an image of one that is busy":                       {elsewhere{err: &storage.UpstreamError{Host: "example.com", Status: 429}}, "GET", "/v2/hub/x/manifests/v1", 429, "TOOMANYREQUESTS"},
		"a layer of one that is busy":                        {elsewhere{err: &storage.UpstreamError{Host: "example.com", Status: 429}}, "GET", far, 429, "TOOMANYREQUESTS"},
		"an image while it is frozen":                        {elsewhere{err: &storage.FrozenError{Missing: &storage.RepositoryUnknownError{}}}, "GET", "/v2/hub/x/manifests/v1", 403, "drydock is frozen"},
		"what another registry says":                         {elsewhere{err: &storage.UpstreamError{Host: "example.com", Cause: &storage.DigestMismatchError{}}}, "GET", far, 502, "UNAVAILABLE"},
	} {
		h.upstream = c.from
		r := httptest.NewRequestWithContext(observe.With(t.Context(), &observe.Request{}), c.method, "http://localhost:5000"+c.path, http.NoBody)
		r.SetBasicAuth(userName, "123456789012")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.body)
		}
	}
}

func TestALayerThatBreaksOffUpstreamIsNotTakenForWhole(t *testing.T) {
	h, _ := newHandler(t)
	h.upstream = elsewhere{cut: io.ErrUnexpectedEOF}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(observe.With(r.Context(), &observe.Request{}))
		r.Host = "localhost:5000"
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v2/hub/x/blobs/"+digest.FromString(farLayer).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(userName, "123456789012")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return // nothing came at all
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d, and %q is taken for all of it", res.StatusCode, got)
	}
}
