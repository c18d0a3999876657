package iamapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"drydock/auth/identity"
)

// Results of a list on one page when MaxItems is not given, and at most.
const (
	defaultItems = 100
	maxItems     = 1000
)

// listing identifies a list that is read page by page. A marker belongs to one
// listing: given to another, the position in it would mean nothing.
type listing struct {
	operation, account string
	// filter is the rest of the request that decides what is listed.
	filter string
}

func list(ctx context.Context, operation string, filter ...any) listing {
	return listing{operation, account(ctx), fmt.Sprintf("%q", filter)}
}

const markSize = 6

// mark tells listings apart within a marker, without saying what they list.
func (l listing) mark() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", l.operation, l.account, l.filter))
	return string(sum[:markSize])
}

// marker is the Marker with which the listing goes on, nil at its end. Markers are
// opaque to clients but no secret: they give nothing that the listing would not.
func (l listing) marker(next string) *string {
	if next == "" {
		return nil
	}
	return to(base64.RawURLEncoding.EncodeToString([]byte(l.mark() + next)))
}

// page reads the part of the listing that a request asks for.
func (l listing) page(marker *string, items *int32) (identity.Page, error) {
	p := identity.Page{Limit: defaultItems}
	if items != nil {
		p.Limit = min(max(int(*items), 1), maxItems)
	}
	if marker == nil {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*marker)
	after, ours := strings.CutPrefix(string(b), l.mark())
	if err != nil || !ours || after == "" || *l.marker(after) != *marker {
		return p, invalidParameter("Invalid Marker.")
	}
	p.After = after
	return p, nil
}

// slice takes the page of a list that is small enough to be read at once and is in
// the order of its keys.
func slice[T any](all []T, p identity.Page, key func(T) string) (page []T, next string) {
	for len(all) > 0 && p.After != "" && key(all[0]) <= p.After {
		all = all[1:]
	}
	if len(all) <= p.Limit {
		return all, ""
	}
	return all[:p.Limit], key(all[p.Limit-1])
}
