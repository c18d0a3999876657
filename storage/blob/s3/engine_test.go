package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
	"drydock/storage/blob"
	"drydock/storage/blob/blobtest"
	"drydock/storage/blob/s3/s3test"
	"drydock/storage/meta"
	"drydock/storage/meta/sqlite"
)

const expiry = time.Hour

// fleet is several servers, as far as storage goes, on one database and one bucket.
type fleet struct {
	server  *s3test.Server
	options Options
	db      meta.DB
	ref     storage.Ref
	mu      sync.Mutex
	clock   time.Time
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := s3test.Start(t)
	f := &fleet{server: s, options: options(t, s), db: db, clock: time.Now(),
		ref: storage.Ref{Scope: storage.Scope{Account: "123456789012", Region: "eu-west-1"}, Name: "demo"}}
	if _, err := f.open(t).CreateRepository(t.Context(), f.ref, storage.RepositoryOptions{}); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleet) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fleet) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// open is one more server, or the same one started again.
func (f *fleet) open(t testing.TB) *storage.Registry {
	t.Helper()
	r, err := storage.New(context.Background(), storage.Options{
		DB: f.db, Blobs: blob.NewStore(open(t, f.options)), Now: f.now, Random: rand.Reader,
		Log: slog.New(slog.DiscardHandler), UploadExpiry: expiry, Grace: time.Hour, Trash: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// left lists what the bucket holds besides the marker: objects, and what is being
// written.
func (f *fleet) left(t *testing.T) (objects, unfinished []string) {
	t.Helper()
	bucket := filepath.Join(f.server.Folder, f.options.Bucket)
	err := filepath.WalkDir(bucket, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), ".sgwtmp") {
			return fs.SkipDir
		}
		if err == nil && e.Type().IsRegular() && e.Name() != "repositories" {
			objects = append(objects, strings.TrimPrefix(path, bucket))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	o := f.options
	o.Wrap = nil
	uploads, err := open(t, o).multiparts(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads {
		unfinished = append(unfinished, u.key)
	}
	return objects, unfinished
}

func (f *fleet) expectLeft(t *testing.T, objects int) {
	t.Helper()
	if o, u := f.left(t); len(o) != objects || len(u) != 0 {
		t.Errorf("the bucket holds %v, want %d, and unfinished %v", o, objects, u)
	}
}

func (f *fleet) start(t *testing.T, r *storage.Registry) string {
	t.Helper()
	u, err := r.StartUpload(t.Context(), f.ref)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func (f *fleet) read(t *testing.T, r *storage.Registry, want []byte, d digest.Digest) {
	t.Helper()
	content, b, err := r.OpenBlob(t.Context(), f.ref, d)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if err := storage.Fetch(content, 0, b.Size); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(content)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d of %d bytes came back: %v", len(got), len(want), err)
	}
}

// push pushes as docker does, each request to the next server.
func (f *fleet) push(t *testing.T, content []byte, d digest.Digest, servers ...*storage.Registry) error {
	t.Helper()
	at := func(i int) *storage.Registry { return servers[i%len(servers)] }
	id := f.start(t, at(0))
	if _, err := at(1).AppendUpload(t.Context(), f.ref, id, storage.AnyOffset, bytes.NewReader(content)); err != nil {
		return err
	}
	_, err := at(2).FinishUpload(t.Context(), f.ref, id, storage.AnyOffset, nil, d)
	return err
}

func TestPushesGoFromServerToServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b, c := f.open(t), f.open(t), f.open(t)
	objects := 0
	for _, size := range []int{0, 100, 16 << 10, 16<<10 + 1, 6 << 20, 30<<20 + 5} {
		for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			content := append(blobtest.Noise(size), algorithm...)
			d := algorithm.FromBytes(content)
			if err := f.push(t, content, d, a, b, c); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, algorithm, err)
			}
			f.read(t, a, content, d)
			if len(content) > 16<<10 {
				objects++
			}
		}
	}
	f.expectLeft(t, objects)
}

