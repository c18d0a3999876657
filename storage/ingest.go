package storage

import (
	"hash"
	"io"
	"sync"
)

const (
	// pieceSize is how much is read, written and hashed at a time.
	pieceSize = 256 << 10
	// pieces is how many of them one upload has in flight, which bounds its
	// memory.
	pieces = 4
	// checkpointEvery is how many bytes an upload may lose when the server dies.
	checkpointEvery = 16 << 20
)

// buffers lends pieces. They are pointers so that lending allocates nothing.
var buffers = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// readError and writeError tell apart who broke off an ingest.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// ingest copies body to w and into h, and returns the number of bytes that
// reached both. checkpoint is called with that number from time to time, when h
// stands exactly there. A failing body gives a *readError, after all that came
// has been written.
//
// What fits one piece is hashed in place; of anything longer the hash runs
// beside the reading and writing.
func ingest(w io.Writer, h hash.Hash, body io.Reader, checkpoint func(n int64) error) (int64, error) {
	buf := buffers.Get().(*[pieceSize]byte)
	n, rerr := fill(body, buf[:])
	if rerr != nil {
		defer buffers.Put(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return 0, err
		}
		h.Write(buf[:n])
		return int64(n), end(rerr)
	}
	p := startHasher(h)
	defer p.stop()
	var total, noted int64
	for {
		if _, err := w.Write(buf[:n]); err != nil {
			buffers.Put(buf)
			return total, err
		}
		p.work <- piece{buf, n}
		total += int64(n)
		if rerr != nil {
			return total, end(rerr)
		}
		if total-noted >= checkpointEvery {
			noted = total
			p.settle()
			if err := checkpoint(total); err != nil {
				return total, err
			}
		}
		buf = <-p.free
		n, rerr = fill(body, buf[:])
	}
}

// fill reads until the buffer is full or the body ends or fails.
func fill(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = body.Read(buf[n:])
		n += m
	}
	return n, err
}

// end tells the end of a body from its failure.
func end(err error) error {
	if err == io.EOF {
		return nil
	}
	return &readError{err}
}

type piece struct {
	buf *[pieceSize]byte
	n   int
}

// hasher hashes pieces in order on a goroutine of its own.
type hasher struct {
	work chan piece
	free chan *[pieceSize]byte
	done chan struct{}
}

func startHasher(h hash.Hash) *hasher {
	p := &hasher{work: make(chan piece, pieces), free: make(chan *[pieceSize]byte, pieces), done: make(chan struct{})}
	for range pieces - 1 {
		p.free <- buffers.Get().(*[pieceSize]byte)
	}
	go func() {
		defer close(p.done)
		for w := range p.work {
			if w.buf != nil {
				h.Write(w.buf[:w.n])
			}
			p.free <- w.buf
		}
	}()
	return p
}

// settle waits until all that was handed over has been hashed, by taking every
// piece back.
func (p *hasher) settle() {
	var all [pieces]*[pieceSize]byte
	for i := range all {
		all[i] = <-p.free
	}
	for _, b := range all {
		p.free <- b
	}
}

func (p *hasher) stop() {
	close(p.work)
	<-p.done
	for {
		select {
		case b := <-p.free:
			buffers.Put(b)
		default:
			return
		}
	}
}
