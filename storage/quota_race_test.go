package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestWhateverHappensAtOnceNobodyIsBeyondAQuota has several clients push, mount, delete
// and collect at random in one account, up to what it may hold.
func TestWhateverHappensAtOnceNobodyIsBeyondAQuota(t *testing.T) {
	const clients, steps = 6, 40
	quotas := Quotas{Account: Amount{Bytes: 12000, Images: 14}, Repository: Amount{Bytes: 7000, Images: 9}}
	e := newLimited(t, quotas)
	refs := []Ref{e.repository(t, "one", Mutability{}), e.repository(t, "two", Mutability{})}
	var clock atomic.Int64
	start := e.clock
	e.options.Now = func() time.Time { return start.Add(time.Duration(clock.Load())) }
	e.restart(t)
	e.Registry.shards = 4

	var refusals atomic.Int64
	expected := func(err error) bool {
		if errors.As(err, new(*QuotaError)) {
			refusals.Add(1)
			return true
		}
		return err == nil || errors.As(err, new(*BlobUnknownError)) || errors.As(err, new(*MissingReferencesError)) ||
			errors.As(err, new(*ManifestUnknownError)) || errors.As(err, new(*BlobReferencedError))
	}
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("blob %d ", n), 20+n) }
	step := func(rnd *rand.Rand) error {
		ref, other := refs[rnd.IntN(2)], refs[rnd.IntN(2)]
		a, b := text(rnd.IntN(30)), text(rnd.IntN(30))
		image := imageOf(t, v1.Descriptor{Digest: digest.FromString(a), Size: int64(len(a))},
			v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString(b), Size: int64(len(b))})
		push := func(content string) error {
			u, err := e.StartUpload(t.Context(), ref)
			if err == nil {
				_, err = e.FinishUpload(t.Context(), ref, u.ID, 0, strings.NewReader(content), digest.FromString(content))
			}
			return err
		}
		switch n := rnd.IntN(100); {
		case n < 25:
			return push(a)
		case n < 35:
			_, err := e.MountBlob(t.Context(), ref, other, digest.FromString(a))
			return err
		case n < 70:
			for _, content := range []string{a, b} {
				if err := push(content); err != nil {
					return err
				}
			}
			_, err := e.PutManifest(t.Context(), ref, ManifestUpload{Content: image, Tags: []string{fmt.Sprint(rnd.IntN(8))}})
			return err
		case n < 80:
			_, err := e.DeleteImage(t.Context(), ref, Reference{Tag: fmt.Sprint(rnd.IntN(8))})
			return err
		case n < 85:
			return e.DeleteBlob(t.Context(), ref, digest.FromString(a))
		case n < 88:
			_, err := e.Undelete(t.Context(), digest.FromBytes(image))
			return err
		case n < 94:
			clock.Add(int64(testGrace / 2))
			return nil
		default:
			_, err := e.Collect(t.Context())
			return err
		}
	}
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(client), 5))
			for range steps {
				if err := step(rnd); !expected(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Wait()
	}()
	for watching := true; watching; {
		select {
		case <-ended:
			watching = false
		case <-time.After(2 * time.Millisecond):
		}
		list, err := e.Holdings(t.Context(), refs[0].Account)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range list {
			if h.Used.Bytes > h.Quota.Bytes || h.Used.Images > h.Quota.Images {
				t.Errorf("%s holds %+v of %+v", scopeOf(h.Ref), h.Used, h.Quota)
			}
		}
	}
	e.recounted(t, refs...)
	if refusals.Load() == 0 {
		t.Error("no quota was ever reached")
	}
	t.Logf("%d refusals; at the end %+v", refusals.Load(), e.holds(t, account(refs[0])))
}
