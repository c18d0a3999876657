package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

// bench is a database with queues on a clock of the test.
type bench struct {
	db meta.DB
	*Queues
	mu  sync.Mutex
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{db: testdb.New(t).Open(t), now: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)}
	b.Queues = New(Options{DB: b.db, Now: b.time, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond})
	return b
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) order(t *testing.T, key, document string) {
	t.Helper()
	err := b.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		return meta.AddJob(t.Context(), q, meta.Job{Queue: "q", Key: key, Document: document, DueAt: b.time().UnixMilli(), CreatedAt: b.time().UnixMilli()})
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Wake("q")
}

func (b *bench) waiting(t *testing.T) int {
	t.Helper()
	n, err := meta.WaitingJobs(t.Context(), b.db.Reader(), "q", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start works the queue off until the test ends or stop is called.
func (b *bench) start(t *testing.T, w Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, "q", w) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// ledger notes which documents were done how often.
type ledger struct {
	sync.Mutex
	done map[string]int
}

func (l *ledger) add(document string) {
	l.Lock()
	defer l.Unlock()
	if l.done == nil {
		l.done = map[string]int{}
	}
	l.done[document]++
}

func (l *ledger) of(document string) int {
	l.Lock()
	defer l.Unlock()
	return l.done[document]
}

func TestJobsAreDoneOnceAndThenGone(t *testing.T) {
	b := newBench(t)
	var did ledger
	for i := range 20 {
		b.order(t, fmt.Sprint("key", i), fmt.Sprint("doc", i))
	}
	b.start(t, Worker{AtOnce: 4, Do: func(_ context.Context, j Job) error { did.add(j.Document); return nil }})
	eventually(t, "no job waits", func() bool { return b.waiting(t) == 0 })
	for i := range 20 {
		if n := did.of(fmt.Sprint("doc", i)); n != 1 {
			t.Errorf("doc%d was done %d times", i, n)
		}
	}
}

func TestAJobThatFailsIsTriedAgainAfterAWhile(t *testing.T) {
	b := newBench(t)
	var did ledger
	b.order(t, "k", "d")
	b.start(t, Worker{Do: func(_ context.Context, j Job) error {
		did.add(fmt.Sprint(j.Attempts))
		if j.Attempts < 2 {
			return errors.New("not yet")
		}
		return nil
	}})
	eventually(t, "the first attempt", func() bool { return did.of("0") == 1 })
	time.Sleep(50 * time.Millisecond)
	if did.of("1") != 0 {
		t.Error("it was tried again at once")
	}
	eventually(t, "it is done", func() bool { b.pass(time.Second); return b.waiting(t) == 0 })
	if did.of("0") != 1 || did.of("1") != 1 || did.of("2") != 1 {
		t.Errorf("attempts: %v", did.done)
	}
}

func TestAJobThatIsHopelessOrPanicsIsTriedNoMore(t *testing.T) {
	for name, do := range map[string]func(context.Context, Job) error{
		"hopeless": func(context.Context, Job) error { return fmt.Errorf("look: %w", GiveUp(errors.New("no such image"))) },
		"panics":   func(context.Context, Job) error { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.order(t, "k", "d")
			b.start(t, Worker{Do: do})
			eventually(t, "no job waits", func() bool { return b.waiting(t) == 0 })
		})
	}
}

func TestWhatIsOrderedAgainWhileItIsDoneIsDoneAgain(t *testing.T) {
	b := newBench(t)
	var did ledger
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.order(t, "k", "old")
	b.start(t, Worker{AtOnce: 2, Do: func(_ context.Context, j Job) error {
		if j.Document == "old" {
			close(begun)
			<-goOn
		}
		did.add(j.Document)
		return nil
	}})
	<-begun
	b.order(t, "k", "new")
	time.Sleep(30 * time.Millisecond)
	if did.of("new") != 0 {
		t.Error("one key was worked at twice at the same time")
	}
	close(goOn)
	eventually(t, "no job waits", func() bool { return b.waiting(t) == 0 })
	if did.of("old") != 1 || did.of("new") != 1 {
		t.Errorf("done: %v", did.done)
	}
}

func TestAJobThatWasBrokenOffIsDoneByTheNextRun(t *testing.T) {
	b := newBench(t)
	begun := make(chan struct{})
	b.order(t, "k", "d")
	stop := b.start(t, Worker{Do: func(ctx context.Context, _ Job) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}})
	<-begun
	stop()
	if n := b.waiting(t); n != 1 {
		t.Fatalf("%d jobs wait, not 1", n)
	}
	var did ledger
	b.start(t, Worker{Do: func(_ context.Context, j Job) error { did.add(fmt.Sprint(j.Document, j.Attempts)); return nil }})
	eventually(t, "it is done", func() bool { return did.of("d0") == 1 })
}

func TestASlowJobDoesNotHoldUpOthers(t *testing.T) {
	b := newBench(t)
	var did ledger
	release := make(chan struct{})
	b.order(t, "a-slow", "slow")
	b.start(t, Worker{AtOnce: 2, Do: func(_ context.Context, j Job) error {
		if j.Document == "slow" {
			<-release
		}
		did.add(j.Document)
		return nil
	}})
	for i := range 10 {
		b.order(t, fmt.Sprint("quick", i), "quick")
	}
	eventually(t, "the quick ones are done", func() bool { return did.of("quick") == 10 })
	close(release)
}
