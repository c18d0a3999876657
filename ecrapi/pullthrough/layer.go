package pullthrough

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

const (
	// silence is how long an upstream may send nothing of a layer.
	silence = time.Minute
	// patience is how long the storing of a layer waits for the one who is given it
	// meanwhile. Then it goes on without.
	patience = 30 * time.Second
	// lookEvery is how often it is looked whether a layer is still to be fetched.
	lookEvery = 2 * time.Second
)

type layerKey struct {
	ref    storage.Ref
	digest digest.Digest
}

// flight is a layer on its way here. Who asked for it first is given its pieces as
// they come, all others wait until it is stored.
type flight struct {
	// begun is closed when size is known, done when the layer is stored or err says
	// why not.
	begun, done chan struct{}
	size        int64
	err         error
	pieces      chan []byte
	// left is closed by who is given the pieces, when it wants no more.
	left    chan struct{}
	leave   sync.Once
	dropped atomic.Bool
}

// Layer fetches a blob that is missing here, and the reason why it is. The body
// yields it while it is being stored, and its last bytes once it is; it is nil where
// it is stored now. With whole it always is. Errors: as Manifest.
func (c *Cache) Layer(ctx context.Context, ref storage.Ref, d digest.Digest, whole bool, missing error, allow func(action string) error) (body io.ReadCloser, size int64, err error) {
	rule, err := c.admit(ctx, ref, missing, allow)
	if err != nil {
		return nil, 0, err
	}
	k := layerKey{ref, d}
	c.mu.Lock()
	f, shared := c.layers[k]
	if !shared {
		f = &flight{begun: make(chan struct{}), done: make(chan struct{}), left: make(chan struct{}), pieces: make(chan []byte, 1)}
		c.layers[k] = f
		go c.fly(context.WithoutCancel(ctx), k, f, rule)
	}
	c.mu.Unlock()
	if !shared && !whole {
		select {
		case <-f.begun:
			return &stream{f: f}, f.size, nil
		case <-f.done:
		case <-ctx.Done():
			f.gone()
			return nil, 0, ctx.Err()
		}
	} else if !shared {
		f.gone()
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	if isAbsent(f.err) {
		return nil, 0, missing
	}
	return nil, 0, f.err
}

// fly fetches a layer and stores it.
func (c *Cache) fly(ctx context.Context, k layerKey, f *flight, rule Rule) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.err = c.bring(ctx, cancel, k, f, rule)
	c.mu.Lock()
	delete(c.layers, k)
	c.mu.Unlock()
	close(f.done)
	close(f.pieces)
}

func (c *Cache) bring(ctx context.Context, cancel context.CancelCauseFunc, k layerKey, f *flight, rule Rule) error {
	// Who was just too late to share a flight finds what it brought.
	if _, err := c.o.Engine.StatBlob(ctx, k.ref, k.digest); err == nil {
		return nil
	}
	c.misses.Add(1)
	up, err := c.dial(ctx, k.ref.Scope, rule)
	if err != nil {
		return c.failed(ctx, k.ref, err)
	}
	body, size, err := up.layer(ctx, rule.upstreamName(k.ref.Name), k.digest)
	if err != nil {
		return c.failed(ctx, k.ref, err)
	}
	defer body.Close()
	u, err := c.o.Engine.StartUpload(ctx, k.ref)
	if err != nil {
		return err
	}
	if size >= 0 {
		f.size = size
		close(f.begun)
	}
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("it sent nothing for %s", silence)) })
	defer quiet.Stop()
	stop := c.watch(ctx, cancel)
	defer stop()
	_, err = c.o.Engine.FinishUpload(ctx, k.ref, u.ID, 0, &tee{body, f, quiet}, k.digest)
	if err == nil {
		return nil
	}
	// One that has the wrong digest is gone already.
	if e := c.o.Engine.CancelUpload(context.WithoutCancel(ctx), k.ref, u.ID); e != nil {
		c.o.Log.DebugContext(ctx, "an upload stays until it expires", "upload", u.ID, "error", e)
	}
	var frozen *storage.FrozenError
	if errors.As(context.Cause(ctx), &frozen) {
		return frozen
	}
	var broken *storage.UploadTruncatedError
	var wrong *storage.DigestMismatchError
	if errors.As(err, &broken) || errors.As(err, &wrong) || ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return c.failed(ctx, k.ref, &storage.UpstreamError{Host: up.url.Host, Cause: fmt.Errorf("layer %s: %w", k.digest, err)})
	}
	return err
}

// watch ends a flight when upstream registries are not to be asked any more.
func (c *Cache) watch(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if frozen, err := c.Frozen(ctx); err == nil && frozen {
					cancel(&storage.FrozenError{Missing: errors.New("the layer is not here")})
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

// tee gives what is read of a layer to who asked for it first.
type tee struct {
	io.Reader
	f     *flight
	quiet *time.Timer
}

// Read implements io.Reader.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.quiet.Stop()
	if n > 0 {
		t.f.give(p[:n])
	}
	if err == nil {
		t.quiet.Reset(silence)
	}
	return n, err
}

// give hands a piece on, unless nobody takes it.
func (f *flight) give(p []byte) {
	select {
	case <-f.left:
		return
	default:
	}
	piece := append([]byte(nil), p...)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case f.pieces <- piece:
	case <-f.left:
	case <-late.C:
		f.dropped.Store(true)
		f.gone()
	}
}

func (f *flight) gone() { f.leave.Do(func() { close(f.left) }) }

// stream yields a layer on its way, and its last piece when it is stored.
type stream struct {
	f         *flight
	now, held []byte
	end       error
}

var errSlow = errors.New("the layer was taken too slowly")

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.now) == 0 {
		if s.end != nil {
			return 0, s.end
		}
		piece, more := <-s.f.pieces
		if more {
			s.now, s.held = s.held, piece
			continue
		}
		<-s.f.done
		switch {
		case s.f.err != nil:
			return 0, s.f.err
		case s.f.dropped.Load():
			return 0, errSlow
		}
		s.now, s.held, s.end = s.held, nil, io.EOF
	}
	n := copy(p, s.now)
	s.now = s.now[n:]
	return n, nil
}

// Close implements io.Closer. The layer is stored all the same.
func (s *stream) Close() error {
	s.f.gone()
	return nil
}
