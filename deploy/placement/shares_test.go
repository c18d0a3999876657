package placement_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"drydock/deploy/placement"
)

func TestTasksAreSharedOutByBaseAndWeight(t *testing.T) {
	for _, c := range []struct {
		name   string
		shares []placement.Share
		have   map[string]int
		n      int
		want   map[string]int
	}{
		{"one", []placement.Share{{Provider: "a"}}, nil, 5, map[string]int{"a": 5}},
		{"by weight", []placement.Share{{Provider: "a", Base: 0, Weight: 1}, {Provider: "b", Base: 0, Weight: 3}}, nil, 8, map[string]int{"a": 2, "b": 6}},
		{"the base first", []placement.Share{{Provider: "a", Base: 0, Weight: 1}, {Provider: "b", Base: 2, Weight: 0}}, nil, 5, map[string]int{"a": 3, "b": 2}},
		{"the base, and then by weight", []placement.Share{{Provider: "a", Base: 2, Weight: 1}, {Provider: "b", Base: 0, Weight: 1}}, nil, 6, map[string]int{"a": 4, "b": 2}},
		{"fewer than the base", []placement.Share{{Provider: "a", Base: 4, Weight: 1}, {Provider: "b", Base: 0, Weight: 9}}, nil, 3, map[string]int{"a": 3}},
		{"what is there counts", []placement.Share{{Provider: "a", Base: 1, Weight: 1}, {Provider: "b", Base: 0, Weight: 1}}, map[string]int{"a": 3}, 3, map[string]int{"a": 1, "b": 2}},
		{"weight 0 gets nothing beyond its base", []placement.Share{{Provider: "a", Base: 0, Weight: 0}, {Provider: "b", Base: 0, Weight: 1}}, map[string]int{"b": 7}, 2, map[string]int{"b": 2}},
		{"what others have makes no difference", []placement.Share{{Provider: "a", Base: 0, Weight: 1}}, map[string]int{"": 5}, 2, map[string]int{"a": 2}},
	} {
		got := map[string]int{}
		for _, p := range placement.Allot(c.shares, c.have, c.n) {
			got[p]++
		}
		for p, n := range got {
			if c.want[p] != n {
				t.Errorf("%s: %v, not %v", c.name, got, c.want)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

// However tasks come, in one go or one by one, no provider is more than one task from
// what its weight gives it.
func TestSharesAreKeptAtEachStep(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		var shares []placement.Share
		sum := 0
		for i := range 1 + r.IntN(4) {
			shares = append(shares, placement.Share{Provider: string(rune('a' + i)), Weight: 1 + r.IntN(5)})
			sum += shares[i].Weight
		}
		shares[r.IntN(len(shares))].Base = r.IntN(4)
		have, total, base := map[string]int{}, 0, 0
		for _, s := range shares {
			base += s.Base
		}
		for range 40 {
			n := r.IntN(4)
			for _, p := range placement.Allot(shares, have, n) {
				have[p]++
			}
			if total += n; total < base {
				continue
			}
			for _, s := range shares {
				fair := float64(total-base) * float64(s.Weight) / float64(sum)
				if off := float64(have[s.Provider]-s.Base) - fair; off > float64(len(shares)) || off < -float64(len(shares)) {
					t.Fatalf("%+v: %v of %d", shares, have, total)
				}
			}
		}
	}
}

func TestATaskGoesToInstancesOfItsProvider(t *testing.T) {
	f := placement.NewFleet()
	for id, provider := range map[string]string{"i1": "red", "i2": "blue", "i3": ""} {
		i := instance(id)
		i.CapacityProvider, i.Registered.CPU = provider, 300
		f.PutInstance(i)
	}
	req := &placement.Request{Group: "g", Count: 6, CPU: 100, Memory: 10}
	got, err := placement.PlaceShares(f, req, []placement.Share{{Provider: "red", Base: 0, Weight: 1}, {Provider: "blue", Base: 0, Weight: 1}}, nil, nil)
	if err != nil || len(got.Placed) != 6 || got.Unplaced != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, p := range got.Placed {
		if want := map[string]string{"i1": "red", "i2": "blue"}[p.Instance]; want == "" || p.Provider != want {
			t.Errorf("%+v", p)
		}
	}
	req.Count = 8
	if got, err = placement.PlaceShares(f, req, []placement.Share{{Provider: "red", Base: 0, Weight: 1}, {Provider: "blue", Base: 0, Weight: 1}}, nil, nil); err != nil || len(got.Placed) != 6 || got.Unplaced != 2 || len(got.Failures) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = placement.PlaceShares(f, req, []placement.Share{{Provider: "FARGATE", Base: 1, Weight: 1}, {Provider: "FARGATE_SPOT", Base: 0, Weight: 1}}, nil, nil)
	var names []string
	for _, p := range got.Placed {
		names = append(names, p.Provider)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"FARGATE", "FARGATE", "FARGATE", "FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE_SPOT", "FARGATE_SPOT"}) {
		t.Errorf("%v, %v", names, err)
	}
}
