package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"drydock/deploy/placement"
)

// What the property tests are fed with: small clusters in which much is equal,
// full or forbidden.

func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

var (
	someGroups  = []string{"service:web", "service:db", "family:job"}
	somePorts   = []placement.Port{{Number: 80}, {Number: 443}, {Number: 53, Protocol: placement.UDP}, {Number: 53}, {Number: 40000}}
	someMembers = []string{
		"attribute:ecs.instance-type =~ t2.*", "attribute:ecs.availability-zone in [a, b]",
		"not (task:group == service:db)", "task:group == service:db", "task:group != service:web",
		"runningTasksCount < 3", "runningTasksCount == 0 or task:group in [service:web]", "attribute:rack exists",
		"attribute:rack != 1", "agentVersion >= 1.10.0", "registeredAt < 2020-01-02", "agentConnected == true",
		"ec2InstanceId !~ i-1.*", "task:group not_exists", "attribute:nothing not_exists", "task:group =~ 'service:.*'",
	}
	someWishes = []wish{
		{placement.Spread, "instanceId"}, {placement.Spread, "host"}, {placement.Spread, "attribute:ecs.availability-zone"},
		{placement.Spread, "attribute:rack"}, {placement.Binpack, "cpu"}, {placement.Binpack, "memory"},
	}
)

func randomInstance(r *rand.Rand, id int) placement.Instance {
	i := placement.Instance{
		ID:               fmt.Sprintf("instance-%02d", id),
		ARN:              fmt.Sprintf("arn:aws:ecs:eu-west-1:1234567890:container-instance/c/instance-%02d", id),
		EC2InstanceID:    fmt.Sprintf("i-%d", id),
		Status:           oneOf(r, "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "DRAINING"),
		AgentConnected:   r.IntN(8) > 0,
		AgentVersion:     oneOf(r, "1.9.0", "1.10.0", "1.86.1", ""),
		RegisteredAt:     time.Date(2020, 1, 1+r.IntN(3), 0, 0, 0, 0, time.UTC),
		CapacityProvider: oneOf(r, "", "spot"),
		Attributes: map[string]string{
			"ecs.availability-zone": oneOf(r, "a", "b", "c"), "ecs.instance-type": oneOf(r, "t2.small", "m5.large"),
		},
		Registered: placement.Resources{
			CPU: oneOf[int64](r, 512, 1024, 2048), Memory: oneOf[int64](r, 500, 1000, 2000),
			Ports: []placement.Port{{Number: 22}, {Number: 2376}},
		},
	}
	if r.IntN(2) == 0 {
		i.Attributes["rack"] = oneOf(r, "1", "2", "")
	}
	if r.IntN(3) == 0 {
		i.Registered.GPUs = []string{"gpu-0", "gpu-1", "gpu-2"}[:1+r.IntN(3)]
	}
	return i
}

func randomTask(r *rand.Rand, id int) placement.Task {
	t := placement.Task{
		ID: fmt.Sprintf("task-%03d", id), Group: oneOf(r, someGroups...), Deployment: oneOf(r, "old", "new"),
		CPU: oneOf[int64](r, 0, 128, 256), Memory: oneOf[int64](r, 100, 200), Stopping: r.IntN(6) == 0,
	}
	if r.IntN(4) == 0 {
		t.Ports = []placement.Port{oneOf(r, somePorts...)}
	}
	if r.IntN(8) == 0 {
		t.GPUs = []string{oneOf(r, "gpu-0", "gpu-1")}
	}
	return t
}

func randomFleet(r *rand.Rand) *naiveFleet {
	f := &naiveFleet{tasks: map[string][]placement.Task{}}
	for id := range 1 + r.IntN(9) {
		i := randomInstance(r, id)
		f.instances = append(f.instances, i)
		for range r.IntN(5) {
			t := randomTask(r, id*10+len(f.tasks[i.ID]))
			// A GPU that is not there, or held twice, is no state of a cluster.
			_, _, _, free := f.left(i)
			t.GPUs = slices.DeleteFunc(t.GPUs, func(g string) bool { return !slices.Contains(free, g) })
			f.tasks[i.ID] = append(f.tasks[i.ID], t)
		}
	}
	r.Shuffle(len(f.instances), func(i, j int) { f.instances[i], f.instances[j] = f.instances[j], f.instances[i] })
	return f
}

func randomWishes(r *rand.Rand) []wish {
	var w []wish
	for range r.IntN(4) {
		w = append(w, oneOf(r, someWishes...))
	}
	return w
}

func randomRequest(r *rand.Rand) *naiveRequest {
	q := &naiveRequest{wishes: randomWishes(r)}
	q.Group, q.Count = oneOf(r, someGroups...), r.IntN(9)
	q.CPU, q.Memory = oneOf[int64](r, 0, 128, 512), oneOf[int64](r, 0, 100, 400)
	if r.IntN(4) == 0 {
		q.Ports = slices.Clone(somePorts[:1+r.IntN(len(somePorts)-1)])
	}
	if r.IntN(6) == 0 {
		q.GPUs = 1 + r.IntN(2)
	}
	if r.IntN(5) == 0 {
		q.Attributes = []placement.RequiredAttribute{
			{Name: "rack", Value: oneOf(r, "1", "2", "9"), AnyValue: r.IntN(2) == 0},
		}
	}
	if r.IntN(6) == 0 {
		q.CapacityProvider = oneOf(r, "spot", "none")
	}
	for range r.IntN(3) {
		q.rules = append(q.rules, rule{placement.MemberOf, oneOf(r, someMembers...)})
	}
	if r.IntN(4) == 0 {
		q.rules = append(q.rules, rule{kind: placement.DistinctInstance})
	}
	for _, c := range q.rules {
		q.Constraints = append(q.Constraints, constraint(c))
	}
	q.Strategies = strategies(q.wishes)
	return q
}

func constraint(c rule) placement.Constraint {
	made, err := placement.NewConstraint(c.kind, c.expression)
	if err != nil {
		panic(err)
	}
	return made
}

func strategies(wishes []wish) []placement.Strategy {
	var all []placement.Strategy
	for _, w := range wishes {
		s, err := placement.NewStrategy(w.kind, w.field)
		if err != nil {
			panic(err)
		}
		all = append(all, s)
	}
	return all
}
