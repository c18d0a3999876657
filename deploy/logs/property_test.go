package logs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// remembered is an event that was acknowledged.
type remembered struct {
	stream  string
	at      int64
	message string
}

// world is a store beside a naive list of what is in it.
type world struct {
	t       *testing.T
	s       *Store
	p       *place
	r       *rand.Rand
	streams []string
	all     []remembered
	n       int
}

// put puts a batch somewhere, of any size, in the past or now.
func (w *world) put() {
	stream := w.streams[w.r.IntN(len(w.streams))]
	at := w.p.clock.millis() - int64(w.r.IntN(4)*w.r.IntN(2_000_000))
	apart := 3
	if w.r.IntN(3) == 0 { // many events of one time
		at, apart = at-at%600_000, 1
	}
	events := make([]Event, 1+w.r.IntN(20))
	length := 1 + w.r.IntN(40)
	if w.r.IntN(15) == 0 {
		length = 40_000
	}
	for i := range events {
		w.n++
		at += int64(w.r.IntN(apart) * w.r.IntN(1+w.r.IntN(3_000_000)))
		events[i] = Event{At: at, Message: fmt.Sprintf("%d %s", w.n, strings.Repeat("ab"[w.n%2:w.n%2+1], length))}
	}
	refused, err := w.s.Put(w.t.Context(), here, "/ecs/web", stream, slices.Clone(events))
	check(w.t, err)
	for _, e := range events[:refused.TooNew] {
		w.all = append(w.all, remembered{stream, e.At, e.Message})
	}
}

// read compares what is read, page by page, with the list.
func (w *world) read() {
	lo := w.p.clock.millis() - int64(w.r.IntN(50_000_000))
	q := Query{Scope: here, Group: "/ecs/web", From: at(lo), To: at(lo + int64(w.r.IntN(60_000_000))), Backward: w.r.IntN(2) == 0,
		Limit: 1 + w.r.IntN(900), Bytes: 1 + w.r.IntN(600_000)}
	if w.r.IntN(2) == 0 {
		q.From, q.To = Position{}, End
	}
	begin, end := q.From.At, q.To.At
	switch w.r.IntN(4) {
	case 0:
		q.Streams = []string{w.streams[0]}
	case 1:
		q.Streams = w.streams[:2]
	case 2:
		q.Prefix = "b/"
	}
	match := func(string) bool { return true }
	if w.r.IntN(3) == 0 {
		match = func(m string) bool { return strings.Contains(m, "7") }
		q.Match = match
	}
	var want []remembered
	for _, e := range w.all {
		if e.at < begin || e.at >= end || !match(e.message) || !strings.HasPrefix(e.stream, q.Prefix) || len(q.Streams) > 0 && !slices.Contains(q.Streams, e.stream) {
			continue
		}
		want = append(want, e)
	}
	// Between streams the order of one time is the store's.
	slices.SortStableFunc(want, func(a, b remembered) int { return int(min(max(a.at-b.at, -1), 1)) })
	var got []remembered
	var last Position
	for pages := 0; ; pages++ {
		page, err := w.s.Read(w.t.Context(), q)
		check(w.t, err)
		size := 0
		for i, e := range page.Events {
			if i > 0 || pages > 0 && len(got) > 0 {
				if q.Backward == last.Before(e.Position) {
					w.t.Fatalf("%v was read after %v", e.Position, last)
				}
			}
			last = e.Position
			size += len(e.Message)
			got = append(got, remembered{e.Stream, e.At, e.Message})
		}
		if len(page.Events) > q.Limit || size > q.Bytes && len(page.Events) > 1 {
			w.t.Fatalf("a page has %d events of %d bytes, more than %d of %d", len(page.Events), size, q.Limit, q.Bytes)
		}
		if !page.More {
			break
		}
		if q.Backward {
			q.To = page.Next
		} else {
			q.From = page.Next
		}
	}
	if q.Backward {
		slices.Reverse(got)
	}
	if len(got) != len(want) {
		w.t.Fatalf("read %d events, not %d, of %+v", len(got), len(want), q)
	}
	order := func(list []remembered, stream string) (texts []string) {
		for _, e := range list {
			if e.stream == stream {
				texts = append(texts, e.message)
			}
		}
		return texts
	}
	for _, stream := range w.streams {
		same(w.t, order(got, stream), order(want, stream))
	}
}

// Whatever is put, in whichever order, and whatever becomes of its chunks meanwhile:
// reading it page by page, forward or backward, finds each event once and in order.
func TestWhatIsReadIsWhatANaiveListHas(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, p := newStore(t)
			s.look = 1 + 4*int(seed)
			w := &world{t: t, s: s, p: p, r: rand.New(rand.NewPCG(seed, 1)), streams: []string{"a/1", "a/2", "b/1", "b/2"}}
			for _, stream := range w.streams {
				check(t, s.CreateStream(t.Context(), here, "/ecs/web", stream))
			}
			for range 150 {
				switch n := w.r.IntN(20); {
				case n < 12:
					w.put()
				case n < 16:
					w.read()
				case n < 17:
					check(t, s.Tidy(t.Context()))
				case n < 19:
					p.clock.pass(time.Duration(w.r.IntN(3_600_000)) * time.Millisecond)
				default:
					p.clock.pass(time.Duration(w.r.IntN(3)) * 12 * time.Hour)
				}
				if t.Failed() {
					return
				}
			}
			for range 20 {
				w.read()
			}
		})
	}
}

// A reader who goes on from where it was, again and again, sees what comes later, and
// nothing twice.
func TestReadingOnFromTheEndFindsWhatIsPutLater(t *testing.T) {
	s, p := newStore(t)
	q := Query{Scope: here, Group: "/ecs/web", Streams: []string{"web/app/1"}, To: End, Limit: 3, Bytes: 1 << 20}
	var got, want []string
	for i := range 60 {
		if i%3 == 0 {
			want = append(want, put(t, s, "web/app/1", p.clock.millis(), fmt.Sprint(i), fmt.Sprint(i, "b"))...)
		}
		if i%10 == 9 {
			check(t, s.Tidy(t.Context()))
		}
		page, err := s.Read(t.Context(), q)
		check(t, err)
		for _, e := range page.Events {
			got = append(got, e.Message)
		}
		q.From = page.Next
		p.clock.pass(time.Second)
	}
	same(t, got, want)
}
