package replicas

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// howLong is how long servers are disturbed.
func howLong() time.Duration {
	if long() {
		return 3 * time.Minute
	}
	return 12 * time.Second
}

// disturb kills, stops and ends servers at random until ctx ends, and leaves all of
// them running. At any moment one of them at least is left alone, for a balancer
// with nobody behind it has nobody to send requests to.
func (f *fleet) disturb(ctx context.Context, t *testing.T, random *rand.Rand) (done map[string]int) {
	done = map[string]int{}
	busy := make(chan struct{}, len(f.servers)-1)
	idle := make(chan *harness.Server, len(f.servers))
	for _, s := range f.servers {
		idle <- s
	}
	var all sync.WaitGroup
	kinds := []string{"killed", "paused", "killed", "ended", "paused"}
	for n := 0; ; n++ {
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			all.Wait()
			return done
		}
		s := <-idle
		how := kinds[n%len(kinds)]
		away := time.Duration(200+random.IntN(2500)) * time.Millisecond
		if how == "paused" && random.IntN(3) == 0 {
			away += patience // longer than anybody waits
		}
		done[how]++
		all.Go(func() {
			switch how {
			case "killed":
				s.Kill()
				f.words(s)
				time.Sleep(away)
				start(t, s)
			case "ended":
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
				f.words(s)
				start(t, s)
			case "paused":
				if err := s.Signal(syscall.SIGSTOP); err != nil {
					t.Error(err)
				}
				time.Sleep(away)
				if err := s.Signal(syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			}
			idle <- s
			<-busy
		})
		pause := time.Duration(300+random.IntN(1700)) * time.Millisecond
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// words keeps what a server has said, which is lost when it is started again.
func (f *fleet) words(s *harness.Server) {
	f.balancer.mu.Lock()
	defer f.balancer.mu.Unlock()
	f.said = append(f.said, s.Log())
}

func start(t *testing.T, s *harness.Server) {
	if err := s.Start(); err != nil {
		t.Error(err)
	}
}

// TestImagesAreWholeWhateverBecomesOfServers has clients push and pull through a
// balancer while the servers behind it are disturbed. What was acknowledged is whole
// in the end, from each server, and what failed went well when it was done again.
func TestImagesAreWholeWhateverBecomesOfServers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	seed := rand.Uint64()
	if given := os.Getenv("DRYDOCK_REPLICAS_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("DRYDOCK_REPLICAS_SEED=%d", seed)
	l := newLedger()
	engine := harness.Docker(t, f.front.AWSEnv())
	cranes := []*craneWorker{newCraneWorker(t, f, 1), newCraneWorker(t, f, 2)}
	workers := []worker{
		newDockerWorker(t, f, engine, 1), newDockerWorker(t, f, engine, 2), cranes[0], cranes[1],
		newPlainWorker(t, f, 1, seed), newPlainWorker(t, f, 2, seed),
	}
	ctx, cancel := context.WithTimeout(t.Context(), howLong())
	defer cancel()
	var all sync.WaitGroup
	var done map[string]int
	all.Go(func() { done = f.disturb(ctx, t, rand.New(rand.NewPCG(seed, 0))) })
	for _, w := range workers {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := w.round(l, n); err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("servers were %v; pushed %d images; tries %v; of those failed %v", done, len(l.images), l.tries, l.failures)
	for _, what := range slices.Sorted(maps.Keys(f.answers)) {
		t.Logf("%6d x %s", f.answers[what], what)
	}
	defer func() {
		if t.Failed() || long() {
			t.Logf("servers that were started again had said:\n%s", strings.Join(f.said, ""))
		}
	}()
	for _, fault := range f.faults {
		t.Errorf("a server answered %s", fault)
	}
	for _, w := range cranes {
		// A request that got no answer may be carried out when a server that was
		// paused goes on, after what was sent later: once at most for each.
		if doubts := f.doubts["/v2/"+w.name+"/manifests/moving"]; w.moved > doubts {
			t.Errorf("a tag of %s was elsewhere %d times, and %d requests got no answer", w.name, w.moved, doubts)
		}
	}
	begun := time.Now()
	bytes := 0
	for _, c := range f.clients(t) {
		seen := map[string]bool{}
		for image, digest := range l.images {
			n, err := whole(c, image, digest, seen)
			if err != nil {
				t.Errorf("%s: %s (%s): %v", c.Base, image, digest, err)
			}
			bytes += n
		}
	}
	t.Logf("read %d MiB from all servers in %v", bytes>>20, time.Since(begun).Round(time.Millisecond))
}

// TestServersThatAreStartedAnewOneByOneAreNotNoticed ends the servers in order, one
// after the other, as whoever brings a new version does.
func TestServersThatAreStartedAnewOneByOneAreNotNoticed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	l := newLedger()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, w := range []worker{newCraneWorker(t, f, 1), newPlainWorker(t, f, 1, 1), newPlainWorker(t, f, 2, 2)} {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := w.round(l, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 8 {
		time.Sleep(500 * time.Millisecond)
		s := f.servers[n%len(f.servers)]
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		start(t, s)
	}
	cancel()
	all.Wait()
	t.Logf("pushed %d images; tries %v", len(l.images), l.tries)
	if len(l.failures) > 0 {
		t.Errorf("of those failed %v", l.failures)
	}
	for what, n := range f.answers {
		if strings.HasSuffix(what, "502") {
			t.Errorf("%d x %s", n, what)
		}
	}
}

// ledger is what clients were told of.
type ledger struct {
	mu sync.Mutex
	// images are the digests of what was acknowledged, by repository and tag with a
	// colon between.
	images          map[string]string
	tries, failures map[string]int
}

func newLedger() *ledger {
	return &ledger{images: map[string]string{}, tries: map[string]int{}, failures: map[string]int{}}
}

// stored notes an image that was acknowledged.
func (l *ledger) stored(image, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.images[image] = digest
}

func (l *ledger) try(kind string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries[kind]++
	if err != nil {
		l.failures[kind]++
	}
}

// again is how often something is done that fails, as those who wait for a build do,
// after the client itself has tried again.
const again = 5

// insist does something until it goes well.
func (l *ledger) insist(kind string, do func() error) (err error) {
	for n := range again {
		time.Sleep(time.Duration(n) * time.Second)
		err = do()
		l.try(kind, err)
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s went wrong %d times: %w", kind, again, err)
}
