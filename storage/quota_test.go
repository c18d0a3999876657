package storage

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/storage/meta"
)

// newLimited is an engine with quotas for all, which counts as several servers do.
func newLimited(t testing.TB, q Quotas) *engine {
	t.Helper()
	e := newEngine(t)
	e.options.Quotas = q
	e.options.Grace, e.options.Trash = testGrace, testTrash
	e.restart(t)
	e.Registry.shards = 4
	return e
}

// holds is what a repository, or its account where the name is empty, is charged for.
func (e *engine) holds(t testing.TB, ref Ref) Amount {
	t.Helper()
	list, err := e.Holdings(t.Context(), ref.Account)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list {
		if scopeOf(h.Ref) == scopeOf(ref) {
			return h.Used
		}
	}
	return Amount{}
}

// recounted checks that accounts and repositories are charged for what they hold.
func (e *engine) recounted(t testing.TB, refs ...Ref) {
	t.Helper()
	accounts := map[string]bool{}
	for _, ref := range refs {
		accounts[ref.Account] = true
		if m, err := e.Recount(t.Context(), ref, false); err != nil || m != nil {
			t.Errorf("%s: %+v, %v", ref.Name, m, err)
		}
	}
	for a := range accounts {
		if m, err := e.RecountAccount(t.Context(), a, false); err != nil || m != nil {
			t.Errorf("account %s: %+v, %v", a, m, err)
		}
	}
}

func account(ref Ref) Ref { return Ref{Scope: Scope{Account: ref.Account}} }

