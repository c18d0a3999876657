package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"drydock/e2e/harness"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// worker is a client that pushes image after image in every way the protocol
// knows, and only into tags of its own, so that it knows what they point at.
type worker struct {
	id     int
	client *harness.Client
	ledger *ledger
	repos  []string
	rnd    *rand.Rand
	count  int
}

// run pushes until the server stops answering. An answer that no crash explains
// is the error returned.
func (w *worker) run() error {
	for {
		err := w.step()
		var unexpected *harness.UnexpectedError
		if errors.As(err, &unexpected) && !(w.ledger.powerCut && unexpected.Answer.Status >= 500) {
			return fmt.Errorf("worker %d: %w", w.id, err)
		}
		if err != nil {
			return nil // the connection broke: the server was killed
		}
	}
}

func (w *worker) step() error {
	repo := w.repos[w.rnd.IntN(len(w.repos))]
	w.count++
	switch p := w.rnd.IntN(20); {
	case p == 0:
		name := w.tagName()
		return w.ledger.untag(repo, name, func() error { return w.untag(repo, name) })
	case p < 4:
		return w.leaveOpen(repo)
	default:
		return w.pushImage(repo)
	}
}

// tagName is one of a few tags, so that they are often moved.
func (w *worker) tagName() string { return fmt.Sprintf("w%d-%d", w.id, w.rnd.IntN(6)) }

func (w *worker) untag(repo, name string) error {
	a, err := w.client.Send("DELETE", "/v2/"+repo+"/manifests/"+name, nil)
	if err != nil {
		return err
	}
	if a.Status != 202 && a.Status != 404 {
		return &harness.UnexpectedError{Want: 202, Answer: a}
	}
	return nil
}

// newBlob is mostly small, now and then large enough for several writes, so that
// kills meet uploads half-way.
func (w *worker) newBlob() blob {
	size := 2 + w.rnd.IntN(64<<10)
	if w.rnd.IntN(6) == 0 {
		size = 1<<20 + w.rnd.IntN(6<<20)
	}
	return newBlob(w.rnd.Uint64(), size)
}

func (w *worker) pushImage(repo string) error {
	config, layer := w.newBlob(), w.newBlob()
	for _, b := range []blob{config, layer} {
		if err := w.pushBlob(repo, b); err != nil {
			return err
		}
	}
	blobs := []blob{config, layer}
	if shared, ok, err := w.mount(repo); err != nil {
		return err
	} else if ok {
		blobs = append(blobs, shared)
	}
	m, err := w.newManifest(blobs)
	if err != nil {
		return err
	}
	name := w.tagName()
	return w.ledger.manifest(repo, name, m, func() error {
		return w.client.PutManifest(repo, name, manifestType, m.content)
	})
}

func (w *worker) newManifest(blobs []blob) (manifest, error) {
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	doc := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Config        descriptor        `json:"config"`
		Layers        []descriptor      `json:"layers"`
		Annotations   map[string]string `json:"annotations"`
	}{
		SchemaVersion: 2, MediaType: manifestType,
		Config:      descriptor{"application/vnd.oci.image.config.v1+json", blobs[0].digest, blobs[0].size},
		Annotations: map[string]string{"worker": fmt.Sprint(w.id), "count": fmt.Sprint(w.count)},
	}
	for _, b := range blobs[1:] {
		doc.Layers = append(doc.Layers, descriptor{"application/vnd.oci.image.layer.v1.tar", b.digest, b.size})
	}
	content, err := json.Marshal(doc)
	return manifest{digestOf(content), content, blobs}, err
}

func (w *worker) pushBlob(repo string, b blob) error {
	content := b.content()
	return w.ledger.blob(repo, b, func() error {
		switch w.rnd.IntN(3) {
		case 0:
			return w.client.PushBlob(repo, b.digest, content)
		case 1:
			return w.client.PushBlobAtOnce(repo, b.digest, content)
		}
		location, err := w.client.StartUpload(repo)
		if err != nil {
			return err
		}
		half := len(content) / 2
		if location, err = w.client.Patch(location, 0, content[:half]); err != nil {
			return err
		}
		return w.client.FinishUpload(location, b.digest, content[half:])
	})
}

// mount takes a blob of another repository that was acknowledged there.
func (w *worker) mount(repo string) (blob, bool, error) {
	from := w.repos[w.rnd.IntN(len(w.repos))]
	w.ledger.mu.Lock()
	var b blob
	for _, b = range w.ledger.repos[from].blobs {
		break
	}
	w.ledger.mu.Unlock()
	if from == repo || b.digest == "" {
		return blob{}, false, nil
	}
	err := w.ledger.blob(repo, b, func() error {
		mounted, err := w.client.Mount(repo, b.digest, from)
		if err == nil && !mounted {
			// An acknowledged blob has to be there to be mounted.
			return &harness.UnexpectedError{Want: 201, Answer: harness.Answer{Status: 202}}
		}
		return err
	})
	return b, err == nil, err
}

// leaveOpen sends some of a blob and leaves the rest for after the crash.
func (w *worker) leaveOpen(repo string) error {
	s := &session{repo: repo, blob: newBlob(w.rnd.Uint64(), 64<<10+w.rnd.IntN(8<<20))}
	content := s.blob.content()
	location, err := w.client.StartUpload(repo)
	if err != nil {
		return err
	}
	s.location = location
	w.ledger.mu.Lock()
	w.ledger.sessions[s] = true
	w.ledger.repos[repo].maybeBlobs[s.blob.digest] = s.blob
	w.ledger.mu.Unlock()
	for range 1 + w.rnd.IntN(3) {
		end := min(s.acked+2+w.rnd.IntN(len(content)/3), len(content))
		s.sent = end
		err := w.ledger.during(repo, func(*repoLedger) {}, func() error {
			next, err := w.client.Patch(s.location, int64(s.acked), content[s.acked:end])
			if err == nil {
				s.location = next
			}
			return err
		}, func(*repoLedger) { s.acked = end })
		if err != nil {
			return err
		}
	}
	return nil
}
