package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage/meta"
)

// Pull is that an image was pulled.
type Pull struct {
	Ref    Ref
	Digest digest.Digest
	At     time.Time
}

// pullsApart is how much later a pull has to be than the one on record to be
// written down: an image that is pulled all the time costs a write a minute.
const pullsApart = time.Minute

// RecordPulls writes down when images were last pulled, as Image.PulledAt. Images
// that are gone are passed over. It is lost with the power, if that goes soon after.
func (r *Registry) RecordPulls(ctx context.Context, pulls []Pull) error {
	err := r.note(ctx, func(q meta.Querier) error {
		for _, p := range pulls {
			err := meta.RecordPull(ctx, q, p.Ref.Account, p.Ref.Region, p.Ref.Name, string(p.Digest), p.At.UnixMilli(), pullsApart.Milliseconds())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write down when %d images were pulled: %w", len(pulls), err)
	}
	return nil
}
