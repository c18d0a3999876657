package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// Collection is the collecting of what no image needs. *storage.Registry does it.
type Collection interface {
	Waiting(ctx context.Context) (storage.Waiting, error)
	Totals() storage.Totals
	Collect(ctx context.Context) (int, error)
	Purge(ctx context.Context) (int, error)
	Fate(ctx context.Context, d digest.Digest) (storage.Fate, error)
	Undelete(ctx context.Context, d digest.Digest) ([]storage.Ref, error)
}

// CollectionStatus is how collection stands.
type CollectionStatus struct {
	// Waiting and Trash are counted up to Most.
	Waiting    int            `json:"waiting"`
	FirstDue   *time.Time     `json:"first_due,omitempty"`
	Trash      int            `json:"trash"`
	TrashBytes int64          `json:"trash_bytes"`
	Most       int            `json:"counted_up_to"`
	SinceStart storage.Totals `json:"since_start"`
	// ForClock is for how long nothing is collected, since the clock has jumped
	// ahead or the server was off.
	ForClock string `json:"waits_for_clock,omitempty"`
}

func (s *Server) collectionStatus(ctx context.Context, _ nothing) (CollectionStatus, error) {
	w, err := s.o.Collection.Waiting(ctx)
	if err != nil {
		return CollectionStatus{}, err
	}
	out := CollectionStatus{Waiting: w.Reviews, Trash: w.Trash, TrashBytes: w.TrashBytes, Most: storage.Most, SinceStart: s.o.Collection.Totals()}
	if w.Reviews > 0 {
		at := time.UnixMilli(w.First).UTC()
		out.FirstDue = &at
	}
	if w.Clock > 0 {
		out.ForClock = w.Clock.Round(time.Second).String()
	}
	return out, nil
}

// collect does all that is due at once.
func (s *Server) collect(ctx context.Context, _ nothing) (CollectionStatus, error) {
	for {
		n, err := s.o.Collection.Collect(ctx)
		if err != nil {
			return CollectionStatus{}, err
		}
		p, err := s.o.Collection.Purge(ctx)
		if err != nil {
			return CollectionStatus{}, err
		}
		if n+p == 0 {
			return s.collectionStatus(ctx, nothing{})
		}
	}
}

type ofDigest struct {
	Digest digest.Digest `json:"digest"`
}

// lines are an answer for people.
type lines struct {
	Lines []string `json:"lines"`
}

func (s *Server) fate(ctx context.Context, in ofDigest) (lines, error) {
	f, err := s.o.Collection.Fate(ctx, in.Digest)
	if err != nil {
		return lines{}, err
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05Z") }
	for _, h := range f.Holders {
		switch {
		case h.NeededBy != "":
			say("%s holds it, and the image %s needs it", named(h.Ref), h.NeededBy)
		case h.DueAt != 0:
			say("%s holds it and no image there needs it: it is taken away after %s", named(h.Ref), at(h.DueAt))
		default:
			say("%s holds it", named(h.Ref))
		}
	}
	if f.Stored && len(f.Holders) == 0 {
		say("it is stored and no repository holds it: it goes to the trash when it is looked at")
	}
	if f.PurgeAt != 0 {
		say("no repository holds it: it is in the trash until %s; a push of it brings it back", at(f.PurgeAt))
	}
	for ref, until := range f.Deleted {
		say("it is an image that was deleted from %s: drydock gc undelete brings it back until %s", named(ref), at(until))
	}
	if len(out) == 0 {
		say("nothing is known of it: it is no layer or configuration that is stored, and no image that was deleted of late")
	}
	slices.Sort(out)
	return lines{out}, nil
}

func (s *Server) undelete(ctx context.Context, in ofDigest) (lines, error) {
	back, err := s.o.Collection.Undelete(ctx, in.Digest)
	if err != nil {
		return lines{}, err
	}
	var out []string
	for _, ref := range back {
		out = append(out, "back in "+named(ref))
	}
	return lines{out}, nil
}

func named(r storage.Ref) string { return strings.Join([]string{r.Account, r.Region, r.Name}, "/") }

// CollectionStatus tells how collection stands.
func (c *Client) CollectionStatus(ctx context.Context) (CollectionStatus, error) {
	return call[CollectionStatus](ctx, c, http.MethodGet, "/gc", nil)
}

// Collect has all that is due collected at once.
func (c *Client) Collect(ctx context.Context) (CollectionStatus, error) {
	return call[CollectionStatus](ctx, c, http.MethodPost, "/gc/run", nothing{})
}

// Fate tells in sentences where a digest stands in collection.
func (c *Client) Fate(ctx context.Context, d string) ([]string, error) {
	out, err := call[lines](ctx, c, http.MethodPost, "/gc/explain", ofDigest{digest.Digest(d)})
	return out.Lines, err
}

// Undelete brings deleted images of a digest back.
func (c *Client) Undelete(ctx context.Context, d string) ([]string, error) {
	out, err := call[lines](ctx, c, http.MethodPost, "/gc/undelete", ofDigest{digest.Digest(d)})
	return out.Lines, err
}
