package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"drydock/deploy/launch"
	"drydock/deploy/machine"
	"drydock/deploy/machine/simulated"
	"drydock/deploy/record"
	"drydock/deploy/taskdefinition"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var (
	start = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	home  = Home{record.Scope{Account: "123456789012", Region: "eu-west-1"}, "default"}
)

// lab is a database with one machine, whose clock the test moves.
type lab struct {
	t       *testing.T
	db      meta.DB
	machine *watchful
	clock   atomic.Int64
	ids     atomic.Int64
}

// watchful counts how often a task was started that was not there.
type watchful struct {
	*simulated.Machine
	mu      sync.Mutex
	started map[string]int
}

func (w *watchful) Start(ctx context.Context, t machine.Task) error {
	states, err := w.Tasks(ctx)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.ARN == t.ARN {
			return w.Machine.Start(ctx, t)
		}
	}
	w.mu.Lock()
	w.started[t.ARN]++
	w.mu.Unlock()
	return w.Machine.Start(ctx, t)
}

func newLab(t *testing.T, fate func(machine.Task) simulated.Fortune) *lab {
	l := &lab{t: t, db: testdb.New(t).Open(t)}
	d := machine.Description{ID: "m", CPU: 4096, Memory: 4096, Attributes: map[string]string{"ecs.os-type": "linux"}}
	l.machine = &watchful{Machine: simulated.New(d, start, fate), started: map[string]int{}}
	l.clock.Store(start.UnixNano())
	return l
}

func (l *lab) now() time.Time { return time.Unix(0, l.clock.Load()).UTC() }

func (l *lab) advance(d time.Duration) {
	l.machine.Advance(time.Unix(0, l.clock.Add(int64(d))).UTC())
}

func (l *lab) id() (string, error) { return fmt.Sprintf("%032x", l.ids.Add(1)), nil }

// begin runs a reconciler; stop ends it, as a server that is killed: at any moment.
func (l *lab) begin() (r *Reconciler, stop func()) {
	l.t.Helper()
	r, err := New(Options{DB: l.db, Open: func(context.Context) (machine.Machine, error) { return l.machine, nil }, Home: home, Now: l.now, NewID: l.id, Log: slog.New(slog.DiscardHandler), Woken: func() {}})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = r.Run(ctx); close(done) }()
	return r, func() { cancel(); <-done }
}

// run records a task that is to run on the machine, once that has registered.
func (l *lab) run() string {
	l.t.Helper()
	memory, name, image, family := int32(64), "app", "app:1", "web"
	d, err := taskdefinition.New(&ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: []types.ContainerDefinition{{
		Name: &name, Image: &image, Memory: &memory, PortMappings: []types.PortMapping{{ContainerPort: &memory}},
	}}})
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := launch.Prepare(launch.Request{Scope: home.Scope, Cluster: home.Cluster, Definition: *d, LaunchType: types.LaunchTypeEc2})
	if err != nil {
		l.t.Fatal(err)
	}
	id, _ := l.id()
	on := l.instance()
	if err := l.db.Write(l.t.Context(), meta.Durable, func(q meta.Querier) error {
		return record.AddTask(l.t.Context(), q, p.Task(id, on, l.now()))
	}); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lab) instance() (i record.Instance) {
	l.t.Helper()
	l.eventually("the machine registers", func() bool {
		var err error
		i, err = record.InstanceOf(l.t.Context(), l.db.Reader(), "m")
		return err == nil && i.Detail.Shown.AgentConnected
	})
	return i
}

func (l *lab) task(id string) record.Task {
	l.t.Helper()
	t, err := record.FindTask(l.t.Context(), l.db.Reader(), home.Scope, home.Cluster, id)
	if err != nil {
		l.t.Fatal(err)
	}
	return t
}

