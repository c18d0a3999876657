package events

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/auth/seal"
	"drydock/internal/jobs"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var scope = storage.Scope{Account: "123456789012", Region: "eu-west-1"}

// world is an engine with webhooks, and what its one listener has got.
type world struct {
	*Webhooks
	engine *storage.Registry
	db     meta.DB
	queues *jobs.Queues
	site   *httptest.Server

	mu     sync.Mutex
	got    []request
	answer []int // the next answers; 204 after them
}

type request struct {
	event Event
	body  string
	head  http.Header
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	files, err := disk.New(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{db: testdb.New(t).Open(t)}
	w.queues = jobs.New(jobs.Options{DB: w.db, Now: time.Now, Log: log, Poll: 20 * time.Millisecond})
	w.engine, err = storage.New(t.Context(), storage.Options{
		DB: w.db, Blobs: blob.NewStore(files), Now: time.Now, Random: rand.Reader, Log: log,
		Watchers: []storage.Watcher{Watcher(rand.Reader)}, Wake: w.queues.Wake,
	})
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.OpenFile(filepath.Join(dir, "seal.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if w.Webhooks, err = New(Options{Engine: w.engine, Box: box, Now: time.Now, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	w.site = httptest.NewServer(http.HandlerFunc(w.listen))
	t.Cleanup(w.site.Close)
	return w
}

func (w *world) listen(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var e Event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, request{e, string(body), r.Header})
	status := http.StatusNoContent
	if len(w.answer) > 0 {
		status, w.answer = w.answer[0], w.answer[1:]
	}
	if status == http.StatusFound {
		rw.Header().Set("Location", "/elsewhere")
	}
	rw.WriteHeader(status)
}

func (w *world) requests() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

// deliver works the queue off until the test ends.
func (w *world) deliver(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.queues.Run(ctx, Queue, w.Worker()) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (w *world) waiting(t *testing.T) int {
	t.Helper()
	n, err := meta.WaitingJobs(t.Context(), w.db.Reader(), Queue, 100)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) repository(t *testing.T, name string) storage.Ref {
	t.Helper()
	ref := storage.Ref{Scope: scope, Name: name}
	if _, err := w.engine.CreateRepository(t.Context(), ref, storage.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	return ref
}

// push stores an index of nothing.
func (w *world) push(t *testing.T, ref storage.Ref, of string, tags ...string) digest.Digest {
	t.Helper()
	content := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"of":"` + of + `"}}`
	stored, err := w.engine.PutManifest(t.Context(), ref, storage.ManifestUpload{Content: []byte(content), Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	return stored.Digest
}

func TestPushAndDeletionAreToldAsECRTellsThem(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.Add(ctx, scope, Webhook{URL: w.site.URL + "/hook"}); err != nil {
		t.Fatal(err)
	}
	ref := w.repository(t, "team/app")
	d := w.push(t, ref, "one", "v1", "latest")
	if _, err := w.engine.DeleteImage(ctx, ref, storage.Reference{Digest: d}); err != nil {
		t.Fatal(err)
	}
	w.deliver(t)
	eventually(t, "four events have come", func() bool { return len(w.requests()) == 4 && w.waiting(t) == 0 })
	var told []string
	for _, r := range w.requests() {
		e := r.event
		if e.Version != "0" || e.Source != "aws.ecr" || e.DetailType != "ECR Image Action" || e.Account != scope.Account || e.Region != scope.Region || e.ID == "" || e.Resources == nil {
			t.Errorf("the envelope: %s", r.body)
		}
		if e.Detail["repository-name"] != "team/app" || e.Detail["image-digest"] != string(d) || e.Detail["result"] != "SUCCESS" {
			t.Errorf("the detail: %s", r.body)
		}
		told = append(told, e.Detail["action-type"].(string)+" "+e.Detail["image-tag"].(string))
	}
	slices.Sort(told)
	if want := []string{"DELETE latest", "DELETE v1", "PUSH latest", "PUSH v1"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestEventsAreSignedWithTheSecretOfTheWebhook(t *testing.T) {
	w := newWorld(t)
	_, secret, err := w.Add(t.Context(), scope, Webhook{URL: w.site.URL})
	if err != nil {
		t.Fatal(err)
	}
	w.push(t, w.repository(t, "app"), "one")
	w.deliver(t)
	eventually(t, "an event has come", func() bool { return len(w.requests()) == 1 })
	r := w.requests()[0]
	key := decode(t, strings.TrimPrefix(secret, "whsec_"))
	want := sign(key, r.head.Get("Webhook-Id"), r.head.Get("Webhook-Timestamp"), []byte(r.body))
	if got := r.head.Get("Webhook-Signature"); got != want || r.head.Get("Webhook-Id") != r.event.ID {
		t.Errorf("signed %q as %q, want %q", r.head.Get("Webhook-Id"), got, want)
	}
}

// TestTheSignatureIsThatOfTheStandard holds to the example of the specification.
func TestTheSignatureIsThatOfTheStandard(t *testing.T) {
	key := decode(t, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnEventIsSentAgainUntilItIsTaken(t *testing.T) {
	w := newWorld(t)
	w.answer = []int{http.StatusInternalServerError, http.StatusFound, http.StatusTooManyRequests}
	if _, _, err := w.Add(t.Context(), scope, Webhook{URL: w.site.URL}); err != nil {
		t.Fatal(err)
	}
	w.push(t, w.repository(t, "app"), "one", "v1")
	worker := w.Worker()
	worker.MaxDelay = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.queues.Run(ctx, Queue, worker) }()
	defer func() { cancel(); <-done }()
	eventually(t, "it is taken", func() bool { return w.waiting(t) == 0 })
	got := w.requests()
	if len(got) != 4 {
		t.Fatalf("it was sent %d times, not 4", len(got))
	}
	for _, r := range got[1:] {
		if r.event.ID != got[0].event.ID {
			t.Error("it came under another id")
		}
	}
}

func TestOnlyWhatAWebhookAsksForIsSentToIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, h := range []Webhook{
		{URL: w.site.URL, Types: []string{imageScan}},
		{URL: w.site.URL, Repositories: []string{"team/*", "base"}},
	} {
		if _, _, err := w.Add(ctx, scope, h); err != nil {
			t.Fatal(err)
		}
	}
	other := storage.Scope{Account: scope.Account, Region: "us-east-1"}
	if _, _, err := w.Add(ctx, other, Webhook{URL: w.site.URL}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"team/app", "base", "based", "other/team/app"} {
		w.push(t, w.repository(t, name), name, "v1")
	}
	ref := storage.Ref{Scope: scope, Name: "based"}
	err := w.engine.Record(ctx, storage.Change{
		Kind: Scanned, Ref: ref, Digest: digest.FromString("x"), At: time.Now(), Detail: map[string]any{"scan-status": "COMPLETE"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(t)
	eventually(t, "all is sent", func() bool { return w.waiting(t) == 0 })
	var told []string
	for _, r := range w.requests() {
		told = append(told, r.event.DetailType+" "+r.event.Detail["repository-name"].(string))
	}
	slices.Sort(told)
	if want := []string{"ECR Image Action base", "ECR Image Action team/app", "ECR Image Scan based"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestAWebhookThatIsRemovedGetsNothingMore(t *testing.T) {
	w := newWorld(t)
	h, _, err := w.Add(t.Context(), scope, Webhook{URL: w.site.URL})
	if err != nil {
		t.Fatal(err)
	}
	w.push(t, w.repository(t, "app"), "one", "v1")
	if err := w.Remove(t.Context(), scope, h.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), scope, h.ID); err != ErrUnknown {
		t.Errorf("removing it twice: %v", err)
	}
	w.deliver(t)
	eventually(t, "nothing waits", func() bool { return w.waiting(t) == 0 })
	if got := w.requests(); len(got) != 0 {
		t.Errorf("it got %d events", len(got))
	}
}

func TestWhatCannotBeAWebhookIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, h := range []Webhook{
		{URL: ""}, {URL: "example.com/hook"}, {URL: "ftp://example.com"}, {URL: "http://example.com/hook"}, {URL: "https://user:pass@example.com/"},
		{URL: "https://example.com/", Types: []string{"ECR Image"}}, {URL: "http://[::1"},
	} {
		if _, _, err := w.Add(t.Context(), scope, h); err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
	for i := range Most {
		if _, _, err := w.Add(t.Context(), scope, Webhook{URL: "https://example.com/"}); err != nil {
			t.Fatalf("the %dth: %v", i+1, err)
		}
	}
	if _, _, err := w.Add(t.Context(), scope, Webhook{URL: "https://example.com/"}); err == nil {
		t.Error("one more than there may be was taken")
	}
}

func TestPatternsOfRepositories(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"a", "a", true}, {"a", "ab", false}, {"a*", "a", true}, {"a*c", "abc", true}, {"a*c", "ab", false},
		{"*b*", "abc", true}, {"a*b*c", "a/b/c", true}, {"a*b*c", "ac", false}, {"ab*ba", "aba", false}, {"", "", true}, {"", "a", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
