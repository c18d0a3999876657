package awsapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// defaultMaxBody is the most bytes that a request's body may have, beside
	// what its blobs take. A manifest of 4 MiB inside JSON fits.
	defaultMaxBody = 8 << 20
	// defaultMaxBuffered is how many bytes of bodies are held at once.
	defaultMaxBuffered = 96 << 20
	// waitForRoom is how long a request waits for its share of them.
	waitForRoom = 10 * time.Second
	// A body must arrive at slowest at this many bytes a second, after a grace.
	slowest   = 256 << 10
	slowGrace = 30 * time.Second
)

// bodies reads request bodies, of which it bounds each and all together.
type bodies struct {
	max, held int64
	room      *semaphore.Weighted
}

// limit is the most bytes that the body of an operation may have; op may be nil.
func (b *bodies) limit(op *operation) int64 {
	if op == nil {
		return b.max
	}
	return b.max + int64(base64.StdEncoding.EncodedLen(int(op.blobs)))
}

// read reads a body of up to limit bytes. The body counts as held until release
// is called. Errors: *tooLargeError, errBusy, errGone.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), err error) {
	size := r.ContentLength
	if size > limit {
		return nil, nil, &tooLargeError{limit}
	}
	if size < 0 {
		size = limit + 1 // one more, to see that there is no more
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitForRoom)
	defer cancel()
	if err := b.room.Acquire(ctx, size); err != nil {
		if r.Context().Err() != nil {
			return nil, nil, errGone
		}
		return nil, nil, errBusy
	}
	release = func() { b.room.Release(size) }

	// A server that takes long pushes has no deadline for reading; here there
	// is one, so that nobody can sit on the room that others wait for. Where
	// the connection knows no deadlines there is none.
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(slowGrace + time.Duration(size/slowest)*time.Second))
	if r.ContentLength >= 0 {
		body = make([]byte, size)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(r.Body, size))
	}
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		release()
		return nil, nil, fmt.Errorf("%w: %w", errGone, err)
	case int64(len(body)) > limit:
		release()
		return nil, nil, &tooLargeError{limit}
	}
	return body, release, nil
}

// newBodies makes a reader of bodies; 0 stands for the usual bounds, in bytes.
func newBodies(max, buffered int64) (*bodies, error) {
	if max == 0 {
		max = defaultMaxBody
	}
	if buffered == 0 {
		buffered = defaultMaxBuffered
	}
	if max < 0 || buffered <= max {
		return nil, errors.New("the bytes that are held at once must be more than the bytes of one body")
	}
	return &bodies{max: max, held: buffered, room: semaphore.NewWeighted(buffered)}, nil
}