func TestChunksGoFromServerToServer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, chunk := range []int{10 << 10, 1 << 20, 6 << 20, 20 << 20} {
		content := blobtest.Noise(min(chunk*20, 61<<20) + 7)
		servers := []*storage.Registry{f.open(t), f.open(t), f.open(t)}
		id := f.start(t, servers[0])
		for i, at := 0, 0; at < len(content); i++ {
			end := min(at+chunk, len(content))
			u, err := servers[i%3].AppendUpload(t.Context(), f.ref, id, int64(at), bytes.NewReader(content[at:end]))
			if err != nil || u.Offset != int64(end) {
				t.Fatalf("chunks of %d at %d: %+v, %v", chunk, at, u, err)
			}
			at = end
		}
		d := digest.FromBytes(content)
		if _, err := servers[1].FinishUpload(t.Context(), f.ref, id, int64(len(content)), nil, d); err != nil {
			t.Fatal(err)
		}
		f.read(t, servers[2], content, d)
	}
	f.expectLeft(t, 3) // the last two were the same bytes
}

func TestRequestsOfPushesAndPullsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	count := new(counter)
	f.options.Wrap = func(next Doer) Doer { count.next = next; return count }
	r := f.open(t)
	count.take()
	one, many := blobtest.Noise(1<<20), blobtest.Noise(64<<20)
	for _, step := range []struct {
		what string
		do   func() error
		want map[string]int
	}{
		{"push of 1 MiB", func() error { return f.push(t, one, digest.FromBytes(one), r) }, map[string]int{"PutObject": 1}},
		{"push of 64 MiB", func() error { return f.push(t, many, digest.FromBytes(many), r) },
			map[string]int{"CreateMultipartUpload": 1, "UploadPart": 8, "CompleteMultipartUpload": 1}},
		{"pull of 64 MiB", func() error { f.read(t, r, many, digest.FromBytes(many)); return nil }, map[string]int{"GetObject": 1}},
		{"HEAD", func() error { _, err := r.StatBlob(t.Context(), f.ref, digest.FromBytes(many)); return err }, nil},
		{"push of 1 MiB that is there", func() error { return f.push(t, one, digest.FromBytes(one), r) },
			map[string]int{"PutObject": 1, "HeadObject": 1, "DeleteObject": 1}},
		{"push of a few bytes", func() error { return f.push(t, []byte("{}"), digest.FromString("{}"), r) }, nil},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if got := count.take(); !maps.Equal(got, step.want) {
			t.Errorf("%s took %v, want %v", step.what, got, step.want)
		}
	}
}

