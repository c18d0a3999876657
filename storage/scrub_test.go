package storage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func TestTheScrubReadsEverythingOnceInItsPeriod(t *testing.T) {
	e := newFileEngine(t)
	ref := e.repository(t, "demo", Mutability{})
	var layers []string
	for i := range 40 {
		e.image(t, ref, fmt.Sprint(i), fmt.Sprint("t", i))
		layers = append(layers, string(digest.FromString(fmt.Sprintf("layer of %d", i))))
	}
	slices.Sort(layers)
	e.flip(t, digest.Digest(layers[len(layers)-1]))
	const period = 10 * time.Hour
	run := func() VerifyTotals {
		t.Helper()
		if err := e.Scrub(t.Context(), period); err != nil {
			t.Fatal(err)
		}
		return e.VerifyTotals()
	}
	first := run()
	if first.Blobs > 2 {
		t.Errorf("at the beginning %d blobs were read", first.Blobs)
	}
	e.clock = e.clock.Add(period / 2)
	half := run()
	if half.Blobs < 25 || half.Blobs > 55 || half.ScrubReached < 0.3 || half.ScrubReached > 0.5 || !half.ScrubEnded.IsZero() {
		t.Errorf("after half of the period: %+v", half)
	}
	states, err := e.VerifyStates(t.Context())
	if err != nil || len(states) != 1 || states[0].Name != "scrub" || states[0].Verified.Stage != "blobs" || states[0].Reached < 0.3 || states[0].Reached > 0.5 {
		t.Errorf("after half of the period: %+v, %v", states, err)
	}
	if again := run(); again.Blobs != half.Blobs {
		t.Errorf("read twice: %+v", again)
	}
	e.restart(t)
	e.clock = e.clock.Add(period/2 + time.Second)
	whole := run()
	if whole.Blobs+half.Blobs != 80 || whole.Problems[BlobDamaged] != 1 || !whole.ScrubEnded.Equal(time.UnixMilli(e.clock.UnixMilli())) {
		t.Errorf("at the end, after %d: %+v", half.Blobs, whole)
	}
	states, err = e.VerifyStates(t.Context())
	if err != nil || len(states) != 1 || states[0].Verified.Stage != "" || states[0].EndedAt.IsZero() || len(states[0].Problems) != 1 || len(states[0].Problems[0].Images) != 1 {
		t.Errorf("at the end: %+v, %v", states, err)
	}
	// The next one begins at once, since the period is over, and so on.
	e.clock = e.clock.Add(period)
	if next := run(); next.Blobs > whole.Blobs+80 {
		t.Errorf("then: %+v", next)
	}
	// A clock that was wrong for a while does not keep it from going on.
	e.clock = e.clock.Add(-100 * period)
	run()
	e.clock = e.clock.Add(period)
	before := e.VerifyTotals().Blobs
	if after := run(); after.Blobs <= before {
		t.Errorf("it stands still: %+v", after)
	}
	// It mends nothing.
	if n := e.quarantined(t); n != 0 {
		t.Errorf("%d files in quarantine", n)
	}
}
