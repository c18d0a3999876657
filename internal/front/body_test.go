package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// deadlines is a ResponseWriter that remembers which read deadlines were set.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestAClientThatStopsSendingIsGivenUp(t *testing.T) {
	now := time.Unix(1000, 0)
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequest("PATCH", "/", strings.NewReader("0123456789"))
	b := watch(w, r, func() time.Time { return now })
	p := make([]byte, 4)
	read := func() error {
		_, err := r.Body.Read(p)
		return err
	}
	read()                         // the first read sets a deadline
	read()                         // the next, at once, leaves it
	now = now.Add(2 * time.Minute) // while the reader was busy elsewhere
	read()                         // the client has its full time again
	want := []time.Time{time.Unix(1000, 0).Add(bodyStall), now.Add(bodyStall)}
	if len(w.set) != 2 || !w.set[0].Equal(want[0]) || !w.set[1].Equal(want[1]) {
		t.Errorf("set %v, want %v", w.set, want)
	}
	if err := read(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if last := w.set[len(w.set)-1]; !last.IsZero() {
		t.Errorf("the deadline %v outlives the body", last)
	}
	if n := b.n.Load(); n != 10 {
		t.Errorf("counted %d bytes", n)
	}
}

func TestARequestWithoutABodyIsLeftAlone(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if b := watch(httptest.NewRecorder(), r, time.Now); b != nil || r.Body != http.NoBody {
		t.Errorf("got %v, %v", b, r.Body)
	}
}
