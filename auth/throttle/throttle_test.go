package throttle

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// gate is a throttle with a clock that a test moves.
type gate struct {
	*Throttle
	clock   time.Time
	refused map[string]int
}

func newGate(t testing.TB, o Options) *gate {
	t.Helper()
	g := &gate{clock: time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC), refused: map[string]int{}}
	o.Now = func() time.Time { return g.clock }
	o.Refused = func(door string) { g.refused[door]++ }
	var err error
	if g.Throttle, err = New(o); err != nil {
		t.Fatal(err)
	}
	return g
}

// fail lets a source fail n times.
func (g *gate) fail(source string, n int) {
	for range n {
		g.Failed(netip.MustParseAddr(source))
	}
}

func (g *gate) wants(t *testing.T, what, source string, wait time.Duration) {
	t.Helper()
	if got := g.Wait(netip.MustParseAddr(source)); got != wait {
		t.Errorf("%s: %s waits %v, want %v", what, source, got, wait)
	}
}

func TestASourceMayFailTwentyTimesAndThenEveryTwoSeconds(t *testing.T) {
	g := newGate(t, Options{})
	const eve, bob = "203.0.113.7", "203.0.113.8"
	g.wants(t, "before anything", eve, 0)
	g.fail(eve, 19)
	g.wants(t, "after 19 failures", eve, 0)
	g.fail(eve, 1)
	g.wants(t, "after 20", eve, 2*time.Second)
	g.wants(t, "who did not fail", bob, 0)
	g.clock = g.clock.Add(time.Second)
	g.wants(t, "a second later", eve, time.Second)
	g.clock = g.clock.Add(time.Second)
	g.wants(t, "two seconds later", eve, 0)
	g.fail(eve, 1)
	g.wants(t, "after one more", eve, 2*time.Second)
	g.clock = g.clock.Add(11 * time.Second)
	g.fail(eve, 5)
	g.wants(t, "after the five of eleven seconds", eve, time.Second)
	g.clock = g.clock.Add(time.Hour)
	g.fail(eve, 19)
	g.wants(t, "an hour later, after 19 failures", eve, 0)
	g.fail(eve, 1)
	g.wants(t, "after 20 again", eve, 2*time.Second)
}

func TestFailuresAtTheSameTimeAreWaitedForButNotForEver(t *testing.T) {
	g := newGate(t, Options{})
	g.fail("203.0.113.7", 30)
	g.wants(t, "ten more than were free", "203.0.113.7", 22*time.Second)
	g.fail("203.0.113.7", 100_000)
	g.wants(t, "a flood", "203.0.113.7", worst)
	g.clock = g.clock.Add(worst)
	g.wants(t, "after the longest time", "203.0.113.7", 0)
}

func TestWhoSharesANetworkIsOneSource(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "::192.0.2.1", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		g := newGate(t, Options{Burst: 1})
		g.fail(c.one, 1)
		if same := g.Wait(netip.MustParseAddr(c.other)) > 0; same != c.same {
			t.Errorf("%s and %s are one source: %t", c.one, c.other, same)
		}
	}
	g := newGate(t, Options{Burst: 1})
	g.Failed(netip.Addr{})
	if g.Wait(netip.Addr{}) == 0 {
		t.Error("who has no address is never held back")
	}
	g.wants(t, "who has one", "192.0.2.1", 0)
}

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestTheMemoryIsBounded(t *testing.T) {
	g := newGate(t, Options{Burst: 1, Every: time.Second, Sources: 100})
	for i := range 100_000 {
		g.Failed(address(i))
		if i%10 == 9 {
			g.clock = g.clock.Add(time.Millisecond)
		}
	}
	if n, m := len(g.sources), g.failures.Len(); n != 100 || m != 100 {
		t.Errorf("%d sources, %d in order", n, m)
	}
	if g.Wait(address(99_999)) == 0 || g.Wait(address(99_900)) == 0 {
		t.Error("one of the last hundred was forgotten")
	}
	if g.Wait(address(99_899)) != 0 {
		t.Error("more are remembered")
	}
	// Those who have all back are forgotten before there are too many.
	g.clock = g.clock.Add(time.Hour)
	g.Failed(address(0))
	if n := len(g.sources); n != 1 {
		t.Errorf("%d sources after a quiet hour", n)
	}
}

func TestWhoFailsOnIsNotForgottenForOthers(t *testing.T) {
	g := newGate(t, Options{Burst: 2, Every: time.Minute, Sources: 10})
	for i := range 1000 {
		g.Failed(address(i))
		if i%5 == 0 {
			g.fail("203.0.113.7", 1)
		}
	}
	if g.Wait(netip.MustParseAddr("203.0.113.7")) == 0 {
		t.Error("forgotten")
	}
}

