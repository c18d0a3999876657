package placement_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"drydock/deploy/placement"
)

const cases = 4000

func TestPlacingGivesWhatTheRulesGiveWhenFollowedStepByStep(t *testing.T) {
	partly, none := 0, 0
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 1))
		naive, request := randomFleet(r), randomRequest(r)
		fleet := naive.fleet()
		result, err := placement.Place(fleet, &request.Request, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var got []string
		for i, p := range result.Placed {
			got = append(got, p.Instance)
			put(t, fleet, placement.Task{
				ID: fmt.Sprint("placed-", i), Group: request.Group, CPU: request.CPU, Memory: request.Memory, Ports: request.Ports, GPUs: p.GPUs,
			}, p.Instance)
		}
		want := naive.place(request)
		if !slices.Equal(got, want) || result.Unplaced != request.Count-len(want) {
			t.Fatalf("seed %d: placed on %v, want %v; %d of %d left", seed, got, want, result.Unplaced, request.Count)
		}
		if result.Unplaced > 0 {
			partly++
			if len(want) == 0 {
				none++
			}
			checkFailures(t, seed, naive, request, result)
		} else if len(result.Failures) > 0 {
			t.Fatalf("seed %d: all placed, and %v", seed, result.Failures)
		}
		checkRemaining(t, seed, naive, fleet)
	}
	if partly < cases/10 || none < cases/20 || none == partly {
		t.Errorf("of %d cases %d left tasks over and %d placed none: the cases tell too little", cases, partly, none)
	}
}

// checkFailures: one for each instance that was looked at, with the first reason,
// and the closest is one with the fewest.
func checkFailures(t *testing.T, seed uint64, naive *naiveFleet, request *naiveRequest, result *placement.Result) {
	t.Helper()
	var want []placement.Failure
	closest, least := placement.Failure{}, 0
	for _, i := range naive.sorted() {
		if !request.looksAt(i) {
			continue
		}
		reasons := naive.reasons(request, i)
		if len(reasons) == 0 {
			t.Fatalf("seed %d: %s could take another task", seed, i.ID)
		}
		f := placement.Failure{Instance: i.ID, ARN: i.ARN, Reason: reasons[0]}
		if len(want) == 0 || len(reasons) < least || len(reasons) == least && order(f.Reason) > order(closest.Reason) {
			closest, least = f, len(reasons)
		}
		want = append(want, f)
	}
	if !slices.Equal(result.Failures, want) {
		t.Fatalf("seed %d: failures %v, want %v", seed, result.Failures, want)
	}
	if got, _ := result.Closest(); got != closest {
		t.Fatalf("seed %d: closest %v, want %v", seed, got, closest)
	}
	if !strings.HasPrefix(result.Event("web"), "(service web) was unable to place a task because no container instance met all of its requirements. ") {
		t.Fatalf("seed %d: %s", seed, result.Event("web"))
	}
}

func order(r placement.Reason) int {
	return slices.Index([]placement.Reason{
		placement.ReasonAgent, placement.ReasonAttribute, placement.ReasonCPU, placement.ReasonMemory, placement.ReasonPorts,
		placement.ReasonGPU, placement.ReasonDistinct, placement.ReasonMemberOf,
	}, r)
}

// checkRemaining: what the fleet says is left is what is left.
func checkRemaining(t *testing.T, seed uint64, naive *naiveFleet, fleet *placement.Fleet) {
	t.Helper()
	for _, i := range naive.instances {
		cpu, memory, taken, gpus := naive.left(i)
		_, got, _ := fleet.Instance(i.ID)
		distinct := map[placement.Port]bool{}
		for _, p := range taken {
			distinct[p] = true
		}
		if got.CPU != cpu || got.Memory != memory || !slices.Equal(got.GPUs, gpus) || len(got.Ports) != len(distinct) {
			t.Fatalf("seed %d: %s has %+v left, want %d, %d, %v, %v", seed, i.ID, got, cpu, memory, taken, gpus)
		}
	}
}

