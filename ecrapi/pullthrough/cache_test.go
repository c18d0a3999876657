package pullthrough

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/ecrapi/events"
	"drydock/storage"
)

var latest = storage.Reference{Tag: "latest"}

func TestAnImageIsFetchedOnceAndThenServedWithoutItsUpstream(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	layer := bytes.Repeat([]byte("layer "), 200_000)
	manifest, d := f.image(t, "latest", layer)
	h := newHouse(t, f, "")
	for range 2 {
		m, err := h.pull(t.Context(), latest)
		if err != nil || !bytes.Equal(m.Content, manifest) {
			t.Fatalf("the manifest is %s: %v", m.Content, err)
		}
		got, err := h.layer(t.Context(), d)
		if err != nil || !bytes.Equal(got, layer) {
			t.Fatalf("the layer has %d bytes: %v", len(got), err)
		}
		f.Server.CloseClientConnections()
		f.change(func() { f.status = http.StatusInternalServerError })
	}
	if n := f.layers.Load(); n != 1 {
		t.Errorf("the layer was fetched %d times", n)
	}
	if c := h.Counts(); c.Misses != 2 || c.Hits != 1 || c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
	// The configuration was never asked for. That is no damage.
	found, err := h.engine.Manifest(t.Context(), hello, latest)
	if err != nil || !found.Incomplete {
		t.Errorf("an image without its configuration is called whole: %v", err)
	}
}

func TestThatAnImageCameIsToldAsECRTellsIt(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	m, _ := f.image(t, "latest", []byte("a layer"))
	h := newHouse(t, f, "")
	for range 2 {
		if _, err := h.pull(t.Context(), latest); err != nil {
			t.Fatal(err)
		}
	}
	var detail map[string]any
	for _, c := range h.told.changes { // on some databases a transaction is run twice
		if c.Kind == events.Cached && c.Ref == hello && c.Digest == digest.FromBytes(m) {
			detail = c.Detail
		}
	}
	want := map[string]any{"rule-version": "1", "sync-status": "SUCCESS", "ecr-repository-prefix": "hub", "upstream-registry-url": f.URL, "image-tag": "latest"}
	if !maps.Equal(detail, want) {
		t.Errorf("told was %v, want %v", detail, want)
	}
}

func TestOfThoseWhoPullTheSameAtOnceOneFetches(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	layer := bytes.Repeat([]byte("x"), 1<<20)
	_, d := f.image(t, "latest", layer)
	h := newHouse(t, f, "")
	slow := make(chan struct{})
	f.change(func() { f.slow = slow })
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := h.layer(t.Context(), d)
			if err != nil || !bytes.Equal(got, layer) {
				t.Errorf("the layer has %d bytes: %v", len(got), err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(slow)
	wg.Wait()
	if n := f.layers.Load(); n != 1 {
		t.Errorf("the layer was fetched %d times", n)
	}
}

func TestALayerIsGivenWhileItComes(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	layer := bytes.Repeat([]byte("y"), 4<<20)
	_, d := f.image(t, "latest", layer)
	h := newHouse(t, f, "")
	slow := make(chan struct{})
	f.change(func() { f.slow = slow })
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	body, size, err := h.Layer(t.Context(), hello, d, false, &storage.BlobUnknownError{Ref: hello, Digest: d}, anything)
	if err != nil || size != int64(len(layer)) {
		t.Fatalf("%d bytes: %v", size, err)
	}
	if _, err := io.ReadFull(body, make([]byte, 1<<20)); err != nil {
		t.Fatalf("nothing comes before the upstream has sent all: %v", err)
	}
	// Who goes takes nothing from those who come.
	body.Close()
	close(slow)
	if got, err := h.layer(t.Context(), d); err != nil || !bytes.Equal(got, layer) {
		t.Errorf("the layer has %d bytes: %v", len(got), err)
	}
	if n := f.layers.Load(); n != 1 {
		t.Errorf("the layer was fetched %d times", n)
	}
}

func TestWhatDoesNotArriveWholeIsNeitherStoredNorSaidToBe(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f *fake, bad bool){
		"cut":             func(f *fake, bad bool) { f.cut = bad },
		"of other bytes":  func(f *fake, bad bool) { f.spoil = bad },
		"answered by 500": func(f *fake, bad bool) { f.status = map[bool]int{true: 500}[bad] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			layer := bytes.Repeat([]byte("z"), 600_000)
			_, d := f.image(t, "latest", layer)
			h := newHouse(t, f, "")
			if _, err := h.pull(t.Context(), latest); err != nil {
				t.Fatal(err)
			}
			f.change(func() { spoil(f, true) })
			got, err := h.layer(t.Context(), d)
			var up *storage.UpstreamError
			if !errors.As(err, &up) || len(got) >= len(layer) {
				t.Errorf("%d bytes of %d came with %v", len(got), len(layer), err)
			}
			var unknown *storage.BlobUnknownError
			if _, err := h.engine.StatBlob(t.Context(), hello, d); !errors.As(err, &unknown) {
				t.Errorf("it is stored: %v", err)
			}
			f.change(func() { spoil(f, false) })
			if got, err := h.layer(t.Context(), d); err != nil || !bytes.Equal(got, layer) {
				t.Errorf("the next time %d bytes come: %v", len(got), err)
			}
		})
	}
}

