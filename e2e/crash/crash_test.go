// Package crash holds the tests of a promise: what the server acknowledged is
// there afterwards, whatever becomes of the process or of the machine.
package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"drydock/e2e/harness"
)

// number is a number from the environment, to make a failed run again or a
// longer one.
func number(t *testing.T, key string, otherwise uint64) uint64 {
	t.Helper()
	if s := os.Getenv(key); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		return n
	}
	return otherwise
}

func TestNothingAcknowledgedIsLostWhenTheServerIsKilledAgainAndAgain(t *testing.T) {
	kills := int(number(t, "DRYDOCK_CRASH_KILLS", 40))
	if testing.Short() {
		kills = 3
	}
	seed := number(t, "DRYDOCK_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DRYDOCK_CRASH_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	s := harness.Start(t, harness.Options{})
	c, l, crew := hire(t, s, rnd)
	amidst := 0
	for range kills {
		wait := work(t, crew)
		time.Sleep(time.Duration(20+rnd.IntN(500)) * time.Millisecond)
		s.Kill()
		wait()
		if l.cutShort > 0 {
			amidst++
		}
		l.cutShort = 0
		if rnd.IntN(6) == 0 {
			interruptStart(t, s, time.Duration(rnd.IntN(60))*time.Millisecond)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		l.settle(t, c)
	}
	if amidst < kills*3/4 {
		t.Errorf("only %d of %d kills met a request half-way: the test has lost its teeth", amidst, kills)
	}
	blobs, manifests := l.verify(t, c)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	files := checkFiles(t, s.Data)
	t.Logf("%d kills, %d of them amidst requests; %d pushes acknowledged, %d uploads resumed; %d blobs and %d manifests there byte for byte; %d files sound",
		kills, amidst, l.pushes, l.resumed, blobs, manifests, files)
}

// hire makes the repositories and the clients that push to them.
func hire(t *testing.T, s *harness.Server, rnd *rand.Rand) (*harness.Client, *ledger, []*worker) {
	t.Helper()
	repos := []string{"crash/one", "crash/two", "crash/three"}
	for _, repo := range repos {
		s.CreateRepository(t, repo)
	}
	l := newLedger(repos)
	password := s.Password(t) // it has to outlive the server's crashes too
	var crew []*worker
	for id := range 4 {
		crew = append(crew, &worker{
			id: id, client: harness.NewClient(s.URL(), "AWS", password), ledger: l, repos: repos,
			rnd: rand.New(rand.NewPCG(rnd.Uint64(), uint64(id))),
		})
	}
	return harness.NewClient(s.URL(), "AWS", password), l, crew
}

// work lets the crew push; the function returned waits until the server's death
// has stopped them all.
func work(t *testing.T, crew []*worker) (wait func()) {
	t.Helper()
	var wg sync.WaitGroup
	for _, w := range crew {
		wg.Go(func() {
			if err := w.run(); err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		t.Helper()
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
}

// interruptStart kills a server that is on its way up, perhaps recovering.
func interruptStart(t *testing.T, s *harness.Server, after time.Duration) {
	t.Helper()
	started := make(chan error, 1)
	go func() { started <- s.Start() }()
	time.Sleep(after)
	s.Kill()
	if <-started == nil {
		s.Kill() // it was up before the blow fell
	}
}
