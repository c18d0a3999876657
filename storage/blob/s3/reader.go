package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"drydock/storage/blob"
)

// stallTime is how long an answer may not go on before it is given up and asked for
// anew, from where it stands.
const stallTime = 30 * time.Second

// enough is how many bytes an answer has to bring to be of use.
const enough = 1 << 20

// Open implements blob.Driver.
func (d *Driver) Open(ctx context.Context, p string, size int64) (io.ReadSeekCloser, error) {
	key, err := d.file(p)
	if err != nil {
		return nil, err
	}
	return &reader{d: d, ctx: ctx, path: p, key: key, size: size}, nil
}

// reader reads an object of known size, each stretch of it in one request. An
// answer that breaks off is taken up again where it did; the end is told only where
// all has been read.
type reader struct {
	d         *Driver
	ctx       context.Context
	path, key string
	size      int64
	at        int64 // where Read goes on

	body   io.ReadCloser // nil while nothing is asked for
	stands int64         // where body does
	tap    *tap          // of body, where its bytes may be passed on unseen
	cancel context.CancelFunc
	watch  *time.Timer
	from   int64 // where body began
	until  int64 // and where it ends
	etag   string
	// failures are those since the last stretch of enough was read.
	failures int
}

var _ blob.Fetcher = (*reader)(nil)

// Seek implements io.Seeker. It asks for nothing, and gives up nothing: before it
// reads, http.ServeContent seeks to the end and back.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("the offset lies before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Fetch implements blob.Fetcher.
func (r *reader) Fetch(offset, n int64) error {
	if offset < 0 || n < 1 || n > r.size-offset {
		return fmt.Errorf("bytes %d to %d of %s were asked for, which has %d", offset, offset+n, r.path, r.size)
	}
	r.drop()
	r.at = offset
	return r.insist(func() error { return r.ask(offset + n) })
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, _, err := r.read(p, nil)
	return n, err
}

// Send implements blob.Fetcher.
func (r *reader) Send(w io.Writer, n int64) (int64, error) {
	to, _ := w.(io.ReaderFrom)
	room := r.d.windows.Get().(*window)
	defer r.d.windows.Put(room)
	var sent int64
	for sent < n {
		piece := room[:min(windowSize, n-sent)]
		if to == nil || r.tap == nil {
			piece = piece[:min(chunkSize, n-sent)]
		}
		m, passed, err := r.read(piece, to)
		if !passed && m > 0 {
			if m, writeErr := w.Write(piece[:m]); writeErr != nil {
				return sent + int64(m), writeErr
			}
		}
		sent += int64(m)
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return sent, err
		}
	}
	return sent, nil
}

// read reads into p, or passes on to to, where there is one and it can be done, at
// most as many bytes as p has room for.
func (r *reader) read(p []byte, to io.ReaderFrom) (n int, passed bool, err error) {
	if r.at >= r.size {
		return 0, false, io.EOF
	}
	if len(p) == 0 {
		return 0, false, nil
	}
	if r.stands != r.at {
		r.drop()
	}
	err = r.insist(func() (err error) {
		if r.body == nil {
			if err := r.ask(r.size); err != nil {
				return err
			}
		}
		n, passed, err = r.next(p, to)
		return err
	})
	r.at += int64(n)
	r.stands = r.at
	return n, passed, err
}

// insist tries again what failed and may not fail the next time. Failures count
// until enough has come to show that to go on is of use.
func (r *reader) insist(try func() error) error {
	for {
		if r.failures > 0 && r.body == nil {
			select {
			case <-r.ctx.Done():
				return r.ctx.Err()
			case <-time.After(delay(r.failures-1, r.d.o.Patience, r.d.o.Random)):
			}
		}
		err := try()
		if err == nil {
			return nil
		}
		r.drop()
		r.failures++
		switch {
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		case isMissing(err):
			return gone(r.path)
		case isFinal(err):
			return failed("read", r.key, err)
		case r.failures >= attempts:
			return failed("read", r.key, fmt.Errorf("%w: %w", blob.ErrUnavailable, err))
		}
	}
}

