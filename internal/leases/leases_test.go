package leases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

const work = "work"

// line is a server's line to the database, which may be cut.
type line struct {
	meta.DB
	state atomic.Int32
}

const (
	up int32 = iota
	down
	silent // nothing is refused, and nothing answered
)

func (*line) Revision() (uint64, bool) { return 0, false }

func (l *line) Reader() meta.Querier {
	if l.state.Load() == up {
		return l.DB.Reader()
	}
	return nobody{l.DB.Reader()}
}

func (l *line) Write(ctx context.Context, d meta.Durability, fn func(meta.Querier) error) error {
	switch l.state.Load() {
	case down:
		return meta.ErrUnavailable
	case silent:
		<-ctx.Done()
		return ctx.Err()
	}
	return l.DB.Write(ctx, d, fn)
}

// nobody answers no question.
type nobody struct{ meta.Querier }

func (n nobody) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return n.Querier.QueryRowContext(ctx, query, args...)
}

// server is one that does the work when it has the lease.
type server struct {
	name    string
	leases  *Leases
	line    *line
	working atomic.Bool
	runs    atomic.Int32
	stop    func()
}

type fleet struct {
	t    *testing.T
	open func() meta.DB
	n    int
	// busy counts those at work.
	busy atomic.Int32
}

func newFleet(t *testing.T) *fleet {
	d := testdb.New(t)
	f := &fleet{t: t, open: func() meta.DB { return d.Open(t) }}
	if !testdb.OnPostgres() {
		one := d.Open(t)
		f.open = func() meta.DB { return one }
	}
	return f
}

// start starts a server.
func (f *fleet) start() *server { return f.with(nil) }

// with starts a server whose work may also end for reasons of its own.
func (f *fleet) with(end <-chan error) *server {
	f.t.Helper()
	f.n++
	s := &server{name: fmt.Sprint("server ", f.n), line: &line{DB: f.open()}}
	l, err := New(Options{DB: s.line, Holder: s.name, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.t.Fatal(err)
	}
	s.leases = l
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Run(ctx, work, func(ctx context.Context) error {
			if f.busy.Add(1) > 1 {
				f.t.Errorf("%s began to work beside another one", s.name)
			}
			s.runs.Add(1)
			s.working.Store(true)
			defer f.busy.Add(-1)
			defer s.working.Store(false)
			select {
			case <-ctx.Done():
				return nil
			case err := <-end:
				return err
			}
		})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(s.stop)
	return s
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (f *fleet) expect(working *server, others ...*server) {
	f.t.Helper()
	synctest.Wait()
	for _, s := range append(others, working) {
		if s == nil {
			continue
		}
		if got := s.working.Load(); got != (s == working) {
			f.t.Errorf("%s works: %v", s.name, got)
		}
		if got := s.leases.Held()[work]; got != (s == working) {
			f.t.Errorf("%s says that it has the lease: %v", s.name, got)
		}
	}
}

func TestOneServerWorksAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.start()
		settle(time.Second)
		b, c := f.start(), f.start()
		settle(time.Hour)
		f.expect(a, b, c)
		if n := a.runs.Load(); n != 1 {
			t.Errorf("it was run %d times", n)
		}
	})
}

func TestAServerThatStopsIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.start()
		settle(time.Second)
		b := f.start()
		settle(time.Minute)
		a.stop()
		settle(UsualTTL / 5)
		f.expect(b)
		a.leases.mu.Lock()
		defer a.leases.mu.Unlock()
		if len(a.leases.held) != 0 {
			t.Error("who has stopped still tells of a lease")
		}
	})
}

func TestAServerWithoutTheDatabaseStopsBeforeAnotherBegins(t *testing.T) {
	for _, how := range []int32{down, silent} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t)
			a := f.start()
			settle(time.Second)
			b := f.start()
			settle(time.Minute)
			a.line.state.Store(how)
			settle(UsualTTL/3 - time.Second)
			f.expect(a, b)
			settle(UsualTTL/3 + 2*time.Second)
			f.expect(nil, a, b)
			settle(UsualTTL)
			f.expect(b, a)
			a.line.state.Store(up)
			settle(time.Minute)
			f.expect(b, a)
		})
	}
}

func TestAServerThatIsBackInTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.start()
		settle(time.Minute)
		a.line.state.Store(down)
		settle(UsualTTL / 3)
		a.line.state.Store(up)
		settle(time.Minute)
		f.expect(a)
		if n := a.runs.Load(); n != 1 {
			t.Errorf("it was run %d times", n)
		}
		// When it comes back later, and nobody else was there, it goes on too.
		a.line.state.Store(silent)
		settle(time.Hour)
		f.expect(nil, a)
		a.line.state.Store(up)
		settle(UsualTTL)
		f.expect(a)
	})
}

func TestALeaseThatWasTakenIsGivenUpAtTheNextBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.start()
		settle(time.Minute)
		err := a.line.DB.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
			found, err := meta.FindLease(t.Context(), q, work)
			if err != nil {
				return err
			}
			if _, err := meta.TakeLease(t.Context(), q, found, "a thief", 60_000); err != nil {
				return err
			}
			ok, err := meta.TakeLease(t.Context(), q, found, "who comes second", 60_000)
			if ok {
				t.Error("it was taken twice")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		settle(UsualTTL / 5)
		f.expect(nil, a)
		// The thief's own promise counts, not that of those who wait.
		settle(50 * time.Second)
		f.expect(nil, a)
		settle(15 * time.Second)
		f.expect(a)
	})
}

func TestWorkThatFailsIsTriedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		end := make(chan error)
		a := f.with(end)
		settle(time.Second)
		b := f.start()
		settle(time.Minute)
		end <- errors.New("failed")
		settle(UsualTTL / 5)
		f.expect(b, a)
		b.stop()
		settle(2 * UsualTTL)
		f.expect(a)
	})
}

func TestANameIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFleet(t).start()
		settle(time.Second)
		if err := a.leases.Run(t.Context(), work, nil); err == nil {
			t.Error("nothing was said")
		}
	})
}

// TestNeverTwo is the law of it: servers lose the database and find it again, die
// and start, at random, and there are never two at work; and where one could work,
// one does.
func TestNeverTwo(t *testing.T) {
	seeds := uint64(8)
	if testdb.OnPostgres() {
		seeds = 2
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 9))
			f := newFleet(t)
			fleet := []*server{f.start(), f.start(), f.start()}
			for range 120 {
				time.Sleep(time.Duration(random.Int64N(int64(UsualTTL))))
				i := random.IntN(len(fleet))
				switch random.IntN(5) {
				case 0:
					fleet[i].line.state.Store(down)
				case 1:
					fleet[i].line.state.Store(silent)
				case 2:
					fleet[i].line.state.Store(up)
				case 3:
					fleet[i].stop()
					fleet[i] = f.start()
				}
				if f.busy.Load() > 1 {
					t.Fatalf("seed %d: two at work", seed)
				}
			}
			for _, s := range fleet {
				s.line.state.Store(up)
			}
			settle(2 * UsualTTL)
			if f.busy.Load() != 1 {
				t.Errorf("seed %d: nobody works", seed)
			}
		})
	}
}

func TestAServerAloneHasEveryLeaseAndWritesNothing(t *testing.T) {
	db := testdb.SQLite(t).Open(t)
	l, err := New(Options{DB: db, Holder: "alone", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = l.Run(ctx, work, func(ctx context.Context) error {
		if !l.Held()[work] {
			t.Error("it says that it has no lease")
		}
		cancel()
		return ctx.Err()
	})
	if err != nil {
		t.Error(err)
	}
	if n, ok := db.Revision(); n != 0 || !ok {
		t.Errorf("%d writes", n)
	}
}
