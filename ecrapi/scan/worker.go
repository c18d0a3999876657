package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drydock/ecrapi/events"
	"drydock/ecrapi/scan/findings"
	"drydock/ecrapi/scan/inventory"
	"drydock/internal/jobs"
	"drydock/storage"
	"drydock/storage/meta"
)

const (
	// atOnce is how many images are scanned at a time.
	atOnce = 2
	// patience is how long the layers of an image may take to be read.
	patience = 15 * time.Minute
	// attempts is how often layers are tried to be read that cannot be had.
	attempts = 8
)

// Worker scans what was ordered.
func (s *Scanner) Worker() jobs.Worker {
	return jobs.Worker{AtOnce: atOnce, MaxDelay: time.Minute, Do: s.do}
}

func (s *Scanner) do(ctx context.Context, j jobs.Job) error {
	var o order
	if err := json.Unmarshal([]byte(j.Document), &o); err != nil {
		return jobs.GiveUp(fmt.Errorf("read an order to scan: %w", err))
	}
	var err error
	switch {
	case j.Key == comparison:
		err = s.compareAll(ctx)
	case o.Repository == "":
		err = s.register(ctx, storage.Scope{Account: o.Account, Region: o.Region})
	default:
		err = s.scan(ctx, o, j.Attempts)
	}
	if err != nil && j.Attempts >= 3*attempts {
		return jobs.GiveUp(err)
	}
	return err
}

// scan reads the packages of an image and compares them. What cannot be said of an
// image is written down as well: that is no error.
func (s *Scanner) scan(ctx context.Context, o order, attempt int) error {
	ref := storage.Ref{Scope: storage.Scope{Account: o.Account, Region: o.Region}, Name: o.Repository}
	m, err := s.o.Engine.Manifest(ctx, ref, storage.Reference{Digest: o.Digest})
	var noRepository *storage.RepositoryUnknownError
	var noImage *storage.ManifestUnknownError
	if errors.As(err, &noRepository) || errors.As(err, &noImage) {
		return nil
	}
	if err != nil {
		return err
	}
	row := meta.Scan{Account: ref.Account, Region: ref.Region, Name: ref.Name, Digest: string(o.Digest), RequestedAt: o.Requested}
	found, why, err := s.read(ctx, ref, m)
	switch {
	case err != nil && attempt < attempts:
		return err
	case err != nil:
		why = fmt.Sprintf("The layers of the image could not be read: %v", err)
	}
	if why != "" {
		return s.write(ctx, ref, row, verdict{status: Failed, description: why}, true)
	}
	if row.Inventory, err = found.Pack(); err != nil {
		return jobs.GiveUp(err)
	}
	made, err := s.judge(ctx, found)
	if err != nil {
		return err
	}
	return s.write(ctx, ref, row, made, true)
}

// read reads the packages of an image. why says what is wrong with the image, when
// something is; an error is one that another attempt may not meet.
func (s *Scanner) read(ctx context.Context, ref storage.Ref, m storage.Manifest) (found inventory.Inventory, why string, err error) {
	defer func() {
		// What comes from anybody may lead a reader anywhere.
		if p := recover(); p != nil {
			s.o.Log.ErrorContext(ctx, "a scan has failed", "repository", ref.Name, "digest", m.Digest, "panic", p)
			found, why, err = inventory.Inventory{}, "The scanner has failed on this image", nil
		}
	}()
	var image v1.Manifest
	if err := json.Unmarshal(m.Content, &image); err != nil {
		return found, "The manifest of the image cannot be read", nil
	}
	short, cancel := context.WithTimeout(ctx, s.o.Patience)
	defer cancel()
	var source sourceError
	var layers []inventory.Layer
	for _, l := range image.Layers {
		if storage.Elsewhere(l.MediaType) {
			if _, err := s.o.Engine.StatBlob(ctx, ref, l.Digest); errors.As(err, new(*storage.BlobUnknownError)) {
				return found, fmt.Sprintf("The layer %s of the image is kept elsewhere and cannot be read", l.Digest), nil
			}
		}
		layers = append(layers, inventory.Layer{Digest: string(l.Digest), Open: func(ctx context.Context) (io.ReadCloser, error) {
			return s.open(ctx, ref, l.Digest, &source)
		}})
	}
	found, err = s.reader.Read(short, layers)
	var bound *inventory.BoundError
	var layer *inventory.LayerError
	var list *inventory.ListError
	switch {
	case err == nil:
		return found, "", nil
	case ctx.Err() != nil:
		return found, "", ctx.Err()
	case short.Err() != nil:
		return found, fmt.Sprintf("The image took longer than %s to read", s.o.Patience), nil
	case source.err != nil:
		return found, "", source.err
	case errors.As(err, &bound), errors.As(err, &layer), errors.As(err, &list):
		return found, sentence(err), nil
	}
	return found, "", err
}

// open opens a layer and remembers in source what keeps it from being read, so that a
// failure of the storage is told from a broken archive.
func (s *Scanner) open(ctx context.Context, ref storage.Ref, d digest.Digest, source *sourceError) (io.ReadCloser, error) {
	content, _, err := s.o.Engine.OpenBlob(ctx, ref, d)
	if err != nil {
		source.err = err
		return nil, err
	}
	return &layerContent{content, source}, nil
}

type sourceError struct{ err error }

type layerContent struct {
	io.ReadCloser
	source *sourceError
}

func (l *layerContent) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		l.source.err = err
	}
	return n, err
}

// errGone says that an image was deleted while it was looked at.
var errGone = errors.New("the image is gone")

// write writes down what came of a scan, and with tell has it told as an event, in
// one transaction.
func (s *Scanner) write(ctx context.Context, ref storage.Ref, row meta.Scan, made verdict, tell bool) error {
	counts := findings.Counts(made.findings)
	document, err := json.Marshal(counts)
	if err != nil {
		return jobs.GiveUp(fmt.Errorf("write the number of findings: %w", err))
	}
	row.Status, row.Description, row.Counts = string(made.status), made.description, string(document)
	now := s.o.Now()
	row.CompletedAt = now.UnixMilli()
	if made.version.ID != 0 {
		row.ImportID, row.SourceAt = made.version.ID, made.version.SourceAt.UnixMilli()
	}
	also := func(q meta.Querier) error {
		held, err := meta.ActiveVulnerabilities(ctx, q)
		if err != nil && !errors.Is(err, meta.ErrNotFound) {
			return fmt.Errorf("read which vulnerabilities are known: %w", err)
		}
		// What has failed before it was compared with any says nothing of them.
		if row.Inventory != nil && held.ID != row.ImportID {
			return errMoved
		}
		there, err := meta.SetScan(ctx, q, row)
		if err != nil {
			return fmt.Errorf("write down a scan: %w", err)
		}
		if !there {
			return errGone
		}
		return nil
	}
	d := digest.Digest(row.Digest)
	if tell {
		var tags []string
		if i, err := s.o.Engine.Image(ctx, ref, storage.Reference{Digest: d}); err == nil {
			tags = i.Tags
		}
		err = s.o.Engine.Record(ctx, storage.Change{Kind: events.Scanned, Ref: ref, Digest: d, At: now, Detail: map[string]any{
			"scan-status": string(made.status), "finding-severity-counts": counts, "image-tags": append([]string{}, tags...),
		}}, also)
	} else {
		err = s.o.DB.Write(ctx, meta.Durable, also)
	}
	if errors.Is(err, errGone) {
		return nil
	}
	if err == nil {
		s.counts.count(made.status)
	}
	return err
}
