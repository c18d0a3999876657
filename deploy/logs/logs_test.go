package logs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/storage/blob/disk"
	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var here = Scope{"123456789012", "eu-west-1"}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) millis() int64 { return c.Now().UnixMilli() }

// place is a database and a folder, over which stores can be opened one after another.
type place struct {
	db     meta.DB
	folder string
	clock  *clock
}

func newPlace(t testing.TB) *place {
	t.Helper()
	return &place{testdb.New(t).Open(t), t.TempDir(), newClock()}
}

func (p *place) open(t testing.TB, change func(*Options)) *Store {
	t.Helper()
	files, err := disk.New(p.folder)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{DB: p.db, Files: files, Now: p.clock.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files are the files there are.
func (p *place) files(t testing.TB) (names []string) {
	t.Helper()
	err := filepath.WalkDir(p.folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func nothing(meta.Querier) error { return nil }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) (*Store, *place) {
	t.Helper()
	p := newPlace(t)
	s := p.open(t, nil)
	check(t, s.CreateGroup(t.Context(), Group{Scope: here, Name: "/ecs/web", Class: "STANDARD"}, nothing))
	check(t, s.CreateStream(t.Context(), here, "/ecs/web", "web/app/1"))
	return s, p
}

// put puts messages, one a millisecond, and returns them.
func put(t testing.TB, s *Store, stream string, at int64, messages ...string) []string {
	t.Helper()
	events := make([]Event, len(messages))
	for i, m := range messages {
		events[i] = Event{At: at + int64(i), Message: m}
	}
	_, err := s.Put(t.Context(), here, "/ecs/web", stream, events)
	check(t, err)
	return messages
}

// messages are those of the group, all pages of them.
func messages(t testing.TB, s *Store, q Query) (list []string) {
	t.Helper()
	q.Scope, q.Group = here, "/ecs/web"
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Bytes == 0 {
		q.Bytes = 1 << 20
	}
	if q.To == (Position{}) {
		q.To = End
	}
	for {
		page, err := s.Read(t.Context(), q)
		check(t, err)
		for _, e := range page.Events {
			list = append(list, e.Message)
		}
		if !page.More {
			return list
		}
		if q.Backward {
			q.To = page.Next
		} else {
			q.From = page.Next
		}
	}
}

func same(t testing.TB, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %.300q, want %.300q", got, want)
	}
}

func TestNamesThatAreUnknownOrTakenAreTold(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	var unknown *UnknownError
	var exists *ExistsError
	if err := s.CreateGroup(ctx, Group{Scope: here, Name: "/ecs/web"}, nothing); !errors.As(err, &exists) || exists.Stream != "" {
		t.Error(err)
	}
	if err := s.CreateStream(ctx, here, "/ecs/web", "web/app/1"); !errors.As(err, &exists) || exists.Stream == "" {
		t.Error(err)
	}
	other := Scope{here.Account, "eu-west-2"}
	for what, err := range map[string]error{
		"a stream of no group":      s.CreateStream(ctx, here, "/ecs/none", "x"),
		"a group of another region": s.DeleteGroup(ctx, other, "/ecs/web", nothing),
		"retention of no group":     s.SetRetention(ctx, here, "/ecs/none", 1),
		"a tag of no group":         s.WithGroup(ctx, here, "/ecs/none", nothing),
	} {
		if !errors.As(err, &unknown) || unknown.Stream != "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, putting := s.Put(ctx, here, "/ecs/web", "none", []Event{{At: 1, Message: "x"}})
	_, reading := s.Read(ctx, Query{Scope: here, Group: "/ecs/web", Streams: []string{"none"}, To: End, Limit: 1, Bytes: 1})
	for what, err := range map[string]error{"deleting": s.DeleteStream(ctx, here, "/ecs/web", "none"), "putting": putting, "reading": reading} {
		if !errors.As(err, &unknown) || unknown.Stream != "none" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEventsOutsideOfTheTimeThatIsTakenAreLeftOut(t *testing.T) {
	s, p := newStore(t)
	now := p.clock.millis()
	events := func(times ...int64) (list []Event) {
		for _, v := range times {
			list = append(list, Event{At: now + v, Message: fmt.Sprint(v)})
		}
		return list
	}
	for _, c := range []struct {
		retention int
		events    []Event
		want      Refused
	}{
		{0, events(-oldest-1, -oldest, 0, newest, newest+1), Refused{TooOld: 1, TooNew: 4}},
		{7, events(-oldest-1, -7*day-1, -7*day, 1), Refused{Expired: 2, TooNew: 4}},
		{0, events(-oldest-2, -oldest-1), Refused{TooOld: 2, TooNew: 2}},
		{0, events(newest + 1), Refused{TooNew: 0}},
		{30, events(-8*day, 5), Refused{TooNew: 2}},
	} {
		check(t, s.SetRetention(t.Context(), here, "/ecs/web", c.retention))
		got, err := s.Put(t.Context(), here, "/ecs/web", "web/app/1", c.events)
		if err != nil || got != c.want {
			t.Errorf("%d days: %+v, %v; want %+v", c.retention, got, err, c.want)
		}
	}
	check(t, s.SetRetention(t.Context(), here, "/ecs/web", 0))
	same(t, messages(t, s, Query{}), strings.Fields(fmt.Sprint(-oldest, -8*int64(day), -7*int64(day), 0, 1, 5, newest)))
}

func TestRetentionHidesAtOnceAndDeletesInTheBackground(t *testing.T) {
	s, p := newStore(t)
	large := strings.Repeat("x", enoughRaw)
	put(t, s, "web/app/1", p.clock.millis(), large, "old")
	check(t, s.Tidy(t.Context()))
	if n := len(p.files(t)); n != 1 {
		t.Fatalf("%d files", n)
	}
	p.clock.pass(25 * time.Hour)
	put(t, s, "web/app/1", p.clock.millis(), "new")
	check(t, s.SetRetention(t.Context(), here, "/ecs/web", 1))
	same(t, messages(t, s, Query{}), []string{"new"})
	check(t, s.Tidy(t.Context()))
	if f := p.files(t); len(f) != 0 {
		t.Errorf("%v is still there", f)
	}
	check(t, s.SetRetention(t.Context(), here, "/ecs/web", 0))
	same(t, messages(t, s, Query{}), []string{"new"})
	g, err := s.Group(t.Context(), here, "/ecs/web")
	if err != nil || g.Stored == 0 || g.Stored > 100 {
		t.Errorf("%d bytes are stored, %v", g.Stored, err)
	}
}

func TestWhatIsDeletedIsGoneWithItsFiles(t *testing.T) {
	s, p := newStore(t)
	ctx := t.Context()
	check(t, s.CreateStream(ctx, here, "/ecs/web", "web/app/2"))
	large := strings.Repeat("x", enoughRaw)
	put(t, s, "web/app/1", p.clock.millis(), large, "one")
	put(t, s, "web/app/2", p.clock.millis()+10, large, "two")
	check(t, s.Tidy(ctx))
	put(t, s, "web/app/1", p.clock.millis()+20, "three")
	check(t, s.DeleteStream(ctx, here, "/ecs/web", "web/app/1"))
	same(t, messages(t, s, Query{}), []string{large, "two"})
	check(t, s.Tidy(ctx))
	same(t, messages(t, s, Query{}), []string{large, "two"})
	check(t, s.DeleteGroup(ctx, here, "/ecs/web", nothing))
	check(t, s.CreateGroup(ctx, Group{Scope: here, Name: "/ecs/web"}, nothing))
	same(t, messages(t, s, Query{}), nil)
	check(t, s.Tidy(ctx))
	if f := p.files(t); len(f) != 0 {
		t.Errorf("%v is still there", f)
	}
	for _, table := range []string{"log_chunk", "log_file", "log_gone", "log_stream"} {
		if n, err := one(p.db.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table), number); err != nil || n != 0 {
			t.Errorf("%s has %d rows, %v", table, n, err)
		}
	}
}

func TestManySmallRowsBecomeFewAndOldOnesAFile(t *testing.T) {
	s, p := newStore(t)
	var want []string
	for i := range enoughRows {
		want = append(want, put(t, s, "web/app/1", p.clock.millis(), fmt.Sprint("line ", i))...)
		p.clock.pass(5 * time.Second)
	}
	rows := func() int64 {
		n, err := one(p.db.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM log_chunk WHERE file_id = 0`), number)
		check(t, err)
		return n
	}
	check(t, s.Tidy(t.Context()))
	if n := rows(); n != 1 || len(p.files(t)) != 0 {
		t.Errorf("%d rows, %v", n, p.files(t))
	}
	same(t, messages(t, s, Query{}), want)
	p.clock.pass(25 * time.Hour)
	check(t, s.Tidy(t.Context()))
	if n := rows(); n != 0 || len(p.files(t)) != 1 {
		t.Errorf("%d rows, %v", n, p.files(t))
	}
	same(t, messages(t, s, Query{}), want)
	same(t, messages(t, p.open(t, nil), Query{}), want)
}

func TestEventsAreRefusedWhileTooManyWait(t *testing.T) {
	s, p := newStore(t)
	s.most = 100
	put(t, s, "web/app/1", p.clock.millis(), rand.Text(), rand.Text(), rand.Text(), rand.Text(), rand.Text())
	_, err := s.Put(t.Context(), here, "/ecs/web", "web/app/1", []Event{{At: p.clock.millis(), Message: "x"}})
	if !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	s.most = mostWaiting
	put(t, s, "web/app/1", p.clock.millis(), "y")
}

func TestRunEndsWithItsContextAndIsWoken(t *testing.T) {
	s, p := newStore(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	put(t, s, "web/app/1", p.clock.millis(), strings.Repeat("x", enoughRaw))
	s.hurry()
	for len(p.files(t)) == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	check(t, <-ended)
}
