package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"drydock/deploy/placement"
)

// bigFleet is 5,000 instances with 20 tasks each.
func bigFleet(b testing.TB) *placement.Fleet {
	r := rand.New(rand.NewPCG(1, 1))
	instances := make([]placement.Instance, 5000)
	for i := range instances {
		instances[i] = placement.Instance{
			ID: fmt.Sprintf("%032x", r.Uint64()), EC2InstanceID: fmt.Sprintf("i-%08x", i), Status: placement.StatusActive, AgentConnected: i%50 > 0,
			AgentVersion: "1.86.0", RegisteredAt: time.Date(2024, 1, 1, 0, i, 0, 0, time.UTC),
			Attributes: map[string]string{
				placement.ZoneAttribute: oneOf(r, "eu-west-1a", "eu-west-1b", "eu-west-1c"),
				"ecs.instance-type":     oneOf(r, "t3.large", "m5.xlarge", "m5.2xlarge", "c5.xlarge"),
				"ecs.os-type":           "linux", "ecs.cpu-architecture": oneOf(r, "x86_64", "arm64"),
				"ecs.ami-id": fmt.Sprintf("ami-%d", i%20), "rack": fmt.Sprint(i % 200), "serial": fmt.Sprint(i), "stack": "prod",
				"ecs.capability.execution-role-awslogs":               "",
				"ecs.capability.task-iam-role":                        "",
				"com.amazonaws.ecs.capability.docker-remote-api.1.19": "",
			},
			Registered: placement.Resources{CPU: 16384, Memory: 32768, Ports: []placement.Port{{Number: 22}, {Number: 2376}}},
		}
	}
	f := placement.NewFleet(instances...)
	for n, i := range instances {
		for k := range 20 {
			put(b, f, placement.Task{
				ID: fmt.Sprintf("%d-%d", n, k), Group: fmt.Sprintf("service:%d", r.IntN(2000)), CPU: int64(64 * (1 + r.IntN(12))),
				Memory: int64(128 * (1 + r.IntN(12))), Ports: []placement.Port{{Number: uint16(32768 + k)}},
			}, i.ID)
		}
	}
	return f
}

func BenchmarkFiveThousandInstances(b *testing.B) {
	f := bigFleet(b)
	zones, memory := wish{placement.Spread, "attribute:" + placement.ZoneAttribute}, wish{placement.Binpack, "memory"}
	request := func(count int, rules []rule, wishes ...wish) *placement.Request {
		q := &placement.Request{
			Group: "service:7", Count: count, CPU: 256, Memory: 512, Strategies: strategies(wishes),
			Attributes: []placement.RequiredAttribute{
				{Name: "ecs.capability.execution-role-awslogs", AnyValue: true}, {Name: "ecs.cpu-architecture", Value: "x86_64"},
			},
		}
		for _, c := range rules {
			q.Constraints = append(q.Constraints, constraint(c))
		}
		return q
	}
	rules := []rule{
		{kind: placement.DistinctInstance},
		{placement.MemberOf, "attribute:ecs.instance-type =~ m5.* and attribute:ecs.availability-zone != eu-west-1d"},
		{placement.MemberOf, "not (task:group == service:8) and runningTasksCount < 40 and agentVersion >= 1.50.0"},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, q := range map[string]*placement.Request{
		"one task, constraints, spread and binpack":      request(1, rules, zones, memory),
		"ten tasks, constraints, spread and binpack":     request(10, rules, zones, memory),
		"a thousand tasks, no constraints":               request(1000, nil, zones, memory),
		"one task, no constraints, zones and instances":  request(1, nil, zones, wish{placement.Spread, "instanceId"}),
		"one task, zones, racks and random":              request(1, nil, zones, wish{placement.Spread, "attribute:rack"}, wish{kind: placement.AtRandom}),
		"one task, a pattern of an attribute all unlike": request(1, []rule{{placement.MemberOf, "attribute:serial =~ '[0-9]*7'"}}, memory),
		"one task, any other group":                      request(1, []rule{{placement.MemberOf, "task:group != service:8"}}, memory),
		"one task that fits nowhere":                     request(1, append(rules, rule{placement.MemberOf, "attribute:stack == test"}), zones, memory),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := placement.Place(f, q, rnd); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*q.Count), "µs/task")
		})
	}
	b.Run("stop one task", func(b *testing.B) {
		for b.Loop() {
			if ids, err := placement.StopFirst(f, &placement.StopRequest{Group: "service:7", Count: 1}, rnd); err != nil || len(ids) == 0 {
				b.Fatal(ids, err)
			}
		}
	})
	b.Run("rebalance", func(b *testing.B) {
		q, s := request(1, nil, zones), &placement.StopRequest{Group: "service:7"}
		for b.Loop() {
			if _, _, err := placement.Rebalance(f, q, s, rnd); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("put and remove a task", func(b *testing.B) {
		id := ""
		for i := range f.Instances() {
			id = i.ID
			break
		}
		for b.Loop() {
			put(b, f, placement.Task{ID: "t", Group: "service:7", CPU: 1, Memory: 1}, id)
			f.RemoveTask("t")
		}
	})
}