func TestATagIsComparedOnceADay(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	first, _ := f.image(t, "latest", []byte("first"))
	h := newHouse(t, f, "")
	is := func(what string, want []byte) {
		t.Helper()
		m, err := h.pull(t.Context(), latest)
		if err != nil || !bytes.Equal(m.Content, want) {
			t.Errorf("%s: %s: %v", what, m.Content, err)
		}
	}
	is("at first", first)
	f.image(t, "other", []byte("other"))
	second, _ := f.image(t, "latest", []byte("second"))
	h.clock.after(23 * time.Hour)
	is("the same day", first)
	if f.heads.Load() != 0 {
		t.Error("the upstream was asked within the day")
	}
	h.clock.after(time.Hour)
	f.change(func() { f.status = http.StatusBadGateway })
	is("with the upstream away", first)
	asked := f.asked.Load()
	is("again with the upstream away", first)
	if f.asked.Load() != asked {
		t.Error("an upstream that is away is asked at each pull")
	}
	f.change(func() { f.status = 0 })
	h.clock.after(checkAgain)
	is("the next day", second)
	h.clock.after(checkEvery)
	is("the day after", second)
	if n := f.heads.Load(); n != 2 {
		t.Errorf("the tag was compared %d times", n)
	}
}

func TestATagThatIsImmutableStays(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	first, _ := f.image(t, "latest", []byte("first"))
	h := newHouse(t, f, "")
	if _, err := h.engine.CreateRepository(t.Context(), hello, storage.RepositoryOptions{Mutability: storage.Mutability{Immutable: true}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	f.image(t, "latest", []byte("second"))
	h.clock.after(checkEvery)
	if m, err := h.pull(t.Context(), latest); err != nil || !bytes.Equal(m.Content, first) {
		t.Errorf("it moved to %s: %v", m.Content, err)
	}
}

func TestTheImagesOfAnIndexAreFetchedWhenTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var list v1.Index
	list.SchemaVersion, list.MediaType = 2, v1.MediaTypeImageIndex
	for _, arch := range []string{"amd64", "arm64"} {
		m, _ := f.image(t, arch, []byte("layer of "+arch))
		list.Manifests = append(list.Manifests, v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(m), Size: int64(len(m)), Platform: &v1.Platform{OS: "linux", Architecture: arch}})
	}
	content, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	f.change(func() { f.manifests["latest"] = content })
	h := newHouse(t, f, "")
	if m, err := h.pull(t.Context(), latest); err != nil || !bytes.Equal(m.Content, content) {
		t.Fatalf("the index is %s: %v", m.Content, err)
	}
	amd, arm := storage.Reference{Digest: list.Manifests[0].Digest}, storage.Reference{Digest: list.Manifests[1].Digest}
	if _, err := h.pull(t.Context(), amd); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := h.pull(t.Context(), amd); err != nil {
		t.Errorf("what was fetched is gone with the upstream: %v", err)
	}
	var up *storage.UpstreamError
	if _, err := h.pull(t.Context(), arm); !errors.As(err, &up) {
		t.Errorf("what was not fetched fails with %v", err)
	}
}

func TestWhoMayNotImportFetchesNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.image(t, "latest", []byte("first"))
	h := newHouse(t, f, "")
	refusal := errors.New("no")
	for _, action := range []string{importAction, createAction} {
		_, err := h.Manifest(t.Context(), hello, latest, &storage.RepositoryUnknownError{Ref: hello}, func(a string) error {
			if a == action {
				return refusal
			}
			return nil
		})
		if !errors.Is(err, refusal) {
			t.Errorf("without %s: %v", action, err)
		}
	}
	if f.asked.Load() != 0 {
		t.Error("the upstream was asked")
	}
}

func TestWhatTheUpstreamDoesNotHaveMakesNoRepository(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	h := newHouse(t, f, "")
	var unknown *storage.RepositoryUnknownError
	if _, err := h.pull(t.Context(), latest); !errors.As(err, &unknown) {
		t.Errorf("it fails with %v", err)
	}
	if list, err := h.engine.Repositories(t.Context(), scope, "", 10); err != nil || len(list) != 0 {
		t.Errorf("there are %d repositories: %v", len(list), err)
	}
	elsewhere := storage.Ref{Scope: scope, Name: "hubs/hello"}
	if _, err := h.Manifest(t.Context(), elsewhere, latest, unknown, anything); !errors.Is(err, unknown) {
		t.Errorf("without a rule it fails with %v", err)
	}
}

