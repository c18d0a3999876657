package placement_test

import (
	"slices"
	"testing"

	"drydock/deploy/placement"
)

func TestRebalancingMovesFromTheFullestZoneToTheEmptiestWithRoom(t *testing.T) {
	for _, c := range []struct {
		name  string
		there []string
		// change alters the cluster, the request and what may stop.
		change func(*placement.Fleet, *placement.Request, *placement.StopRequest)
		// want is the zone and the task to stop, the zone and the instance to
		// start; empty for no move.
		want [4]string
	}{
		{name: "all is well", there: []string{"a1", "a2", "b1", "c1"}},
		{name: "no tasks"},
		{name: "one zone lost and back", there: []string{"a1", "a2", "b1", "b2"}, want: [4]string{"eu-west-1a", "1", "eu-west-1c", "c1"}},
		{name: "the task on the instance with the most goes", there: []string{"a1", "a2", "a2", "b1"},
			want: [4]string{"eu-west-1a", "2", "eu-west-1c", "c1"}},
		{name: "the emptiest zone has no room", there: []string{"a1", "a1", "a2", "b1"}, want: [4]string{"eu-west-1a", "1", "eu-west-1b", "b2"},
			change: func(f *placement.Fleet, _ *placement.Request, _ *placement.StopRequest) {
				put(t, f, placement.Task{ID: "x", Memory: 1000}, "c1")
				put(t, f, placement.Task{ID: "y", Memory: 1000}, "c2")
			}},
		{name: "no zone has room", there: []string{"a1", "a1"},
			change: func(_ *placement.Fleet, q *placement.Request, _ *placement.StopRequest) { q.Memory = 4096 }},
		{name: "the constraint leaves one zone", there: []string{"a1", "a1", "a2"},
			change: func(_ *placement.Fleet, q *placement.Request, _ *placement.StopRequest) {
				q.Constraints = []placement.Constraint{constraint(rule{placement.MemberOf, "attribute:ecs.availability-zone == eu-west-1a"})}
			}},
		{name: "the tasks of the fullest zone are protected", there: []string{"a1", "a1", "a2", "b1", "b1"},
			want: [4]string{"eu-west-1b", "4", "eu-west-1c", "c1"},
			change: func(_ *placement.Fleet, _ *placement.Request, s *placement.StopRequest) {
				s.Eligible = func(t *placement.Task) bool { return t.ID > "3" }
			}},
		{name: "only tasks of a zone that is full enough may stop", there: []string{"a1", "a1", "b1"},
			change: func(_ *placement.Fleet, _ *placement.Request, s *placement.StopRequest) {
				s.Eligible = func(t *placement.Task) bool { return t.ID == "3" }
			}},
		{name: "a draining zone is none", there: []string{"a1", "b1"},
			change: func(f *placement.Fleet, _ *placement.Request, _ *placement.StopRequest) {
				for _, id := range []string{"c1", "c2"} {
					i := instance(id)
					i.Status = "DRAINING"
					f.PutInstance(i)
				}
				put(t, f, placement.Task{ID: "7", Group: "service:web"}, "b2")
			}},
		{name: "a disconnected zone waits", there: []string{"a1", "a2", "b1", "b2"},
			change: func(f *placement.Fleet, _ *placement.Request, _ *placement.StopRequest) {
				for _, id := range []string{"c1", "c2"} {
					i := instance(id)
					i.AgentConnected = false
					f.PutInstance(i)
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster()
			for i, on := range c.there {
				put(t, f, placement.Task{ID: string(rune('1' + i)), Group: "service:web", Memory: 100}, on)
			}
			q, s := &placement.Request{Group: "service:web", Memory: 100}, &placement.StopRequest{Group: "service:web"}
			if c.change != nil {
				c.change(f, q, s)
			}
			m, ok, err := placement.Rebalance(f, q, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := [4]string{m.From, m.Stop, m.To, m.Start.Instance}; got != c.want || ok != (c.want[0] != "") {
				t.Errorf("%v (%v), want %v", got, ok, c.want)
			}
		})
	}
}

func TestEventsOfRebalancingCountTheTasksOfEachZone(t *testing.T) {
	f := cluster()
	put(t, f, placement.Task{ID: "1", Group: "service:web"}, "a1")
	put(t, f, placement.Task{ID: "2", Group: "service:web"}, "a1")
	zones := placement.Zones(f, &placement.Request{Group: "service:web"})
	for got, want := range map[string]string{
		placement.RebalancingStarted("web", zones): "(service web) is not AZ balanced with 2 tasks in eu-west-1a, 0 tasks in eu-west-1b, " +
			"and 0 tasks in eu-west-1c. AZ Rebalancing in progress.",
		placement.RebalancingCompleted("web", zones[1:]): "(service web) is AZ balanced with 0 tasks in eu-west-1b and 0 tasks in eu-west-1c.",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestZonesThatAConstraintForbidsAreNoneUnlessTasksAreThere(t *testing.T) {
	f := cluster()
	put(t, f, placement.Task{ID: "1", Group: "service:web"}, "a1")
	got := placement.Zones(f, &placement.Request{Group: "service:web", Constraints: []placement.Constraint{
		constraint(rule{placement.MemberOf, "attribute:ecs.availability-zone == eu-west-1b"}),
	}})
	if want := []placement.Zone{{Name: "eu-west-1a", Tasks: 1}, {Name: "eu-west-1b"}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestZonesAreRebalancedOnlyWhereTheyAreSpreadFirst(t *testing.T) {
	zones := wish{placement.Spread, "attribute:ecs.availability-zone"}
	for _, c := range []struct {
		wishes []wish
		want   bool
	}{
		{nil, true}, {[]wish{zones}, true}, {[]wish{zones, {placement.Binpack, "cpu"}}, true},
		{[]wish{{placement.Binpack, "cpu"}, zones}, false}, {[]wish{{placement.Spread, "host"}}, false}, {[]wish{{kind: placement.AtRandom}}, false},
	} {
		if got := placement.SpreadsZonesFirst(strategies(c.wishes)); got != c.want {
			t.Errorf("%v: %v", c.wishes, got)
		}
	}
}