func TestARepositoryIsChargedForWhatItHolds(t *testing.T) {
	e := newLimited(t, Quotas{})
	one, two := e.repository(t, "one", Mutability{}), e.repository(t, "two", Mutability{})
	check := func(what string, inOne, inTwo Amount) {
		t.Helper()
		for ref, want := range map[Ref]Amount{one: inOne, two: inTwo, account(one): {Bytes: inOne.Bytes + inTwo.Bytes, Images: inOne.Images + inTwo.Images}} {
			if got := e.holds(t, ref); got != want {
				t.Errorf("%s: %s is charged for %+v, not %+v", what, scopeOf(ref), got, want)
			}
		}
	}
	config, layer := e.blob(t, one, `{"of":"x"}`), e.blob(t, one, "layer of x")
	check("two blobs", Amount{Bytes: 20, Images: 0}, Amount{})
	e.blob(t, one, "layer of x")
	check("one of them again", Amount{Bytes: 20, Images: 0}, Amount{})
	if _, err := e.MountBlob(t.Context(), two, one, layer.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := e.MountBlob(t.Context(), two, one, layer.Digest); err != nil {
		t.Fatal(err)
	}
	check("a mount, twice", Amount{Bytes: 20, Images: 0}, Amount{Bytes: 10, Images: 0})
	content := imageOf(t, config, layer)
	size := int64(len(content))
	image := e.put(t, one, content, "v1")
	e.put(t, one, content, "v2")
	check("an image with two tags", Amount{Bytes: 20 + size, Images: 1}, Amount{Bytes: 10, Images: 0})
	if err := e.DeleteManifest(t.Context(), one, image); err != nil {
		t.Fatal(err)
	}
	check("the image deleted", Amount{Bytes: 20, Images: 0}, Amount{Bytes: 10, Images: 0})
	if _, err := e.Undelete(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	check("the image back", Amount{Bytes: 20 + size, Images: 1}, Amount{Bytes: 10, Images: 0})
	if err := e.DeleteBlob(t.Context(), two, layer.Digest); err != nil {
		t.Fatal(err)
	}
	check("the mounted blob deleted", Amount{Bytes: 20 + size, Images: 1}, Amount{})
	if err := e.DeleteManifest(t.Context(), one, image); err != nil {
		t.Fatal(err)
	}
	e.clock = e.clock.Add(2 * testGrace)
	e.collectAll(t)
	check("all collected", Amount{}, Amount{})
	if _, err := e.Undelete(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	check("the image back out of the trash", Amount{Bytes: 20 + size, Images: 1}, Amount{})
	e.recounted(t, one, two)
	if _, err := e.DeleteRepository(t.Context(), one, true); err != nil {
		t.Fatal(err)
	}
	check("its repository deleted", Amount{}, Amount{})
	one = e.repository(t, "one", Mutability{})
	check("another one of its name", Amount{}, Amount{})
}

func TestAQuotaIsKeptToTheByte(t *testing.T) {
	e := newLimited(t, Quotas{Account: Amount{Bytes: 1000, Images: 3}, Repository: Amount{Bytes: 700}})
	one, two := e.repository(t, "one", Mutability{}), e.repository(t, "two", Mutability{})
	push := func(ref Ref, content string) error {
		_, err := e.FinishUpload(t.Context(), ref, e.start(t, ref), 0, strings.NewReader(content), digest.FromString(content))
		return err
	}
	if err := push(one, strings.Repeat("1", 700)); err != nil {
		t.Fatal(err)
	}
	refused := fails[*QuotaError](t, push(one, "x"))
	if refused.Ref != one || refused.Used.Bytes != 700 || refused.Limit.Bytes != 700 || refused.More.Bytes != 1 ||
		!strings.Contains(refused.Error(), "repository with name 'one' in the registry with id '123456789012' has a quota of 700 B and holds 700 B, so that 1 B more") {
		t.Errorf("refused as %+v: %v", refused, refused)
	}
	if err := push(one, strings.Repeat("1", 700)); err != nil {
		t.Errorf("what it holds already: %v", err)
	}
	if err := push(one, ""); err != nil {
		t.Errorf("nothing: %v", err)
	}
	if err := push(two, strings.Repeat("2", 300)); err != nil {
		t.Fatal(err)
	}
	refused = fails[*QuotaError](t, push(two, "x"))
	if refused.Ref != account(two) || !strings.Contains(refused.Error(), "The registry with id '123456789012' has a quota of 1000 B and holds 1000 B") {
		t.Errorf("refused as %+v: %v", refused, refused)
	}
	if _, err := e.MountBlob(t.Context(), two, one, digest.FromString(strings.Repeat("1", 700))); !errors.As(err, &refused) {
		t.Errorf("a mount: %v", err)
	}
	if err := e.DeleteBlob(t.Context(), one, digest.FromString(strings.Repeat("1", 700))); err != nil {
		t.Fatal(err)
	}
	// A manifest is charged for too, and an image beyond the number refused.
	for n := range 4 {
		err := func() error {
			_, err := e.PutManifest(t.Context(), two, ManifestUpload{Content: indexOf(t), Tags: []string{"same"}})
			if err == nil && n > 0 {
				_, err = e.PutManifest(t.Context(), two, ManifestUpload{Content: []byte(strings.Repeat(" ", n) + string(indexOf(t)))})
			}
			return err
		}()
		if n < 3 && err != nil {
			t.Fatal(err)
		}
		if n == 3 && (!errors.As(err, &refused) || !strings.Contains(err.Error(), "already has the maximum allowed number of images which is '3'")) {
			t.Errorf("a fourth image: %v", err)
		}
	}
	if got := e.Refusals(); got.Quota != 4 || got.Disk != 0 {
		t.Errorf("counted as refused: %+v", got)
	}
	e.recounted(t, one, two)
}

func TestAQuotaOfItsOwnGoesBeforeWhatIsUsualAndCanBeTakenAway(t *testing.T) {
	e := newLimited(t, Quotas{Repository: Amount{Bytes: 100}})
	ref := e.repository(t, "team/app", Mutability{})
	try := func(n int) error {
		content := strings.Repeat("x", n)
		_, err := e.FinishUpload(t.Context(), ref, e.start(t, ref), 0, strings.NewReader(content), digest.FromString(content))
		return err
	}
	fails[*QuotaError](t, try(101))
	// It need not exist: a name keeps its quota when its repository is made anew.
	if err := e.SetQuota(t.Context(), ref, Amount{Bytes: 150}); err != nil {
		t.Fatal(err)
	}
	if err := try(101); err != nil {
		t.Fatal(err)
	}
	fails[*QuotaError](t, try(50))
	list, err := e.Holdings(t.Context(), "")
	if err != nil || len(list) != 2 || list[1] != (Holding{Ref: ref, Used: Amount{Bytes: 101}, Quota: Amount{Bytes: 150}, Own: true}) {
		t.Errorf("held: %+v, %v", list, err)
	}
	if err := e.RemoveQuota(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	fails[*QuotaUnknownError](t, e.RemoveQuota(t.Context(), ref))
	fails[*QuotaError](t, try(1))
	if err := e.SetQuota(t.Context(), ref, Amount{}); err != nil {
		t.Fatal(err)
	}
	if err := try(5000); err != nil {
		t.Errorf("without a limit of its own: %v", err)
	}
	if _, err := e.DeleteRepository(t.Context(), ref, true); err != nil {
		t.Fatal(err)
	}
	if err := e.SetQuota(t.Context(), ref, Amount{Bytes: 10}); err != nil {
		t.Fatal(err)
	}
	e.repository(t, "team/app", Mutability{})
	fails[*QuotaError](t, try(11))
}

// endless yields bytes, and tells how many were taken.
type endless struct{ taken int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.taken += int64(len(p))
	return len(p), nil
}

func TestAnUploadThatCannotFitIsEndedBeforeItHasCome(t *testing.T) {
	const limit = 24 << 20
	e := newLimited(t, Quotas{Repository: Amount{Bytes: limit}})
	ref := e.repository(t, "demo", Mutability{})
	gone := func(id string) {
		t.Helper()
		if _, err := e.Upload(t.Context(), ref, id); !errors.As(err, new(*UploadUnknownError)) {
			t.Errorf("the upload is still there: %v", err)
		}
		if _, err := os.Stat(e.uploadFile(id)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its file is still there: %v", err)
		}
	}
	body := new(endless)
	id := e.start(t, ref)
	_, err := e.AppendUpload(t.Context(), ref, id, 0, &Announced{Reader: body, Length: limit + 1})
	fails[*QuotaError](t, err)
	if body.taken > 0 {
		t.Errorf("announced as too large, %d bytes were taken", body.taken)
	}
	if u, err := e.Upload(t.Context(), ref, id); err != nil || u.Offset != 0 {
		t.Errorf("the upload that has taken nothing: %+v, %v", u, err)
	}
	_, err = e.AppendUpload(t.Context(), ref, id, 0, body)
	fails[*QuotaError](t, err)
	if body.taken < limit || body.taken > limit+2*checkpointEvery {
		t.Errorf("of an endless body %d bytes were taken", body.taken)
	}
	gone(id)

	half := strings.Repeat("half", limit/8)
	e.blob(t, ref, half)
	other := strings.Repeat("halb", limit/8) + "!"
	id = e.start(t, ref)
	if _, err := e.AppendUpload(t.Context(), ref, id, 0, strings.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	_, err = e.FinishUpload(t.Context(), ref, id, AnyOffset, nil, digest.FromString(other))
	fails[*QuotaError](t, err)
	gone(id)
	if n := len(e.files(t)); n != 1 {
		t.Errorf("%d files of blobs", n)
	}

	// What is held already is no more, however it comes.
	for _, announced := range []bool{false, true} {
		var body io.Reader = strings.NewReader(half)
		if announced {
			body = &Announced{Reader: body, Length: int64(len(half))}
		}
		id = e.start(t, ref)
		if _, err := e.AppendUpload(t.Context(), ref, id, 0, body); err != nil {
			t.Fatal(err)
		}
		if _, err := e.FinishUpload(t.Context(), ref, id, AnyOffset, nil, digest.FromString(half)); err != nil {
			t.Errorf("what is held already: %v", err)
		}
	}
	e.recounted(t, ref)
}

func TestAMiscountIsFoundAndMended(t *testing.T) {
	e := newLimited(t, Quotas{})
	one, two := e.repository(t, "one", Mutability{}), e.repository(t, "two", Mutability{})
	e.image(t, one, "x", "v1")
	e.image(t, two, "y", "v1")
	right := e.holds(t, one)
	if err := e.write(t.Context(), func(q meta.Querier) error {
		_, err := q.ExecContext(t.Context(), `DELETE FROM quota_usage WHERE scope = $1`, two.Account)
		return errors.Join(err, meta.Discharge(t.Context(), q, scopeOf(one), e.shard(), Amount{Bytes: -7, Images: 1}))
	}); err != nil {
		t.Fatal(err)
	}
	m, err := e.Recount(t.Context(), one, false)
	if err != nil || m == nil || m.Held != right || m.Charged != (Amount{Bytes: right.Bytes + 7, Images: right.Images - 1}) || m.Ref != one {
		t.Fatalf("found %+v, %v", m, err)
	}
	for _, ref := range []Ref{one, two} {
		if _, err := e.Recount(t.Context(), ref, true); err != nil {
			t.Fatal(err)
		}
	}
	if m, err = e.RecountAccount(t.Context(), one.Account, true); err != nil || m == nil {
		t.Fatalf("found %+v, %v", m, err)
	}
	e.recounted(t, one, two)
	if got := e.holds(t, one); got != right {
		t.Errorf("mended to %+v, not %+v", got, right)
	}
	if _, err := e.Recount(t.Context(), Ref{one.Scope, "none"}, true); !errors.As(err, new(*RepositoryUnknownError)) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestARegistryAndAnImageHaveNoMoreThanTheyMay(t *testing.T) {
	e := newLimited(t, Quotas{Repositories: 2, Tags: 2})
	one := e.repository(t, "one", Mutability{})
	e.repository(t, "two", Mutability{})
	three := Ref{one.Scope, "three"}
	var limit *LimitError
	if _, err := e.CreateRepository(t.Context(), three, RepositoryOptions{}); !errors.As(err, &limit) || !strings.HasSuffix(err.Error(), "number of repositories which is '2'") {
		t.Error(err)
	}
	if _, err := e.Repository(t.Context(), three); err == nil {
		t.Error("the repository was made all the same")
	}
	elsewhere := three
	elsewhere.Region = "eu-south-1"
	if _, err := e.CreateRepository(t.Context(), elsewhere, RepositoryOptions{}); err != nil {
		t.Errorf("in another region: %v", err)
	}
	first := e.image(t, one, "first", "a", "b")
	second := e.image(t, one, "second", "c")
	tag := func(d v1.Descriptor) error {
		m, err := e.Manifest(t.Context(), one, Reference{Digest: d.Digest})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.PutManifest(t.Context(), one, ManifestUpload{Content: m.Content, Tags: []string{"c"}})
		return err
	}
	if err := tag(first); !errors.As(err, &limit) || limit.Tag != "c" {
		t.Error(err)
	}
	if d, err := e.DeleteTag(t.Context(), one, "a"); err != nil || d != first.Digest {
		t.Errorf("%s, %v", d, err)
	}
	if err := tag(first); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := tag(second); err != nil {
		t.Errorf("and back: %v", err)
	}
}