func TestNoInstanceIsEverGivenMoreThanItHas(t *testing.T) {
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 2))
		naive := randomFleet(r)
		naive.tasks = map[string][]placement.Task{} // what was too much before does not count
		fleet := naive.fleet()
		for round := range 6 {
			request := randomRequest(r)
			request.Strategies = append(request.Strategies, strategies([]wish{{kind: placement.AtRandom}})...)
			result, err := placement.Place(fleet, &request.Request, r)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range result.Placed {
				task := placement.Task{
					ID: fmt.Sprint(round, "-", i), Group: request.Group, CPU: request.CPU, Memory: request.Memory, Ports: request.Ports, GPUs: p.GPUs,
				}
				at := slices.IndexFunc(naive.instances, func(i placement.Instance) bool { return i.ID == p.Instance })
				if reasons := naive.reasons(request, naive.instances[at]); len(reasons) > 0 || !request.looksAt(naive.instances[at]) {
					t.Fatalf("seed %d: %s took a task in spite of %v", seed, p.Instance, reasons)
				}
				if len(p.GPUs) != request.GPUs {
					t.Fatalf("seed %d: %d GPUs wanted, given %v", seed, request.GPUs, p.GPUs)
				}
				put(t, fleet, task, p.Instance)
				naive.tasks[p.Instance] = append(naive.tasks[p.Instance], task)
			}
		}
		for _, i := range naive.instances {
			_, left, _ := fleet.Instance(i.ID)
			if left.CPU < 0 || left.Memory < 0 {
				t.Fatalf("seed %d: %s has %+v left", seed, i.ID, left)
			}
			taken := map[placement.Port]bool{}
			held := map[string]bool{}
			for _, task := range fleet.Tasks(i.ID) {
				for _, p := range task.Ports {
					if taken[p] {
						t.Fatalf("seed %d: port %v of %s is taken twice", seed, p, i.ID)
					}
					taken[p] = true
				}
				for _, g := range task.GPUs {
					if held[g] || !slices.Contains(i.Registered.GPUs, g) {
						t.Fatalf("seed %d: %s of %s is held twice or not there", seed, g, i.ID)
					}
					held[g] = true
				}
			}
		}
	}
}

func TestSpreadStaysWithinOneWhereThereIsRoom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		fleet := placement.NewFleet()
		zones := 1 + r.IntN(4)
		for z := range zones {
			for n := range 1 + r.IntN(4) {
				fleet.PutInstance(roomy(fmt.Sprintf("%d-%d", z, n), fmt.Sprint("zone-", z)))
			}
		}
		perZone, perNode := map[string]int{}, map[string]int{}
		for step := range 4 {
			request := &placement.Request{Group: "service:s", Count: 1 + r.IntN(9), CPU: 1, Strategies: placement.ServiceDefault()}
			result, err := placement.Place(fleet, request, nil)
			if err != nil || result.Unplaced > 0 {
				t.Fatal(err, result)
			}
			for i, p := range result.Placed {
				put(t, fleet, placement.Task{ID: fmt.Sprint(step, "-", i), Group: request.Group, CPU: 1}, p.Instance)
				zone, _, _ := strings.Cut(p.Instance, "-")
				perZone[zone]++
				perNode[p.Instance]++
			}
			for z := range zones {
				perZone[fmt.Sprint(z)] += 0
			}
			if apart(perZone) > 1 {
				t.Fatalf("seed %d: zones %v", seed, perZone)
			}
			for z := range perZone {
				within := map[string]int{}
				for i := range fleet.Instances() {
					if zone, _, _ := strings.Cut(i.ID, "-"); zone == z {
						within[i.ID] = perNode[i.ID]
					}
				}
				if apart(within) > 1 {
					t.Fatalf("seed %d: zone %s %v", seed, z, within)
				}
			}
		}
	}
}

func apart(counts map[string]int) int {
	all := slices.Sorted(maps.Values(counts))
	return all[len(all)-1] - all[0]
}

func roomy(id, zone string) placement.Instance {
	return placement.Instance{
		ID: id, Status: placement.StatusActive, AgentConnected: true,
		Attributes: map[string]string{placement.ZoneAttribute: zone},
		Registered: placement.Resources{CPU: 1 << 20, Memory: 1 << 20},
	}
}

func TestStoppingGivesWhatTheRulesGiveWhenFollowedStepByStep(t *testing.T) {
	stoppedSome := 0
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 4))
		naive := randomFleet(r)
		wishes := randomWishes(r)
		request := &placement.StopRequest{Group: oneOf(r, someGroups...), Count: r.IntN(6), Strategies: strategies(wishes)}
		eligible := func(*placement.Task) bool { return true }
		if r.IntN(2) == 0 {
			eligible = func(t *placement.Task) bool { return t.Deployment == "old" }
			request.Eligible = eligible
		}
		if len(wishes) == 0 {
			wishes = []wish{{placement.Spread, "attribute:" + placement.ZoneAttribute}}
		}
		got, err := placement.StopFirst(naive.fleet(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := naive.stop(request.Group, request.Count, wishes, eligible); !slices.Equal(got, want) {
			t.Fatalf("seed %d: stops %v, want %v", seed, got, want)
		}
		if len(got) > 1 {
			stoppedSome++
		}
	}
	if stoppedSome < cases/10 {
		t.Errorf("only %d of %d cases stopped more than one task", stoppedSome, cases)
	}
}