func TestUpstreamsAreLoggedInToWithTheSecretOfTheRule(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change(func() { f.login = "me:secret" })
	f.image(t, "latest", []byte("first"))
	if _, err := newHouse(t, f, secretARN).pull(t.Context(), latest); err != nil {
		t.Error(err)
	}
	h := newHouse(t, f, "")
	if _, err := h.pull(t.Context(), latest); err == nil || strings.Contains(err.Error(), "secret:") {
		t.Errorf("without the secret it fails with %v", err)
	}
	if h.Validate(t.Context(), scope, Rule{URL: f.URL, Credential: secretARN}) != nil {
		t.Error("a rule with credentials that are good is called wrong")
	}
	f.change(func() { f.login = "me:other" })
	err := h.Validate(t.Context(), scope, Rule{URL: f.URL, Credential: secretARN})
	if err == nil || strings.Contains(err.Error(), "me:") {
		t.Errorf("a rule with credentials that are wrong is told to be %v", err)
	}
}

func TestCredentialsGoToTheUpstreamAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change(func() { f.login = "me:secret" })
	_, d := f.image(t, "latest", []byte("first"))
	told := make(chan string, 10)
	store := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "first")
	}))
	defer store.Close()
	f.change(func() { f.elsewhere = store.URL })
	h := newHouse(t, f, secretARN)
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	if got, err := h.layer(t.Context(), d); err != nil || string(got) != "first" {
		t.Fatalf("%q: %v", got, err)
	}
	if a := <-told; a != "" {
		t.Errorf("another host was told %q", a)
	}
	// Nor do they go anywhere in the clear, whatever the upstream says.
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- "a request" }))
	defer plain.Close()
	f.change(func() { f.realm, f.manifests["v2"] = plain.URL, f.manifests["latest"] })
	if _, err := newHouse(t, f, secretARN).pull(t.Context(), storage.Reference{Tag: "v2"}); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("tokens in the clear: %v", err)
	}
	if len(told) > 0 {
		t.Error("a plain server was asked for a token")
	}
}

func TestAFrozenCacheAsksNoUpstream(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	first, _ := f.image(t, "latest", []byte("first"))
	h := newHouse(t, f, "")
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	f.image(t, "v2", []byte("second"))
	if err := h.Freeze(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	asked := f.asked.Load()
	h.clock.after(2 * checkEvery)
	if m, err := h.pull(t.Context(), latest); err != nil || !bytes.Equal(m.Content, first) {
		t.Errorf("what is cached: %v", err)
	}
	var frozen *storage.FrozenError
	if _, err := h.pull(t.Context(), storage.Reference{Tag: "v2"}); !errors.As(err, &frozen) {
		t.Errorf("what is not: %v", err)
	}
	if err := h.Validate(t.Context(), scope, Rule{URL: f.URL}); !errors.As(err, &frozen) {
		t.Errorf("a trial of the rule: %v", err)
	}
	if f.asked.Load() != asked {
		t.Error("the upstream was asked")
	}
	for range 2 { // once is enough, and twice no error
		if err := h.Freeze(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.pull(t.Context(), storage.Reference{Tag: "v2"}); err != nil {
		t.Errorf("thawed: %v", err)
	}
}

func TestARequestThatIsGivenUpEndsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, d := f.image(t, "latest", bytes.Repeat([]byte("q"), 100_000))
	h := newHouse(t, f, "")
	if _, err := h.pull(t.Context(), latest); err != nil {
		t.Fatal(err)
	}
	slow := make(chan struct{})
	defer close(slow)
	f.change(func() { f.slow = slow })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, _, err := h.Layer(ctx, hello, d, true, &storage.BlobUnknownError{Ref: hello, Digest: d}, anything); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

func TestAddressesOfUpstreams(t *testing.T) {
	for given, want := range map[string]string{
		"registry-1.docker.io": "https://registry-1.docker.io", "https://Quay.io/": "https://quay.io", "mirror.example.com:5000": "https://mirror.example.com:5000",
		"127.0.0.1:5000": "http://127.0.0.1:5000", "http://127.0.0.1:5000": "http://127.0.0.1:5000", "http://localhost:5000": "http://localhost:5000", "http://[::1]:5000": "http://[::1]:5000",
		"http://example.com": "", "ftp://example.com": "", "": "", "https://": "", "https://me:secret@example.com": "", "example.com/library": "", "https://example.com?x": "",
	} {
		got, err := ParseURL(given)
		if want == "" != (err != nil) || err == nil && got.String() != want {
			t.Errorf("%q is %v, want %q: %v", given, got, want, err)
		}
	}
	for host, want := range map[string]string{"registry-1.docker.io": "docker-hub", "my.azurecr.io": "azure-container-registry", "azurecr.io": "", "example.com": ""} {
		if got := NameOf(host); got != want {
			t.Errorf("%s is %q, want %q", host, got, want)
		}
	}
}

func TestNamesUpstream(t *testing.T) {
	for _, c := range []struct{ prefix, upstream, name, want string }{
		{"hub", "", "hub/library/x", "library/x"}, {"hub/", Root, "hub/x", "x"}, {"hub", "library", "hub/x", "library/x"}, {Root, Root, "a/b", "a/b"}, {Root, "lib/", "a", "lib/a"},
	} {
		if got := (Rule{Prefix: c.prefix, UpstreamPrefix: c.upstream}).upstreamName(c.name); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
