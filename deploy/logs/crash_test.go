package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"drydock/storage/meta"
	"drydock/storage/meta/testdb"
)

var errDied = errors.New("the process has died here")

// fate lets a number of steps pass; from then on everything fails, as for a process
// that is dead. The step at which it happens is carried out, or not.
type fate struct {
	left  int
	after bool
}

// step runs one.
func (f *fate) step(do func() error) error {
	f.left--
	switch {
	case f.left > 0:
		return do()
	case f.left == 0 && f.after:
		_ = do()
	}
	return errDied
}

type mortalDB struct {
	meta.DB
	fate *fate
}

func (d mortalDB) Write(ctx context.Context, durability meta.Durability, fn func(meta.Querier) error) error {
	return d.fate.step(func() error { return d.DB.Write(ctx, durability, fn) })
}

type mortalFiles struct {
	Files
	fate *fate
}

func (d mortalFiles) PutContent(ctx context.Context, path string, content []byte) error {
	return d.fate.step(func() error { return d.Files.PutContent(ctx, path, content) })
}

func (d mortalFiles) Delete(ctx context.Context, path string) error {
	return d.fate.step(func() error { return d.Files.Delete(ctx, path) })
}

// The process dies at each step of putting events away and of deleting them. The next
// one finds every event that was acknowledged, each once, and leaves no file behind.
func TestNoEventIsLostOrDoubledWhereverTheProcessDies(t *testing.T) {
	stride := 1
	if testdb.OnPostgres() {
		stride = 5 // schemas are slow to make
	}
	for _, after := range []bool{false, true} {
		for left := 1; ; left += stride {
			if !dies(t, left, after) {
				if left < 8 {
					t.Errorf("there were only %d steps to die at", left-1)
				}
				break
			}
		}
	}
}

func dies(t *testing.T, left int, after bool) (died bool) {
	s, p := newStore(t)
	ctx := t.Context()
	check(t, s.CreateStream(ctx, here, "/ecs/web", "web/app/2"))
	check(t, s.CreateGroup(ctx, Group{Scope: here, Name: "gone"}, nothing))
	check(t, s.CreateStream(ctx, here, "gone", "x"))
	large := strings.Repeat("x", enoughRaw)
	_, err := s.Put(ctx, here, "gone", "x", []Event{{At: p.clock.millis(), Message: large}})
	check(t, err)
	check(t, s.Tidy(ctx))
	check(t, s.DeleteGroup(ctx, here, "gone", nothing))
	var want []string
	for i := range enoughRows {
		want = append(want, put(t, s, "web/app/1", p.clock.millis(), fmt.Sprint("small ", i))...)
		p.clock.pass(time.Second)
	}
	want = append(want, put(t, s, "web/app/2", p.clock.millis(), large, "end")...)

	f := &fate{left, after}
	mortal := p.open(t, func(o *Options) { o.DB, o.Files = mortalDB{o.DB, f}, mortalFiles{o.Files, f} })
	err = mortal.Tidy(ctx)
	died = f.left <= 0
	if died != errors.Is(err, errDied) || !died && err != nil {
		t.Fatalf("step %d: %v", left, err)
	}
	next := p.open(t, nil)
	same(t, messages(t, next, Query{}), want)
	check(t, next.Tidy(ctx))
	p.clock.pass(2 * time.Hour)
	check(t, next.Tidy(ctx))
	same(t, messages(t, next, Query{}), want)
	if files := p.files(t); len(files) != 1 {
		t.Errorf("step %d, %v: the files are %v", left, after, files)
	}
	check(t, next.DeleteGroup(ctx, here, "/ecs/web", nothing))
	check(t, next.Tidy(ctx))
	if files := p.files(t); len(files) != 0 {
		t.Errorf("step %d, %v: the files are %v", left, after, files)
	}
	return died
}

// A server that was slow does not record a file that another has given up.
func TestAFileThatWasGivenUpIsNotRecorded(t *testing.T) {
	s, p := newStore(t)
	want := put(t, s, "web/app/1", p.clock.millis(), strings.Repeat("x", enoughRaw))
	slow := p.open(t, func(o *Options) {
		o.Files = eager{o.Files, func() {
			p.clock.pass(2 * time.Hour)
			check(t, s.removeFiles(t.Context()))
		}}
	})
	if err := slow.Tidy(t.Context()); err == nil || !strings.Contains(err.Error(), "abandoned") {
		t.Error(err)
	}
	same(t, messages(t, s, Query{}), want)
}