// TestNoWindowHoldsMoreFailuresThanItsShare is the law of it: whoever keeps to
// Wait fails at most Burst times and once for each Every, in whatever time.
func TestNoWindowHoldsMoreFailuresThanItsShare(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		burst, every := 1+r.IntN(10), time.Duration(1+r.IntN(5000))*time.Millisecond
		g := newGate(t, Options{Burst: burst, Every: every})
		source := netip.MustParseAddr("203.0.113.7")
		var at []time.Time
		for range 500 {
			g.clock = g.clock.Add(time.Duration(r.Int64N(int64(every))))
			if g.Wait(source) == 0 {
				g.Failed(source)
				at = append(at, g.clock)
			}
		}
		for i := range at {
			for j := i; j < len(at); j++ {
				if n, most := j-i+1, burst+int(at[j].Sub(at[i])/every); n > most {
					t.Fatalf("seed %d: %d failures in %v, of %d and one each %v", seed, n, at[j].Sub(at[i]), burst, every)
				}
			}
		}
		// Between one failure and the next lies less than a wait and a step.
		if least := int(at[len(at)-1].Sub(at[0]) / (2 * every)); len(at) < least {
			t.Fatalf("seed %d: only %d failures where %d have room", seed, len(at), least)
		}
	}
}

func TestWhatProvedGoodIsTrustedForAnHourWhereItDid(t *testing.T) {
	g := newGate(t, Options{})
	here, there := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	if g.Trusts(here, "AKIA1") {
		t.Error("trusted before it proved anything")
	}
	g.Proved(here, "AKIA1")
	for what, c := range map[string]struct {
		source     netip.Addr
		credential string
		want       bool
	}{
		"the same":                  {here, "AKIA1", true},
		"from elsewhere":            {there, "AKIA1", false},
		"another one":               {here, "AKIA2", false},
		"the same network, by IPv6": {netip.MustParseAddr("::ffff:203.0.113.7"), "AKIA1", true},
	} {
		if got := g.Trusts(c.source, c.credential); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
	g.clock = g.clock.Add(lasts - time.Second)
	if !g.Trusts(here, "AKIA1") {
		t.Error("no longer trusted within the hour")
	}
	g.Proved(here, "AKIA1")
	g.clock = g.clock.Add(time.Minute)
	if !g.Trusts(here, "AKIA1") {
		t.Error("a new proof did not count")
	}
	g.clock = g.clock.Add(lasts)
	if g.Trusts(here, "AKIA1") {
		t.Error("trusted after an hour without a proof")
	}
}

func TestRefusalsAreCountedByDoorAndFailuresAtAll(t *testing.T) {
	g := newGate(t, Options{Burst: 2})
	front, side := g.Door("front"), g.Door("side")
	source := netip.MustParseAddr("203.0.113.7")
	front.Failed(source)
	side.Failed(source)
	if front.Wait(source) == 0 || side.Wait(source) == 0 {
		t.Error("failures at two doors were not added up")
	}
	front.Refused()
	front.Refused()
	side.Refused()
	if g.refused["front"] != 2 || g.refused["side"] != 1 || len(g.refused) != 2 {
		t.Errorf("counted %v", g.refused)
	}
}

func TestAThrottleNeedsItsParts(t *testing.T) {
	clock, told := time.Now, func(string) {}
	for what, o := range map[string]Options{
		"no clock": {Refused: told}, "nobody to tell": {Now: clock},
		"a negative burst": {Now: clock, Refused: told, Burst: -1}, "a negative time": {Now: clock, Refused: told, Every: -1},
		"a negative memory": {Now: clock, Refused: told, Sources: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: made", what)
		}
	}
}

func TestManyMayFailAtTheSameTime(t *testing.T) {
	th, err := New(Options{Now: time.Now, Refused: func(string) {}, Sources: 16})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 500 {
				source := address(i % (n + 20))
				th.Failed(source)
				th.Wait(source)
				th.Proved(source, fmt.Sprint(i%7))
				th.Trusts(source, fmt.Sprint(i%7))
			}
		})
	}
	all.Wait()
	if n := len(th.sources); n > 16 {
		t.Errorf("%d sources", n)
	}
}

func BenchmarkWhoDidNotFail(b *testing.B) {
	for name, failures := range map[string]int{"while nobody is held back": 0, "while another is": 100} {
		b.Run(name, func(b *testing.B) {
			th, err := New(Options{Now: time.Now, Refused: func(string) {}})
			if err != nil {
				b.Fatal(err)
			}
			for range failures {
				th.Failed(address(1))
			}
			source := address(2)
			th.Proved(source, "AKIA1234567890123456")
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if th.Wait(source) != 0 {
						b.Error("held back")
					}
					th.Proved(source, "AKIA1234567890123456")
				}
			})
		})
	}
}
