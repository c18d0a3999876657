package storage

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// noise yields bytes that differ from place to place, so that pieces written in
// the wrong order are found.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// failingWriter takes limit bytes.
type failingWriter struct {
	bytes.Buffer
	limit int
}

var errNoRoom = errors.New("no room")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.Len()+len(p) > w.limit {
		n, _ := w.Buffer.Write(p[:w.limit-w.Len()])
		return n, errNoRoom
	}
	return w.Buffer.Write(p)
}

// sizes are those at which ingest changes its ways.
var sizes = []int{
	0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 2 * pieceSize, pieces * pieceSize, pieces*pieceSize + 1,
	checkpointEvery - 1, checkpointEvery, checkpointEvery + 1, checkpointEvery + pieceSize, 2*checkpointEvery + 5,
}

func TestIngestCopiesAndHashesEveryByteInOrder(t *testing.T) {
	all := noise(slices.Max(sizes))
	for _, size := range sizes {
		content := all[:size]
		var w bytes.Buffer
		h := sha256.New()
		var noted []int64
		n, err := ingest(&w, h, bytes.NewReader(content), func(n int64) error {
			noted = append(noted, n)
			if got, want := h.Sum(nil), sha256.Sum256(content[:n]); !bytes.Equal(got, want[:]) {
				t.Errorf("%d bytes: the hash does not stand at the checkpoint of %d", size, n)
			}
			return nil
		})
		if err != nil || n != int64(size) {
			t.Errorf("%d bytes: %d were taken: %v", size, n, err)
		}
		if !bytes.Equal(w.Bytes(), content) {
			t.Errorf("%d bytes: others were written", size)
		}
		if want := sha256.Sum256(content); !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("%d bytes: the hash is wrong", size)
		}
		// A checkpoint at the very end would be repeated by the caller.
		for i, at := range noted {
			if at != int64(i+1)*checkpointEvery {
				t.Errorf("%d bytes: checkpoint at %d", size, at)
			}
		}
		if want := size / checkpointEvery; len(noted) != want && len(noted) != want-1 {
			t.Errorf("%d bytes: %d checkpoints", size, len(noted))
		}
	}
}

func TestIngestTakesBodiesThatComeInDrops(t *testing.T) {
	content := noise(pieceSize + 3)
	for name, body := range map[string]io.Reader{
		"a byte at a time":       iotest.OneByteReader(bytes.NewReader(content)),
		"halves":                 iotest.HalfReader(bytes.NewReader(content)),
		"the end with the bytes": iotest.DataErrReader(bytes.NewReader(content)),
	} {
		var w bytes.Buffer
		h := sha256.New()
		n, err := ingest(&w, h, body, func(int64) error { return nil })
		want := sha256.Sum256(content)
		if err != nil || n != int64(len(content)) || !bytes.Equal(w.Bytes(), content) || !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("%s: %d bytes: %v", name, n, err)
		}
	}
}

func TestIngestKeepsWhatCameBeforeABodyFailed(t *testing.T) {
	all := noise(slices.Max(sizes))
	cut := errors.New("the cable was pulled")
	for _, size := range sizes {
		content := all[:size]
		var w bytes.Buffer
		h := sha256.New()
		body := io.MultiReader(bytes.NewReader(content), iotest.ErrReader(cut))
		n, err := ingest(&w, h, body, func(int64) error { return nil })
		var broken *readError
		if !errors.As(err, &broken) || !errors.Is(err, cut) {
			t.Errorf("%d bytes: got %v, want a read error", size, err)
		}
		want := sha256.Sum256(content)
		if n != int64(size) || !bytes.Equal(w.Bytes(), content) || !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("%d bytes: %d were kept", size, n)
		}
	}
}

func TestIngestStopsAtAWriterThatFails(t *testing.T) {
	content := noise(3*pieceSize + 9)
	for _, limit := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3 * pieceSize, 3*pieceSize + 8} {
		w := &failingWriter{limit: limit}
		h := sha256.New()
		n, err := ingest(w, h, bytes.NewReader(content), func(int64) error { return nil })
		var broken *readError
		if !errors.Is(err, errNoRoom) || errors.As(err, &broken) {
			t.Errorf("limit %d: got %v, want the writer's error", limit, err)
		}
		if n > int64(w.Len()) {
			t.Errorf("limit %d: %d bytes are said to be there, but %d were written", limit, n, w.Len())
		}
		if want := sha256.Sum256(content[:n]); !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("limit %d: the hash does not stand at %d", limit, n)
		}
	}
}

func TestIngestStopsAtACheckpointThatFails(t *testing.T) {
	gone := errors.New("the upload was deleted")
	body := &counter{Reader: bytes.NewReader(noise(2 * checkpointEvery))}
	n, err := ingest(io.Discard, sha256.New(), body, func(int64) error { return gone })
	if err != gone || n != checkpointEvery {
		t.Errorf("got %d bytes, %v", n, err)
	}
	if body.n > checkpointEvery+pieceSize {
		t.Errorf("%d bytes were read all the same", body.n)
	}
}

type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// slowHash is behind the writer all the time.
type slowHash struct {
	hash.Hash
	n int
}

func (h *slowHash) Write(p []byte) (int, error) {
	for range 3 {
		sha256.Sum256(p)
	}
	h.n += len(p)
	return h.Hash.Write(p)
}

func TestIngestWaitsForAHashThatIsBehind(t *testing.T) {
	content := noise(10*pieceSize + 1)
	h := &slowHash{Hash: sha256.New()}
	n, err := ingest(io.Discard, h, bytes.NewReader(content), func(int64) error { return nil })
	if err != nil || h.n != len(content) || n != int64(len(content)) {
		t.Errorf("%d bytes were taken and %d hashed: %v", n, h.n, err)
	}
	if want := sha256.Sum256(content); fmt.Sprintf("%x", h.Sum(nil)) != fmt.Sprintf("%x", want) {
		t.Error("the hash is wrong")
	}
}
