package storage

import (
	"context"
	"io"
	"time"
)

// rate keeps to a number of bytes in a second.
type rate struct {
	// limit is in bytes in a second, 0 for none.
	limit int64
	// free is when the next byte may be read.
	free time.Time
}

// wait waits until n more bytes are allowed to have been read.
func (r *rate) wait(ctx context.Context, n int) error {
	if r.limit <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(time.Duration(float64(n) / float64(r.limit) * float64(time.Second)))
	return pause(ctx, r.free.Sub(now))
}

// copy reads to the end of from, no faster than allowed.
func (r *rate) copy(ctx context.Context, to io.Writer, from io.Reader) (int64, error) {
	piece := buffers.Get().(*[pieceSize]byte)
	defer buffers.Put(piece)
	var all int64
	for {
		n, err := from.Read(piece[:])
		if n > 0 {
			all += int64(n)
			if _, err := to.Write(piece[:n]); err != nil {
				return all, err
			}
			if err := r.wait(ctx, n); err != nil {
				return all, err
			}
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// pause waits. Errors: that of ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
