package placement_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"drydock/deploy/placement"
	"drydock/deploy/placement/query"
)

// cluster is six instances in three zones: a1, a2, b1, b2, c1, c2.
func cluster() *placement.Fleet {
	f := placement.NewFleet()
	for _, id := range []string{"a1", "a2", "b1", "b2", "c1", "c2"} {
		f.PutInstance(instance(id))
	}
	return f
}

func instance(id string) placement.Instance {
	return placement.Instance{
		ID: id, ARN: "arn:" + id, Status: placement.StatusActive, AgentConnected: true,
		Attributes: map[string]string{placement.ZoneAttribute: "eu-west-1" + id[:1], "ecs.instance-type": "t2.small"},
		Registered: placement.Resources{CPU: 1024, Memory: 1024, Ports: []placement.Port{{Number: 22}}},
	}
}

func TestStrategiesOfTheGuideChooseAsItSays(t *testing.T) {
	zones := wish{placement.Spread, "attribute:ecs.availability-zone"}
	for _, c := range []struct {
		name   string
		wishes []wish
		// there is what runs before, a name for each task.
		there []string
		want  []string
	}{
		{name: "spread over zones", wishes: []wish{zones}, want: []string{"a1", "b1", "c1", "a2", "b2", "c2", "a1"}},
		{name: "spread over instances", wishes: []wish{{placement.Spread, "instanceId"}},
			there: []string{"a1", "b1", "b1"}, want: []string{"a2", "b2", "c1", "c2", "a1"}},
		{name: "host is instanceId", wishes: []wish{{placement.Spread, "host"}},
			there: []string{"a1", "b1", "b1"}, want: []string{"a2", "b2", "c1", "c2", "a1"}},
		{name: "binpack of memory", wishes: []wish{{placement.Binpack, "memory"}},
			there: []string{"b2", "b2", "c1"}, want: []string{"b2", "b2", "c1", "c1", "c1", "a1"}},
		{name: "zones, then instances", wishes: []wish{zones, {placement.Spread, "instanceId"}},
			there: []string{"a1", "b1", "c1"}, want: []string{"a2", "b2", "c2", "a1"}},
		{name: "zones, then binpack of memory", wishes: []wish{zones, {placement.Binpack, "memory"}},
			there: []string{"a2", "b2", "c2"}, want: []string{"a2", "b2", "c2", "a2"}},
		{name: "what ECS does for services", wishes: []wish{zones, {placement.Spread, "instanceId"}},
			there: []string{"a1"}, want: []string{"b1", "c1", "a2", "b2", "c2"}},
		{name: "no strategy", there: []string{"a1", "a1", "b1"}, want: []string{"a2", "b2", "c1", "c2", "a2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster()
			for i, id := range c.there {
				put(t, f, placement.Task{ID: string(rune('0' + i)), Group: "service:web", Memory: 256}, id)
			}
			got := placed(t, f, &placement.Request{Group: "service:web", Count: len(c.want), Memory: 256, Strategies: strategies(c.wishes)})
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	if got, want := placement.ServiceDefault(), strategies([]wish{zones, {placement.Spread, "instanceId"}}); !slices.Equal(got, want) {
		t.Errorf("the default for services is %v, want %v", got, want)
	}
}

func TestRandomReachesEveryInstanceThatIsAllowed(t *testing.T) {
	f := cluster()
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := map[string]int{}
	for range 200 {
		r, err := placement.Place(f, &placement.Request{
			Count: 1, Strategies: strategies([]wish{{kind: placement.AtRandom}}),
			Constraints: []placement.Constraint{constraint(rule{placement.MemberOf, "attribute:ecs.availability-zone != eu-west-1b"})},
		}, rnd)
		if err != nil {
			t.Fatal(err)
		}
		seen[r.Placed[0].Instance]++
	}
	for _, id := range []string{"a1", "a2", "c1", "c2"} {
		if seen[id] < 20 {
			t.Errorf("of 200 tasks %s was given %d", id, seen[id])
		}
	}
	if len(seen) != 4 {
		t.Errorf("placed on %v", seen)
	}
	_, err := placement.Place(f, &placement.Request{Count: 1, Strategies: strategies([]wish{{kind: placement.AtRandom}})}, nil)
	if !errors.Is(err, placement.ErrNoRandomness) {
		t.Errorf("random without a source of randomness: %v", err)
	}
}

func TestConstraintsTakeEarlierTasksOfTheSameRequestIntoAccount(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []rule
		want  []string
	}{
		{"distinctInstance", []rule{{kind: placement.DistinctInstance}}, []string{"b1", "b2", "c1", "c2"}},
		{"affinity", []rule{{placement.MemberOf, "task:group == service:web"}}, []string{"a1", "a2", "a1", "a2", "a1", "a2", "a1"}},
		{"anti-affinity to itself", []rule{{placement.MemberOf, "not (task:group == service:web)"}}, []string{"b1", "b2", "c1", "c2"}},
		{"a number of tasks", []rule{{placement.MemberOf, "runningTasksCount < 2"}},
			[]string{"b1", "b2", "c1", "c2", "a1", "a2", "b1", "b2", "c1", "c2"}},
		{"two constraints", []rule{{kind: placement.DistinctInstance}, {placement.MemberOf, "attribute:ecs.availability-zone == eu-west-1c"}},
			[]string{"c1", "c2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster()
			put(t, f, placement.Task{ID: "1", Group: "service:web"}, "a1")
			put(t, f, placement.Task{ID: "2", Group: "service:web"}, "a2")
			q := &placement.Request{Group: "service:web", Count: 20, Memory: 256}
			for _, r := range c.rules {
				q.Constraints = append(q.Constraints, constraint(r))
			}
			r, err := placement.Place(f, q, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := ids(r); len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if len(r.Placed)+r.Unplaced != q.Count || r.Unplaced == 0 {
				t.Errorf("%d placed, %d not", len(r.Placed), r.Unplaced)
			}
		})
	}
}

// At AWS a task that is to stop holds its resources, but a new one may join it on
// the instance in spite of distinctInstance.
func TestATaskThatIsStoppingHoldsItsResourcesAndNothingElse(t *testing.T) {
	f := placement.NewFleet(instance("a1"))
	put(t, f, placement.Task{ID: "old", Group: "service:web", Memory: 512, Stopping: true, Ports: []placement.Port{{Number: 80}}}, "a1")
	q := &placement.Request{Group: "service:web", Count: 1, Memory: 512, Constraints: []placement.Constraint{
		constraint(rule{kind: placement.DistinctInstance}), constraint(rule{placement.MemberOf, "runningTasksCount == 0 and task:group not_exists"}),
	}}
	if got := placed(t, f, q); !slices.Equal(got, []string{"a1"}) {
		t.Errorf("placed on %v", got)
	}
	q.Memory = 513
	refused(t, f, q, placement.ReasonMemory)
	q.Memory, q.Ports = 0, []placement.Port{{Number: 80}}
	refused(t, f, q, placement.ReasonPorts)
	q.Ports[0].Protocol = placement.UDP
	if got := placed(t, f, q); len(got) != 1 {
		t.Error("the UDP port of the same number is not to be had")
	}
}

func TestReasonsAndEventsAreInTheWordsOfECS(t *testing.T) {
	const start = "(service web) was unable to place a task because no container instance met all of its requirements. "
	const end = " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	const closest = "The closest matching (container-instance a1) "
	any := []placement.RequiredAttribute{{Name: "ecs.capability.task-eni", AnyValue: true}}
	for _, c := range []struct {
		request placement.Request
		change  func(*placement.Instance)
		reason  placement.Reason
		event   string
	}{
		{request: placement.Request{CPU: 1025}, reason: "RESOURCE:CPU", event: closest + "has insufficient CPU units available."},
		{request: placement.Request{Memory: 1025}, reason: "RESOURCE:MEMORY", event: closest + "has insufficient memory available."},
		{request: placement.Request{CPU: 1025, Memory: 1025}, reason: "RESOURCE:CPU", event: closest + "has insufficient CPU units available."},
		{request: placement.Request{Ports: []placement.Port{{Number: 22}}}, reason: "RESOURCE:PORTS",
			event: closest + "is already using a port required by your task."},
		{request: placement.Request{GPUs: 1}, reason: "RESOURCE:GPU", event: closest + `encountered error "RESOURCE:GPU".`},
		{request: placement.Request{Attributes: any}, reason: "ATTRIBUTE", event: closest + "is missing an attribute required by your task."},
		{request: placement.Request{Attributes: []placement.RequiredAttribute{{Name: "ecs.instance-type", Value: "m5.large"}}}, reason: "ATTRIBUTE",
			event: closest + "is missing an attribute required by your task."},
		{change: func(i *placement.Instance) { i.AgentConnected = false }, reason: "AGENT", event: closest + "doesn't have the agent connected."},
		{request: placement.Request{Constraints: []placement.Constraint{constraint(rule{placement.MemberOf, "attribute:stack exists"})}},
			reason: "MemberOf placement constraint unsatisfied.", event: closest + `encountered error "MemberOf placement constraint unsatisfied.".`},
		{request: placement.Request{Group: "other", Constraints: []placement.Constraint{constraint(rule{kind: placement.DistinctInstance})}},
			reason: "DistinctInstance placement constraint unsatisfied.", event: closest + `encountered error "DistinctInstance placement constraint unsatisfied.".`},
		{change: func(i *placement.Instance) { i.Status = "DRAINING" }, event: "Reason: No Container Instances were found in your cluster."},
		{request: placement.Request{CapacityProvider: "spot"}, event: "Reason: No Container Instances were found in your capacity provider."},
	} {
		i := instance("a1")
		if c.change != nil {
			c.change(&i)
		}
		f := placement.NewFleet(i)
		put(t, f, placement.Task{ID: "1", Group: "other"}, "a1")
		c.request.Count = 1
		r, err := placement.Place(f, &c.request, nil)
		if err != nil || r.Unplaced != 1 {
			t.Fatalf("%s: %v, %+v", c.reason, err, r)
		}
		if got, want := r.Event("web"), start+c.event+end; got != want {
			t.Errorf("the event is\n%s, want\n%s", got, want)
		}
		if c.reason == "" {
			if len(r.Failures) > 0 {
				t.Errorf("%v", r.Failures)
			}
		} else if want := (placement.Failure{Instance: "a1", ARN: "arn:a1", Reason: c.reason}); !slices.Equal(r.Failures, []placement.Failure{want}) {
			t.Errorf("failures %v, want %v", r.Failures, want)
		}
	}
}

func TestStartTaskIsToldOfInstancesThatAreMissingOrInactive(t *testing.T) {
	f := placement.NewFleet(instance("a1"))
	gone := instance("a2")
	gone.Status = "INACTIVE"
	f.PutInstance(gone)
	q := &placement.Request{Memory: 1024}
	for id, want := range map[string]placement.Reason{"a2": "INACTIVE", "zz": "MISSING"} {
		if _, failure, ok := placement.PlaceOn(f, q, id); ok || failure.Reason != want {
			t.Errorf("%s: %v, want %s", id, failure, want)
		}
	}
	if p, _, ok := placement.PlaceOn(f, q, "a1"); !ok || p.Instance != "a1" || p.ARN != "arn:a1" {
		t.Errorf("%+v", p)
	}
	put(t, f, placement.Task{ID: "1", Memory: 1}, "a1")
	if _, failure, ok := placement.PlaceOn(f, q, "a1"); ok || failure.Reason != placement.ReasonMemory {
		t.Errorf("%v", failure)
	}
}

func TestADaemonIsMeantForEveryInstanceThatItsConstraintsAllow(t *testing.T) {
	f := cluster()
	full, off, away := instance("d1"), instance("d2"), instance("d3")
	full.Registered.Memory, off.AgentConnected, away.Status = 0, false, "DRAINING"
	for _, i := range []placement.Instance{full, off, away} {
		f.PutInstance(i)
	}
	got := placement.Suitable(f, &placement.Request{Memory: 512, Constraints: []placement.Constraint{
		constraint(rule{placement.MemberOf, "attribute:ecs.availability-zone in [eu-west-1a, eu-west-1d]"}),
	}})
	if want := []string{"a1", "a2", "d1", "d2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestEachTaskIsGivenGPUsOfItsOwn(t *testing.T) {
	i := instance("a1")
	i.Registered.GPUs = []string{"gpu-3", "gpu-1", "gpu-0", "gpu-2", "gpu-4"}
	f := placement.NewFleet(i)
	put(t, f, placement.Task{ID: "1", GPUs: []string{"gpu-1"}}, "a1")
	r, err := placement.Place(f, &placement.Request{Count: 3, GPUs: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Placed) != 2 || !slices.Equal(r.Placed[0].GPUs, []string{"gpu-0", "gpu-2"}) || !slices.Equal(r.Placed[1].GPUs, []string{"gpu-3", "gpu-4"}) {
		t.Errorf("%+v", r.Placed)
	}
	if c, _ := r.Closest(); c.Reason != placement.ReasonGPU {
		t.Errorf("%v", c)
	}
	f.RemoveTask("1")
	if _, left, _ := f.Instance("a1"); !slices.Equal(left.GPUs, []string{"gpu-0", "gpu-1", "gpu-2", "gpu-3", "gpu-4"}) {
		t.Errorf("%v are free when no task is left", left.GPUs)
	}
}

func TestNoMoreThanAHundredStaticPortsAreReservedOnAnInstance(t *testing.T) {
	f := placement.NewFleet(instance("a1"))
	ports := func(from, n int) (all []placement.Port) {
		for i := range n {
			all = append(all, placement.Port{Number: uint16(from + i)})
		}
		return all
	}
	refused(t, f, &placement.Request{Count: 1, Ports: ports(1000, 100)}, placement.ReasonPorts)
	if got := placed(t, f, &placement.Request{Count: 1, Ports: ports(1000, 99)}); len(got) != 1 {
		t.Error("99 ports and the one of SSH are refused")
	}
	put(t, f, placement.Task{ID: "1", Ports: append(ports(1000, 98), ports(40000, 200)...)}, "a1")
	if got := placed(t, f, &placement.Request{Count: 1, Ports: ports(3000, 1)}); len(got) != 1 {
		t.Error("dynamic ports count as reserved")
	}
	refused(t, f, &placement.Request{Count: 1, Ports: ports(3000, 2)}, placement.ReasonPorts)
	refused(t, f, &placement.Request{Count: 1, Ports: append(ports(3000, 1), ports(3000, 1)...)}, placement.ReasonPorts)
	f.RemoveTask("1")
	if _, left, _ := f.Instance("a1"); !slices.Equal(left.Ports, []placement.Port{{Number: 22}}) {
		t.Errorf("%v are still taken", left.Ports)
	}
}

func TestConstraintsAndStrategiesThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []rule{
		{"memberOf", ""}, {"memberOf", "attribute:x"}, {"distinctInstance", "attribute:x exists"}, {"sameInstance", ""}, {"", ""},
		{"memberOf", "attribute:x in [" + strings.Repeat("a,", 1000) + "a]"},
	} {
		if _, err := placement.NewConstraint(c.kind, c.expression); err == nil {
			t.Errorf("%.60v is accepted", c)
		}
	}
	_, err := placement.NewConstraint("memberOf", "attribute:x like y")
	if e := (*query.SyntaxError)(nil); !errors.As(err, &e) || e.Column != 13 {
		t.Errorf("%v", err)
	}
	for _, c := range []wish{
		{"spread", ""}, {"spread", "attribute:"}, {"spread", "memory"}, {"binpack", ""}, {"binpack", "instanceId"}, {"pack", "cpu"}, {"", ""},
	} {
		if _, err := placement.NewStrategy(c.kind, c.field); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
	if a, b := strategies([]wish{{"binpack", "MEMORY"}}), strategies([]wish{{"binpack", "memory"}}); !slices.Equal(a, b) {
		t.Error("the case of the field of binpack matters")
	}
}

func placed(t *testing.T, f *placement.Fleet, q *placement.Request) []string {
	t.Helper()
	r, err := placement.Place(f, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ids(r)
}

func ids(r *placement.Result) (all []string) {
	for _, p := range r.Placed {
		all = append(all, p.Instance)
	}
	return all
}

func refused(t *testing.T, f *placement.Fleet, q *placement.Request, want placement.Reason) {
	t.Helper()
	r, err := placement.Place(f, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := r.Closest(); r.Unplaced == 0 || c.Reason != want {
		t.Errorf("%d left, closest %v; want %s", r.Unplaced, c, want)
	}
}
