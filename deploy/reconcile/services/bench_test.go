package services

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"drydock/deploy/machine"
	"drydock/deploy/record"
)

// used is how much of a processor this process has used so far.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle has a thousand services of one task each run on one machine, and
// measures how much of a core their scheduler and the machine's reconciler use while
// nothing happens. ECS's purpose here is under 2 %.
func BenchmarkIdle(b *testing.B) {
	const services = 1000
	l := newLab(b, 1, nil)
	for n := range services {
		name := fmt.Sprintf("s%04d", n)
		if _, err := l.api.CreateService(l.ctx, &ecs.CreateServiceInput{ServiceName: &name, TaskDefinition: to("web"), DesiredCount: to(int32(1))}); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	stop := l.start()
	defer stop()
	busy := func() bool {
		counts, err := record.CountTasks(b.Context(), l.db.Reader(), scope, "default")
		if err != nil {
			b.Fatal(err)
		}
		due, err := record.DueServices(b.Context(), l.db.Reader(), l.now().Add(30*time.Minute).UnixMilli(), 1)
		if err != nil {
			b.Fatal(err)
		}
		return len(due) > 0 || counts[string(machine.Running)] < services
	}
	for busy() {
		if time.Since(began) > 5*time.Minute {
			b.Fatal("the services do not become steady")
		}
		l.sched.Wake()
		time.Sleep(10 * time.Millisecond)
		l.advance(100 * time.Millisecond)
	}
	took := time.Since(began)
	if v := l.describe("s0999"); v.RunningCount != 1 {
		b.Fatalf("%+v", v)
	}
	for b.Loop() {
		before := used(b)
		const while = 10 * time.Second
		time.Sleep(while)
		b.ReportMetric(100*float64(used(b)-before)/float64(while), "%-of-a-core")
	}
	b.ReportMetric(took.Seconds(), "s-until-steady")
}
