package s3

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"drydock/storage/blob"
)

const (
	// parallel is how many parts of one file are under way at a time.
	parallel = 3
	// extraParts is how many of all files are, beside the first of each.
	extraParts = 32
)

var (
	errClosed    = errors.New("the writer is closed")
	errCommitted = errors.New("the writer is committed")
	errCancelled = errors.New("the writer is cancelled")
)

// writer implements blob.Writer.
//
// What was written is in two places: in what is stored, a whole object or the
// parts of a multipart upload, and in pending. Bytes go from pending into parts as
// soon as there are enough of them for a part and minPart more: so what is left at
// the end is no part that is too short for others to follow, unless all that came
// in one go is. Such a short part is stored, but its bytes stay in pending.
type writer struct {
	d *Driver
	// ctx is that of Begin or Resume: io.Writer has none.
	ctx context.Context
	// at is the path that was asked for. When exact, the object is to be there,
	// else below it under a name of its own.
	at    string
	exact bool
	size  int64

	// key is that of the multipart upload with this id, or, with no id, of the
	// object that holds the first whole bytes.
	key, id string
	whole   int64
	parts   []part
	summed  bool  // the parts carry checksums
	next    int32 // the number of the next part
	pending buffer
	// short is set when the last part is too short for others to follow.
	short bool
	// flushed is set when all that was written is stored.
	flushed bool
	// asleep is set while a resumed writer has not looked at what there is.
	asleep bool
	// tail is what a sleeping writer remembers.
	tail *buffer

	// superseded are objects that hold what has been stored again since; those
	// that also the last mark does not need are obsolete.
	superseded, obsolete []string

	slots chan struct{}
	busy  sync.WaitGroup
	mu    sync.Mutex // over sent and failure while parts are under way
	sent  []part
	fault error

	state error
}

// newWriter makes one that has written nothing.
func (d *Driver) newWriter(ctx context.Context, at string, exact bool) *writer {
	return &writer{d: d, ctx: ctx, at: at, exact: exact, next: 1, pending: buffer{pool: d.chunks}, slots: make(chan struct{}, parallel)}
}

// Begin implements blob.Driver.
func (d *Driver) Begin(ctx context.Context, p string) (blob.Writer, error) {
	if !plain(p) {
		return nil, badPath(p)
	}
	return d.newWriter(ctx, p, false), nil
}

