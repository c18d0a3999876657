package storage

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func TestTheLastPullOfAnImageIsKnown(t *testing.T) {
	e := newEngine(t)
	ref := e.repository(t, "app", Mutability{})
	d := e.image(t, ref, "one", "v1").Digest
	pulled := func() time.Time {
		t.Helper()
		i, err := e.Image(t.Context(), ref, Reference{Digest: d})
		if err != nil {
			t.Fatal(err)
		}
		all, err := e.Images(t.Context(), ref, AnyImage, "", 10)
		if err != nil || len(all) != 1 || !all[0].PulledAt.Equal(i.PulledAt) {
			t.Errorf("%v, %v", all, err)
		}
		return i.PulledAt
	}
	if at := pulled(); !at.IsZero() {
		t.Errorf("pulled at %s before any pull", at)
	}
	record := func(at time.Time, ds ...digest.Digest) {
		t.Helper()
		var pulls []Pull
		for _, d := range ds {
			pulls = append(pulls, Pull{ref, d, at})
		}
		if err := e.RecordPulls(t.Context(), pulls); err != nil {
			t.Fatal(err)
		}
	}
	first := e.clock
	record(first, d, digest.FromString("no such image"))
	if at := pulled(); !at.Equal(first) {
		t.Errorf("pulled at %s", at)
	}
	record(first.Add(pullsApart/2), d) // too soon to be worth a write
	record(first.Add(-time.Hour), d)   // a server whose clock is behind
	if at := pulled(); !at.Equal(first) {
		t.Errorf("pulled at %s", at)
	}
	record(first.Add(2*pullsApart), d)
	if at := pulled(); !at.Equal(first.Add(2 * pullsApart)) {
		t.Errorf("pulled at %s", at)
	}
	// What is pushed again after it was deleted has not been pulled.
	if err := e.DeleteManifest(t.Context(), ref, d); err != nil {
		t.Fatal(err)
	}
	record(first.Add(time.Hour), d)
	if again := e.image(t, ref, "one", "v1").Digest; again != d {
		t.Fatal(again)
	}
	if at := pulled(); !at.IsZero() {
		t.Errorf("pulled at %s after it was deleted", at)
	}
}
