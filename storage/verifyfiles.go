package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/blob"
	"drydock/storage/meta"
)

// orphanAge is how old a file has to be that no record tells of: its record may be
// on the way.
const orphanAge = time.Hour

func cutTrashKey(s string) (digest, location string) {
	digest, location, _ = strings.Cut(s, " ")
	return digest, location
}

// files looks at every file among the blobs.
func (v *verification) files(ctx context.Context) error {
	n := 0
	begun := time.Now()
	return v.r.blobs.Files(ctx, v.row.Reached, func(f blob.File) error {
		v.count.Files++
		known, err := v.knows(ctx, f)
		if err == nil && !known && v.r.now().Sub(f.Modified) >= v.r.orphanAge {
			var found []Problem
			found, err = v.orphan(ctx, f)
			err = errors.Join(v.tell(ctx, found), err)
		}
		if err != nil {
			return err
		}
		if n++; n%pageSize == 0 {
			if err := pause(ctx, time.Duration(v.duty)*time.Since(begun)); err != nil {
				return err
			}
			begun = time.Now()
		}
		return v.reached(ctx, f.Name)
	})
}

// knows reports whether any record tells of a file.
func (v *verification) knows(ctx context.Context, f blob.File) (known bool, err error) {
	if f.Digest != "" {
		known, err = meta.KnowsFile(ctx, v.r.db.Reader(), string(f.Digest))
	} else {
		known, err = meta.KnowsLocation(ctx, v.r.db.Reader(), f.Location, f.Upload)
	}
	if err != nil {
		return false, fmt.Errorf("look whose the file %s is: %w", f.Name, err)
	}
	return known, nil
}

// orphan looks again at a file that no record seems to tell of. One that an image
// has lost is given back to it; any other goes into quarantine.
func (v *verification) orphan(ctx context.Context, f blob.File) ([]Problem, error) {
	if f.Digest != "" {
		defer v.r.files.lock(f.Digest)()
	}
	known, err := v.knows(ctx, f)
	if err != nil || known {
		return nil, err
	}
	_, err = v.r.blobs.Size(ctx, f.Digest, f.Location)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault(err)
	}
	found, adopted, err := v.adopt(ctx, f)
	if err != nil || adopted {
		return found, err
	}
	if v.o.Repair {
		err := v.r.blobs.PutAside(ctx, f.Name, v.aside)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fault(err)
		}
	}
	return v.decide(ctx, func(_ meta.Querier, mend bool) ([]Problem, error) {
		p := mendable(FileOrphaned, mend, "file "+f.Name, "no record tells of the file %s of %d bytes", f.Name, f.Size)
		p.Advice = "drydock verify --repair puts it into quarantine"
		if mend {
			p.Advice = "it is in " + blob.Aside(f.Name, v.aside)
		}
		return []Problem{p}, nil
	})
}

// adopt records a file as the blob that an image has lost, if it is one, which is
// reported beside what is to be told of it.
func (v *verification) adopt(ctx context.Context, f blob.File) (found []Problem, adopted bool, err error) {
	// To find out what the file is, it has to be read: only where it may be of use.
	if f.Digest != "" {
		lost, err := isLost(ctx, v.r.db.Reader(), f.Digest)
		if err != nil || !lost {
			return nil, false, err
		}
	} else if !v.o.Repair {
		return nil, false, nil
	}
	candidates, err := v.digests(ctx, f)
	if err != nil {
		return nil, false, err
	}
	for _, d := range candidates {
		if f.Digest != "" && d != f.Digest {
			continue
		}
		lost, err := isLost(ctx, v.r.db.Reader(), d)
		if err != nil {
			return nil, false, err
		}
		if !lost {
			continue
		}
		found, err = v.decide(ctx, func(q meta.Querier, mend bool) ([]Problem, error) {
			p, err := v.adoptAs(ctx, q, f, d, mend)
			adopted = len(p) > 0
			return p, err
		})
		return found, adopted, err
	}
	return nil, false, nil
}

func (v *verification) adoptAs(ctx context.Context, q meta.Querier, f blob.File, d digest.Digest, mend bool) ([]Problem, error) {
	lost, err := isLost(ctx, q, d)
	if err != nil || !lost {
		return nil, err
	}
	if mend {
		b := meta.Blob{Digest: string(d), Size: f.Size, CreatedAt: v.r.millis(), Location: f.Location}
		if _, err := meta.InsertBlob(ctx, q, b, nil); err != nil {
			return nil, fmt.Errorf("record blob %s: %w", d, err)
		}
	}
	return []Problem{mendable(BlobUnrecorded, mend, blobSubject(string(d)), "images need the layer %s, whose bytes are there, but no record tells of it", d)}, nil
}

// isLost reports whether an image needs a blob that is not recorded.
func isLost(ctx context.Context, q meta.Querier, d digest.Digest) (bool, error) {
	there, err := meta.BlobExists(ctx, q, string(d))
	if err != nil || there {
		return false, err
	}
	needed, err := meta.ImagesNeeding(ctx, q, string(d), false, 1)
	if err != nil {
		return false, fmt.Errorf("look for images that need %s: %w", d, err)
	}
	return len(needed) > 0, nil
}

// digests are those that a file has by its content; none when it cannot be read.
func (v *verification) digests(ctx context.Context, f blob.File) ([]digest.Digest, error) {
	s256, s512 := digest.SHA256.Hash(), digest.SHA512.Hash()
	_, err := v.read(ctx, io.MultiWriter(s256, s512), f.Digest, f.Location, f.Size)
	if err != nil {
		if _, err := unreadable(ctx, err); err != nil {
			return nil, err
		}
		return nil, nil
	}
	return []digest.Digest{digest.NewDigest(digest.SHA256, s256), digest.NewDigest(digest.SHA512, s512)}, nil
}