func TestRebalancingEndsBalancedAndMovesNoMoreThanItMust(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 5))
		fleet := placement.NewFleet()
		zones := 2 + r.IntN(3)
		var ids []string
		for z := range zones {
			for n := range 1 + r.IntN(3) {
				id := fmt.Sprintf("%d-%d", z, n)
				ids = append(ids, id)
				fleet.PutInstance(roomy(id, fmt.Sprint("zone-", z)))
			}
		}
		tasks := r.IntN(20)
		for i := range tasks {
			put(t, fleet, placement.Task{ID: fmt.Sprintf("task-%02d", i), Group: "service:s"}, oneOf(r, ids...))
		}
		request, stopping := &placement.Request{Group: "service:s", Count: 7}, &placement.StopRequest{Group: "service:s"}
		var before []int
		surplus := 0
		for _, z := range placement.Zones(fleet, request) {
			before = append(before, z.Tasks)
			surplus += max(z.Tasks-tasks/zones, 0)
		}
		moves := 0
		for ; ; moves++ {
			m, ok, err := placement.Rebalance(fleet, request, stopping, r)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if moves > surplus {
				t.Fatalf("seed %d: %v wants more than %d moves", seed, before, surplus)
			}
			put(t, fleet, placement.Task{ID: fmt.Sprint("moved-", moves), Group: "service:s"}, m.Start.Instance)
			if !fleet.RemoveTask(m.Stop) {
				t.Fatalf("seed %d: stops %s, which there is not", seed, m.Stop)
			}
		}
		after := placement.Zones(fleet, request)
		total := 0
		for _, z := range after {
			total += z.Tasks
		}
		if !placement.Balanced(after) || len(after) != zones || total != tasks {
			t.Fatalf("seed %d: %v became %v", seed, before, after)
		}
	}
}

func TestAFleetThatWasChangedIsAsOneThatWasMadeSo(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 6))
		changed, plain := placement.NewFleet(), &naiveFleet{tasks: map[string][]placement.Task{}}
		forget := func(task string) {
			for id := range plain.tasks {
				plain.tasks[id] = slices.DeleteFunc(plain.tasks[id], func(t placement.Task) bool { return t.ID == task })
			}
		}
		for range 60 {
			id := r.IntN(7)
			name := fmt.Sprintf("instance-%02d", id)
			at := slices.IndexFunc(plain.instances, func(i placement.Instance) bool { return i.ID == name })
			switch r.IntN(6) {
			case 0, 1:
				i := randomInstance(r, id)
				i.Registered.GPUs = nil
				changed.PutInstance(i)
				if at < 0 {
					plain.instances = append(plain.instances, i)
				} else {
					plain.instances[at] = i
				}
			case 2:
				if changed.RemoveInstance(name) != (at >= 0) {
					t.Fatalf("seed %d: removing %s", seed, name)
				}
				if at >= 0 {
					plain.instances = slices.Delete(plain.instances, at, at+1)
					delete(plain.tasks, name)
				}
			case 3:
				task := fmt.Sprintf("task-%03d", r.IntN(20))
				changed.RemoveTask(task)
				forget(task)
			default:
				task := randomTask(r, r.IntN(20))
				task.GPUs = nil
				if err := changed.PutTask(name, task); (err == nil) != (at >= 0) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if at >= 0 {
					forget(task.ID)
					plain.tasks[name] = append(plain.tasks[name], task)
				}
			}
		}
		if changed.Len() != len(plain.instances) {
			t.Fatalf("seed %d: %d instances, want %d", seed, changed.Len(), len(plain.instances))
		}
		made := plain.fleet()
		for range 5 {
			request := randomRequest(r)
			a, errA := placement.Place(changed, &request.Request, nil)
			b, errB := placement.Place(made, &request.Request, nil)
			if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: %+v, and made anew %+v", seed, a, b)
			}
		}
		checkRemaining(t, seed, plain, changed)
	}
}

func put(t testing.TB, f *placement.Fleet, task placement.Task, instance string) {
	t.Helper()
	if err := f.PutTask(instance, task); err != nil {
		t.Fatal(err)
	}
}
