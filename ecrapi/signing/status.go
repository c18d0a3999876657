package signing

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drydock/storage"
)

// State is how far the signing of an image with a profile is.
type State string

// The values of State, as ECR calls them.
const (
	InProgress State = "IN_PROGRESS"
	Complete   State = "COMPLETE"
	Failed     State = "FAILED"
)

// Status is how far the signing of an image with a profile is; where it has failed
// Failure and Reason say why.
type Status struct {
	Profile         string
	State           State
	Failure, Reason string
}

// Statuses tells how far the signing of an image is, by profile. Errors: those of
// storage.Registry.Signatures.
func Statuses(ctx context.Context, engine *storage.Registry, ref storage.Ref, which storage.Reference) (digest.Digest, []Status, error) {
	d, ended, waiting, err := engine.Signatures(ctx, ref, which, Queue, func(d digest.Digest) string { return jobsOf(ref, d) })
	if err != nil {
		return "", nil, err
	}
	list := []Status{}
	for _, e := range ended {
		s := Status{Profile: e.Profile, State: Complete}
		if e.Digest == "" {
			s = Status{Profile: e.Profile, State: Failed, Failure: e.Failure, Reason: e.Reason}
		}
		list = append(list, s)
	}
	for _, key := range waiting {
		profile := strings.TrimPrefix(key, jobsOf(ref, d))
		at := slices.IndexFunc(list, func(s Status) bool { return s.Profile == profile })
		switch {
		case at < 0:
			list = append(list, Status{Profile: profile, State: InProgress})
		case list[at].State == Failed: // it is tried once more
			list[at] = Status{Profile: profile, State: InProgress}
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Profile, b.Profile) })
	return d, list, nil
}
