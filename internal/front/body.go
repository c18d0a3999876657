package front

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// bodyStall is how long a client may pause in the midst of a body. A body as
	// a whole may take any time.
	bodyStall = 3 * time.Minute
	// bodyCheck is how often at most the deadline is moved.
	bodyCheck = 15 * time.Second
)

// body counts what is read of a request's body and gives up on clients that have
// stopped sending.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	now     func() time.Time
	renew   time.Time
	// n is atomic because storage may read on a goroutine of its own.
	n atomic.Int64
}

// watch replaces r's body; nil when it has none.
func watch(w http.ResponseWriter, r *http.Request, now func() time.Time) *body {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &body{ReadCloser: r.Body, control: http.NewResponseController(w), now: now}
	r.Body = b
	return b
}

func (b *body) Read(p []byte) (int, error) {
	// Before the read and not after it: the time that the reader spent elsewhere
	// since is not the client's.
	if now := b.now(); now.After(b.renew) {
		b.deadline(now.Add(bodyStall))
		b.renew = now.Add(bodyCheck)
	}
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if err != nil {
		// Past the end of the body net/http keeps reading, to notice a client
		// that leaves; this must not look like one.
		b.deadline(time.Time{})
	}
	return n, err
}

func (b *body) deadline(t time.Time) {
	// Not every ResponseWriter has one, and then there is nothing to be done.
	_ = b.control.SetReadDeadline(t)
}