func (l *lab) stop(id string) {
	l.t.Helper()
	if err := l.db.Write(l.t.Context(), meta.Durable, func(q meta.Querier) error {
		t, err := record.FindTask(l.t.Context(), q, home.Scope, home.Cluster, id)
		if err != nil || !launch.Stop(&t, machine.UserInitiated, "enough", l.now()) {
			return err
		}
		return record.UpdateTask(l.t.Context(), q, t)
	}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

func (l *lab) becomes(id string, s machine.Status) {
	l.t.Helper()
	l.eventually("the task is "+string(s), func() bool { return l.task(id).Status == string(s) })
}

func TestATaskRunsAndStops(t *testing.T) {
	l := newLab(t, func(machine.Task) simulated.Fortune { return simulated.Fortune{Pull: time.Second, Stop: time.Second} })
	r, end := l.begin()
	defer end()
	id := l.run()
	r.Wake()
	l.eventually("the machine has it", func() bool { s, _ := l.machine.Tasks(t.Context()); return len(s) == 1 })
	l.advance(2 * time.Second)
	l.becomes(id, machine.Running)
	v := l.task(id).Detail.Shown
	if v.StartedAt == nil || v.PullStoppedAt == nil || len(v.Containers[0].NetworkBindings) != 1 || *v.Containers[0].NetworkBindings[0].HostPort < 32768 {
		t.Errorf("%+v", v)
	}
	l.stop(id)
	r.Wake()
	l.becomes(id, machine.Stopping)
	l.advance(2 * time.Second)
	l.becomes(id, machine.Stopped)
	if v = l.task(id).Detail.Shown; *v.StoppedReason != "enough" || v.StopCode != "UserInitiated" {
		t.Errorf("%+v", v)
	}
	l.advance(2 * time.Hour)
	l.eventually("it is forgotten", func() bool {
		r.Wake()
		s, _ := l.machine.Tasks(t.Context())
		_, err := record.FindTask(t.Context(), l.db.Reader(), home.Scope, home.Cluster, id)
		return len(s) == 0 && err != nil
	})
}

func TestWhatHappenedMeanwhileIsFoundOut(t *testing.T) {
	l := newLab(t, nil)
	_, end := l.begin()
	died, lives, unwanted := l.run(), l.run(), l.run()
	for _, id := range []string{died, lives, unwanted} {
		l.becomes(id, machine.Running)
	}
	end()
	l.machine.Kill(l.task(died).Detail.Spec.ARN)
	l.stop(unwanted)
	stranger := machine.Task{ARN: "arn:aws:ecs:eu-west-1:123456789012:task/default/ffffffffffffffffffffffffffffffff"}
	if err := l.machine.Machine.Start(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	_, end = l.begin()
	defer end()
	l.becomes(died, machine.Stopped)
	l.becomes(unwanted, machine.Stopped)
	l.eventually("nothing unowned runs", func() bool {
		states, _ := l.machine.Tasks(t.Context())
		for _, s := range states {
			if s.ARN == stranger.ARN && s.Status != machine.Stopped {
				return false
			}
		}
		return true
	})
	if got := l.task(lives); got.Status != string(machine.Running) {
		t.Errorf("%+v", got)
	}
}

func TestAMachineThatIsAwayIsSaidToBe(t *testing.T) {
	l := newLab(t, nil)
	_, end := l.begin()
	defer end()
	l.instance()
	l.machine.Away(true)
	l.eventually("it is disconnected", func() bool {
		i, err := record.InstanceOf(t.Context(), l.db.Reader(), "m")
		return err == nil && !i.Detail.Shown.AgentConnected
	})
	id := l.runWhileAway(t)
	l.machine.Away(false)
	l.becomes(id, machine.Running)
}

// runWhileAway records a task for a machine that is away.
func (l *lab) runWhileAway(t *testing.T) string {
	t.Helper()
	i, err := record.InstanceOf(t.Context(), l.db.Reader(), "m")
	if err != nil {
		t.Fatal(err)
	}
	i.Detail.Shown.AgentConnected = true
	if err := l.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error { return record.UpdateInstance(t.Context(), q, i) }); err != nil {
		t.Fatal(err)
	}
	return l.run()
}

// TestNothingIsStartedTwiceHoweverOftenTheServerDies kills the reconciler at random
// moments while tasks come and go.
func TestNothingIsStartedTwiceHoweverOftenTheServerDies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	l := newLab(t, func(machine.Task) simulated.Fortune {
		return simulated.Fortune{Pull: time.Second, Start: time.Second, Stop: 2 * time.Second}
	})
	_, end := l.begin()
	var ids []string
	for range 30 {
		ids = append(ids, l.run())
		if random.IntN(2) == 0 {
			l.stop(ids[random.IntN(len(ids))])
		}
		l.advance(time.Duration(random.IntN(3)) * time.Second)
		time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
		end()
		_, end = l.begin()
	}
	defer func() { end() }()
	l.eventually("all is as it should be", func() bool {
		l.advance(time.Second)
		states, err := l.machine.Tasks(t.Context())
		if err != nil {
			return false
		}
		on := map[string]machine.Status{}
		for _, s := range states {
			on[s.ARN] = s.Status
		}
		for _, id := range ids {
			v := l.task(id)
			s, there := on[v.Detail.Spec.ARN]
			if v.Status != v.Desired || there && string(s) != v.Status || !there && v.Status != "STOPPED" {
				return false
			}
		}
		return true
	})
	for arn, n := range l.machine.started {
		if n > 1 {
			t.Errorf("%s was started %d times", arn, n)
		}
	}
}