func TestOneOfTwoUploadsOfTheSameBytesIsKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for i, size := range []int{1 << 20, 20 << 20} {
		content := blobtest.Noise(size)
		d := digest.FromBytes(content)
		var wg sync.WaitGroup
		for range 4 {
			r := f.open(t)
			wg.Go(func() {
				if err := f.push(t, content, d, r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f.read(t, f.open(t), content, d)
		f.expectLeft(t, i+1)
	}
}

func TestWhatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := f.open(t)
	for _, size := range []int{1 << 20, 6 << 20, 20 << 20, 20<<20 + 1} {
		content := blobtest.Noise(size)
		begun := func() string {
			id := f.start(t, r)
			if _, err := r.AppendUpload(t.Context(), f.ref, id, 0, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			return id
		}
		if err := f.open(t).CancelUpload(t.Context(), f.ref, begun()); err != nil {
			t.Error(err)
		}
		var wrong *storage.DigestMismatchError
		if _, err := r.FinishUpload(t.Context(), f.ref, begun(), storage.AnyOffset, nil, digest.FromString("other")); !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
		begun()
		f.wait(expiry + time.Second)
		if n, err := f.open(t).ExpireUploads(t.Context()); n != 1 || err != nil {
			t.Errorf("%d uploads expired: %v", n, err)
		}
		f.expectLeft(t, 0)
	}
}

// A server that is held up amidst a push, and wakes when the client has long done it
// elsewhere, does no harm and leaves nothing.
func TestAServerThatComesTooLateHarmsNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1 << 20, 20 << 20, 40<<20 + 3} {
		for _, end := range []string{"append", "finish"} {
			f := newFleet(t)
			late, quick := f.open(t), f.open(t)
			content := blobtest.Noise(size)
			d := digest.FromBytes(content)
			id := f.start(t, late)
			half := size / 2
			pause, wake := make(chan struct{}), make(chan struct{})
			body := io.MultiReader(bytes.NewReader(content[:half]), &gate{pause, wake}, bytes.NewReader(content[half:]))
			answer := make(chan error, 1)
			go func() {
				if end == "append" {
					_, err := late.AppendUpload(context.Background(), f.ref, id, 0, body)
					answer <- err
					return
				}
				_, err := late.FinishUpload(context.Background(), f.ref, id, 0, body, d)
				answer <- err
			}()
			<-pause
			if _, err := quick.FinishUpload(t.Context(), f.ref, id, 0, bytes.NewReader(content), d); err != nil {
				t.Fatal(err)
			}
			close(wake)
			var unknown *storage.UploadUnknownError
			if err := <-answer; !errors.As(err, &unknown) {
				t.Errorf("%d bytes, %s: the late one was told %v", size, end, err)
			}
			f.read(t, quick, content, d)
			f.expectLeft(t, 1)
		}
	}
}

// gate holds a reader up.
type gate struct{ reached, open chan struct{} }

func (g *gate) Read([]byte) (int, error) {
	close(g.reached)
	<-g.open
	return 0, io.EOF
}

// A server that is held up amidst a chunk, and finds that another one has gone on
// with the upload and made something else of its parts, leaves it to that one, be it
// at work still or done with its chunk.
func TestAServerThatComesTooLateLeavesTheUploadToTheOther(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{true, false} {
		f := newFleet(t)
		late, quick := f.open(t), f.open(t)
		content := blobtest.Noise(60 << 20)
		const begun = 21 << 20
		id := f.start(t, late)
		// The second part is too short for others to follow.
		for _, chunk := range [][]byte{content[:20<<20], content[20<<20 : begun]} {
			if _, err := late.AppendUpload(t.Context(), f.ref, id, storage.AnyOffset, bytes.NewReader(chunk)); err != nil {
				t.Fatal(err)
			}
		}
		goOn := func(r *storage.Registry, g *gate) chan error {
			answer := make(chan error, 1)
			go func() {
				body := io.MultiReader(bytes.NewReader(content[begun:30<<20]), g, bytes.NewReader(content[30<<20:50<<20]))
				_, err := r.AppendUpload(context.Background(), f.ref, id, begun, body)
				answer <- err
			}()
			<-g.reached
			return answer
		}
		lateGate, quickGate := &gate{make(chan struct{}), make(chan struct{})}, &gate{make(chan struct{}), make(chan struct{})}
		lateAnswer, quickAnswer := goOn(late, lateGate), goOn(quick, quickGate)
		if done {
			close(quickGate.open)
			if err := <-quickAnswer; err != nil {
				t.Fatal(err)
			}
		}
		close(lateGate.open)
		err := <-lateAnswer
		var moved *storage.UploadOffsetError
		if done && !errors.As(err, &moved) || !done && !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("the late one was told %v", err)
		}
		if !done {
			close(quickGate.open)
			if err := <-quickAnswer; err != nil {
				t.Fatal(err)
			}
		}
		d := digest.FromBytes(content)
		if _, err := quick.FinishUpload(t.Context(), f.ref, id, 50<<20, bytes.NewReader(content[50<<20:]), d); err != nil {
			t.Fatal(err)
		}
		f.read(t, late, content, d)
	}
}

