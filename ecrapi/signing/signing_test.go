package signing

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/auth"
	"drydock/auth/seal"
	"drydock/ecrapi/events"
	"drydock/internal/jobs"
	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var scope = storage.Scope{Account: "123456789012", Region: "eu-west-1"}

// world is an engine whose images are signed, on a clock of the test.
type world struct {
	*Profiles
	signer *Signer
	engine *storage.Registry
	db     meta.DB
	queues *jobs.Queues
	ahead  time.Duration

	mu     sync.Mutex
	denied string // the action that is not allowed
	asked  []auth.Request
	heard  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	folder := t.TempDir()
	files, err := disk.New(filepath.Join(folder, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{db: testdb.New(t).Open(t)}
	now := func() time.Time { return time.Now().Add(w.ahead) }
	w.queues = jobs.New(jobs.Options{DB: w.db, Now: now, Log: log, Poll: 20 * time.Millisecond})
	// What is told is a job, which is there if the transaction that told it is.
	listener := storage.Watcher{Kinds: []string{Kind}, Decide: func(c storage.Change, _ []storage.Setting) ([]storage.Job, error) {
		if c.Kind != events.Signed {
			return nil, nil
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard++
		document, err := json.Marshal(c)
		return []storage.Job{{Queue: "heard", Key: fmt.Sprint(w.heard), Document: string(document)}}, err
	}}
	w.engine, err = storage.New(t.Context(), storage.Options{
		DB: w.db, Blobs: blob.NewStore(files), Now: now, Random: rand.Reader, Log: log,
		Watchers: []storage.Watcher{Watcher(), listener}, Wake: w.queues.Wake,
	})
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.OpenFile(filepath.Join(folder, "seal.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if w.Profiles, err = NewProfiles(ProfilesOptions{Engine: w.engine, Box: box, Now: now, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	if w.signer, err = New(Options{Engine: w.engine, Profiles: w.Profiles, Authorizer: w, Now: now}); err != nil {
		t.Fatal(err)
	}
	return w
}

// Authorize implements auth.Authorizer.
func (w *world) Authorize(_ context.Context, r auth.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r)
	if r.Action == w.denied {
		return &auth.DeniedError{Request: r, Because: "because no identity-based policy allows it"}
	}
	return nil
}

func (w *world) deny(action string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.denied = action
}

// signed are the changes that were told of signing.
func (w *world) signed(t *testing.T) (list []storage.Change) {
	t.Helper()
	rows, err := meta.DueJobs(t.Context(), w.db.Reader(), "heard", time.Now().Add(time.Hour).UnixMilli(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range rows {
		var c storage.Change
		if err := json.Unmarshal([]byte(j.Document), &c); err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// work works the queue off until the test ends or stop is called.
func (w *world) work(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.queues.Run(ctx, Queue, w.signer.Worker()) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func (w *world) settled(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n, err := meta.WaitingJobs(t.Context(), w.db.Reader(), Queue, 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d signatures are still waited for", n)
		}
	}
}

func (w *world) configure(t *testing.T, rules ...Rule) {
	t.Helper()
	document, err := Configuration{rules}.Document()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.SetSetting(t.Context(), Key(scope), document); err != nil {
		t.Fatal(err)
	}
}

func (w *world) add(t *testing.T, name string) Profile {
	t.Helper()
	p, err := w.Add(t.Context(), scope, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) repository(t *testing.T, name string) storage.Ref {
	t.Helper()
	ref := storage.Ref{Scope: scope, Name: name}
	if _, err := w.engine.CreateRepository(t.Context(), ref, storage.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	return ref
}

// pusher is who pushes in these tests.
func pusher(t *testing.T) string {
	ctx := auth.WithOrigin(t.Context(), &auth.Origin{UserAgent: "docker", Secure: true})
	return auth.CallerOf(ctx, auth.Principal{ARN: "arn:aws:iam::123456789012:user/ci", Account: scope.Account, AccessKeyID: "AKIACI"})
}

// push stores an index of nothing.
func (w *world) push(t *testing.T, ref storage.Ref, of, by string, tags ...string) digest.Digest {
	t.Helper()
	content := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"of":"` + of + `"}}`
	stored, err := w.engine.PutManifest(t.Context(), ref, storage.ManifestUpload{Content: []byte(content), Tags: tags, By: by})
	if err != nil {
		t.Fatal(err)
	}
	return stored.Digest
}

func (w *world) signatures(t *testing.T, ref storage.Ref, d digest.Digest) []storage.Descriptor {
	t.Helper()
	list, err := w.engine.Referrers(t.Context(), ref, d, []string{ArtifactType}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// states are how far the signing of an image is, as "name state failure".
func (w *world) states(t *testing.T, ref storage.Ref, d digest.Digest) string {
	t.Helper()
	_, list, err := Statuses(t.Context(), w.engine, ref, storage.Reference{Digest: d})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range list {
		_, name, _ := ParseARN(s.Profile)
		lines = append(lines, strings.TrimSpace(name+" "+string(s.State)+" "+s.Failure))
	}
	return strings.Join(lines, ", ")
}

// verify has Notation verify an image by the trust store of some profiles.
func (w *world) verify(t *testing.T, ref storage.Ref, d digest.Digest, profiles ...string) error {
	t.Helper()
	store, err := w.TrustStore(t.Context(), scope, profiles, nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range store.Files {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var policy trustpolicy.Document
	if err := json.Unmarshal([]byte(store.Files[PolicyFile]), &policy); err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(&policy, truststore.NewX509TrustStore(dir.NewSysFS(folder)), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, outcomes, err := notation.Verify(t.Context(), v, images{w.engine, ref}, notation.VerifyOptions{
		ArtifactReference: "localhost:5000/" + ref.Name + "@" + string(d), MaxSignatureAttempts: 50,
	})
	if err == nil && len(outcomes) == 0 {
		t.Error("nothing was verified")
	}
	return err
}

// images is the repository that Notation looks into.
type images struct {
	engine *storage.Registry
	ref    storage.Ref
}

func (i images) Resolve(ctx context.Context, reference string) (v1.Descriptor, error) {
	_, d, _ := strings.Cut(reference, "@")
	if d == "" {
		d = reference
	}
	return i.descriptor(ctx, digest.Digest(d))
}

func (i images) descriptor(ctx context.Context, d digest.Digest) (v1.Descriptor, error) {
	m, err := i.engine.Manifest(ctx, i.ref, storage.Reference{Digest: d})
	return v1.Descriptor{MediaType: m.MediaType, Digest: d, Size: int64(len(m.Content))}, err
}

func (i images) ListSignatures(ctx context.Context, d v1.Descriptor, fn func([]v1.Descriptor) error) error {
	list, err := i.engine.Referrers(ctx, i.ref, d.Digest, []string{ArtifactType}, "", 100)
	if err != nil {
		return err
	}
	var manifests []v1.Descriptor
	for _, r := range list {
		manifests = append(manifests, v1.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size})
	}
	return fn(manifests)
}

func (i images) FetchSignatureBlob(ctx context.Context, d v1.Descriptor) ([]byte, v1.Descriptor, error) {
	m, err := i.engine.Manifest(ctx, i.ref, storage.Reference{Digest: d.Digest})
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(m.Content, &manifest); err != nil || len(manifest.Layers) != 1 {
		return nil, v1.Descriptor{}, errors.New("it is no signature")
	}
	f, _, err := i.engine.OpenBlob(ctx, i.ref, manifest.Layers[0].Digest)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	return content, manifest.Layers[0], err
}

func (images) PushSignature(context.Context, string, []byte, v1.Descriptor, map[string]string) (v1.Descriptor, v1.Descriptor, error) {
	return v1.Descriptor{}, v1.Descriptor{}, errors.New("nothing is pushed here")
}

func TestAPushedImageIsSignedSoThatNotationVerifiesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ci, _ := w.add(t, "ci"), w.add(t, "other")
	w.configure(t, Rule{Profile: ci.ARN, Repositories: []string{"team/*"}})
	ref, elsewhere := w.repository(t, "team/app"), w.repository(t, "app")
	d, unsigned := w.push(t, ref, "one", pusher(t), "v1"), w.push(t, elsewhere, "one", pusher(t), "v1")
	if got := w.states(t, ref, d); got != "ci IN_PROGRESS" {
		t.Errorf("before: %s", got)
	}
	w.work(t)
	w.settled(t)
	if got := w.states(t, ref, d); got != "ci COMPLETE" {
		t.Errorf("after: %s", got)
	}
	if err := w.verify(t, ref, d); err != nil {
		t.Errorf("Notation: %v", err)
	}
	if err := w.verify(t, ref, d, "ci"); err != nil {
		t.Errorf("Notation, which trusts this profile: %v", err)
	}
	if err := w.verify(t, ref, d, "other"); err == nil {
		t.Error("Notation, which trusts another profile, took it")
	}
	if n := len(w.signatures(t, elsewhere, unsigned)); n != 0 || w.states(t, elsewhere, unsigned) != "" {
		t.Errorf("an image that no rule means has %d signatures", n)
	}
	if len(w.asked) != 1 || w.asked[0].Action != "signer:SignPayload" || w.asked[0].Resource != ci.ARN || w.asked[0].Principal.AccessKeyID != "AKIACI" {
		t.Errorf("asked for %+v", w.asked)
	}
	told := w.signed(t)
	if len(told) != 1 || told[0].Digest != d || told[0].Detail["signing-status"] != "COMPLETE" || told[0].Detail["signature-digest"] != string(w.signatures(t, ref, d)[0].Digest) {
		t.Errorf("told %+v", told)
	}
}

func TestEachProfileSignsOnceHoweverOftenItIsOrdered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ci, release := w.add(t, "ci"), w.add(t, "release")
	w.configure(t, Rule{Profile: ci.ARN}, Rule{Profile: release.ARN, Repositories: []string{"app"}}, Rule{Profile: ci.ARN, Repositories: []string{"a*"}})
	ref := w.repository(t, "app")
	d := w.push(t, ref, "one", pusher(t), "v1")
	stop := w.work(t)
	w.settled(t)
	stop()
	// A server that dies between the signature and the end of the job does it again.
	for range 3 {
		for _, p := range []string{ci.ARN, release.ARN} {
			if err := w.signer.sign(t.Context(), order{scope.Account, scope.Region, "app", d, p, pusher(t)}); err != nil {
				t.Error(err)
			}
			if err := w.signer.trySign(t.Context(), order{scope.Account, scope.Region, "app", d, p, pusher(t)}, storage.Signing{Ref: ref, Digest: d, Profile: p}); err != nil {
				t.Error(err)
			}
		}
	}
	w.work(t)
	w.push(t, ref, "one", pusher(t), "v2")
	w.settled(t)
	if n := len(w.signatures(t, ref, d)); n != 2 {
		t.Errorf("there are %d signatures of two profiles", n)
	}
	if got := w.states(t, ref, d); got != "ci COMPLETE, release COMPLETE" {
		t.Errorf("states: %s", got)
	}
	if n := len(w.signed(t)); n != 2 {
		t.Errorf("%d signatures were told of", n)
	}
	for _, s := range w.signatures(t, ref, d) {
		if n := len(w.signatures(t, ref, s.Digest)); n != 0 {
			t.Errorf("a signature has %d signatures", n)
		}
	}
	// One that somebody deletes is made again at the next push.
	if _, err := w.engine.DeleteImage(t.Context(), ref, storage.Reference{Digest: w.signatures(t, ref, d)[0].Digest}); err != nil {
		t.Fatal(err)
	}
	w.push(t, ref, "one", pusher(t), "v3")
	w.settled(t)
	if n := len(w.signatures(t, ref, d)); n != 2 {
		t.Errorf("there are %d signatures after one was deleted", n)
	}
}

func TestWhyAnImageIsNotSignedIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		arrange    func(t *testing.T, w *world, p Profile)
	}{
		{"the pusher may not", "ci FAILED AccessDeniedException", func(_ *testing.T, w *world, _ Profile) { w.deny("signer:SignPayload") }},
		{"the profile has gone", "ci FAILED ResourceNotFoundException", func(t *testing.T, w *world, _ Profile) {
			if err := w.Remove(t.Context(), scope, "ci"); err != nil {
				t.Fatal(err)
			}
		}},
		{"there is no room", "ci FAILED LimitExceededException", func(t *testing.T, w *world, _ Profile) {
			if err := w.engine.SetQuota(t.Context(), storage.Ref{Scope: scope, Name: "app"}, storage.Amount{Images: 1}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.add(t, "ci")
			w.configure(t, Rule{Profile: p.ARN})
			ref := w.repository(t, "app")
			c.arrange(t, w, p)
			d := w.push(t, ref, "one", pusher(t))
			w.work(t)
			w.settled(t)
			if got := w.states(t, ref, d); got != c.want {
				t.Errorf("states: %s", got)
			}
			if n := len(w.signatures(t, ref, d)); n != 0 {
				t.Errorf("it has %d signatures", n)
			}
			if told := w.signed(t); len(told) != 1 || told[0].Detail["signing-status"] != "FAILED" || told[0].Detail["failure-reason"] == "" {
				t.Errorf("told %+v", told)
			}
		})
	}
}

func TestWhatFailedIsTriedOnceMoreAtTheNextPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.add(t, "ci")
	w.configure(t, Rule{Profile: p.ARN})
	ref := w.repository(t, "app")
	w.deny("signer:SignPayload")
	d := w.push(t, ref, "one", pusher(t), "v1")
	stop := w.work(t)
	w.settled(t)
	stop()
	w.deny("")
	w.push(t, ref, "one", pusher(t), "v2")
	if got := w.states(t, ref, d); got != "ci IN_PROGRESS" {
		t.Errorf("while it is tried: %s", got)
	}
	w.work(t)
	w.settled(t)
	if got := w.states(t, ref, d); got != "ci COMPLETE" {
		t.Errorf("states: %s", got)
	}
}

func TestWhatTheServerBringsItselfAndWhatHasGoneIsNotSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.add(t, "ci")
	w.configure(t, Rule{Profile: p.ARN})
	ref := w.repository(t, "app")
	brought := w.push(t, ref, "brought", "")
	gone := w.push(t, ref, "gone", pusher(t))
	if err := w.engine.DeleteManifest(t.Context(), ref, gone); err != nil {
		t.Fatal(err)
	}
	w.work(t)
	w.settled(t)
	if got := w.states(t, ref, brought); got != "" {
		t.Errorf("what nobody pushed: %s", got)
	}
	if n := len(w.signed(t)); n != 0 {
		t.Errorf("%d signatures were told of", n)
	}
	if _, _, err := Statuses(t.Context(), w.engine, ref, storage.Reference{Digest: gone}); err == nil {
		t.Error("the state of an image that has gone was told")
	}
}

func TestAProfileGetsANewKeyBeforeItsCertificateEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.add(t, "ci")
	w.configure(t, Rule{Profile: p.ARN})
	ref := w.repository(t, "app")
	old := w.push(t, ref, "old", pusher(t))
	w.work(t)
	w.settled(t)
	w.ahead = 6 * 365 * 24 * time.Hour
	w.push(t, ref, "new", pusher(t))
	w.settled(t)
	list, err := w.List(t.Context(), scope)
	if err != nil || len(list) != 1 || list[0].Fingerprint == p.Fingerprint || list[0].Subject != p.Subject || !list[0].EndsAt.After(p.EndsAt) {
		t.Errorf("the profile is now %+v (%v), and was %+v", list, err, p)
	}
	if err := w.verify(t, ref, old); err != nil {
		t.Errorf("what the old key signed: %v", err)
	}
}

func TestProfilesOfOneNameThatAreMadeAnewAreNotTrustedByWhoTrustedTheOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.add(t, "ci")
	if _, err := w.Add(t.Context(), scope, "ci"); !errors.Is(err, ErrExists) {
		t.Errorf("a second one of the name: %v", err)
	}
	before, err := w.TrustStore(t.Context(), scope, nil, []string{"localhost:5000/app"})
	if err != nil || len(before.Files) != 2 || !strings.Contains(before.Files[PolicyFile], `"localhost:5000/app"`) {
		t.Errorf("the trust store: %+v (%v)", before, err)
	}
	if err := w.Remove(t.Context(), scope, "ci"); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), scope, "ci"); !errors.Is(err, ErrUnknown) {
		t.Errorf("removing it twice: %v", err)
	}
	if _, err := w.TrustStore(t.Context(), scope, nil, nil); err == nil {
		t.Error("a trust store of no profile was made")
	}
	second := w.add(t, "ci")
	after, err := w.TrustStore(t.Context(), scope, []string{"ci"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range after.Files {
		if name != PolicyFile && after.Files[name] == before.Files[name] {
			t.Errorf("%s is as before", name)
		}
	}
	if first.Fingerprint == second.Fingerprint || first.ARN != second.ARN {
		t.Errorf("%+v and %+v", first, second)
	}
	if _, err := w.TrustStore(t.Context(), scope, []string{"none"}, nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("a profile that is not there: %v", err)
	}
}

func TestTheNamesOfProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"", "a", "a-b", "a/b", strings.Repeat("a", 65), "ä_ö"} {
		if _, err := w.Add(t.Context(), scope, name); err == nil {
			t.Errorf("%q was taken", name)
		}
		if _, _, ok := ParseARN(ARN(scope, name)); ok {
			t.Errorf("the ARN of %q was taken", name)
		}
	}
	for _, text := range []string{"", "arn:aws:signer:eu-west-1:123456789012:signing-profiles/ci", "arn:aws:ecr:eu-west-1:123456789012:/signing-profiles/ci", "arn:aws:signer:eu-west-1:123456789012:/signing-profiles/ci/version"} {
		if _, _, ok := ParseARN(text); ok {
			t.Errorf("%q was taken", text)
		}
	}
	if of, name, ok := ParseARN("arn:aws:signer:eu-west-1:123456789012:/signing-profiles/ci_1"); !ok || of != scope || name != "ci_1" {
		t.Errorf("read %v %q %v", of, name, ok)
	}
}

func TestPatternsOfRepositories(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"a", "a", true}, {"a", "ab", false}, {"a*", "a", true}, {"a*c", "abc", true}, {"a*c", "ab", false},
		{"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a/b/c", true}, {"a*b*c", "ac", false}, {"ab*ba", "aba", false}, {"*/x", "a/x", true},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestAnAuthorityThatADyingServerLeftCertifiesNoNewProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.add(t, "ci")
	old, err := w.TrustStore(t.Context(), scope, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The profile goes and its authority does not, as when the server dies between.
	if _, err := w.engine.DeleteSetting(t.Context(), profileKey(scope, "ci")); err != nil {
		t.Fatal(err)
	}
	after := w.add(t, "ci")
	store, err := w.TrustStore(t.Context(), scope, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range store.Files {
		if name != PolicyFile && text == old.Files[name] {
			t.Errorf("%s is as before, and so trusts %s beside %s", name, before.Fingerprint, after.Fingerprint)
		}
	}
}

func TestAProfileKeepsItsKeyWhereItsAuthorityHasBeenReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.add(t, "ci")
	if _, err := w.root(t.Context(), scope, true); err != nil {
		t.Fatal(err)
	}
	w.ahead = 6 * 365 * 24 * time.Hour
	leaf, err := w.Profiles.signer(t.Context(), scope, "ci")
	if err != nil {
		t.Fatal(err)
	}
	if !leaf.certificate.NotAfter.Equal(p.EndsAt) {
		t.Errorf("it was renewed under an authority that nobody trusts: it ends %v, and did %v", leaf.certificate.NotAfter, p.EndsAt)
	}
}

func TestWhatToolsKeepUnderTagsOfAnotherImageIsNotSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.add(t, "ci")
	w.configure(t, Rule{Profile: p.ARN})
	ref := w.repository(t, "app")
	of := "sha256-" + strings.Repeat("a1", 32)
	signature, fallback := w.push(t, ref, "signature", pusher(t), of+".sig"), w.push(t, ref, "fallback", pusher(t), of)
	for name, tags := range map[string][]string{"untagged": nil, "named": {"sha256-abc"}, "both": {of + ".att", "v1"}} {
		if d := w.push(t, ref, name, pusher(t), tags...); w.states(t, ref, d) != "ci IN_PROGRESS" {
			t.Errorf("%s: an image is not signed", name)
		}
	}
	for name, d := range map[string]digest.Digest{"signature": signature, "fallback": fallback} {
		if got := w.states(t, ref, d); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
