package crash

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drydock/e2e/harness"
)

// settle compares the server, just started again, with the ledger: what is
// acknowledged is there, what was cut off is there whole or not at all, and
// uploads go on from where the server says they are. After it, nothing is
// pending any more. After a power cut, uploads may be gone: a chunk is promised
// to outlive the server's process, only what is complete to outlive the machine.
func (l *ledger) settle(t *testing.T, c *harness.Client) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, r := range l.repos {
		for digest, b := range r.maybeBlobs {
			a := fetch(t, func() (harness.Answer, error) { return c.Blob(name, digest) })
			if a.Status == 404 {
				continue
			}
			if a.Status != 200 || same(a.Body, b.content()) != nil {
				t.Fatalf("%s: an unacknowledged blob is neither whole nor absent: %v", name, a)
			}
			r.blobs[digest] = b
		}
		for digest, m := range r.maybeManifests {
			a := fetch(t, func() (harness.Answer, error) { return c.Manifest(name, digest) })
			if a.Status == 404 {
				continue
			}
			if a.Status != 200 || same(a.Body, m.content) != nil {
				t.Fatalf("%s: an unacknowledged manifest is neither whole nor absent: %v", name, a)
			}
			r.manifests[digest] = m
		}
		clear(r.maybeBlobs)
		clear(r.maybeManifests)
		settleTags(t, c, name, r)
	}
	for s := range l.sessions {
		err := s.resume(c, l.powerCut)
		var refused *harness.UnexpectedError
		if l.powerCut && errors.As(err, &refused) && refused.Answer.Code() == "BLOB_UPLOAD_UNKNOWN" {
			continue
		}
		if err != nil {
			t.Fatalf("%s: an upload of %d bytes, %d acknowledged and %d sent: %v", s.repo, s.blob.size, s.acked, s.sent, err)
		}
		l.repos[s.repo].blobs[s.blob.digest] = s.blob
		l.resumed++
	}
	clear(l.sessions)
}

func settleTags(t *testing.T, c *harness.Client, name string, r *repoLedger) {
	t.Helper()
	var want []string
	for label, state := range r.tags {
		a := fetch(t, func() (harness.Answer, error) { return c.Manifest(name, label) })
		got := ""
		if a.Status == 200 {
			got = digestOf(a.Body)
			want = append(want, label)
		} else if a.Status != 404 {
			t.Fatalf("%s:%s: %v", name, label, a)
		}
		if got != state.digest && (state.pending == nil || got != *state.pending) {
			t.Fatalf("%s:%s points at %q, where %q was acknowledged (pending: %v)", name, label, got, state.digest, state.pending)
		}
		if _, ok := r.manifests[got]; got != "" && !ok {
			t.Fatalf("%s:%s points at %s, which the repository does not have by its digest", name, label, got)
		}
		*state = tag{digest: got}
	}
	tags, err := c.Tags(name)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(tags)
	if !slices.Equal(tags, want) {
		t.Fatalf("%s lists the tags %q, but %q can be pulled", name, tags, want)
	}
}

// resume completes an upload after a restart.
func (s *session) resume(c *harness.Client, powerCut bool) error {
	offset, location, err := c.Offset(s.location)
	if err != nil {
		return err
	}
	if offset < int64(s.acked) && !powerCut || offset > int64(s.sent) {
		return fmt.Errorf("the server says it holds %d bytes", offset)
	}
	return c.FinishUpload(location, s.blob.digest, s.blob.content()[offset:])
}

// verify fetches everything that was ever acknowledged and compares each byte.
func (l *ledger) verify(t *testing.T, c *harness.Client) (blobs, manifests int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, r := range l.repos {
		for digest, m := range r.manifests {
			a := fetch(t, func() (harness.Answer, error) { return c.Manifest(name, digest) })
			if err := same(a.Body, m.content); a.Status != 200 || err != nil {
				t.Errorf("%s: the acknowledged manifest %s: %v, %v", name, digest, a, err)
			}
			for _, b := range m.blobs {
				if _, ok := r.blobs[b.digest]; !ok {
					t.Errorf("%s: the manifest %s was stored without its blob %s", name, digest, b.digest)
				}
			}
		}
		for digest, b := range r.blobs {
			a := fetch(t, func() (harness.Answer, error) { return c.Blob(name, digest) })
			if err := same(a.Body, b.content()); a.Status != 200 || err != nil {
				t.Errorf("%s: the acknowledged blob %s: status %d, %v", name, digest, a.Status, err)
			}
		}
		blobs += len(r.blobs)
		manifests += len(r.manifests)
	}
	return blobs, manifests
}

func fetch(t *testing.T, get func() (harness.Answer, error)) harness.Answer {
	t.Helper()
	a, err := get()
	if err != nil {
		t.Fatalf("the server does not answer after its restart: %v", err)
	}
	return a
}

// checkFiles reads every blob file of a data folder and compares it with its
// name: a file has its final name only when it is whole.
func checkFiles(t *testing.T, data string) (files int) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "data" {
			return err
		}
		name := filepath.Base(filepath.Dir(path))
		var sum hash.Hash
		switch filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(path)))) {
		case "sha256":
			sum = sha256.New()
		case "sha512":
			sum = sha512.New()
		default:
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(sum, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != name {
			t.Errorf("%s holds %s", path, got)
		}
		files++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
