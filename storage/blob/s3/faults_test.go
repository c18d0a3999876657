package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drydock/storage/blob"
	"drydock/storage/blob/blobtest"
	"drydock/storage/blob/s3/s3test"
)

// TestConformanceWhileManyRequestsFail runs the suite with one request in eight
// spoilt: what a retry can cure is never seen.
func TestConformanceWhileManyRequestsFail(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all sync.Mutex
	done := map[string]int{}
	places := uint64(0) // each is spoilt in another way
	blobtest.Run(t, func(t *testing.T) blobtest.Place {
		o := options(t, s)
		o.Wrap = func(next Doer) Doer {
			all.Lock()
			places++
			spoil := &saboteur{next: next, rand: rand.New(rand.NewPCG(seed, places))}
			all.Unlock()
			t.Cleanup(func() {
				all.Lock()
				defer all.Unlock()
				for fault, n := range spoil.done {
					done[fault] += n
				}
			})
			return spoil
		}
		return bucket{o}
	})
	t.Logf("%v", done)
	for _, fault := range []string{"500", "503 SlowDown", "cut before the request", "answer lost", "request cut", "answer cut", "slow"} {
		if done[fault] == 0 {
			t.Errorf("there was no %q: the test tests less than it says", fault)
		}
	}
}

// stored stores a file and returns its path.
func stored(t *testing.T, d *Driver, content []byte) string {
	t.Helper()
	w, err := d.Begin(t.Context(), "/u/1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.Path()
}

// An answer that ends too early must never pass for a whole one, however it ends.
func TestATruncatedAnswerNeverLooksComplete(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	content := blobtest.Noise(3 << 20)
	for name, spoil := range map[string]func(*http.Response) error{
		"ends as if that were all": func(r *http.Response) error { r.Body = &cutBody{r.Body, 1000, io.EOF}; return nil },
		"ends at once":             func(r *http.Response) error { r.Body = &cutBody{r.Body, 0, io.EOF}; return nil },
		"is cut at once":           func(r *http.Response) error { r.Body = &cutBody{r.Body, 0, errCut}; return nil },
		"says that it is shorter": func(r *http.Response) error {
			r.Header.Set("Content-Length", "1000")
			r.ContentLength, r.Body = 1000, &cutBody{r.Body, 1000, io.EOF}
			return nil
		},
		"has a wrong byte early": func(r *http.Response) error { return corrupt(r, 5) },
		"has a wrong byte at the end": func(r *http.Response) error {
			return corrupt(r, int(r.ContentLength)-1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, s)
			path := stored(t, open(t, o), content)
			o.Wrap = func(next Doer) Doer {
				return doer(func(r *http.Request) (*http.Response, error) {
					resp, err := next.Do(r)
					if err == nil && operation(r) == "GetObject" && resp.StatusCode < 300 {
						err = spoil(resp)
					}
					return resp, err
				})
			}
			f, err := open(t, o).Open(t.Context(), path, int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err == nil || len(got) >= len(content) {
				t.Errorf("%d of %d bytes were read: %v", len(got), len(content), err)
			}
			if !bytes.HasPrefix(content, got) && !strings.Contains(name, "wrong byte") {
				t.Error("other bytes were read")
			}
		})
	}
}

func TestAnObjectThatIsNotAsLongAsItsRecordSaysIsAnError(t *testing.T) {
	t.Parallel()
	d := open(t, options(t, s3test.Start(t)))
	path := stored(t, d, []byte("hello"))
	for _, size := range []int64{4, 6} {
		f, err := d.Open(t.Context(), path, size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); err == nil || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("as %d bytes: %q, %v", size, got, err)
		}
		f.Close()
	}
}

