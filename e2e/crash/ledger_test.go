package crash

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
)

// blob is content that can be made again from its seed, so that the ledger of a
// long run stays small.
type blob struct {
	digest string
	size   int
	seed   uint64
}

func newBlob(seed uint64, size int) blob {
	b := blob{size: size, seed: seed}
	b.digest = digestOf(b.content())
	return b
}

func (b blob) content() []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], b.seed)
	content := make([]byte, b.size)
	_, _ = rand.NewChaCha8(key).Read(content) // documented never to fail
	return content
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// manifest is an image's manifest with the blobs it names.
type manifest struct {
	digest  string
	content []byte
	blobs   []blob
}

// tag is what a tag points at: the acknowledged digest ("" for none) and, while
// a change is under way or was cut off, the digest it may point at instead.
type tag struct {
	digest  string
	pending *string
}

// session is an upload that its worker left open: the server acknowledged the
// first acked bytes of the blob, and was sent no more than sent.
type session struct {
	repo     string
	location string
	blob     blob
	acked    int
	sent     int
}

// ledger is what the clients know: what was acknowledged must be there, what was
// only attempted must be there whole or not at all.
type ledger struct {
	mu       sync.Mutex
	repos    map[string]*repoLedger
	sessions map[*session]bool
	inFlight int
	cutShort int
	pushes   int
	resumed  int
	// powerCut is set when it is the machine that fails, and not the server only.
	// The disk fails first then: an error of the server's is no surprise, an
	// acknowledgement still counts.
	powerCut  bool
	attempted int
}

type repoLedger struct {
	blobs, maybeBlobs         map[string]blob
	manifests, maybeManifests map[string]manifest
	tags                      map[string]*tag
}

func newLedger(repos []string) *ledger {
	l := &ledger{repos: make(map[string]*repoLedger), sessions: make(map[*session]bool)}
	for _, repo := range repos {
		l.repos[repo] = &repoLedger{
			blobs: make(map[string]blob), maybeBlobs: make(map[string]blob),
			manifests: make(map[string]manifest), maybeManifests: make(map[string]manifest),
			tags: make(map[string]*tag),
		}
	}
	return l
}

// during notes a request as attempted before it is made and as acknowledged once
// its answer was read; a request that gets no answer stays attempted.
func (l *ledger) during(repo string, attempt func(*repoLedger), request func() error, acknowledge func(*repoLedger)) error {
	l.mu.Lock()
	attempt(l.repos[repo])
	l.inFlight++
	l.attempted++
	l.mu.Unlock()
	err := request()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if err != nil {
		l.cutShort++
		return err
	}
	acknowledge(l.repos[repo])
	return nil
}

func (l *ledger) blob(repo string, b blob, request func() error) error {
	return l.during(repo,
		func(r *repoLedger) {
			if _, ok := r.blobs[b.digest]; !ok {
				r.maybeBlobs[b.digest] = b
			}
		},
		request,
		func(r *repoLedger) {
			delete(r.maybeBlobs, b.digest)
			r.blobs[b.digest] = b
		})
}

func (l *ledger) manifest(repo, name string, m manifest, request func() error) error {
	return l.during(repo,
		func(r *repoLedger) {
			r.maybeManifests[m.digest] = m
			r.tag(name).pending = &m.digest
		},
		request,
		func(r *repoLedger) {
			delete(r.maybeManifests, m.digest)
			r.manifests[m.digest] = m
			*r.tag(name) = tag{digest: m.digest}
			l.pushes++
		})
}

func (l *ledger) untag(repo, name string, request func() error) error {
	none := ""
	return l.during(repo,
		func(r *repoLedger) { r.tag(name).pending = &none },
		request,
		func(r *repoLedger) { *r.tag(name) = tag{} })
}

// tag is the entry of a tag, made when it is new.
func (r *repoLedger) tag(name string) *tag {
	if r.tags[name] == nil {
		r.tags[name] = &tag{}
	}
	return r.tags[name]
}

// same says how bytes differ from what they should be.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%d bytes (%s), where %d (%s) were pushed", len(got), digestOf(got), len(want), digestOf(want))
}
