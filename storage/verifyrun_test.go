package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestAVerificationGoesOnWhereItWasBrokenOff(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	for i := range 30 {
		e.image(t, ref, fmt.Sprint(i), fmt.Sprint("t", i))
	}
	_, err := e.Verify(t.Context(), VerifyOptions{Resume: true})
	if !errors.Is(err, ErrNothingToResume) {
		t.Errorf("nothing to resume: %v", err)
	}
	for i := range 30 {
		e.remove(t, digest.FromString(fmt.Sprintf("layer of %d", i)))
	}
	stop := errors.New("enough")
	var first, second []string
	_, err = e.Verify(t.Context(), VerifyOptions{Deep: true, Repair: true, Found: func(p Problem) error {
		first = append(first, p.Subject)
		if len(first) == 10 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	e.restart(t)
	v, err := e.Verify(t.Context(), VerifyOptions{Resume: true, Found: func(p Problem) error {
		second = append(second, p.Subject)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	unique := slices.Compact(slices.Sorted(slices.Values(second)))
	if len(second) != 30 || len(unique) != 30 || v.Problems != 30 || v.Lost != 30 || v.Images != 30 || v.Stage != "" {
		t.Errorf("told of %d, %d of them once: %+v", len(second), len(unique), v)
	}
	if v.Blobs > 61 {
		t.Errorf("%d blobs were looked at: it began anew", v.Blobs)
	}
}

func TestOfTwoVerificationsTheLaterGoesOn(t *testing.T) {
	e := newFileEngine(t)
	e.busy(t)
	e.remove(t, digest.FromString("layer of one"))
	_, err := e.Verify(t.Context(), VerifyOptions{Found: func(Problem) error {
		_, err := e.Verify(context.Background(), VerifyOptions{})
		return err
	}})
	if !errors.Is(err, ErrOvertaken) {
		t.Errorf("got %v", err)
	}
}

func TestReadingKeepsToTheRate(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	e.blob(t, ref, strings.Repeat("x", 1<<20))
	begun := time.Now()
	e.verify(t, VerifyOptions{Deep: true, Rate: 2 << 20})
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("half a second's bytes took %v", took)
	}
}

// TestVerificationTakesNothingThatHappensMeanwhileForAProblem repairs again and
// again while images are pushed, mounted, deleted and collected at once, and files
// without a record are put aside as soon as they are seen.
func TestVerificationTakesNothingThatHappensMeanwhileForAProblem(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, e *engine) {
		e.options.Now, e.options.Grace, e.options.Trash = time.Now, 100*time.Millisecond, 100*time.Millisecond
		e.restart(t)
		e.Registry.orphanAge = 0
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var wg sync.WaitGroup
		repos := []Ref{e.repository(t, "r0", Mutability{}), e.repository(t, "r1", Mutability{}), e.repository(t, "r2", Mutability{})}
		var pushed atomic.Int64
		for n, ref := range repos {
			wg.Go(func() {
				rnd := mathrand.New(mathrand.NewPCG(uint64(n), 7))
				for i := 0; ctx.Err() == nil; i++ {
					if e.churn(ctx, rnd, ref, repos[(n+1)%3]) == nil {
						pushed.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = e.Collect(ctx)
				_, _ = e.Purge(ctx)
				_ = pause(ctx, 5*time.Millisecond)
			}
		})
		rounds := 0
		// For a while, and on a slow machine until there is something to say.
		for begun := time.Now(); time.Since(begun) < 3*time.Second || pushed.Load() < 10 || rounds < 3; rounds++ {
			if ctx.Err() != nil {
				t.Fatalf("only %d images were pushed during %d verifications", pushed.Load(), rounds)
			}
			_, err := e.Verify(ctx, VerifyOptions{Deep: rounds%3 > 0, Repair: rounds%2 > 0, Found: func(p Problem) error {
				t.Errorf("found %+v", p)
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		stop()
		wg.Wait()
		t.Logf("%d images were pushed during %d verifications", pushed.Load(), rounds)
	})
}

// churn pushes an image of layers that others push and lose too, and mostly deletes
// it again. Whatever fails, the next will do.
func (e *engine) churn(ctx context.Context, rnd *mathrand.Rand, ref, other Ref) error {
	var blobs []v1.Descriptor
	for range 2 {
		content := fmt.Sprintf("layer %d of all", rnd.IntN(8))
		d := digest.FromString(content)
		_, err := e.MountBlob(ctx, ref, other, d)
		if err != nil {
			var u Upload
			if u, err = e.StartUpload(ctx, ref); err == nil {
				_, err = e.FinishUpload(ctx, ref, u.ID, 0, strings.NewReader(content), d)
			}
		}
		if err != nil {
			return err
		}
		blobs = append(blobs, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(content))})
	}
	m, err := json.Marshal(v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: blobs[0], Layers: blobs[1:]})
	if err != nil {
		return err
	}
	stored, err := e.PutManifest(ctx, ref, ManifestUpload{Content: m, Tags: []string{fmt.Sprint("t", rnd.IntN(4))}})
	if err != nil {
		return err
	}
	switch rnd.IntN(4) {
	case 0, 1:
		err = e.DeleteManifest(ctx, ref, stored.Digest)
	case 2:
		_ = e.DeleteManifest(ctx, ref, stored.Digest)
		_, err = e.Undelete(ctx, stored.Digest)
	}
	return err
}
