package storage

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// Room tells how many bytes are free where the server keeps things, and how many of
// them are to be left.
type Room func() (free, least int64, err error)

// refusals count what was turned away for want of room.
type refusals struct {
	disk, quota atomic.Int64
	// low is set while the disk is, so that its coming and going is logged once.
	low atomic.Bool
}

// Refusals is how often something was turned away since the server's start: because
// the disk is nearly full, or for a quota.
type Refusals struct {
	Disk, Quota int64
}

// Refusals tells how often something was turned away for want of room.
func (r *Registry) Refusals() Refusals {
	return Refusals{r.refusals.disk.Load(), r.refusals.quota.Load()}
}

// takesMore refuses what would fill the disk. Where the room cannot be found out,
// the disk itself has to say. Errors: *LowSpaceError.
func (r *Registry) takesMore(ctx context.Context) error {
	if r.room == nil {
		return nil
	}
	free, least, err := r.room()
	if err != nil {
		r.log.DebugContext(ctx, "the room on the disk cannot be found out", "error", err)
		return nil
	}
	low := free < least
	if r.refusals.low.CompareAndSwap(!low, low) {
		if low {
			r.log.WarnContext(ctx, "the disk is nearly full: nothing more is taken in", "free_bytes", free, "kept_free_bytes", least)
		} else {
			r.log.InfoContext(ctx, "there is room on the disk again", "free_bytes", free, "kept_free_bytes", least)
		}
	}
	if low {
		return &LowSpaceError{Free: free, Least: least}
	}
	return nil
}

// Announced is a body that is told to be Length bytes long, which lets it be refused
// before it is read.
type Announced struct {
	io.Reader
	Length int64
}

// turnedAway reports whether an error says that there is no room for something, and
// counts it.
func (r *Registry) turnedAway(err error) bool {
	var low *LowSpaceError
	var quota *QuotaError
	switch {
	case errors.As(err, &low):
		r.refusals.disk.Add(1)
	case errors.As(err, &quota):
		r.refusals.quota.Add(1)
	default:
		return false
	}
	return true
}