// An answer that hangs is given up, and what is missing asked for again.
func TestAnswersThatHangAreAskedForAgain(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	o := options(t, s)
	content := blobtest.Noise(20 << 20)
	path := stored(t, open(t, o), content)
	o.stall, o.answer = 300*time.Millisecond, 300*time.Millisecond
	var hung atomic.Int32
	o.Wrap = func(next Doer) Doer {
		return doer(func(r *http.Request) (*http.Response, error) {
			if hung.Add(1)%2 == 0 {
				return next.Do(r)
			}
			if operation(r) != "GetObject" {
				if r.Body != nil {
					r.Body.Close()
				}
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			resp, err := next.Do(r)
			if err == nil {
				resp.Body = hangingBody{resp.Body, r}
			}
			return resp, err
		})
	}
	d := open(t, o)
	f, err := d.Open(t.Context(), path, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if err := d.PutContent(t.Context(), "/f", []byte("hello")); err != nil {
		t.Error(err)
	}
	// Whoever gives up himself is not made to wait.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hung.Store(0)
	if err := d.PutContent(ctx, "/f", []byte("hello")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// What no retry cures is an error, at the latest at Commit, and of the right kind.
func TestFaultsThatStayAreErrors(t *testing.T) {
	t.Parallel()
	s := s3test.Start(t)
	for name, c := range map[string]struct {
		fault func(*http.Request) (*http.Response, error)
		full  bool // rather than unavailable
	}{
		"500":            {fault: func(r *http.Request) (*http.Response, error) { return answer(r, 500, "InternalError"), nil }},
		"SlowDown":       {fault: func(r *http.Request) (*http.Response, error) { return answer(r, 503, "SlowDown"), nil }},
		"cut":            {fault: func(r *http.Request) (*http.Response, error) { return nil, errCut }},
		"full":           {fault: func(r *http.Request) (*http.Response, error) { return answer(r, 507, "InsufficientStorage"), nil }, full: true},
		"over the quota": {fault: func(r *http.Request) (*http.Response, error) { return answer(r, 403, "QuotaExceeded"), nil }, full: true},
	} {
		for _, at := range []string{"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} {
			o := options(t, s)
			o.Wrap = func(next Doer) Doer {
				return doer(func(r *http.Request) (*http.Response, error) {
					if operation(r) == at {
						return c.fault(r)
					}
					return next.Do(r)
				})
			}
			d := open(t, o)
			size := 40 << 20
			if at == "PutObject" {
				size = 1 << 20
			}
			w, err := d.Begin(t.Context(), "/u/1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(make([]byte, size))
			if err == nil {
				err = w.Commit(t.Context())
			}
			if err == nil || errors.Is(err, blob.ErrFull) != c.full || errors.Is(err, blob.ErrUnavailable) == c.full || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s at %s: got %v", name, at, err)
			}
			if err := w.Commit(t.Context()); err == nil {
				t.Errorf("%s at %s: it was committed after all", name, at)
			}
			if err := w.Cancel(t.Context()); err != nil {
				t.Errorf("%s at %s: it cannot be cancelled: %v", name, at, err)
			}
			w.Close()
			if left, err := d.multiparts(t.Context(), "some/prefix/u/1"); err != nil || len(left) > 0 {
				t.Errorf("%s at %s: %v is left: %v", name, at, left, err)
			}
		}
	}
}

// A part of an upload that somebody threw away meanwhile says that it is gone.
func TestAnUploadThatWasThrownAwayMeanwhileIsGone(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		o := options(t, s3test.Start(t))
		thrower := open(t, o)
		var thrown atomic.Bool
		o.Wrap = func(next Doer) Doer {
			return doer(func(r *http.Request) (*http.Response, error) {
				if thrown.Load() && !told && operation(r) == "UploadPart" {
					return nil, syscall.ECONNRESET // as when the answer comes before all is sent
				}
				return next.Do(r)
			})
		}
		w, err := open(t, o).Begin(t.Context(), "/u/1")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.Write(make([]byte, 20<<20)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := thrower.Delete(t.Context(), "/u/1"); err != nil {
			t.Fatal(err)
		}
		thrown.Store(true)
		_, err = w.Write(make([]byte, 40<<20))
		if err == nil {
			_, err = w.Flush(t.Context())
		}
		if !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("told %v: got %v", told, err)
		}
	}
}

// However slow the service is, a writer holds no more than was promised.
func TestMemoryOfAWriterIsBounded(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // else the pool forgets
	s := s3test.Start(t)
	o := options(t, s)
	var under, most atomic.Int32
	o.Wrap = func(next Doer) Doer {
		return doer(func(r *http.Request) (*http.Response, error) {
			if operation(r) == "UploadPart" {
				for n := under.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				time.Sleep(20 * time.Millisecond)
				defer under.Add(-1)
			}
			return next.Do(r)
		})
	}
	for writers, extra := range map[int]int{1: extraParts, 6: 2} {
		d := open(t, o)
		d.extra = make(chan struct{}, extra)
		var chunks atomic.Int64
		d.chunks.New = func() any { chunks.Add(1); return new(chunk) }
		most.Store(0)
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				w, err := d.Begin(t.Context(), "/u/1")
				if err != nil {
					t.Error(err)
					return
				}
				defer w.Close()
				piece := make([]byte, 256<<10)
				for range 100 << 20 / len(piece) {
					if _, err := w.Write(piece); err != nil {
						t.Error(err)
						return
					}
				}
				if err := w.Commit(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// In bytes: what fills, and the parts under way.
		parts := min(writers*parallel, writers+extra)
		bound := int64(writers)*(partSize(0)+minPart+chunkSize) + int64(parts)*partSize(0)
		if got := chunks.Load() * chunkSize; got > bound {
			t.Errorf("%d writers held up to %d MiB, more than %d", writers, got>>20, bound>>20)
		}
		if n := int(most.Load()); n > parts || n < 2 {
			t.Errorf("%d parts were under way at a time, want 2 to %d", n, parts)
		}
		if len(d.extra) != 0 {
			t.Errorf("%d tokens were not given back", len(d.extra))
		}
	}
}