// Of two servers that go on with one upload, the one that is second to tell of it is
// refused, and what the first has told stays.
func TestTwoServersCannotBothGoOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	late, quick := f.open(t), f.open(t)
	content := blobtest.Noise(60 << 20)
	id := f.start(t, quick)
	if _, err := quick.AppendUpload(t.Context(), f.ref, id, 0, bytes.NewReader(content[:20<<20])); err != nil {
		t.Fatal(err)
	}
	pause, wake := make(chan struct{}), make(chan struct{})
	answer := make(chan error, 1)
	go func() {
		other := bytes.Repeat([]byte("other"), 4<<20)
		_, err := late.AppendUpload(context.Background(), f.ref, id, 20<<20, io.MultiReader(bytes.NewReader(other), &gate{pause, wake}))
		answer <- err
	}()
	<-pause
	if _, err := quick.AppendUpload(t.Context(), f.ref, id, 20<<20, bytes.NewReader(content[20<<20:40<<20])); err != nil {
		t.Fatal(err)
	}
	close(wake)
	var moved *storage.UploadOffsetError
	if err := <-answer; !errors.As(err, &moved) || moved.Upload.Offset != 40<<20 {
		t.Errorf("the late one was told %v", err)
	}
	d := digest.FromBytes(content)
	if _, err := quick.FinishUpload(t.Context(), f.ref, id, 40<<20, bytes.NewReader(content[40<<20:]), d); err != nil {
		// The parts of the late one may have got between: then the client has to
		// begin anew, and nothing is stored that was not checked.
		var unknown *storage.UploadUnknownError
		if !errors.As(err, &unknown) {
			t.Fatal(err)
		}
		return
	}
	f.read(t, late, content, d)
}

func TestALostObjectIsReplacedByTheNextPush(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := f.open(t)
	content := blobtest.Noise(6 << 20)
	d := digest.FromBytes(content)
	if err := f.push(t, content, d, r); err != nil {
		t.Fatal(err)
	}
	objects, _ := f.left(t)
	if err := open(t, f.options).remove(t.Context(), strings.TrimPrefix(objects[0], "/")); err != nil {
		t.Fatal(err)
	}
	f.expectLeft(t, 0)
	opened, _, err := r.OpenBlob(t.Context(), f.ref, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Fetch(opened, 0, 10); err == nil {
		t.Error("what is lost was fetched")
	}
	if err := f.push(t, content, d, r); err != nil {
		t.Fatal(err)
	}
	f.read(t, r, content, d)
	f.expectLeft(t, 1)
}

func TestWhatNoRecordTellsOfIsSweptWhenItIsOld(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r := f.open(t)
	kept := blobtest.Noise(20 << 20)
	if err := f.push(t, kept, digest.FromBytes(kept), r); err != nil {
		t.Fatal(err)
	}
	// What a server that died has left of an upload that was ended elsewhere.
	w, err := blob.NewStore(open(t, f.options)).Begin(t.Context(), "0b5c9a52-0000-4000-8000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	id := f.start(t, r)
	if _, err := r.AppendUpload(t.Context(), f.ref, id, 0, bytes.NewReader(make([]byte, 20<<20))); err != nil {
		t.Fatal(err)
	}
	// sweep runs a server until it has swept, which it does before all else, and
	// has thrown as much away as is expected.
	sweep := func(gone int) {
		// Servers were at it all the while, else this one would wait for as long as
		// there was none.
		if err := f.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
			return meta.PutClock(t.Context(), q, meta.Clock{Name: "uploads", SeenAt: f.now().UnixMilli()})
		}); err != nil {
			t.Fatal(err)
		}
		swept := make(chan struct{})
		var once sync.Once
		o := f.options
		f.options.Wrap = func(next Doer) Doer {
			return doer(func(r *http.Request) (*http.Response, error) {
				resp, err := next.Do(r)
				if operation(r) == "ListMultipartUploads" {
					once.Do(func() { close(swept) })
				}
				return resp, err
			})
		}
		server := f.open(t)
		f.options = o
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- server.Run(ctx) }()
		select {
		case <-swept:
		case <-time.After(30 * time.Second):
			t.Error("the server does not sweep")
		}
		for deadline := time.Now().Add(10 * time.Second); gone > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, unfinished := f.left(t); len(unfinished) == 2-gone {
				break
			}
		}
		time.Sleep(200 * time.Millisecond) // that it might do more
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	sweep(0)
	if _, unfinished := f.left(t); len(unfinished) != 2 {
		t.Errorf("what is young was swept: %v are left", unfinished)
	}
	f.wait(expiry - time.Minute)
	if _, err := r.AppendUpload(t.Context(), f.ref, id, 20<<20, strings.NewReader("it goes on")); err != nil {
		t.Fatal(err)
	}
	f.wait(2 * time.Minute)
	sweep(1)
	objects, unfinished := f.left(t)
	if len(unfinished) != 1 || !strings.Contains(unfinished[0], id) || len(objects) != 1 {
		t.Errorf("%v and unfinished %v are left", objects, unfinished)
	}
	f.read(t, r, kept, digest.FromBytes(kept))
}

