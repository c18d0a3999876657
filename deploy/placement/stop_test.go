package placement_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"drydock/deploy/placement"
)

func TestScaleInKeepsTheBalanceThatTheStrategyMade(t *testing.T) {
	zones := wish{placement.Spread, "attribute:ecs.availability-zone"}
	for _, c := range []struct {
		name   string
		wishes []wish
		want   []string
	}{
		// Tasks 1 to 7 are on a1 a1 a2 b1 b1 c1 c2, the last the largest.
		{"by zones unless told otherwise", nil, []string{"1", "4", "2", "6", "3"}},
		{"by zones", []wish{zones}, []string{"1", "4", "2", "6", "3"}},
		{"by instances", []wish{{placement.Spread, "instanceId"}}, []string{"1", "4", "2", "3", "5"}},
		// Of a2, c1 and c2 all would be left, of b1 less, of a1 next to nothing.
		{"binpack empties the instance with the most left", []wish{{placement.Binpack, "memory"}}, []string{"3", "6", "7", "4", "5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster()
			for i, on := range []string{"a1", "a1", "a2", "b1", "b1", "c1", "c2"} {
				task := placement.Task{ID: string(rune('1' + i)), Group: "service:web", Memory: 100}
				if on == "c2" {
					task.Memory = 600
				}
				put(t, f, task, on)
			}
			put(t, f, placement.Task{ID: "0", Group: "service:other", Memory: 900}, "a1")
			put(t, f, placement.Task{ID: "9", Group: "service:web", Memory: 100, Stopping: true}, "b2")
			got, err := placement.StopFirst(f, &placement.StopRequest{Group: "service:web", Count: 5, Strategies: strategies(c.wishes)}, nil)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestTasksOnDrainingInstancesStopFirstAndProtectedOnesNever(t *testing.T) {
	f := cluster()
	for i, on := range []string{"a1", "a1", "a1", "b1"} {
		put(t, f, placement.Task{ID: string(rune('1' + i)), Group: "g"}, on)
	}
	leaving := instance("b1")
	leaving.Status = "DRAINING"
	f.PutInstance(leaving)
	got, err := placement.StopFirst(f, &placement.StopRequest{
		Group: "g", Count: 9, Eligible: func(t *placement.Task) bool { return t.ID != "2" },
	}, nil)
	if want := []string{"4", "1", "3"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if got, err := placement.StopFirst(f, &placement.StopRequest{Group: "nobody", Count: 1}, nil); err != nil || got != nil {
		t.Errorf("%v, %v of a group without tasks", got, err)
	}
}

func TestWhatIsEqualStopsAtRandomIfThereIsRandomness(t *testing.T) {
	f := cluster()
	for i, on := range []string{"a1", "b1", "c1", "c2"} {
		put(t, f, placement.Task{ID: string(rune('1' + i)), Group: "g"}, on)
	}
	seen := map[string]int{}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		got, err := placement.StopFirst(f, &placement.StopRequest{Group: "g", Count: 1}, rnd)
		if err != nil {
			t.Fatal(err)
		}
		seen[got[0]]++
	}
	if len(seen) != 2 || seen["3"] < 20 || seen["4"] < 20 {
		t.Errorf("stopped %v, want the two in zone c alike", seen)
	}
	random := strategies([]wish{{kind: placement.AtRandom}})
	if _, err := placement.StopFirst(f, &placement.StopRequest{Group: "g", Count: 1, Strategies: random}, nil); !errors.Is(err, placement.ErrNoRandomness) {
		t.Errorf("random without a source of randomness: %v", err)
	}
}