// Two servers may be at it for a moment: one of them then does it in vain.
func TestWhatTwoServersPutAwayIsThereOnce(t *testing.T) {
	s, p := newStore(t)
	want := put(t, s, "web/app/1", p.clock.millis(), strings.Repeat("x", enoughRaw), "end")
	other := p.open(t, func(o *Options) {
		o.Files = eager{o.Files, func() {
			want = append(want, put(t, s, "web/app/1", p.clock.millis()+10, "meanwhile")...)
			check(t, s.Tidy(t.Context()))
		}}
	})
	if err := other.Tidy(t.Context()); !errors.Is(err, errMoved) {
		t.Error(err)
	}
	same(t, messages(t, s, Query{}), want)
}

// eager does something before a file is written.
type eager struct {
	Files
	before func()
}

func (f eager) PutContent(ctx context.Context, path string, content []byte) error {
	f.before()
	return f.Files.PutContent(ctx, path, content)
}

// What is damaged is told, not passed over.
func TestDamageIsAnError(t *testing.T) {
	s, p := newStore(t)
	put(t, s, "web/app/1", p.clock.millis(), "one", "two")
	check(t, p.db.Write(t.Context(), meta.Durable, func(q meta.Querier) error {
		return exec(t.Context(), q, `UPDATE log_chunk SET content = $1`, []byte("nonsense"))
	}))
	_, err := s.Read(t.Context(), Query{Scope: here, Group: "/ecs/web", To: End, Limit: 1, Bytes: 1})
	if !errors.Is(err, errDamaged) {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	s := &Store{}
	blocks, err := s.pack([]Event{{At: 5, IngestedAt: 6, Message: "hello"}, {At: 7, IngestedAt: 6, Message: "you", Position: Position{Seq: 1}}}, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blocks[0].content, int64(blocks[0].raw), true)
	f.Add([]byte{0, 0, 0, 3, 'a'}, int64(5), false)
	f.Fuzz(func(t *testing.T, content []byte, raw int64, packed bool) {
		if !packed {
			var err error
			raw = int64(len(content))
			if content, err = s.compress(content); err != nil {
				t.Fatal(err)
			}
		}
		size := 0
		err := s.unpack(content, raw, 1, 0, func(e Event) { size += len(e.Message) })
		if int64(size) > max(raw, 0) {
			t.Errorf("%d bytes of messages in %d, %v", size, raw, err)
		}
	})
}

// Writers go on while chunks are put together and moved under the eyes of a reader,
// who misses nothing.
func TestReadersAndWritersDoNotNoticeThatChunksMove(t *testing.T) {
	s, p := newStore(t)
	const streams, batches = 3, 40
	var writers sync.WaitGroup
	begin := p.clock.millis()
	for i := range streams {
		name := fmt.Sprint("writer/", i)
		check(t, s.CreateStream(t.Context(), here, "/ecs/web", name))
		writers.Go(func() {
			for n := range batches {
				_, err := s.Put(t.Context(), here, "/ecs/web", name, []Event{
					{At: begin + int64(n), Message: fmt.Sprint(n, " ", strings.Repeat("x", 20_000))}, {At: begin + int64(n), Message: fmt.Sprint(n, "b")},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	var tidy sync.WaitGroup
	tidy.Go(func() {
		for ctx.Err() == nil {
			if err := s.Tidy(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	written := make(chan struct{})
	go func() { writers.Wait(); close(written) }()
	for last := false; !last; {
		select {
		case <-written:
			last = true
		default:
		}
		for i := range streams {
			list := messages(t, s, Query{Streams: []string{fmt.Sprint("writer/", i)}, Limit: 7})
			for k, m := range list {
				if want := []string{fmt.Sprint(k/2, " "), fmt.Sprint(k/2, "b")}[k%2]; !strings.HasPrefix(m, want) {
					t.Fatalf("event %d begins with %.10q, not %q", k, m, want)
				}
			}
			if last && len(list) != 2*batches {
				t.Errorf("stream %d has %d events", i, len(list))
			}
		}
	}
	stop()
	tidy.Wait()
	check(t, s.Tidy(t.Context()))
	for i := range streams {
		if n := len(messages(t, s, Query{Streams: []string{fmt.Sprint("writer/", i)}})); n != 2*batches {
			t.Errorf("stream %d has %d events in the end", i, n)
		}
	}
	if len(p.files(t)) == 0 {
		t.Error("nothing was moved")
	}
}