// TestPushesWhileEverythingFails lets clients push to servers that are restarted, over a
// network that spoils one request in eight, each client repeating what was refused as
// a real one does. What was acknowledged has to be there.
func TestPushesWhileEverythingFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	f.options.Wrap = func(next Doer) Doer {
		return &saboteur{next: next, rand: mathrand.New(mathrand.NewPCG(seed, 1))}
	}
	var mu sync.Mutex
	servers := []*storage.Registry{f.open(t), f.open(t), f.open(t)}
	choose := func(r *mathrand.Rand) *storage.Registry {
		mu.Lock()
		defer mu.Unlock()
		i := r.IntN(len(servers))
		if r.IntN(10) == 0 {
			servers[i] = f.open(t)
		}
		return servers[i]
	}
	acknowledged := make([]map[digest.Digest][]byte, 4)
	var wg sync.WaitGroup
	for client := range acknowledged {
		wg.Go(func() {
			r := mathrand.New(mathrand.NewPCG(seed, uint64(client+2)))
			acknowledged[client] = map[digest.Digest][]byte{}
			for n := range 12 {
				content := append(blobtest.Noise(r.IntN(30<<20)), fmt.Sprint(n%9)...) // some are pushed by several
				d := digest.FromBytes(content)
				if err := f.insist(choose, r, content, d); err != nil {
					t.Errorf("client %d, push %d: %v", client, n, err)
					return
				}
				acknowledged[client][d] = content
			}
		})
	}
	wg.Wait()
	r := f.open(t)
	for _, list := range acknowledged {
		for d, content := range list {
			f.read(t, r, content, d)
		}
	}
}

// insist pushes in chunks until it is told that it is done.
func (f *fleet) insist(choose func(*mathrand.Rand) *storage.Registry, r *mathrand.Rand, content []byte, d digest.Digest) error {
	ctx := context.Background()
	var last error
	for range 10 {
		u, err := choose(r).StartUpload(ctx, f.ref)
		if err != nil {
			last = err
			continue
		}
		for tries := 0; tries < 20 && u.Offset < int64(len(content)); tries++ {
			n := min(int64(1+r.IntN(20<<20)), int64(len(content))-u.Offset)
			var body io.Reader = bytes.NewReader(content[u.Offset : u.Offset+n])
			if r.IntN(4) == 0 {
				body = io.MultiReader(io.LimitReader(body, n/2), brokenReader{})
			}
			if _, last = choose(r).AppendUpload(ctx, f.ref, u.ID, u.Offset, body); last != nil {
				var unknown *storage.UploadUnknownError
				if errors.As(last, &unknown) {
					break
				}
			}
			now, err := choose(r).Upload(ctx, f.ref, u.ID)
			if err != nil {
				last = err
				break
			}
			u = now
		}
		if u.Offset < int64(len(content)) {
			continue
		}
		if _, last = choose(r).FinishUpload(ctx, f.ref, u.ID, u.Offset, nil, d); last == nil {
			return nil
		}
	}
	return last
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errCut }