// isFinal reports whether to ask again is of no use: the request is wrong, or it
// has been tried often enough.
func isFinal(err error) bool {
	var other *otherError
	var exhausted *retry.MaxAttemptsError
	return errors.As(err, &other) || errors.As(err, &exhausted) || status(err) != 0
}

// otherError says that an object is not what it was taken for.
type otherError struct{ reason string }

func (e *otherError) Error() string { return e.reason }

// ask requests the bytes from at until the end given.
func (r *reader) ask(until int64) error {
	ctx, cancel := context.WithCancel(r.ctx)
	watch := time.AfterFunc(r.d.o.stall, cancel)
	in := &s3.GetObjectInput{Bucket: &r.d.o.Bucket, Key: &r.key}
	whole := r.at == 0 && until == r.size
	if !whole {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.at, until-1))
	}
	if r.etag != "" {
		in.IfMatch = &r.etag
	}
	var tap *tap
	out, err := r.d.client.GetObject(findTap(ctx, &tap), in)
	if err != nil {
		watch.Stop()
		cancel()
		switch status(err) {
		case http.StatusRequestedRangeNotSatisfiable:
			return &otherError{"it is shorter than what is known of it"}
		case http.StatusPreconditionFailed:
			return &otherError{"it has changed meanwhile"}
		}
		return err
	}
	watch.Stop()
	r.body, r.cancel, r.watch, r.from, r.stands, r.until = out.Body, cancel, watch, r.at, r.at, until
	if got := aws.ToInt64(out.ContentLength); got != until-r.at {
		return &otherError{fmt.Sprintf("it answers with %d bytes where %d were expected", got, until-r.at)}
	}
	r.etag = aws.ToString(out.ETag)
	// What has a checksum is to be looked at.
	if checked, ok := s3.GetChecksumValidationMetadata(out.ResultMetadata); !ok || len(checked.AlgorithmsUsed) == 0 {
		r.tap = tap
	}
	return nil
}

// next reads from the answer. Its last bytes are given out only when it has ended
// in order: until then a checksum that does not match may still be found.
func (r *reader) next(p []byte, to io.ReaderFrom) (n int, passed bool, err error) {
	if left := r.until - r.at; int64(len(p)) > left {
		p = p[:left]
	}
	if r.tap != nil && to != nil && r.at+int64(len(p)) < r.until {
		n, passed, err = r.tap.pass(r.body, p, to, r.d.o.stall)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = r.stalled()
		}
	} else {
		r.watch.Reset(r.d.o.stall)
		n, err = r.body.Read(p)
	}
	if r.at+int64(n) == r.until && err == nil {
		var more [1]byte
		var m int
		if m, err = io.ReadFull(r.body, more[:]); m > 0 {
			err = &otherError{"it answers with more bytes than it said"}
		}
	}
	r.watch.Stop()
	if r.at+int64(n)-r.from >= enough {
		r.failures = 0
	}
	all := r.at+int64(n) == r.until
	switch {
	case err == nil:
		return n, passed, nil
	case err == io.EOF && all:
		r.drop()
		return n, passed, nil
	case errors.Is(err, syscall.EPIPE):
		// It is the one who was sent to who has gone.
		return n, passed, &otherError{err.Error()}
	case all:
		// To read the end again would not tell what was wrong with the rest.
		return 0, false, &otherError{"its bytes are not those that were stored: " + err.Error()}
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	if r.ctx.Err() == nil && errors.Is(err, context.Canceled) {
		err = r.stalled()
	}
	if n == 0 {
		return 0, passed, err
	}
	// What came is good; the rest is asked for by the next Read.
	r.drop()
	r.failures++
	return n, passed, nil
}

func (r *reader) stalled() error { return fmt.Errorf("no byte came for %v", r.d.o.stall) }

// drop gives up the answer, if there is one.
func (r *reader) drop() {
	if r.body == nil {
		return
	}
	r.watch.Stop()
	r.cancel()
	r.body.Close()
	r.body, r.tap, r.cancel, r.watch = nil, nil, nil, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.drop()
	return nil
}
