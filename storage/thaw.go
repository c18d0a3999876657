package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Thaw does a job of RestoreQueue: it brings the blobs of an image back from the cold
// tree, and then the image out of the archive, unless somebody has put it there again.
func (r *Registry) Thaw(ctx context.Context, document string) error {
	var t thaw
	if err := json.Unmarshal([]byte(document), &t); err != nil {
		return fmt.Errorf("%w: read what is to be restored: %w", ErrHopeless, err)
	}
	ref := Ref{Scope{t.Account, t.Region}, t.Repository}
	q := r.db.Reader()
	repo, err := repositoryID(ctx, q, ref)
	var unknown *RepositoryUnknownError
	if errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		return err
	}
	status, err := meta.ArchiveStatus(ctx, q, repo, string(t.Digest))
	if err != nil {
		return fmt.Errorf("read the status of %s in %s: %w", t.Digest, ref.Name, err)
	}
	if ImageStatus(status) != Activating {
		return nil
	}
	files, err := meta.FilesOf(ctx, q, repo, string(t.Digest))
	if err != nil {
		return fmt.Errorf("list the layers of %s in %s: %w", t.Digest, ref.Name, err)
	}
	for _, b := range files {
		if !isColdRow(b) {
			continue
		}
		if err := r.thaw(ctx, b); err != nil {
			return fmt.Errorf("restore layer %s of %s: %w", b.Digest, ref.Name, err)
		}
	}
	return r.restored(ctx, ref, repo, t.Digest)
}

// restored makes an image active whose layers are back, and says so as of one that is
// pushed. Errors: that a layer is not, which somebody has put away meanwhile.
func (r *Registry) restored(ctx context.Context, ref Ref, repository int64, d digest.Digest) error {
	var queues []string
	err := r.write(ctx, func(q meta.Querier) error {
		queues = nil
		active, err := r.activateWhole(ctx, q, repository, d)
		if err != nil {
			return err
		}
		if !active {
			status, err := meta.ArchiveStatus(ctx, q, repository, string(d))
			if err == nil && ImageStatus(status) == Activating {
				err = fmt.Errorf("layers of %s were archived meanwhile", d)
			}
			return err
		}
		row, err := meta.FindImage(ctx, q, repository, string(d))
		if err != nil {
			return fmt.Errorf("read image %s of %s: %w", d, ref.Name, err)
		}
		tags, err := meta.TagsOf(ctx, q, repository, string(d))
		if err != nil {
			return fmt.Errorf("read the tags of %s in %s: %w", d, ref.Name, err)
		}
		queues, err = r.tell(ctx, q, ref, Change{
			Kind: ImagePushed, Ref: ref, Digest: d, Tags: tags, MediaType: row.MediaType, ArtifactType: row.ArtifactType,
			Subject: digest.Digest(row.Subject), At: r.now(),
		})
		return err
	})
	if err == nil {
		r.wakeAll(queues)
	}
	return err
}

// thaw brings one blob back from the cold tree.
func (r *Registry) thaw(ctx context.Context, b meta.Blob) error {
	if err := r.takesMore(ctx); err != nil {
		return err
	}
	d := digest.Digest(b.Digest)
	id, err := newID(r.random)
	if err != nil {
		return err
	}
	w, err := r.blobs.Begin(ctx, id)
	if err != nil {
		return fault(err)
	}
	defer w.Close()
	after := context.WithoutCancel(ctx)
	if err := r.copyWhole(ctx, w, b); err != nil {
		_ = w.Cancel(after)
		now, e := meta.FindFile(ctx, r.db.Reader(), b.Digest)
		if e == nil && now.Location != b.Location {
			return nil // somebody has pushed it meanwhile
		}
		return err
	}
	if err := w.Commit(ctx); err != nil {
		return fault(fmt.Errorf("sync blob %s: %w", d, err))
	}
	defer r.files.lock(d)()
	location, err := r.blobs.Keep(ctx, w, d)
	if err != nil {
		return fault(err)
	}
	moved, err := r.moveLocked(ctx, b, location, func(meta.Querier) (bool, error) { return true, nil })
	if err == nil && !moved {
		r.abandon(after, d, location) // somebody has pushed it meanwhile
	}
	return err
}

// sweepCold removes what servers that died have begun to write into the cold tree.
func (r *Registry) sweepCold(ctx context.Context) error {
	return r.blobs.SweepCold(ctx, r.now().Add(-24*time.Hour))
}
