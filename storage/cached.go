package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// An image of an upstream registry is stored with its manifest alone. What it needs
// is stored when somebody asks for it; until then the image is marked as incomplete,
// and as one of which nothing is lost.

// cached notes that a manifest came from an upstream registry.
func (r *Registry) cached(ctx context.Context, q meta.Querier, ref Ref, repository int64, d digest.Digest) error {
	lack, err := lacks(ctx, q, repository, string(d), map[string]bool{})
	if err == nil {
		err = meta.MarkCached(ctx, q, repository, string(d), !lack)
	}
	if err != nil {
		return fmt.Errorf("note where %s of %s came from: %w", d, ref.Name, err)
	}
	return nil
}

// SetChecked writes down when a tag was compared with its upstream registry.
func (r *Registry) SetChecked(ctx context.Context, ref Ref, tag string, at time.Time) error {
	err := r.write(ctx, func(q meta.Querier) error {
		return meta.SetChecked(ctx, q, ref.Account, ref.Region, ref.Name, tag, at.UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("write down when tag %s of %s was compared: %w", tag, ref.Name, err)
	}
	return nil
}

// Checked tells when a tag was last compared with its upstream registry, and whether
// it came from any.
func (r *Registry) Checked(ctx context.Context, ref Ref, tag string) (at time.Time, cached bool, err error) {
	millis, err := meta.Checked(ctx, r.db.Reader(), ref.Account, ref.Region, ref.Name, tag)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fmt.Errorf("read when tag %s of %s was compared: %w", tag, ref.Name, err)
	}
	return time.UnixMilli(millis), true, nil
}