// Writer implements driver.StorageDriver. Whoever appends starts from what the
// latest of those before has left.
func (d *Driver) Writer(ctx context.Context, p string, appending bool) (driver.FileWriter, error) {
	key, ok := d.key(p)
	if !ok || p == "/" {
		return nil, badPath(p)
	}
	w := d.newWriter(ctx, p, true)
	if appending {
		if err := w.find(key); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Size implements driver.FileWriter.
func (w *writer) Size() int64 { return w.size }

// Path implements blob.Writer.
func (w *writer) Path() string { return w.d.path(w.key) }

// newKey is where the next object or multipart upload goes.
func (w *writer) newKey() (string, error) {
	at := w.at
	if !w.exact {
		n, err := w.d.newName()
		if err != nil {
			return "", err
		}
		at = path.Join(at, n)
	}
	key, _ := w.d.key(at)
	return key, nil
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.state != nil {
		return 0, w.state
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.wake(); err != nil {
		return 0, w.broken(err)
	}
	if w.short {
		w.parts, w.short = w.parts[:len(w.parts)-1], false
	}
	w.flushed = false
	for written := 0; written < len(p); {
		n := partSize(len(w.parts))
		// No more than makes a part, so that a long p takes no long buffer.
		m := min(int64(len(p)-written), n+minPart-w.pending.size)
		w.pending.write(p[written : written+int(m)])
		written += int(m)
		w.size += m
		if w.pending.size < n+minPart {
			break
		}
		if err := w.dispatch(w.pending.cut(n)); err != nil {
			return written, w.broken(err)
		}
	}
	return len(p), nil
}

// broken makes an error final.
func (w *writer) broken(err error) error {
	w.busy.Wait()
	w.state = err
	return err
}

// open begins a multipart upload for what is not in one yet.
func (w *writer) open(summed bool) error {
	if w.id != "" {
		return nil
	}
	key, err := w.newKey()
	if err != nil {
		return err
	}
	id, err := w.d.begin(w.ctx, key, summed)
	if err != nil {
		return err
	}
	w.supersede()
	w.key, w.id, w.parts, w.summed, w.next = key, id, nil, summed, 1
	return nil
}

// supersede notes that the object that was put is not needed by what comes next.
func (w *writer) supersede() {
	if w.key != "" && !w.exact {
		w.superseded = append(w.superseded, w.key)
	}
}

// dispatch sends a part on its way, once there is room for it there.
func (w *writer) dispatch(b *buffer) error {
	if err := w.open(!w.d.o.NoChecksums); err != nil {
		b.release()
		return err
	}
	if w.next > maxParts {
		err := w.settle()
		if err == nil {
			err = w.rebase()
		}
		if err != nil {
			b.release()
			return err
		}
	}
	// The first part under way needs nobody's leave, so that no writer can keep
	// another from going on.
	w.slots <- struct{}{}
	extra := false
	for len(w.slots) > 1 && !extra {
		select {
		case w.d.extra <- struct{}{}:
			extra = true
		default:
			<-w.slots
			w.busy.Wait()
			w.slots <- struct{}{}
		}
	}
	i, number, key, id, summed := len(w.parts), w.next, w.key, w.id, w.summed
	w.parts = append(w.parts, part{number: number, size: b.size})
	w.next++
	w.busy.Go(func() {
		defer func() {
			b.release()
			if extra {
				<-w.d.extra
			}
			<-w.slots
		}()
		p, err := w.d.sendPart(w.ctx, key, id, number, b, summed)
		w.sentPart(i, p, err)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed()
}

// sentPart takes the outcome of a part that was under way.
func (w *writer) sentPart(i int, p part, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.fault = errors.Join(w.fault, err)
		return
	}
	for len(w.sent) <= i {
		w.sent = append(w.sent, part{})
	}
	w.sent[i] = p
}

// failed is the error of parts that were under way. A multipart upload that
// somebody has thrown away cannot go on.
func (w *writer) failed() error {
	if w.fault != nil && isMissing(w.fault) {
		return lost(w.at, w.fault)
	}
	return w.fault
}

// settle waits for the parts under way.
func (w *writer) settle() error {
	w.busy.Wait()
	for i, p := range w.sent {
		if p.number != 0 {
			w.parts[i] = p
		}
	}
	w.sent = w.sent[:0]
	return w.failed()
}

// Flush implements blob.Writer.
func (w *writer) Flush(ctx context.Context) (string, error) {
	if w.state != nil {
		return "", w.state
	}
	if err := w.store(); err != nil {
		return "", w.broken(err)
	}
	return w.mark(), nil
}

// store stores what is not stored yet. Nothing at all is not stored.
func (w *writer) store() error {
	if err := w.settle(); err != nil {
		return err
	}
	if w.asleep || w.flushed || w.size == 0 {
		return nil
	}
	if w.id == "" {
		if err := w.put(); err != nil {
			return err
		}
	} else if w.pending.size > 0 {
		p, err := w.d.sendPart(w.ctx, w.key, w.id, w.next, &w.pending, w.summed)
		if err != nil {
			if isMissing(err) {
				err = lost(w.at, err)
			}
			return err
		}
		w.parts = append(w.parts, p)
		w.next++
		if w.short = p.size < minPart; !w.short {
			w.pending.release()
		}
	}
	w.flushed = true
	w.obsolete = append(w.obsolete, w.superseded...)
	w.superseded = nil
	return nil
}

// put stores all, which is pending, as an object.
func (w *writer) put() error {
	key, err := w.newKey()
	if err != nil {
		return err
	}
	if err := w.d.put(w.ctx, key, &w.pending, false); err != nil {
		return err
	}
	w.supersede()
	w.key, w.whole = key, w.size
	return nil
}

// mark tells what is stored.
func (w *writer) mark() string {
	if w.size == 0 {
		return ""
	}
	m := mark{Name: path.Base(w.key), Size: w.size, ID: w.id}
	if w.id != "" {
		m.markParts(w.parts)
	}
	return m.String()
}

// Commit implements driver.FileWriter.
func (w *writer) Commit(context.Context) error {
	if w.state != nil {
		return w.state
	}
	if err := w.commit(); err != nil {
		return w.broken(err)
	}
	w.state = errCommitted
	return nil
}

func (w *writer) commit() error {
	if err := w.store(); err != nil {
		return err
	}
	switch {
	case w.id != "":
		if err := w.d.complete(w.ctx, w.key, w.id, w.parts); err != nil {
			if isLost(err) {
				err = lost(w.at, err)
			}
			return err
		}
		w.id, w.whole = "", w.size
	case w.key == "":
		// Nothing was written: that makes an empty file.
		return w.put()
	}
	return nil
}

// Tidy implements blob.Writer.
func (w *writer) Tidy(ctx context.Context) error {
	var errs []error
	for _, key := range w.obsolete {
		errs = append(errs, w.d.remove(ctx, key))
	}
	w.obsolete = nil
	return errors.Join(errs...)
}

// Cancel implements driver.FileWriter.
func (w *writer) Cancel(ctx context.Context) error {
	if errors.Is(w.state, errClosed) || errors.Is(w.state, errCancelled) {
		return w.state
	}
	w.busy.Wait()
	w.state = errCancelled
	w.pending.release()
	var errs []error
	if w.id != "" {
		errs = append(errs, w.d.abort(ctx, w.key, w.id))
	} else if w.key != "" {
		errs = append(errs, w.d.remove(ctx, w.key))
	}
	for _, key := range append(w.superseded, w.obsolete...) {
		errs = append(errs, w.d.remove(ctx, key))
	}
	return errors.Join(errs...)
}

// Close implements io.Closer. What was not flushed is lost, unless it is
// distribution's contract that is to be fulfilled.
func (w *writer) Close() error {
	if errors.Is(w.state, errClosed) {
		return w.state
	}
	var err error
	if w.exact && w.state == nil {
		err = w.store()
	}
	w.busy.Wait()
	if w.state == nil && err == nil && (w.flushed || w.asleep) && w.size > 0 {
		w.remember()
	}
	w.pending.release()
	w.state = errClosed
	if err != nil {
		return fmt.Errorf("close %s: %w", w.at, err)
	}
	return nil
}

// remember keeps what the next writer would else have to ask for.
func (w *writer) remember() {
	r := remembered{tail: w.tail}
	if w.id != "" {
		r.parts = w.parts
	}
	if !w.asleep && w.pending.size > 0 && w.pending.size < minPart {
		tail := w.pending
		w.pending = buffer{pool: w.d.chunks}
		r.tail = &tail
	}
	w.d.memory.keep(w.mark(), r)
}
