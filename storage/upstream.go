package storage

import (
	"fmt"
	"net/http"
)

// FrozenError says that upstream registries are not to be asked, and that something
// is not here.
type FrozenError struct{ Missing error }

func (e *FrozenError) Error() string {
	return e.Missing.Error() + "; upstream registries are not asked for it, because drydock is frozen: drydock freeze off has them asked again"
}

func (e *FrozenError) Unwrap() error { return e.Missing }

// UpstreamError says that an upstream registry did not give what it was asked for.
type UpstreamError struct {
	// Host is the upstream, Status its answer, 0 where there was none.
	Host   string
	Status int
	Cause  error
}

func (e *UpstreamError) Error() string {
	switch e.Status {
	case 0:
		return fmt.Sprintf("the upstream registry %s failed: %v", e.Host, e.Cause)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Sprintf("the upstream registry %s refused access (%d): check the credentials of the pull-through cache rule", e.Host, e.Status)
	case http.StatusTooManyRequests:
		return fmt.Sprintf("the upstream registry %s allows no more requests for now (429): try again later, or give the pull-through cache rule credentials", e.Host)
	}
	return fmt.Sprintf("the upstream registry %s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
}

func (e *UpstreamError) Unwrap() error { return e.Cause }
